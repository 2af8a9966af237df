//! The command line: the parser, the list of commands, the global flags, dispatch.

// The doc comments of arguments are their help, printed as they stand.
#![allow(clippy::doc_markdown)]

use std::io::{self, Write as _};
use std::num::{IntErrorKind, ParseIntError};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, FromArgMatches as _, Parser};

pub use list::command;

use crate::commands::{Context, Status, decode, explain, sockets};
use crate::error::{Error, Kind, Result};
use crate::render::{escape, failure, overview};
use crate::sys::about::About;
use crate::sys::{privilege, terminal};

mod list;

/// Diagnose broken network connections on Linux.
///
/// Without a command it prints an overview with examples. Every command has its own --help and
/// man page, sockdoc-COMMAND(1).
#[derive(Debug, Parser)]
#[command(
    name = "sockdoc",
    version,
    propagate_version = true,
    max_term_width = 100
)]
#[command(
    after_help = "Exit status: 0 success; 1 ran, but found a problem or failed (refused, no \
                        reply, a damaged reply); 2 could not run (usage, permission, no such file \
                        or name)."
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
}

/// Flags of every command.
#[derive(Debug, clap::Args)]
struct Global {
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    /// Colour the output; auto: on a terminal, unless NO_COLOR is set.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: When,
    /// Print more detail.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

/// Parses the command line, runs the command and gives the exit status of the process.
pub fn main() -> ExitCode {
    let words = std::env::args_os().collect();
    let words = sockets::plain_p::taken_out(words, || list::with(list::named("sockets")));
    let words = explain::dashes_apart(words);
    let parsed = list::parse(&words)
        .and_then(|matches| Ok((Cli::from_arg_matches(&matches)?.global, matches)));
    let (global, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) if error.kind() == ErrorKind::DisplayVersion && asks_for_more() => {
            let _ = write_about(&mut io::stdout().lock(), &About::this());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            // Help and version go to standard output and are not failures, nor is a closed pipe.
            let error = in_words(error);
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match run(&matches, &context(&global)) {
        Ok(Status::Good) => ExitCode::SUCCESS,
        Ok(Status::Bad) => ExitCode::from(Kind::BadAnswer.exit_status()),
        Err(error) => {
            report(&error, &global);
            ExitCode::from(error.kind.exit_status())
        }
    }
}

/// Whether the command line has a `-v`; the parser ends at `--version` and does not say.
fn asks_for_more() -> bool {
    std::env::args_os()
        .any(|word| word == "-v" || word == "--verbose" || word == "-Vv" || word == "-vV")
}

/// The version, and what a report of a fault needs.
fn write_about(out: &mut impl io::Write, about: &About) -> io::Result<()> {
    writeln!(out, "sockdoc {}", env!("CARGO_PKG_VERSION"))?;
    let commit = about.commit.unwrap_or("not recorded in this build");
    writeln!(out, "commit       {commit}")?;
    writeln!(
        out,
        "build        {}, {}",
        std::env::consts::ARCH,
        about.linking
    )?;
    let types = if about.types { "with" } else { "without" };
    writeln!(
        out,
        "kernel       Linux {}, {types} BTF",
        escape::text(&about.kernel)
    )?;
    writeln!(out, "user         uid {}", about.uid)?;
    for (title, wanted) in [("may use", true), ("may not use", false)] {
        let rights = about.rights.iter().filter(|(_, may)| *may == wanted);
        let names: Vec<&str> = rights.map(|(name, _)| *name).collect();
        if !names.is_empty() {
            writeln!(out, "{title:<12} {}", names.join(", "))?;
        }
    }
    Ok(())
}

/// A failure of the parser in our words: what is wrong with a number, and what there is instead of a flag.
fn in_words(error: clap::Error) -> clap::Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let argument = text(ContextKind::InvalidArg);
    let source = std::error::Error::source(&error);
    let number = source.and_then(|source| source.downcast_ref::<ParseIntError>());
    let message = match (error.kind(), number.map(ParseIntError::kind)) {
        (ErrorKind::ValueValidation, Some(kind)) => {
            let what = match kind {
                IntErrorKind::Empty => "a number is missing",
                IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "the number is too large",
                _ => "not a whole number",
            };
            let value = text(ContextKind::InvalidValue).escape_debug();
            format!("invalid value '{value}' for '{argument}': {what}\n")
        }
        (ErrorKind::UnknownArgument, _) => {
            let is = |name: &str| std::env::args_os().nth(1).is_some_and(|word| word == name);
            let answer = if is("decode") || is("capture") {
                decode::answer(argument)
            } else if std::env::args_os().any(|word| word == "sockets") {
                sockets::answer(argument)
            } else {
                None
            };
            match answer {
                Some(answer) => format!("there is no flag {argument}: {answer}\n"),
                None => return error,
            }
        }
        _ => return error,
    };
    clap::Error::raw(error.kind(), message).with_cmd(&command())
}

/// Every command drops the privileges that it does not need any more.
fn run(matches: &ArgMatches, context: &Context) -> Result<Status> {
    privilege::begin()?;
    let command = matches.subcommand();
    if let Some((entry, matches)) = command.and_then(|(name, it)| Some((list::named(name)?, it))) {
        return (entry.run)(matches, context);
    }
    privilege::drop_all()?;
    overview::write(&mut io::stdout().lock(), context.style).map_err(Error::output)?;
    Ok(Status::Good)
}

fn context(global: &Global) -> Context {
    let color = match global.color {
        When::Always => true,
        When::Never => false,
        When::Auto => terminal::stdout_is_terminal() && !terminal::environment_forbids_color(),
    };
    Context {
        json: global.json,
        verbose: global.verbose > 0,
        style: crate::render::Style::new(color),
        width: terminal::stdout_width(),
    }
}

/// Says what failed, on standard error.
fn report(error: &Error, global: &Global) {
    if error.kind == Kind::OutputClosed {
        return;
    }
    let color = match global.color {
        When::Always => true,
        When::Never => false,
        When::Auto => terminal::stderr_is_terminal() && !terminal::environment_forbids_color(),
    };
    let mut text = Vec::new();
    let written = if global.json {
        failure::write_json(&mut text, error)
    } else {
        failure::write(&mut text, error, crate::render::Style::new(color))
    };
    if written.is_ok() {
        let _ = io::stderr().write_all(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_version_tells_what_a_report_needs() {
        let about = About {
            commit: Some("0123456789ab"),
            linking: "static, with glibc",
            kernel: "6.1.0\x1b[31m".into(),
            types: true,
            uid: 1000,
            rights: [
                ("sockets", true),
                ("programs", false),
                ("rules", false),
                ("namespaces", true),
                ("raw", false),
            ],
        };
        let mut text = Vec::new();
        write_about(&mut text, &about).expect("a Vec takes every write");
        let text = String::from_utf8(text).expect("text");
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "commit       0123456789ab".to_owned(),
                format!(
                    "build        {}, static, with glibc",
                    std::env::consts::ARCH
                ),
                "kernel       Linux 6.1.0\\x1b[31m, with BTF".into(),
                "user         uid 1000".into(),
                "may use      sockets, namespaces".into(),
                "may not use  programs, rules, raw".into(),
            ]
        );
    }
}

//! The command line: the parser, the list of commands, the global flags, dispatch.

// The doc comments of arguments are their help, printed as they stand.
#![allow(clippy::doc_markdown)]

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::commands::{
    Context, Status, app_client, app_server, completions, decode, echo_client, echo_server,
    explain, fill_buffers, ping, sockets,
};
use crate::error::{Error, Kind, Result};
use crate::render::{failure, overview};
use crate::sys::terminal;

/// The socket doctor: talks, looks, probes, and says in words why a connection does not work.
///
/// Without a command it prints an overview with an example for each command. Every command takes
/// --json and -v, and has its own --help and man page (sockdoc-COMMAND(1)).
#[derive(Debug, Parser)]
#[command(
    name = "sockdoc",
    version,
    propagate_version = true,
    max_term_width = 100
)]
#[command(
    after_help = "Exit status: 0 it worked and the answer is good; 1 it ran and the answer is \
                        bad (refused, no reply, a damaged reply); 2 it could not run (usage, \
                        permission, no such file or name)."
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Flags of every command.
#[derive(Debug, clap::Args)]
struct Global {
    /// Print JSON: one document for a snapshot, one object a line for a stream of events.
    #[arg(long, global = true)]
    json: bool,
    /// Whether to use colour; auto means on a terminal, unless NO_COLOR is set.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: When,
    /// Say more: the whole conversation, step by step.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    AppServer(app_server::Args),
    AppClient(app_client::Args),
    EchoServer(echo_server::Args),
    EchoClient(echo_client::Args),
    FillBuffers(fill_buffers::Args),
    Sockets(sockets::Args),
    Decode(decode::Args),
    Ping(ping::Args),
    Explain(explain::Args),
    Completions(completions::Args),
}

/// The parser, for man pages and completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parses the command line, runs the command and gives the exit status of the process.
pub fn main() -> ExitCode {
    let words = sockets::plain_p::taken_out(std::env::args_os().collect(), command);
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output and are no failure; a closed pipe is neither.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let context = context(&cli.global);
    match run(cli.command, &context) {
        Ok(Status::Good) => ExitCode::SUCCESS,
        Ok(Status::Bad) => ExitCode::from(Kind::BadAnswer.exit_status()),
        Err(error) => {
            report(&error, &cli.global);
            ExitCode::from(error.kind.exit_status())
        }
    }
}

fn run(command: Option<Command>, context: &Context) -> Result<Status> {
    match command {
        None => {
            overview::write(&mut io::stdout().lock(), context.style).map_err(Error::output)?;
            Ok(Status::Good)
        }
        Some(Command::AppServer(args)) => app_server::run(&args, context),
        Some(Command::AppClient(args)) => app_client::run(&args, context),
        Some(Command::EchoServer(args)) => echo_server::run(&args, context),
        Some(Command::EchoClient(args)) => echo_client::run(&args, context),
        Some(Command::FillBuffers(args)) => fill_buffers::run(&args, context),
        Some(Command::Sockets(args)) => sockets::run(&args, context),
        Some(Command::Decode(args)) => decode::run(&args, context),
        Some(Command::Ping(args)) => ping::run(&args, context),
        Some(Command::Explain(args)) => explain::run(&args, context),
        Some(Command::Completions(args)) => completions::run(&args, command_factory),
    }
}

fn command_factory() -> clap::Command {
    command()
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

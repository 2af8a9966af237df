//! The list of commands, and the parsers made from it.

use std::ffi::OsString;

use clap::{ArgMatches, Args as _, Command, CommandFactory as _, FromArgMatches};

use super::Cli;
use crate::commands::{
    Context, Status, app_client, app_server, capture, check, completions, decode, diagnose, drops,
    echo_client, echo_server, explain, fill_buffers, ping, resolve, sockets, top, watch,
};
use crate::error::{Error, Kind, Result};

/// A command.
#[derive(Debug)]
pub(super) struct Entry {
    name: &'static str,
    /// What `--json` does.
    json: &'static str,
    /// What `-v` does. A command without a text ignores the flag.
    verbose: Option<&'static str>,
    /// Gives a parser the command's flags and help.
    augment: fn(Command) -> Command,
    /// Runs the command with what its parser found.
    pub(super) run: fn(&ArgMatches, &Context) -> Result<Status>,
}

/// Name, module, help of `--json` and of `-v`.
macro_rules! command {
    ($name:literal, $module:ident, $json:literal, $verbose:expr) => {
        Entry {
            name: $name,
            json: $json,
            verbose: $verbose,
            augment: $module::Args::augment_args,
            run: |matches, context| $module::run(&read(matches)?, context),
        }
    };
}

/// Every command.
const COMMANDS: &[Entry] = &[
    command!(
        "app-server",
        app_server,
        "Print one JSON object per event (JSON Lines).",
        Some("Print the transcript of every connection.")
    ),
    command!(
        "app-client",
        app_client,
        "Print the exchange as one JSON object.",
        Some("Print the transcript of the exchange.")
    ),
    command!(
        "echo-server",
        echo_server,
        "Print one JSON object per event (JSON Lines).",
        Some("Print the transcript of every connection.")
    ),
    command!(
        "echo-client",
        echo_client,
        "Print one JSON object per exchange (JSON Lines).",
        Some("Print the transcript of every exchange.")
    ),
    command!(
        "check",
        check,
        "Print one JSON document.",
        Some("Print every finding in full.")
    ),
    command!(
        "diagnose",
        diagnose,
        "Print one JSON document.",
        Some("List every socket of a problem, and the evidence of each effect.")
    ),
    command!(
        "watch",
        watch,
        "Print one JSON object per event (JSON Lines).",
        Some("Print each finding as sockdoc diagnose does.")
    ),
    command!(
        "fill-buffers",
        fill_buffers,
        "Print one JSON document.",
        Some("List every send() on its own line.")
    ),
    command!(
        "sockets",
        sockets,
        "Print one JSON document.",
        Some("Show all owners of each socket, what -e shows, and every socket of a problem.")
    ),
    command!(
        "top",
        top,
        "Print one JSON object per interval, socket and finding (JSON Lines).",
        None
    ),
    command!(
        "decode",
        decode,
        "Print one JSON object per event (JSON Lines).",
        Some("Print every field of each frame; with --expert, every subject of a finding.")
    ),
    command!(
        "capture",
        capture,
        "Print one JSON object per event (JSON Lines).",
        Some("Print every field of each frame; with --expert, every subject of a finding.")
    ),
    command!(
        "drops",
        drops,
        "Print one JSON object per event (JSON Lines).",
        None
    ),
    command!(
        "ping",
        ping,
        "Print one JSON object per event (JSON Lines).",
        Some("Print the sockets in use, and the identifier of each reply.")
    ),
    command!(
        "resolve",
        resolve,
        "Print one JSON document.",
        Some("List the options of /etc/resolv.conf and the records of each reply.")
    ),
    command!("explain", explain, "Print one JSON document.", None),
    Entry {
        name: "completions",
        json: "Accepted, and ignored.",
        verbose: None,
        augment: completions::Args::augment_args,
        run: |matches, _| completions::run(&read(matches)?, command),
    },
];

impl Entry {
    /// The command's parser. A command has its own help for the flags that all have.
    fn parser(&self, root: &Command) -> Command {
        let global = |id| root.get_arguments().find(|arg| arg.get_id() == id).cloned();
        let json = global("json").map(|arg| arg.help(self.json));
        let verbose = global("verbose").map(|arg| match self.verbose {
            Some(help) => arg.help(help),
            None => arg.hide(true),
        });
        (self.augment)(Command::new(self.name)).args(json.into_iter().chain(verbose))
    }
}

/// The command of this name.
pub(super) fn named(name: &str) -> Option<&'static Entry> {
    COMMANDS.iter().find(|entry| entry.name == name)
}

/// The parser of the whole program, for man pages, completions and help.
pub fn command() -> Command {
    with(COMMANDS)
}

/// A parser that knows these commands alone.
pub(super) fn with<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Command {
    let root = Cli::command();
    let parsers: Vec<Command> = entries.into_iter().map(|it| it.parser(&root)).collect();
    root.subcommands(parsers)
}

/// Parses the words of a command line.
///
/// To build every command's parser takes longer than most commands run, so the one that is named is tried alone; the
/// others are needed only for help and for what an error suggests.
pub(super) fn parse(words: &[OsString]) -> clap::error::Result<ArgMatches> {
    let is_flag = |word: &OsString| word.as_encoded_bytes().starts_with(b"-");
    let name = words.iter().skip(1).find(|word| !is_flag(word));
    let entry = name.map(|name| name.to_str().and_then(named));
    if entry.is_none_or(|entry| entry.is_some()) {
        match with(entry.flatten()).try_get_matches_from(words) {
            Err(error) if error.kind() != clap::error::ErrorKind::DisplayVersion => {}
            parsed => return parsed,
        }
    }
    command().try_get_matches_from(words)
}

/// What the parser of a command found, as the command's type.
fn read<A: FromArgMatches>(matches: &ArgMatches) -> Result<A> {
    A::from_arg_matches(matches)
        .map_err(|error| Error::new(Kind::CannotRun, "read the arguments", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_command_alone_has_the_help_that_it_has_among_all() {
        let mut all = command();
        all.build();
        for entry in COMMANDS {
            let mut alone = with([entry]);
            alone.build();
            let help = |parser: &mut Command| {
                let command = parser.find_subcommand_mut(entry.name).expect(entry.name);
                command.render_long_help().to_string()
            };
            assert_eq!(help(&mut alone), help(&mut all));
        }
    }

    #[test]
    fn the_flags_of_all_commands_are_read_before_and_after_the_name() {
        for line in ["x --json explain 111", "x explain 111 --json", "x --json"] {
            let matches = parse(&words(line)).expect(line);
            assert!(matches.get_flag("json"), "{line}");
        }
        let matches = parse(&words("x --color never explain 111")).expect("a colour");
        assert_eq!(matches.subcommand_name(), Some("explain"));
    }

    #[test]
    fn help_and_errors_know_every_command() {
        let error = |line| parse(&words(line)).expect_err(line).to_string();
        for line in ["x --help", "x help", "x --help sockets"] {
            let help = error(line);
            for entry in COMMANDS {
                assert!(help.contains(entry.name), "{line}: {help}");
            }
        }
        assert!(error("x socket").contains("'sockets'"));
        assert!(error("x help sockets").contains("--listening"));
        assert_eq!(error("x --version"), error("x -V"));
        assert!(error("x ping -V").starts_with("sockdoc-ping "));
    }
}

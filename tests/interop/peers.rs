//! How the programs of either side are run.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::{self, Server};

/// Says that `test` cannot run, if there is no Python here.
pub(crate) fn no_python(test: &str) -> bool {
    let missing = support::program("python3").is_none();
    if missing {
        support::skip(test, "python3 is not installed");
    }
    missing
}

/// One of the programs in `peers/`.
pub(crate) fn python(program: &str, args: &[&str]) -> Command {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/peers");
    let mut command = Command::new("python3");
    command
        .arg(folder.join(program))
        .args(args)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // Whatever the locale of the machine is.
        .env("PYTHONUTF8", "1");
    command
}

/// Our program.
pub(crate) fn ours(args: &[&str]) -> Command {
    let mut command = support::sockdoc();
    command.args(args);
    command
}

/// A Python server on a free port.
pub(crate) fn python_server(program: &str) -> Server {
    Server::spawn(python(program, &["127.0.0.1", "0"]))
}

/// Our server on a free port, with the transcript.
pub(crate) fn our_server(command: &str) -> Server {
    Server::start(&[command, "127.0.0.1", "0", "-v"])
}

/// Runs a program without input to its end, which must come in time.
pub(crate) fn finish(mut command: Command) -> Output {
    command.stdin(Stdio::null());
    support::finish(command)
}

/// A transcript with every port of this host written `PORT`.
pub(crate) fn without_ports(text: &str) -> String {
    let mark = "('127.0.0.1', ";
    let mut parts = text.split(mark);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(mark);
        out.push_str("PORT");
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    out
}

#[test]
fn ports_are_taken_out_of_a_transcript_and_nothing_else_is() {
    assert_eq!(
        without_ports("a ('127.0.0.1', 4711) b('127.0.0.1', 1) 127.0.0.1, 5"),
        "a ('127.0.0.1', PORT) b('127.0.0.1', PORT) 127.0.0.1, 5"
    );
}

//! Programs that others read the texts of ss, netstat, lsof and ping with: jc and pingparsing.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{program, skip};

/// Where such a program is; says that the test is skipped where it is not.
pub fn parser(test: &str, name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/bin");
    let installed = folder.join(name);
    if installed.is_file() {
        return Some(installed);
    }
    let found = program(name);
    if found.is_none() {
        let why = format!("there is no {name} (CONTRIBUTING.md says how to get it)");
        skip(test, &why);
    }
    found
}

/// A text as the parser reads it, which gives JSON.
pub fn parsed(parser: &Path, args: &[&str], text: &str) -> Value {
    let mut command = Command::new(parser);
    command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().expect("the parser starts");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(text.as_bytes()).expect("writes");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(
        output.status.success(),
        "{} {args:?} does not read:\n{text}",
        parser.display()
    );
    serde_json::from_slice(&output.stdout).expect("a document")
}

//! Parsers of ping's output read ours: jc and pingparsing, two Python packages.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::ping::may_ping;
use crate::support::{finish, program, run, skip, stdout};

/// Where a program of the peers is.
fn peer(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/bin");
    Some(folder.join(name))
        .filter(|path| path.is_file())
        .or_else(|| program(name))
}

/// Runs the test's ping; `None` if something is missing, which is said loudly.
fn said(test: &str, name: &str, args: &[&str]) -> Option<(PathBuf, String)> {
    let Some(peer) = peer(name) else {
        skip(
            test,
            &format!("there is no {name} (CONTRIBUTING.md says how to get it)"),
        );
        return None;
    };
    if !may_ping(test) {
        return None;
    }
    Some((peer, stdout(&run(&[&["ping"], args].concat()))))
}

fn jc(jc: &Path, text: &str) -> Value {
    let mut command = Command::new(jc);
    command
        .arg("--ping")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().expect("jc starts");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(text.as_bytes()).expect("writes");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "jc does not read:\n{text}");
    serde_json::from_slice(&output.stdout).expect("a document")
}

#[test]
fn jc_reads_every_form() {
    for args in [
        &["-c", "2", "-i", "0.01", "127.0.0.1"][..],
        &["-c", "2", "-i", "0.01", "-4", "localhost"],
        &["-c", "2", "-i", "0.01", "-D", "127.0.0.1"],
        &["-c", "2", "-i", "0.01", "-I", "lo", "127.0.0.1"],
        &["-c", "2", "-i", "0.01", "--hist", "127.0.0.1"],
        &["-c", "2", "-i", "0.01", "-p", "ff", "127.0.0.1"],
        &["-c", "2", "-i", "0.01", "--format", "bsd", "127.0.0.1"],
    ] {
        let Some((peer, text)) = said("jc_reads_every_form", "jc", args) else {
            return;
        };
        let read = jc(&peer, &text);
        assert_eq!(read["packets_transmitted"], 2, "{args:?}: {read}");
        assert_eq!(read["packets_received"], 2, "{args:?}");
        assert_eq!(read["destination_ip"], "127.0.0.1", "{args:?}");
        let replies = read["responses"].as_array().expect("a list");
        assert_eq!(replies.len(), 2, "{args:?}");
        for reply in replies {
            assert_eq!(
                (&reply["type"], &reply["ttl"]),
                (&"reply".into(), &64.into()),
                "{args:?}"
            );
        }
        assert!(read["round_trip_ms_avg"].as_f64().is_some(), "{args:?}");
    }
}

#[test]
fn pingparsing_reads_it() {
    let args = ["-c", "3", "-i", "0.01", "127.0.0.1"];
    let Some((peer, text)) = said("pingparsing_reads_it", "pingparsing", &args) else {
        return;
    };
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), &text).expect("writes");
    let mut command = Command::new(peer);
    command.arg(file.path()).stdin(Stdio::null());
    let output = finish(command);
    let read: Value = serde_json::from_slice(&output.stdout).expect("a document");
    let read = &read[file.path().to_str().expect("a path")];
    assert_eq!(read["destination"], "127.0.0.1", "{read}");
    assert_eq!(read["packet_transmit"], 3, "{read}");
    assert_eq!(read["packet_receive"], 3, "{read}");
    assert_eq!(read["packet_loss_rate"], 0.0, "{read}");
}

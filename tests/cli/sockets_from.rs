//! `sockdoc sockets --from`: what a file has, and nothing of this host.

use std::net::TcpListener;

use serde_json::Value;

use crate::support::{run, stderr, stdout};

#[test]
fn a_saved_listener_is_listed_with_its_process_when_it_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("saved\x1b[2J.json");
    let file = file.to_str().expect("UTF-8");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let saved = run(&["diagnose", "--seconds", "0.1", "--save", file]);
    assert!(
        saved.status.code().is_some_and(|code| code < 2),
        "{}",
        stderr(&saved)
    );
    drop(listener);
    let filter = format!(":{port}");
    let me = format!("({},fd", std::process::id());

    let listed = run(&["sockets", "--from", file, &filter]);
    let text = stdout(&listed);
    assert_eq!(listed.status.code(), Some(0), "{text}{}", stderr(&listed));
    assert!(text.contains(&me) && text.contains("LISTEN"), "{text}");
    assert!(
        text.contains("saved at 2") && !text.contains('\x1b'),
        "{text}"
    );

    let listed = run(&["sockets", "--from", file, &filter, "--json"]);
    let document: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let socket = &document["sockets"][0];
    assert_eq!(socket["owners"][0]["pid"], std::process::id(), "{document}");
    assert!(socket["user"].is_null(), "{document}");
}

#[test]
fn a_file_without_samples_and_flags_about_this_host_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("empty.json");
    std::fs::write(&file, "\n").expect("written");
    let file = file.to_str().expect("UTF-8");
    let refused = run(&["sockets", "--from", file]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        stderr(&refused).contains("it has no sample"),
        "{}",
        stderr(&refused)
    );
    for flags in [
        &["--netns", "x"][..],
        &["--all-netns"],
        &["--seconds", "1"],
        &["-g"],
    ] {
        let args = [&["sockets", "--from", file], flags].concat();
        assert_eq!(run(&args).status.code(), Some(2), "{flags:?}");
    }
}

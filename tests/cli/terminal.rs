//! What reaches the terminal: help, colours, nothing that a peer could forge.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use crate::ping::may_ping;
use crate::speak;
use crate::support::{self, Server, fake_server, run, skip, sockdoc, stderr, stdout};

const COMMANDS: [&str; 17] = [
    "app-server",
    "app-client",
    "echo-server",
    "echo-client",
    "check",
    "diagnose",
    "watch",
    "fill-buffers",
    "sockets",
    "top",
    "decode",
    "capture",
    "drops",
    "ping",
    "resolve",
    "explain",
    "completions",
];

/// Bytes that no peer may put on a terminal: a clear screen, C1, a right-to-left override, a bell.
const HOSTILE: &str =
    "\u{1b}[2J\u{9b}31m\u{202e}evil\u{2066}\r\nsockdoc: forged\u{7}\u{7f}\u{2028}";

/// Panics when the output holds what moves a cursor or forges a row; `lines` is how many line ends
/// it may have.
fn assert_harmless(what: &str, bytes: &[u8], lines: usize) {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    for c in text.chars().filter(|&c| c != '\n') {
        let bidi = matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}' | '\u{2029}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!c.is_control() && !bidi, "{what}: {c:?} in {text:?}");
    }
    assert!(!text.contains("\nsockdoc: forged"), "{what}: {text}");
    assert_eq!(text.matches('\n').count(), lines, "{what}: {text}");
}

#[test]
fn without_arguments_every_command_is_named_in_80_columns() {
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    for command in COMMANDS {
        assert!(text.contains(&format!("sockdoc {command}")), "{command}");
    }
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let known = stdout(&run(&["--help"]));
    let listed: Vec<&str> = known
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert_eq!(listed, COMMANDS, "a command that this test does not know");
}

#[test]
fn every_command_explains_itself() {
    for command in COMMANDS {
        for flag in ["--help", "-h"] {
            let output = run(&[command, flag]);
            assert_eq!(output.status.code(), Some(0), "{command} {flag}");
            assert!(
                stdout(&output).contains("Usage: sockdoc "),
                "{command} {flag}"
            );
            assert_eq!(stderr(&output), "");
        }
    }
    let output = run(&["--version"]);
    assert_eq!(
        stdout(&output),
        format!("sockdoc {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn what_is_not_understood_is_status_2_on_standard_error() {
    for args in [
        &["no-such-command"][..],
        &["app-server", "--no-such-flag"],
        &["app-server", "--color", "sometimes"],
        &["app-server", "a", "b", "c"],
        &["app-client", "one"],
        &["echo-server", "--reverse", "--reply", "x"],
        &["echo-server", "--udp", "--unix", "/x"],
        &["echo-server", "--udp", "--threads", "2"],
        &["echo-server", "--udp", "--idle-timeout", "1s"],
        &["echo-server", "--udp", "--max-conns", "2"],
        &["echo-server", "--udp", "--backlog", "2"],
        &["echo-server", "--udp", "--drain", "1s"],
        &["echo-server", "--udp", "--request-timeout", "1s"],
        &["echo-server", "--udp", "--max-message", "1M"],
        &["echo-server", "--udp", "--nodelay"],
        &["echo-server", "--udp", "--keepalive"],
        &["echo-server", "--once", "--threads", "2"],
        &["echo-server", "--frame", "fixed:0"],
        &["app-server", "--request-timeout", "1d"],
        &["app-server", "--max-message", "-1"],
        &["app-client", "-4", "-6", "search", "ring"],
        &["completions", "tcsh"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
        assert!(!output.stderr.is_empty(), "{args:?}");
    }
    let said = stderr(&run(&["echo-sever"]));
    assert!(said.contains("echo-server"), "the nearest is named: {said}");
}

#[test]
fn colour_is_for_terminals_or_when_it_is_asked_for() {
    let escapes = |output: &Output| (output.stdout.contains(&0x1b), output.stderr.contains(&0x1b));
    for args in [
        &[][..],
        &["explain", "EPIPE"],
        &["echo-client", "-6", "127.0.0.1", "1"],
        &["--help"],
    ] {
        assert_eq!(escapes(&run(args)), (false, false), "{args:?} in a pipe");
        let never = run(&[args, &["--color", "never"]].concat());
        assert_eq!(escapes(&never), (false, false), "{args:?} never");
    }
    assert_eq!(escapes(&run(&["--color", "always"])), (true, false));
    let failing = ["echo-client", "-6", "127.0.0.1", "1", "--color", "always"];
    assert_eq!(escapes(&run(&failing)), (false, true));
    // Asking for it on the command line is stronger than the environment.
    for (flag, expected) in [("auto", false), ("always", true)] {
        let mut command = sockdoc();
        let output = command
            .env("NO_COLOR", "1")
            .args(["--color", flag])
            .output()
            .expect("starts");
        assert_eq!(escapes(&output), (expected, false), "NO_COLOR and {flag}");
    }
}

#[test]
fn colour_on_a_terminal_is_on_unless_no_color_is_set() {
    if support::program("script").is_none() {
        return skip("colour on a terminal", "script(1) is not installed");
    }
    let on_terminal = |no_color: Option<&str>| {
        let mut command = Command::new("script");
        command
            .args(["-qec", support::BINARY, "/dev/null"])
            .env_remove("NO_COLOR");
        command.env("TERM", "xterm").stdin(Stdio::null());
        if let Some(value) = no_color {
            command.env("NO_COLOR", value);
        }
        command.output().expect("starts").stdout
    };
    assert!(on_terminal(None).contains(&0x1b));
    assert!(!on_terminal(Some("1")).contains(&0x1b));
    // An empty NO_COLOR is as if it were not set (no-color.org).
    assert!(on_terminal(Some("")).contains(&0x1b));
}

#[test]
fn a_hostile_reply_cannot_move_the_cursor_or_forge_a_line() {
    let json_hostile = serde_json::to_string(HOSTILE).expect("JSON");
    let as_result = speak::json(&format!("{{\"result\": {json_hostile}}}"));
    let as_error = speak::json(&format!("{{\"result\": \"Error: {}}}", &json_hostile[1..]));
    let as_bytes = speak::message("binary/x", "binary", HOSTILE.as_bytes());
    let as_type = {
        let header = serde_json::json!({
            "byteorder": HOSTILE, "content-type": HOSTILE, "content-encoding": HOSTILE,
            "content-length": 0,
        });
        speak::with_header(header.to_string().as_bytes(), b"")
    };
    let as_encoding = speak::with_header(
        serde_json::json!({
            "byteorder": "little", "content-type": "text/json", "content-encoding": HOSTILE,
            "content-length": 2,
        })
        .to_string()
        .as_bytes(),
        b"{}",
    );
    let as_key = speak::json(&format!("{{{json_hostile}: 5}}"));
    for (what, reply) in [
        ("result", as_result),
        ("error", as_error),
        ("bytes", as_bytes),
        ("content-type", as_type),
        ("encoding", as_encoding),
        ("key", as_key),
    ] {
        let address = fake_server(move |_, mut stream| {
            let _ = speak::read_message(&mut stream);
            let _ = stream.write_all(&reply);
        });
        let port = address.port().to_string();
        for flags in [&[][..], &["-v"], &["--count", "1"]] {
            let args = [&["app-client", "127.0.0.1", &port, "search", "ring"], flags].concat();
            let output = run(&args);
            let lines = |bytes: &[u8]| bytes.split(|&byte| byte == b'\n').count() - 1;
            let name = format!("{what} {flags:?}");
            let (out, err) = (lines(&output.stdout), lines(&output.stderr));
            assert_harmless(&name, &output.stdout, out);
            assert_harmless(&name, &output.stderr, err);
            assert!(out <= 6 && err <= 3, "{name}: {}", stdout(&output));
        }
    }
}

#[test]
fn a_hostile_request_cannot_forge_a_line_of_the_servers_log() {
    let json_hostile = serde_json::to_string(HOSTILE).expect("JSON");
    let mut server = Server::start(&["app-server", "0", "-v"]);
    for key in ["content-type", "content-encoding"] {
        let mut header = serde_json::json!({
            "byteorder": "little", "content-type": "text/json",
            "content-encoding": "utf-8", "content-length": 2,
        });
        header[key] = HOSTILE.into();
        let request = speak::with_header(header.to_string().as_bytes(), b"{}");
        let _ = support::talk(server.address, &request, false);
    }
    let request = format!("{{\"action\": {json_hostile}, \"value\": {json_hostile}}}");
    let _ = support::talk(server.address, &speak::json(&request), false);
    let _ = support::talk(server.address, HOSTILE.as_bytes(), true);
    server.signal("TERM");
    let errors = server.last_errors();
    let lines = server.last_lines();
    assert!(lines.len() > 8, "{lines:#?}");
    for line in lines.iter().chain(&errors) {
        assert_harmless("-v", line.as_bytes(), 0);
        assert!(!line.starts_with("sockdoc: forged"), "{line}");
    }
}

#[test]
fn json_on_a_terminal_is_as_harmless_as_text() {
    let address = fake_server(|number, mut stream| {
        let _ = std::io::Read::read(&mut stream, &mut [0; 200]);
        let hostile = serde_json::to_string(HOSTILE).expect("JSON");
        let _ = match number {
            0 => stream.write_all(&speak::json(&format!("{{\"result\": {hostile}}}"))),
            _ => stream.write_all(HOSTILE.as_bytes()),
        };
    });
    let port = address.port().to_string();
    let app = run(&["app-client", "127.0.0.1", &port, "search", "ring", "--json"]);
    let echo = run(&[
        "echo-client",
        "127.0.0.1",
        &port,
        "--json",
        "--message",
        &"x".repeat(200),
    ]);
    for output in [app, echo] {
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let said = [&document["result"], &document["received"]];
        assert!(
            said.iter().any(|text| **text == HOSTILE),
            "nothing is lost: {document}"
        );
        assert_harmless("--json", &output.stdout, 1);
    }
}

#[test]
fn a_hostile_echo_cannot_either() {
    let address = fake_server(|_, mut stream| {
        let _ = std::io::Read::read(&mut stream, &mut [0; 200]);
        let _ = stream.write_all(HOSTILE.as_bytes());
    });
    let port = address.port().to_string();
    for flags in [&["-v"][..], &["-v", "--verify"]] {
        let output = run(&[
            &[
                "echo-client",
                "127.0.0.1",
                &port,
                "--message",
                &"x".repeat(200),
            ],
            flags,
        ]
        .concat());
        assert_harmless(&format!("{flags:?}"), &output.stdout, 1);
        assert_harmless(
            &format!("{flags:?}"),
            &output.stderr,
            usize::from(flags.len() == 2),
        );
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a\u{1b}[2J\nsockdoc: forged");
    let output = run(&["app-server", "0", "--data", path.to_str().expect("text")]);
    assert_harmless("a path", &output.stderr, 2);
    let output = run(&["echo-client", "a\u{1b}[2J\n..b", "1"]);
    assert_harmless("a name", &output.stderr, 2);
}

#[test]
fn the_completions_are_scripts_that_their_shell_can_read() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        assert!(stdout(&output).contains("app-server"), "{shell}");
        if support::program(shell).is_none() {
            // The others are seldom installed, and bash is the one that is asked for.
            if shell == "bash" {
                skip("the completions", "bash is not installed");
            }
            continue;
        }
        let mut script = tempfile::NamedTempFile::new().expect("a file");
        script.write_all(&output.stdout).expect("written");
        let check = Command::new(shell)
            .arg("-n")
            .arg(script.path())
            .output()
            .expect("starts");
        assert!(
            check.status.success(),
            "{shell}: {}",
            String::from_utf8_lossy(&check.stderr)
        );
    }
}

#[test]
fn the_examples_of_the_overview_work_as_typed() {
    const PORT: u16 = 65432;
    let free = TcpListener::bind(("127.0.0.1", PORT)).is_ok();
    if !free {
        return skip("the examples of the overview", "port 65432 is taken");
    }
    let text = stdout(&run(&[]));
    let mut examples: Vec<Vec<&str>> = text
        .lines()
        .filter_map(|line| line.strip_prefix("  sockdoc "))
        .map(|line| {
            line.split("  ")
                .next()
                .unwrap_or_default()
                .split(' ')
                .collect()
        })
        .collect();
    assert!(examples.len() >= COMMANDS.len(), "{text}");
    // A port is listed and checked while a server uses it.
    examples.sort_by_key(|example| ["sockets", "check"].contains(&example[0]));
    // The capture file that the examples name.
    let folder = tempfile::tempdir().expect("a folder");
    let capture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/captures/tutorial.pcap"
    );
    std::fs::copy(capture, folder.path().join("capture.pcap")).expect("copied");
    let may_ping = may_ping("the examples of ping in the overview");
    let mut server: Option<Server> = None;
    for example in &examples {
        if example[0] == "ping" && !may_ping {
            continue;
        }
        // One needs a terminal, the others go on until they are ended.
        if matches!(example[0], "top" | "watch" | "capture" | "drops") {
            continue;
        }
        if example[0].ends_with("-server") {
            // The one before gives the port back first.
            drop(server.take());
            let started = Server::start(example);
            assert_eq!(started.address.port(), PORT);
            server = Some(started);
        } else {
            let mut command = support::sockdoc();
            command.args(example).current_dir(folder.path());
            command.stdin(Stdio::null());
            let output = support::finish(command);
            // This host may have problems.
            let looks = example[0] == "diagnose" || example.contains(&"--problems");
            let found = looks && output.status.code() == Some(1);
            assert!(
                found || output.status.code() == Some(0),
                "{example:?}: {}",
                stderr(&output)
            );
            assert!(!output.stdout.is_empty(), "{example:?}");
        }
    }
}

//! `sockdoc explain`, run as users run it.

use assert_cmd::Command;

fn explain(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("sockdoc"));
    command.arg("explain").args(arguments);
    command.output().expect("sockdoc runs")
}

fn stdout(arguments: &[&str]) -> String {
    let output = explain(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    assert!(output.stderr.is_empty(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_name_is_explained_with_cause_and_next_step() {
    let text = stdout(&["ECONNREFUSED"]);
    assert!(
        text.starts_with("ECONNREFUSED (errno 111): Connection refused\n"),
        "{text}"
    );
    assert!(text.contains("\n  cause: "), "{text}");
    assert!(text.contains("\n  next: "), "{text}");
}

#[test]
fn a_line_of_python_may_be_pasted_with_and_without_quotes() {
    let line = "ConnectionRefusedError: [Errno 111] Connection refused";
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!(stdout(&[line]), stdout(&["111"]));
    assert_eq!(stdout(&words), stdout(&["111"]));
}

#[test]
fn a_negative_number_is_an_argument_and_not_a_flag() {
    assert!(stdout(&["-2"]).starts_with("EAI_NONAME (getaddrinfo -2): "));
    let pasted = "socket.gaierror: [Errno -2] Name or service not known";
    assert_eq!(stdout(&[pasted]), stdout(&["-2"]));
}

#[test]
fn without_an_argument_grep_finds_an_entry_in_one_line() {
    let text = stdout(&[]);
    let mut lines = text
        .lines()
        .filter(|line| line.contains("Connection refused"));
    let line = lines.next().expect("it is listed");
    assert!(
        line.starts_with("ECONNREFUSED ") && line.contains(" 111 "),
        "{line}"
    );
    assert!(
        text.lines()
            .any(|line| line.starts_with("ICMPV6_PKT_TOOBIG ")),
        "{text}"
    );
}

#[test]
fn a_line_about_a_unix_socket_is_answered_with_its_permissions_and_not_with_ports() {
    let text = stdout(&["dial unix /var/run/docker.sock: connect: permission denied"]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[1].contains("socket file"), "{text}");
    assert!(lines[2].contains("namei -l /var/run/docker.sock"), "{text}");
    let first = lines[1..3].join(" ");
    assert!(!first.contains("port"), "{text}");
}

fn piped(arguments: &[&str], input: impl Into<Vec<u8>>) -> std::process::Output {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("sockdoc"));
    command.arg("explain").args(arguments).write_stdin(input);
    command.output().expect("sockdoc runs")
}

#[test]
fn a_paste_comes_by_standard_input_with_a_dash_and_without_a_word() {
    let traceback = "Traceback (most recent call last):\n  File \"c.py\", line 3, in <module>\n    \
        self.sock.connect((\"10.0.0.5\", 8080))\nConnectionRefusedError: [Errno 61] Connection refused\n";
    for arguments in [&["-"][..], &[]] {
        let output = piped(arguments, traceback);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(text.starts_with("ECONNREFUSED "), "{text}");
        assert!(text.contains("sockdoc ping --tcp 8080 10.0.0.5"), "{text}");
    }
    let listed = piped(&[], "");
    assert!(
        String::from_utf8_lossy(&listed.stdout).contains("PEER_CLOSED"),
        "an empty pipe lists all"
    );
    let empty = piped(&["-"], "");
    assert_eq!(empty.status.code(), Some(2), "{empty:?}");
}

#[test]
fn of_a_paste_of_many_megabytes_the_last_exception_is_explained() {
    let mut input = b"INFO all is well\n".repeat(1 << 20);
    input.extend_from_slice(b"socket.gaierror: [Errno -3] Temporary failure in name resolution\n");
    let output = piped(&[], input);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("EAI_AGAIN "), "{text}");
}

#[test]
fn a_text_that_begins_with_a_dash_is_explained() {
    let text = stdout(&["-bash: connect: Connection refused"]);
    assert!(text.starts_with("ECONNREFUSED "), "{text}");
    let text =
        stdout(&["- Status: The certificate is NOT trusted. The certificate issuer is unknown."]);
    assert!(text.starts_with("CERT_UNKNOWN_ISSUER: "), "{text}");
}

#[test]
fn an_unknown_code_of_icmp_is_told_with_its_type() {
    let text = stdout(&["icmp", "3/99"]);
    assert!(text.starts_with("ICMP_DEST_UNREACH (icmp 3)"), "{text}");
    assert!(text.contains("99 is not known"), "{text}");
}

#[test]
fn an_unknown_word_ends_with_status_1_and_the_nearest_on_stderr() {
    let output = explain(&["ECONREFUSED"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("no entry matches \"ECONREFUSED\"; nearest: ECONNREFUSED"),
        "{text}"
    );
    assert!(
        text.contains("next: sockdoc explain ECONNREFUSED"),
        "{text}"
    );
}

#[test]
fn json_is_one_document_known_or_not() {
    let document: serde_json::Value =
        serde_json::from_str(&stdout(&["--json", "icmp", "3/3"])).expect("JSON");
    assert_eq!(document["schema"], "sockdoc.explain/1");
    assert_eq!(document["query"], "icmp 3/3");
    assert_eq!(document["entries"][0]["name"], "ICMP_PORT_UNREACH");

    let output = explain(&["--json", "ECONREFUSED"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["entries"], serde_json::json!([]));
    assert_eq!(document["nearest"][0], "ECONNREFUSED");
}

//! `sockdoc ping` to many targets on loopback: fping's lines, the table on a terminal, sweeps.

use std::io::Write;
use std::process::Stdio;

use crate::ping::{may_ping, objects};
use crate::support::{Running, Server, program, run, skip, sockdoc, stderr, stdout};

#[test]
fn several_targets_in_a_pipe_have_the_lines_of_fping() {
    if !may_ping("several_targets_in_a_pipe_have_the_lines_of_fping") {
        return;
    }
    let output = run(&["ping", "-c", "2", "-i", "0.05", "127.0.0.1", "127.0.0.22"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let starts = [
        "127.0.0.1  : [0], 64 bytes, 0.",
        "127.0.0.1  : [1], 64 bytes, 0.",
        "127.0.0.22 : [0], 64 bytes, 0.",
        "127.0.0.22 : [1], 64 bytes, 0.",
    ];
    for (line, start) in lines.iter().zip(starts) {
        assert!(
            line.starts_with(start) && line.ends_with(" avg, 0% loss)"),
            "{line}"
        );
    }
    let summary = stderr(&output);
    assert!(
        summary.contains("\n127.0.0.22 : xmt/rcv/%loss = 2/2/0%, min/avg/max = 0."),
        "{summary}"
    );
}

#[test]
fn who_is_alive_is_told_as_fping_tells_it() {
    if !may_ping("who_is_alive_is_told_as_fping_tells_it") {
        return;
    }
    let output = run(&["ping", "--format", "fping", "127.0.0.1-3"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        stdout(&output),
        "127.0.0.1 is alive\n127.0.0.2 is alive\n127.0.0.3 is alive\n"
    );
    assert_eq!(stderr(&output), "");
}

#[test]
fn targets_come_from_a_file_and_from_standard_input() {
    if !may_ping("targets_come_from_a_file_and_from_standard_input") {
        return;
    }
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    writeln!(file, "# three\n127.0.0.4 the first\n 127.0.0.5-6 # here").expect("writes");
    let path = file.path().to_str().expect("a path");
    let objects = objects(&["-c", "1", "-q", "-F", path]);
    let targets = objects[0]["targets"].as_array().expect("a list");
    let names: Vec<_> = targets
        .iter()
        .map(|it| it["target"].as_str().unwrap_or(""))
        .collect();
    assert_eq!(names, ["127.0.0.4", "127.0.0.5", "127.0.0.6"]);
    let mut command = sockdoc();
    command
        .args(["ping", "--format", "fping", "-F", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = Running::from(command.spawn().expect("starts"));
    let mut input = child.stdin.take().expect("piped");
    input.write_all(b"127.0.0.7\n").expect("writes");
    drop(input);
    let output = child.wait_with_output().expect("ends");
    assert_eq!(stdout(&output), "127.0.0.7 is alive\n");
}

#[test]
fn a_sweep_of_sixteen_thousand_loses_nothing() {
    if !may_ping("a_sweep_of_sixteen_thousand_loses_nothing") {
        return;
    }
    let objects = objects(&["-f", "-q", "-c", "1", "127.1.0.0/18"]);
    let summary = &objects[0];
    assert_eq!(summary["sent"], 16_382);
    assert_eq!(summary["received"], 16_382);
    assert_eq!(summary["timed"], 16_382);
    assert_eq!(summary["receive_buffer_overflows"], 0);
}

#[test]
fn a_rate_is_kept() {
    if !may_ping("a_rate_is_kept") {
        return;
    }
    let objects = objects(&["--rate", "500", "-q", "-c", "1", "127.0.0.0/25"]);
    let took = objects[0]["sending_time_us"].as_f64().expect("a time") / 1000.0;
    // 126 targets, 2 ms from one to the next.
    assert!((250.0..400.0).contains(&took), "{took} ms");
}

#[test]
fn both_versions_in_one_run() {
    let test = "both_versions_in_one_run";
    if !crate::support::has_ipv6() {
        return skip(test, "::1 is not available");
    }
    if !may_ping(test) {
        return;
    }
    let objects = objects(&["-c", "2", "-i", "0.05", "127.0.0.1", "::1"]);
    let summary = objects.last().expect("a summary");
    assert_eq!(summary["received"], 4);
}

#[test]
fn handshakes_with_several_targets_take_turns() {
    let server = Server::start(&["echo-server", "", "0"]);
    let port = server.port();
    let output = run(&[
        "ping",
        "--tcp",
        &port,
        "-c",
        "2",
        "-i",
        "0.05",
        "127.0.0.1-2",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let who: Vec<_> = text
        .lines()
        .take(4)
        .filter_map(|line| line.split(' ').nth(2))
        .collect();
    assert_eq!(who, ["127.0.0.1", "127.0.0.2", "127.0.0.1", "127.0.0.2"]);
}

#[test]
fn on_a_terminal_of_sixty_columns_the_table_stays_within_it() {
    let test = "on_a_terminal_of_sixty_columns_the_table_stays_within_it";
    if program("script").is_none() {
        return skip(test, "script is not installed");
    }
    if !may_ping(test) {
        return;
    }
    let inner = format!(
        "stty cols 60 rows 8; '{}' ping -c 2 -i 0.3 127.0.0.0/28",
        crate::support::BINARY
    );
    let mut command = std::process::Command::new("script");
    command
        .args(["-qec", &inner, "/dev/null"])
        .stdin(Stdio::null());
    let output = crate::support::finish(command);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    // What is drawn over, and what stands at the end.
    let (live, last) = shown
        .rsplit_once("\u{1b}[?1049l")
        .expect("the alternate screen is left");
    assert!(live.contains("... and 9 more targets"), "{live}");
    assert_eq!(
        last.lines()
            .filter(|line| line.starts_with("127.0.0."))
            .count(),
        14
    );
    for line in last.lines().take(15) {
        assert!(line.trim_end().chars().count() <= 60, "{line:?}");
    }
}

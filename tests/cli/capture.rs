//! The arguments of `sockdoc capture`, as far as they need no privilege.

use crate::support::{run, stderr, stdout};

#[track_caller]
fn refused(args: &[&str], words: &str) {
    let output = run(&[&["capture"], args].concat());
    assert_eq!(
        output.status.code(),
        Some(2),
        "{args:?}: {}",
        stdout(&output)
    );
    assert!(
        stderr(&output).contains(words),
        "{args:?}: {}",
        stderr(&output)
    );
}

#[test]
fn what_cannot_be_captured_is_refused_with_the_reason() {
    refused(
        &["-a", "size:5"],
        "duration:TIME, filesize:SIZE or packets:N",
    );
    refused(&["-a", "duration:0"], "more than 0");
    refused(&["-a", "filesize:1M"], "-a filesize needs a file");
    refused(&["-b", "filesize:1M"], "-w <OUT>");
    refused(
        &["-w", "x", "-b", "files:2"],
        "does not say when a new file begins",
    );
    refused(&["-w", "x", "-b", "files:0"], "1 to 100000");
    refused(
        &["-w", "x", "-b", "packets:5", "stream", "1"],
        "evaluated on each frame alone",
    );
    refused(&["--keep", "5s"], "-w <OUT>");
    refused(
        &["-w", "x", "--keep", "5s", "-c", "3"],
        "cannot be used with",
    );
    refused(&["-w", "x", "--until", "reset"], "--keep <TIME>");
    refused(
        &["-w", "x", "--keep", "5s", "--until", "no_route"],
        "about a host, not about packets",
    );
    refused(&["--process", "pid:x"], "not the number of a process");
    refused(&["--process", "unit:"], "names no process");
    refused(&["-B", "1K"], "from 2M to 4G");
    refused(&["-s", "262145"], "262144");
    refused(
        &["-d", "-i", "no-such-interface"],
        "there is no such interface",
    );
    refused(
        &["-d", "-i", "lo0"],
        "the loopback interface of Linux is lo",
    );
    refused(&["-d", "port"], "expected a value after 'port'");
    refused(&["-d", "-i", "lo", "inbound"], "do not record a direction");
    refused(&["-w", "x", "--streams"], "cannot be used with");
}

#[test]
fn the_interfaces_are_listed() {
    let output = run(&["capture", "-D"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let lo = text.lines().find(|line| line.starts_with("lo "));
    assert!(lo.is_some_and(|line| line.contains("loopback")), "{text}");
    assert!(lo.is_some_and(|line| line.contains("Ethernet")), "{text}");
    let last: Vec<&str> = text.lines().rev().take(2).collect();
    assert!(last[0].starts_with("packets can"), "{text}");
    assert!(last[1].starts_with("any "), "{text}");
    let output = run(&["capture", "-D", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["schema"], "sockdoc.capture.interfaces/1");
    let names = json["interfaces"].as_array().expect("a list");
    let lo = names.iter().find(|it| it["name"] == "lo").expect("lo");
    assert_eq!(lo["link_type"], "EN10MB");
    assert!(json["packets"].is_boolean(), "{json}");
}

/// tcpdump -i any -O -d has the same instructions after the ones about the loopback interface and tags.
#[test]
fn the_program_for_the_kernel_is_printed_as_tcpdump_prints_it() {
    let output = run(&["capture", "-d", "icmp"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        "(000) ld       [-4088]\n\
         (001) jeq      #0x1             jt 2\tjf 4\n\
         (002) ld       [-4092]\n\
         (003) jeq      #0x4             jt 12\tjf 4\n\
         (004) ld       [-4048]\n\
         (005) jeq      #0x0             jt 6\tjf 10\n\
         (006) ld       [-4096]\n\
         (007) jeq      #0x800           jt 8\tjf 12\n\
         (008) ldb      [9]\n\
         (009) jeq      #0x1             jt 11\tjf 12\n\
         (010) ja       11\n\
         (011) ret      #262100\n\
         (012) ret      #0\n"
    );
    let everything = run(&["capture", "-d", "-i", "lo", "stream", "1"]);
    assert_eq!(
        stdout(&everything).lines().count(),
        3,
        "what BPF cannot say"
    );
}

//! `sockdoc sockets`: the table, its footer, CSV, JSON, narrow terminals, closed pipes.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use nix::pty::Winsize;
use serde_json::Value;

use crate::sockets::{bound, join, listener, pair, place, word};
use crate::support::sockets::{Listing, footer, inode, is_footer, table};
use crate::support::{Running, run, sockdoc, stderr, stdout, until};

#[test]
fn the_table_has_a_row_for_each_socket_and_a_footer() {
    let (socket, address) = listener(7);
    let output = run(&["sockets", &word(address)]);
    assert_eq!(output.status.code(), Some(0));
    let rows = table(&output);
    let titles = [
        "PROTO", "STATE", "RECV-Q", "SEND-Q", "LOCAL", "PEER", "PROCESS", "WHY",
    ];
    assert_eq!(rows[0], titles);
    let local = address.to_string();
    assert_eq!(rows[1][..6], ["tcp", "LISTEN", "0", "7", &local, "-"]);
    assert!(
        rows[1][6].contains(&format!("({},fd", std::process::id())),
        "{rows:?}"
    );
    assert_eq!(footer(&output), "1 socket");
    assert_eq!(stderr(&output), "");
    drop(socket);
}

#[test]
fn the_columns_asked_for_are_the_ones_shown() {
    let (socket, address) = listener(7);
    let output = run(&[
        "sockets",
        "--cols",
        "inode,uid,local,SEND_Q",
        &word(address),
    ]);
    let rows = table(&output);
    assert_eq!(rows[0], ["INODE", "UID", "LOCAL", "SEND-Q"]);
    let uid = nix::unistd::geteuid().to_string();
    assert_eq!(
        rows[1],
        [&inode(&socket).to_string(), &uid, &address.to_string(), "7"]
    );
}

#[test]
fn the_lines_below_a_row_tell_of_tcp_memory_and_timers() {
    let (client, _server) = pair();
    let here = client.local_addr().expect("an address");
    let keepalive = socket2::SockRef::from(&client);
    keepalive.set_keepalive(true).expect("set");
    let local = here.to_string();
    let output = run(&["sockets", "-i", "-m", "-o", "--local", &local]);
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    let below = |start: &str| {
        lines
            .iter()
            .any(|line| line.starts_with(&format!("    {start}")))
    };
    assert!(below("timer: keepalive in "), "{text}");
    assert!(below("memory: received 0 of "), "{text}");
    assert!(
        below(&format!("socket: inode {}, cookie ", inode(&client))),
        "{text}"
    );
    assert!(below("tcp: ") && text.contains(" rtt "), "{text}");
    let plain = stdout(&run(&["sockets", "--local", &local]));
    assert!(
        !plain.contains("memory:") && !plain.contains("tcp:"),
        "{plain}"
    );
}

#[test]
fn csv_has_a_header_and_the_raw_numbers() {
    let (socket, address) = listener(7);
    let output = run(&["sockets", "--csv", &word(address)]);
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    let titles: Vec<&str> = lines[0].split(',').collect();
    // Owners are the only field here with commas in it.
    let fields = lines[1].split('"').collect::<Vec<_>>();
    let fields = format!("{}owners{}", fields[0], fields[2]);
    let fields: Vec<&str> = fields.split(',').collect();
    assert_eq!(titles.len(), fields.len(), "{text}");
    let field = |name: &str| fields[titles.iter().position(|title| *title == name).expect(name)];
    assert_eq!(field("state"), "LISTEN");
    assert_eq!(field("local_port"), address.port().to_string());
    assert_eq!(field("local_addr"), address.ip().to_string());
    assert_eq!(field("inode"), inode(&socket).to_string());
    assert_eq!(field("pid"), std::process::id().to_string());
    assert_eq!(field("send_q"), "7");
}

#[test]
fn a_document_has_every_field_of_its_schema() {
    let (client, _server) = pair();
    let here = client.local_addr().expect("an address");
    let before = std::time::SystemTime::now();
    let listing = Listing::take(&["--local", &here.to_string()]);
    let document = &listing.document;
    assert_eq!(document["schema"], "sockdoc.sockets/1");
    for key in [
        "schema",
        "taken",
        "complete",
        "notes",
        "namespaces",
        "sockets",
    ] {
        assert!(document.get(key).is_some(), "{key}");
    }
    let taken = document["taken"].as_str().expect("a time");
    let year = before
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a time")
        .as_secs()
        / 31_556_952;
    assert!(
        taken.starts_with(&format!("{}-", 1970 + year)) && taken.ends_with('Z'),
        "{taken}"
    );
    let row = listing.only();
    for key in [
        "proto",
        "family",
        "state",
        "local",
        "peer",
        "queue",
        "inode",
        "cookie",
        "uid",
        "user",
        "netns",
        "owners",
        "owner_reason",
        "tcp",
        "mem",
        "timer",
        "findings",
    ] {
        assert!(row.get(key).is_some(), "{key} in {row:#}");
    }
    for end in ["local", "peer"] {
        for key in ["addr", "port", "scope"] {
            assert!(row[end].get(key).is_some(), "{end}.{key}");
        }
    }
    for key in ["recv_bytes", "send_bytes", "accept_len", "accept_max"] {
        assert!(row["queue"].get(key).is_some(), "queue.{key}");
    }
    for key in ["pid", "fd", "comm", "cmdline"] {
        assert!(row["owners"][0].get(key).is_some(), "owners.{key}");
    }
    let link = std::fs::read_link("/proc/self/ns/net").expect("a link");
    let netns = format!("net:[{}]", row["netns"]);
    assert_eq!(link.to_str(), Some(netns.as_str()));

    let idle = bound(place().into());
    let address = crate::sockets::address_of(&idle);
    let listing = Listing::take(&[&word(address)]);
    let finding = &listing.only()["findings"][0];
    for key in ["id", "severity", "text"] {
        assert!(finding[key].is_string(), "findings.{key}");
    }
}

#[test]
fn a_document_without_a_socket_is_whole_and_the_status_is_1() {
    let listing = Listing::take(&["--pid", "4194304"]);
    assert_eq!(listing.document["sockets"], Value::Array(Vec::new()));
    assert_eq!(listing.code, Some(1));
}

/// Runs `sockdoc sockets ARGS...` on a terminal of this width.
fn on_a_terminal(width: u16, args: &[&str]) -> String {
    run_on_a_terminal(width, &[&["sockets"], args].concat())
}

/// Runs `sockdoc ARGS...` on a terminal of this width.
pub(super) fn run_on_a_terminal(width: u16, args: &[&str]) -> String {
    let size = Winsize {
        ws_row: 24,
        ws_col: width,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pty = nix::pty::openpty(&size, None).expect("a terminal");
    let mut command = sockdoc();
    let slave = |fd: &OwnedFd| Stdio::from(fd.try_clone().expect("a copy"));
    command
        .args(["--color", "never"])
        .args(args)
        .stdin(Stdio::null())
        .stdout(slave(&pty.slave))
        .stderr(Stdio::piped());
    let mut child = Running::from(command.spawn().expect("sockdoc starts"));
    // Its copy too, so that the end of the terminal is seen.
    drop((pty.slave, command));
    let mut master = std::fs::File::from(pty.master);
    let mut bytes = Vec::new();
    // A terminal whose last user has gone gives EIO.
    let _ = master.read_to_end(&mut bytes);
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(0));
    String::from_utf8(bytes)
        .expect("text")
        .replace("\r\n", "\n")
}

#[test]
fn on_a_terminal_no_line_is_longer_than_it_is_wide() {
    let (_listener, address) = listener(0);
    let _waiting = join(address);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a-long-name-of-a-socket".repeat(2));
    let _unix = std::os::unix::net::UnixListener::bind(&path).expect("binds");
    for width in [40, 60, 80, 200] {
        for args in [
            &[&word(address)[..]][..],
            &["-i", "-m", "-o", &word(address)],
            &["--group", "process", "-x"],
            &["--summary", "-x"],
            &["-lx", "--proto", "netlink,packet"],
            &[
                "--cols",
                "proto,local,peer,command,netns,cgroup,cookie,cong,rtt",
            ],
        ] {
            let text = on_a_terminal(width, args);
            // The footer is prose, which the terminal itself may break.
            let body = text.lines().take_while(|line| !is_footer(line));
            for line in body {
                let columns = line.chars().count();
                assert!(
                    columns <= usize::from(width),
                    "{args:?}: {columns} in {line:?}"
                );
            }
        }
    }
    // The connection in the queue has to be older than a burst.
    let text = until("the finding", || {
        let text = on_a_terminal(40, &[&word(address)]);
        let words: Vec<&str> = text.split_whitespace().collect();
        let words = words.join(" ");
        words
            .contains("accept queue full: 1 waiting, limit 0")
            .then_some(text)
    });
    assert!(text.contains(&format!(":{}", address.port())), "{text}");
}

#[test]
fn a_pipe_that_is_closed_ends_the_program_quietly() {
    let sockets: Vec<_> = (0..600)
        .map(|_| std::os::unix::net::UnixStream::pair())
        .collect();
    assert!(sockets.iter().all(Result::is_ok));
    for args in [
        &["-a"][..],
        &["-a", "--json"],
        &["-a", "--csv"],
        &["-x", "--like", "ss"],
    ] {
        let mut command = sockdoc();
        // Our own, which are enough, however many the host has.
        command.args(["sockets", "--pid", &std::process::id().to_string()]);
        command.args(args).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Running::from(command.spawn().expect("sockdoc starts"));
        let mut out = child.stdout.take().expect("piped");
        // More than a pipe holds is still to come.
        out.read_exact(&mut [0; 100]).expect("a beginning");
        drop(out);
        until("sockdoc to end", || child.try_wait().expect("wait works"));
        let mut said = String::new();
        let mut err = child.stderr.take().expect("piped");
        err.read_to_string(&mut said).expect("text");
        // Notes of what could not be looked at are all that may stand here.
        assert!(!said.contains("pipe"), "{args:?}: {said}");
        assert!(said.lines().count() <= 3, "{args:?}: {said}");
    }
}

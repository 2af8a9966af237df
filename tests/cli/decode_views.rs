//! The views of `sockdoc decode`: tables, drawings, files, a frame in full, the report.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::decode::{capture, decode, objects};
use super::support::{finish, run, sockdoc, stderr, stdout};

/// The rows of CSV, and the index of a column.
fn csv(text: &str) -> (Vec<&str>, Vec<Vec<&str>>) {
    let mut lines = text
        .lines()
        .map(|line| line.split(',').collect::<Vec<&str>>());
    (lines.next().expect("a header"), lines.collect())
}

fn sum(text: &str, column: &str) -> u64 {
    let (header, rows) = csv(text);
    let at = header.iter().position(|name| *name == column);
    let at = at.unwrap_or_else(|| panic!("{column} in {header:?}"));
    rows.iter()
        .map(|row| row[at].parse::<u64>().expect("a number"))
        .sum()
}

fn frames_with_ip(name: &str) -> u64 {
    let events = objects(&decode(name, &["--json", "--no-app"]));
    let sources = events.iter().filter_map(|event| event["source"].as_str());
    let addresses = sources.filter(|source| source.parse::<std::net::IpAddr>().is_ok());
    addresses.count() as u64
}

#[test]
fn conversations_and_endpoints_count_every_packet_once_in_each_direction() {
    for name in [
        "tutorial",
        "udp-icmp-arp",
        "icmpv6",
        "tcp-losses",
        "tunnels-and-tags",
    ] {
        let frames = frames_with_ip(name);
        let text = decode(name, &["--conversations", "--csv"]);
        assert_eq!(
            sum(&text, "a_packets") + sum(&text, "b_packets"),
            frames,
            "{name}\n{text}"
        );
        let text = decode(name, &["--endpoints", "--csv"]);
        assert_eq!(sum(&text, "sent_packets"), frames, "{name}\n{text}");
        assert_eq!(sum(&text, "received_packets"), frames, "{name}\n{text}");
    }
    let events = objects(&decode("udp-icmp-arp", &["--conversations", "--json"]));
    let protocols: Vec<&str> = events
        .iter()
        .filter_map(|it| it["protocol"].as_str())
        .collect();
    assert!(
        protocols.contains(&"UDP") && protocols.contains(&"ICMP"),
        "{protocols:?}"
    );
    let icmp = events
        .iter()
        .find(|it| it["protocol"] == "ICMP")
        .expect("ICMP");
    assert!(icmp["a"]["port"].is_null(), "{icmp}");
    assert_eq!(events.last().expect("events")["event"], "end");
    let text = decode("tutorial", &["--conversations"]);
    assert!(text.contains("2 conversations\n"), "{text}");
    let text = decode("udp-icmp-arp", &["--endpoints"]);
    assert!(text.contains("frames without an IP packet"), "{text}");
}

#[test]
fn rows_for_which_there_is_no_memory_are_counted() {
    let file = capture("tcp-limits");
    let output = run(&["decode", &file, "--endpoints", "--max-memory", "1K"]);
    assert!(
        stdout(&output).contains("left out: --max-memory is reached"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn intervals_have_all_packets_bytes_and_findings() {
    let frames = decode("tcp-losses", &["--no-app"]).lines().count() as u64;
    let text = decode("tcp-losses", &["--io", "100ms", "--csv"]);
    assert_eq!(sum(&text, "packets"), frames, "{text}");
    assert!(sum(&text, "findings") > 0, "{text}");
    let events = objects(&decode("tcp-losses", &["--io", "100ms", "--json"]));
    let end = events.last().expect("events");
    let bytes: u64 = events.iter().filter_map(|it| it["bytes"].as_u64()).sum();
    assert_eq!(bytes, 2 * end["bytes"].as_u64().expect("bytes"), "{end}");
    let text = decode("tcp-losses", &["--io", "100ms"]);
    assert!(text.starts_with("packets   "), "{text}");
    assert!(text.contains('█') && text.contains("FINDINGS"), "{text}");
    let filtered = decode("tcp-losses", &["--io", "1s", "--csv", "stream", "0"]);
    assert!(sum(&filtered, "packets") < frames, "{filtered}");
}

#[test]
fn a_stream_is_drawn_in_80_columns_with_its_pauses_and_what_is_missing() {
    for name in ["tcp-losses", "tutorial", "tcp-resets", "icmpv6", "app-gap"] {
        let file = capture(name);
        let output = run(&["decode", &file, "--ladder", "0"]);
        let text = stdout(&output);
        let drawn: Vec<&str> = text.lines().filter(|line| line.contains('│')).collect();
        for line in &drawn {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
    }
    let text = decode("tcp-losses", &["--ladder", "0"]);
    for words in [
        "client 10.0.0.1:40000",
        "server 10.0.0.2:8000",
        "SYN seq 0 win 64000 ─",
        "─▶ │      1",
        "│ ◀─",
        "104 bytes not captured",
        "300.000 ms without a packet",
        "Retransmission",
    ] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
    let text = decode("tutorial", &["--ladder", "0"]);
    assert!(text.contains("request #1 search \"morpheus\""), "{text}");
    let output = run(&["decode", &capture("tutorial"), "--ladder", "9"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("show stream 9"),
        "{}",
        stderr(&output)
    );
}

/// The bytes of an end of the first stream, as JSON has them.
fn bytes_of(name: &str, from_client: bool) -> Vec<u8> {
    let events = objects(&decode(name, &["--follow", "0", "--json", "--no-app"]));
    let of_end = |it: &&Value| it["event"] == "data" && it["from_client"] == from_client;
    let mut bytes = Vec::new();
    for event in events.iter().filter(of_end) {
        match event["content_hex"].as_str() {
            Some(hex) => {
                bytes.extend((0..hex.len() / 2).map(|at| {
                    u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hexadecimal")
                }));
            }
            None => bytes.extend(event["content"].as_str().unwrap_or_default().bytes()),
        }
    }
    bytes
}

#[test]
fn the_bytes_of_a_stream_are_written_as_they_are() {
    for name in ["tutorial", "app-out-of-order", "app-gap"] {
        let file = capture(name);
        let raw = |how: &str| run(&["decode", &file, "--no-app", "--follow", "0", how]);
        let (client, server) = (raw("--raw=client"), raw("--raw=server"));
        assert_eq!(client.stdout, bytes_of(name, true), "{name}");
        assert_eq!(server.stdout, bytes_of(name, false), "{name}");
        let both = raw("--raw").stdout;
        assert_eq!(
            both.len(),
            client.stdout.len() + server.stdout.len(),
            "{name}"
        );
    }
    let output = run(&["decode", &capture("app-gap"), "--follow", "0", "--raw"]);
    assert!(
        stderr(&output).contains("missing from the capture"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn streams_are_written_to_new_files_with_names_of_our_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let path = out.display().to_string();
    let text = decode("tcp-losses", &["--extract", &path]);
    let listed = text.lines().skip(1).count();
    let mut names: Vec<String> = fs::read_dir(&out)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().display().to_string())
        .collect();
    names.sort();
    assert_eq!(names.len(), listed, "{text}\n{names:?}");
    assert!(
        names.iter().all(|name| name.starts_with("stream-0000")),
        "{names:?}"
    );
    let written = fs::read(out.join("stream-00000-server")).expect("a file");
    assert_eq!(written, bytes_of("tcp-losses", false));

    // What is there is neither written over nor followed.
    let target = folder.path().join("target");
    fs::write(&target, "untouched").expect("written");
    let second = folder.path().join("second");
    fs::create_dir(&second).expect("made");
    std::os::unix::fs::symlink(&target, second.join("stream-00000-server")).expect("a link");
    for folder in [&out, &second] {
        let path = folder.display().to_string();
        let output = run(&["decode", &capture("tcp-losses"), "--extract", &path]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains("EEXIST"), "{}", stderr(&output));
    }
    assert_eq!(fs::read_to_string(&target).expect("a file"), "untouched");
}

#[test]
fn bodies_of_http_are_files_of_their_own_unpacked_and_named_by_the_end_of_the_url() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let path = out.display().to_string();
    let output = run(&["decode", &capture("http-bodies"), "--extract", &path]);
    let table = stdout(&output);
    let note = "the body of 1 HTTP message could not be unpacked";
    assert!(stderr(&output).contains(note), "{}", stderr(&output));
    let page = format!("<p>{}</p>\n", "a page of some length\n".repeat(200));
    for (name, content) in [
        ("stream-00000-server-001-index.html", page.as_str()),
        ("stream-00000-server-002-pass__2Jwd", "none"),
        ("stream-00001-client-001-body", "hello"),
        ("stream-00001-server-001-body", &page),
        ("stream-00002-server-001-packed.html", &page),
        ("stream-00002-server-002-damaged.html.gzip", "not gzip!"),
        ("stream-00003-server-001-end", "to the end"),
        ("stream-00004-server-001-gap", "abchij"),
    ] {
        let written = fs::read(out.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(String::from_utf8_lossy(&written), content, "{name}");
        assert!(table.contains(name), "{name} in\n{table}");
    }
    // Two ends of each stream, and nothing else; nothing outside.
    assert_eq!(fs::read_dir(&out).expect("the folder").count(), 8 + 10);
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1);
    let row = |name: &str| {
        let row = table.lines().find(|line| line.starts_with(name));
        row.unwrap_or_default()
            .split_whitespace()
            .collect::<Vec<_>>()
    };
    let gap = row("stream-00004-server-001-gap");
    assert_eq!(gap[gap.len() - 4..], ["6", "4", "200", "/gap"], "{table}");
    assert!(
        !table.contains('\x1b') && table.contains("\\x1b"),
        "{table}"
    );
}

#[test]
fn flags_that_are_typed_out_of_habit_are_taken() {
    let file = capture("tcp-losses");
    let plain = decode("tcp-losses", &["tcp", "port", "8000"]);
    assert!(!plain.is_empty());
    for args in [
        &["-nn", &file, "tcp", "port", "8000"][..],
        &["-q", "-nnn", &file, "tcp", "port", "8000"],
        &["-r", &file, "tcp", "port", "8000"],
        &["-nr", &file, "tcp port 8000"],
    ] {
        let output = run(&[&["decode"], args].concat());
        assert_eq!(stdout(&output), plain, "{args:?}: {}", stderr(&output));
    }
    assert_eq!(decode("tutorial", &["-X"]), decode("tutorial", &["-x"]));
    assert_eq!(
        decode("tutorial", &["-tttt"]),
        decode("tutorial", &["-t", "local"])
    );
    assert_eq!(decode("tutorial", &["-ttttt"]), decode("tutorial", &[]));
    assert_eq!(
        decode("tutorial", &["-tt"]),
        decode("tutorial", &["-t", "epoch"])
    );
    let text = decode("tutorial", &["-A"]);
    assert!(
        text.contains("    {\"action\": \"search\"") || text.contains("search"),
        "{text}"
    );
    let text = decode("tcp-losses", &["-e"]);
    let first = text.lines().next().unwrap_or_default();
    assert!(
        first.ends_with("02:00:0a:00:00:01 → 02:00:0a:00:00:02 ethertype 0x0800"),
        "{first}"
    );
    let text = decode("tunnels-and-tags", &["-e", "vlan"]);
    assert!(text.contains("vlan 5 priority 0"), "{text}");
}

#[test]
fn local_time_is_that_of_the_time_zone() {
    let times = |zone: &str, format: &str| {
        let mut command = sockdoc();
        command.env("TZ", zone);
        command.args(["decode", &capture("tcp-losses"), "-t", format, "-c", "1"]);
        let text = stdout(&finish(command));
        text.split_whitespace()
            .nth(2)
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(times("XYZ-2", "abs"), times("UTC0", "local"));
    let (here, there) = (times("XYZ-2", "local"), times("UTC0", "local"));
    let hours = |time: &str| time[..2].parse::<u8>().expect("hours");
    assert_eq!(hours(&here), (hours(&there) + 2) % 24, "{here} {there}");
    assert_eq!(here[2..], there[2..]);
}

#[test]
fn what_belongs_to_another_tool_is_answered_with_the_words_that_do_it_here() {
    let file = capture("tutorial");
    for (filter, words) in [
        ("tcp.stream eq 0", "the same here: 'stream 0'"),
        ("ip.addr == 1.2.3.4", "the same here: 'host 1.2.3.4'"),
        (
            "tcp.port == 80 || dns",
            "the same here: 'tcp port 80 or port 53'",
        ),
        ("http.request.uri contains x", "Wireshark display filter"),
    ] {
        let output = run(&["decode", &file, filter]);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            stderr(&output).contains(words),
            "{filter}: {}",
            stderr(&output)
        );
    }
    for (flag, words) in [
        ("-Y", "after the file"),
        ("-T", "--json"),
        ("-z", "--conversations"),
    ] {
        let output = run(&["decode", &file, flag, "x"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            stderr(&output).contains(words),
            "{flag}: {}",
            stderr(&output)
        );
    }
    let folder = tempfile::tempdir().expect("a folder");
    for (bytes, words) in [
        (&b"snoop\0\0\0\0\0\0\x02\0\0\0\x04"[..], "editcap"),
        (b"GMBU\0\x02\0\0", "editcap"),
        (b"\xfd7zXZ\0", "xz -dc"),
        (b"\0\0\x01\0\0\0\0\0", "etl2pcapng"),
    ] {
        let path = folder.path().join("file");
        fs::write(&path, bytes).expect("written");
        let path = path.display().to_string();
        let output = run(&["decode", &path]);
        let text = stderr(&output);
        assert!(text.contains(words) && text.contains(&path), "{text}");
    }
}

#[test]
fn a_frame_in_full_has_its_layers_and_the_comment_of_the_file() {
    let text = decode("tcp-losses", &["-v", "-c", "1"]);
    for field in [
        "Frame 1: 62 bytes on wire (496 bits), 62 bytes captured (496 bits)\n",
        "    Source: 02:00:0a:00:00:01\n",
        "    Identification: 0x0001 (1)\n",
        "        .1.. .... = Don't fragment: Set\n",
        "    Time to Live: 64\n",
        "        TCP Option - Window scale: 7 (multiply by 128)\n",
        "    Checksum: 0x",
    ] {
        assert!(text.contains(field), "{field} in\n{text}");
    }
    let text = decode("tunnels-and-tags", &["-v"]);
    assert!(
        text.contains("802.1Q Virtual LAN, PRI: 0, DEI: 0, ID: 5\n"),
        "{text}"
    );
}

/// A capture of many connections that are not answered.
fn many_streams(count: u32) -> Vec<u8> {
    let first = fs::read(capture("tcp-unanswered")).expect("a capture");
    let length = u32::from_le_bytes([first[32], first[33], first[34], first[35]]) as usize;
    let frame = &first[40..40 + length];
    let mut file = first[..24].to_vec();
    for number in 0..count {
        let seconds = 1_700_000_000 + number / 1000;
        file.extend(seconds.to_le_bytes());
        file.extend((number % 1000 * 1000).to_le_bytes());
        file.extend(&first[32..40]);
        let mut frame = frame.to_vec();
        // The ports, after Ethernet and IPv4; the lower byte of the source address.
        frame[34..36].copy_from_slice(&u16::try_from(number % 60_000).unwrap().to_be_bytes());
        frame[29] = u8::try_from(number / 60_000 + 1).unwrap();
        file.extend(frame);
    }
    file
}

fn report(file: &str, args: &[&str], folder: &Path) -> (String, Option<i32>) {
    let path = folder.join("report.html").display().to_string();
    let output = run(&[&["decode", file, "--report", &path], args].concat());
    assert_eq!(stdout(&output), "", "{}", stderr(&output));
    (
        fs::read_to_string(&path).expect("a report"),
        output.status.code(),
    )
}

#[test]
fn a_report_begins_with_the_verdict_and_needs_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let (html, code) = report(&capture("tcp-losses"), &[], folder.path());
    assert_eq!(code, Some(1));
    let place = |words: &str| html.find(words).unwrap_or_else(|| panic!("{words}"));
    assert!(place("<h1>") < place("Findings"));
    assert!(place("Findings") < place("Over time"));
    assert!(place("TCP streams") < place("Streams in detail"));
    for words in [
        "http://", "https://", "<script", "<link", "<img", "url(", "@import",
    ] {
        assert!(!html.contains(words), "{words}");
    }
    for words in [
        "prefers-color-scheme: dark",
        "@media print",
        "<svg",
        "10.0.0.1:40000",
        "Retransmission",
    ] {
        assert!(html.contains(words), "{words}");
    }
    assert_eq!(html.matches("<svg").count(), html.matches("</svg>").count());
    assert_eq!(
        html.matches("<section").count(),
        html.matches("</section>").count()
    );
    let (html, code) = report(&capture("tcp-no-causes"), &[], folder.path());
    assert_eq!(code, Some(0), "{html}");
    assert!(html.contains("<h1>No findings in "), "{html}");
}

#[test]
fn a_redacted_report_has_none_of_the_addresses() {
    let folder = tempfile::tempdir().expect("a folder");
    let (html, _) = report(&capture("icmpv6"), &["--redact"], folder.path());
    assert!(!html.contains("fe80::2<") && html.contains("addresses and names were replaced"));
    let file = capture("around-causes");
    let (plain, _) = report(&file, &[], folder.path());
    let (html, _) = report(&file, &["--redact"], folder.path());
    let addresses: Vec<&str> = plain
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .filter(|word| word.parse::<std::net::Ipv4Addr>().is_ok())
        .filter(|word| !word.starts_with("10.0.0.") && !word.starts_with("127."))
        .collect();
    for address in addresses {
        assert!(!html.contains(&format!("{address}<")), "{address}");
    }
    assert!(!html.contains("around-causes"), "the name of the file");
}

#[test]
fn a_report_of_many_streams_is_bounded_and_says_what_it_leaves_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("many.pcap");
    fs::write(&file, many_streams(100_000)).expect("written");
    let (html, _) = report(&file.display().to_string(), &[], folder.path());
    assert!(html.len() < 1 << 20, "{} bytes", html.len());
    assert!(html.contains("of 100,000 streams"), "{}", &html[..2000]);
}

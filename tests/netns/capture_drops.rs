//! `sockdoc capture --drops`: packets that the kernel drops, between those that are captured.

use std::fs;
use std::net::UdpSocket;
use std::process::Command;

use sockdoc::capfile::{SliceReader, comments};

use crate::capture::{Capture, Printed, datagrams};
use crate::namespace::Namespace;
use crate::support::{program, run, stdout};

/// Sends a datagram to a port of the loopback interface, from a port.
fn datagram(namespace: &Namespace, from: u16, to: u16) {
    namespace.inside(|| {
        let socket = UdpSocket::bind(("127.0.0.1", from)).expect("bound");
        socket.send_to(b"x", ("127.0.0.1", to)).expect("sent");
    });
}

/// Lines of this port, their numbers taken away.
fn of_port<'a>(printed: &'a Printed, port: &str) -> Vec<&'a str> {
    let lines = printed.lines.iter().map(String::as_str);
    lines.filter(|line| line.contains(port)).collect()
}

#[test]
fn what_the_kernel_drops_is_between_the_packets_and_counted_by_reason_at_the_end() {
    let Some(namespace) = Namespace::new("a capture with drops") else {
        return;
    };
    namespace.firewall("udp dport 7050 drop");
    let all = Capture::start(&namespace, &[]);
    let some = Capture::start(&namespace, &["-i", "lo", "udp port 7050 or udp port 7052"]);
    let none = Capture::start(&namespace, &["--no-drops", "udp"]);
    let json = Capture::start(&namespace, &["--json", "--drops", "udp port 7050"]);
    datagrams(&namespace, 7052, 1, 10);
    datagram(&namespace, 7051, 7050);
    // Nobody receives it.
    datagram(&namespace, 7051, 7053);
    datagrams(&namespace, 7052, 1, 10);
    let (all, some, none) = (all.stop(), some.stop(), none.stop());
    let json = json.stop();
    let drops = of_port(&all, " by ");
    assert_eq!(drops.len(), 2, "{:#?}", all.lines);
    assert!(drops[0].starts_with("DROP "), "{drops:?}");
    assert!(
        drops[0].contains("127.0.0.1 → 127.0.0.1") && drops[0].contains("7051 → 7050"),
        "{drops:?}"
    );
    assert!(drops[0].contains(" by NETFILTER_DROP in "), "{drops:?}");
    assert!(
        drops[0].ends_with(" (input) on lo: a firewall rule of this host"),
        "{drops:?}"
    );
    assert!(drops[1].contains(" by NO_SOCKET in "), "{drops:?}");
    // In the order of their times, in which a drop follows its packet.
    let time = |line: &String| -> f64 {
        let words: Vec<&str> = line.split_whitespace().collect();
        words[1].parse().expect("a time")
    };
    let times: Vec<f64> = all.lines.iter().map(time).collect();
    assert!(times.is_sorted(), "{:#?}", all.lines);
    let place = |lines: &[String], words: &[&str]| {
        let has = |line: &String| words.iter().all(|word| line.contains(word));
        lines.iter().position(has).expect("a line")
    };
    assert!(
        place(&all.lines, &["UDP", "7051 → 7050"])
            < place(&all.lines, &["NETFILTER_DROP", "7051 → 7050"])
    );
    let said = all.errors.join("\n");
    assert!(
        said.contains(
            "2 packets dropped by the network stack: 1 NETFILTER_DROP, 1 NO_SOCKET; what to do: sockdoc explain \
             NETFILTER_DROP"
        ),
        "{said}"
    );
    // A filter is for both.
    assert_eq!(of_port(&some, " by ").len(), 1, "{:#?}", some.lines);
    assert_eq!(
        some.count(" packet dropped by the network stack of those that were asked for"),
        1
    );
    assert!(of_port(&none, " by ").is_empty(), "{:#?}", none.lines);
    let said = none.errors.join("\n");
    assert!(!said.contains("network stack"), "{said}");
    let objects: Vec<serde_json::Value> = json
        .lines
        .iter()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let dropped: Vec<_> = objects.iter().filter(|it| it["event"] == "drop").collect();
    assert_eq!(dropped.len(), 1, "{:#?}", json.lines);
    assert_eq!(dropped[0]["reason"], "NETFILTER_DROP");
    assert_eq!(dropped[0]["destination_port"], 7050);
}

#[test]
fn counts_of_drops_are_exact_also_of_those_that_were_not_seen_one_by_one() {
    let Some(namespace) = Namespace::new("a capture of many drops") else {
        return;
    };
    namespace.firewall("udp dport 7054 drop");
    let capture = Capture::start(&namespace, &["-c", "1000000"]);
    namespace.inside(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("bound");
        for _ in 0..20_000 {
            socket.send_to(b"x", ("127.0.0.1", 7054)).expect("sent");
        }
    });
    let printed = capture.stop();
    let said = printed.errors.join("\n");
    assert!(
        said.contains("20,000 packets dropped by the network stack: 20,000 NETFILTER_DROP"),
        "{said}"
    );
}

#[test]
fn drops_are_in_a_file_as_an_interface_of_their_own_with_the_reason_as_a_comment() {
    let Some(namespace) = Namespace::new("a capture of drops into a file") else {
        return;
    };
    namespace.firewall("udp dport 7055 drop");
    let folder = tempfile::tempdir().expect("a folder");
    let [file, plain, kept] = ["all.pcapng", "plain.pcapng", "kept.pcapng"].map(|name| {
        let path = folder.path().join(name);
        path.to_str().expect("text").to_owned()
    });
    let captures = [
        vec!["-w", &file, "--drops"],
        vec!["-w", &plain],
        vec!["-w", &kept, "--drops", "--keep", "1h"],
    ];
    let captures = captures.map(|args| {
        let args = [&args[..], &["-i", "lo", "udp port 7055"]].concat();
        Capture::start(&namespace, &args)
    });
    datagram(&namespace, 7056, 7055);
    let printed = captures.map(Capture::stop);
    assert!(
        printed.iter().all(|it| it.code == Some(0)),
        "{:?}",
        printed[0].errors
    );
    let find_kept = fs::read_dir(folder.path()).expect("a folder");
    let kept = find_kept
        .map(|entry| entry.expect("a file").path())
        .find(|path| path.to_string_lossy().contains("kept_"))
        .expect("a file that was kept");
    for path in [file.as_str(), kept.to_str().expect("text")] {
        let bytes = fs::read(path).expect("a file");
        let mut reader = SliceReader::new(&bytes);
        let frames: Vec<_> = reader.by_ref().map(|frame| frame.expect("whole")).collect();
        let names: Vec<_> = reader
            .interfaces()
            .iter()
            .map(|it| it.name.as_deref())
            .collect();
        assert_eq!(names, [Some("lo"), Some("drops")]);
        assert_eq!(frames.len(), 2, "the packet, and that it was dropped");
        let said: Vec<_> = comments(frames[1].record)
            .map(String::from_utf8_lossy)
            .collect();
        assert!(
            said[0].starts_with("dropped: NETFILTER_DROP in ")
                && said[0].ends_with(" (input) on lo: a firewall rule of this host"),
            "{said:?}"
        );
        // It is read back, and is no packet of a stream.
        let text = stdout(&run(&["decode", path]));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[1].starts_with("DROP "), "{text}");
        assert!(
            lines[1].contains(" by NETFILTER_DROP in ") && lines[1].contains("7056 → 7055"),
            "{text}"
        );
        let object = stdout(&run(&["decode", "--json", path]));
        assert!(object.contains("\"reason\":\"NETFILTER_DROP\""), "{object}");
        assert_eq!(stdout(&run(&["decode", path, "tcp"])), "");
    }
    let bytes = fs::read(&plain).expect("a file");
    assert_eq!(SliceReader::new(&bytes).count(), 1);
    if program("tshark").is_some() {
        let fields = [
            "-T",
            "fields",
            "-e",
            "frame.interface_name",
            "-e",
            "frame.comment",
        ];
        let said = Command::new("tshark")
            .args(["-r", &file])
            .args(fields)
            .output();
        let said = String::from_utf8(said.expect("it runs").stdout).expect("text");
        assert!(
            said.lines()
                .any(|line| line.starts_with("drops\tdropped: NETFILTER_DROP")),
            "{said}"
        );
    }
    // Where there is no place for it, it says so.
    let refused = run(&["capture", "--drops", "-w", "/nowhere/x.pcap"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(crate::support::stderr(&refused).contains(".pcapng"));
}

//! One eventful session in every writer.

use super::csv::Csv;
use super::fixture::eventful;
use super::fping::Fping;
use super::json::Objects;
use super::lines::{Dialect, Lines};
use super::table::LiveTable;
use super::{DayTime, Extras, Output, Writer};
use crate::ping::clock::{Monotonic, Realtime};
use crate::ping::session::Session;

/// Makes a writer for a session.
type OfSession = fn(&Session) -> Box<dyn Writer>;

const NOW: Realtime = Realtime(1_800_000_005_000_000_000);

fn extras() -> Extras {
    Extras {
        percentiles: vec![50.0, 99.0],
        hist: false,
        layout: crate::render::finding::Layout {
            style: crate::render::Style::new(false),
            width: None,
            verbose: false,
        },
    }
}

/// What a writer says of an eventful session with a target of this name.
fn said(name: &str, writer: impl FnOnce(&Session) -> Box<dyn Writer>) -> (String, String) {
    let (session, events) = eventful(name);
    let mut writer = writer(&session);
    let mut output = Output::default();
    let mut no_name = |_| None;
    writer.opening(&mut output, &session, &mut no_name);
    for event in &events {
        writer.event(&mut output, &session, event, NOW, &mut no_name);
    }
    writer.turn(&mut output, &session, Monotonic(1));
    writer.finish(&mut output, &session, NOW);
    let text = |page| String::from_utf8(page).expect("UTF-8");
    (text(output.out), text(output.err))
}

fn lines(dialect: Dialect) -> impl FnOnce(&Session) -> Box<dyn Writer> {
    move |_| {
        Box::new(Lines {
            dialect,
            with_time: None,
            with_bell: false,
            with_identifier: false,
            source: [10, 0, 0, 1].into(),
            device: None,
            pattern: Vec::new(),
            extras: extras(),
        })
    }
}

const ACCOUNT: &str = "\
    lost: 4 of 5\n  \
    1 no reply (no ICMP error received)\n  \
    1 rejected: 10.0.0.254 sent Packet filtered (icmp 3/13)\n  \
    1 corrupted: only a damaged reply arrived\n  \
    1 dropped by a firewall of this host (EPERM)\n\
    replies not counted: 1 corrupted\n\
    ERROR 10.0.0.254 does not let it through: Packet filtered\n  \
    subject    the path to 10.0.0.2\n  \
    means      A router or a firewall drops these packets by its rules and reports that by ICMP.\n  \
    evidence   refused 1 of 5 (ICMP)\n  \
    ruled out  A host that is down or a missing route has another ICMP code.\n  \
    next       Ask who runs the sender of the ICMP error to allow it, or test with what is allowed: sockdoc \
    ping --tcp.\n\
    round-trip time p50/p99 = 1.234/1.234 ms\n\
    timing: this program's clock for requests and replies\n";

#[test]
fn the_lines_of_iputils_tell_what_is_wrong_as_errors_and_then_where_the_lost_ones_went() {
    let (out, err) = said("host", lines(Dialect::Iputils));
    let expected = "\
        PING host (10.0.0.2) 56(84) bytes of data.\n\
        64 bytes from 10.0.0.2: icmp_seq=1 ttl=63 time=1.23 ms\n\
        64 bytes from 10.0.0.2: icmp_seq=1 ttl=63 time=1.23 ms (DUP!)\n\
        From 10.0.0.2 icmp_seq=2 Corrupted reply: data byte #40 should be 0x28 but was 0xd7\n\
        From 10.0.0.254 icmp_seq=3 Packet filtered\n\
        \n\
        --- host ping statistics ---\n\
        5 packets transmitted, 1 received, +1 duplicates, +1 corrupted, +2 errors, 80% packet loss, \
        time 400ms\n\
        rtt min/avg/max/mdev = 1.234/1.234/1.234/0.000 ms\n";
    assert_eq!(out, format!("{expected}{ACCOUNT}"));
    assert_eq!(err, "");
}

#[test]
fn the_lines_of_macos_count_from_zero_and_leave_the_account_to_standard_error() {
    let (out, err) = said("host", lines(Dialect::Bsd));
    assert!(out.contains("\n64 bytes from 10.0.0.2: icmp_seq=0 ttl=63 time=1.234 ms\n"));
    assert!(out.contains("\nRequest timeout for icmp_seq 3\n"), "{out}");
    assert!(out.ends_with(
        "5 packets transmitted, 1 packets received, +1 duplicates, 80.0% packet loss\n\
         round-trip min/avg/max/stddev = 1.234/1.234/1.234/0.000 ms\n"
    ));
    assert_eq!(err, ACCOUNT);
}

#[test]
fn the_lines_of_fping_tell_replies_and_timeouts_on_one_side_and_troubles_on_the_other() {
    let (out, err) = said("host", |session| {
        Box::new(Fping::new(session, false, false, extras()))
    });
    assert!(
        out.starts_with("host : [0], 64 bytes, 1.23 ms (1.23 avg, "),
        "{out}"
    );
    assert!(out.contains("\nhost : [3], timed out ("), "{out}");
    assert!(err.contains("ICMP Packet filtered from 10.0.0.254 for ICMP Echo sent to 10.0.0.2\n"));
    assert!(
        err.contains("host : [1], Corrupted reply: data byte #40"),
        "{err}"
    );
    assert!(err.contains("\nhost : xmt/rcv/%loss = 5/1/80%, min/avg/max = 1.23/1.23/1.23\n"));
    assert!(err.ends_with(ACCOUNT), "{err}");
}

#[test]
fn the_table_shows_the_last_problem_of_a_target() {
    let (out, _) = said("host", |_| Box::new(LiveTable::new(60, 24, extras())));
    let row = out.lines().nth(1).expect("a row");
    assert!(row.starts_with("host       5   80%  1.23  "), "{out}");
    assert!(out.ends_with(ACCOUNT), "{out}");
}

#[test]
fn json_and_csv_have_a_line_for_each_event_with_the_same_verdicts() {
    let (json, _) = said("host", |_| Box::new(Objects { extras: extras() }));
    let objects: Vec<serde_json::Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object"))
        .collect();
    let told: Vec<_> = objects
        .iter()
        .map(|it| {
            (
                it["event"].as_str().unwrap_or(""),
                it["verdict"].as_str().unwrap_or(""),
            )
        })
        .collect();
    let expected = [
        ("reply", "received"),
        ("reply", "duplicate"),
        ("reply", "corrupted"),
        ("refused", ""),
        ("unsent", ""),
        ("lost", ""),
        ("lost", ""),
        ("summary", ""),
    ];
    assert_eq!(told, expected);
    assert_eq!(objects[2]["damage"]["payload_byte"], 40);
    assert_eq!(objects[3]["icmp"]["name"], "ICMP_PKT_FILTERED");
    let losses = &objects[7]["losses"];
    assert_eq!(
        (&losses["silent"], &losses["total"]),
        (&1.into(), &4.into())
    );
    assert_eq!(losses["dropped_locally"][0]["reason"], "firewall");
    let with_intervals = false;
    let (csv, _) = said("host", |_| Box::new(Csv { with_intervals }));
    let rows: Vec<(&str, &str)> = csv
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            (fields[3], fields[6])
        })
        .collect();
    assert_eq!(rows, expected[..7]);
}

#[test]
fn an_interval_as_csv_has_the_figures_of_the_session() {
    let (session, _) = eventful("host");
    let with_intervals = true;
    let (mut csv, mut output) = (Csv { with_intervals }, Output::default());
    csv.opening(&mut output, &session, &mut |_| None);
    csv.interval(&mut output, &session, NOW, DayTime::default());
    let csv = String::from_utf8(output.out).expect("UTF-8");
    let header: Vec<&str> = csv.lines().next().expect("a header").split(',').collect();
    let fields = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    assert!(csv.lines().all(|line| fields(line).len() == header.len()));
    let row = fields(
        csv.lines()
            .find(|it| it.contains(",interval,"))
            .expect("one"),
    );
    let of = |name| row[header.iter().position(|it| *it == name).expect("a column")].as_str();
    let counts = ["target", "sent", "received", "lost", "loss_percent"].map(of);
    assert_eq!(counts, ["host", "5", "1", "4", "80"]);
    let times = ["seq", "rtt_us", "rtt_min_us", "rtt_avg_us", "rtt_max_us"].map(of);
    assert_eq!(times, ["", "", "1234", "1234", "1234"]);
}

#[test]
fn no_voice_lets_a_name_move_the_cursor() {
    let name = "\x1b[2Jhost\n64 bytes\u{202e}";
    let voices: [OfSession; 5] = [
        |session| lines(Dialect::Iputils)(session),
        |session| lines(Dialect::Bsd)(session),
        |session| Box::new(Fping::new(session, false, false, extras())),
        |_| Box::new(Objects { extras: extras() }),
        |_| {
            Box::new(Csv {
                with_intervals: true,
            })
        },
    ];
    for writer in voices {
        let (out, err) = said(name, writer);
        for c in (out + &err).chars().filter(|&c| c != '\n') {
            assert!(!crate::render::escape::is_unsafe(c), "{c:?}");
        }
    }
    let (table, _) = said(name, |_| Box::new(LiveTable::new(200, 24, extras())));
    assert!(!table.contains("\x1b[2Jhost"), "{table}");
}

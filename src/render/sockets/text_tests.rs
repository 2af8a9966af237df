use super::super::fixture::{self, Fixture};
use super::*;
use crate::sockets::{Socket, State};

fn written(fixture: &Fixture, layout: &Layout<'_>) -> String {
    let mut out = Vec::new();
    let sockets = fixture.all();
    write(&mut out, &fixture.sheet(&sockets), layout).unwrap();
    String::from_utf8(out).unwrap()
}

fn at(width: Option<u16>) -> Layout<'static> {
    Layout {
        width,
        columns: match width {
            Some(_) => Column::ON_TERMINAL,
            None => Column::DEFAULT,
        },
        ..Layout::default()
    }
}

/// Without the Unix sockets, whose long paths fill every line.
fn internet(width: Option<u16>) -> String {
    let fixture = Fixture::new();
    let sockets = fixture.internet();
    let mut out = Vec::new();
    write(&mut out, &fixture.sheet(&sockets), &at(width)).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_pipe_gets_every_socket_whole_on_one_line() {
    assert_eq!(internet(None), "\
PROTO  STATE      RECV-Q  SEND-Q  LOCAL                                 PEER                                            PROCESS                        WHY
tcp    LISTEN          5       4  0.0.0.0:80                            0.0.0.0:*                                       nginx(812,fd6),nginx(813,fd6)  accept queue full: 5 waiting, limit 4
tcp    ESTAB           0       0  192.0.2.10:80                         203.0.113.7:40002                               nginx(812,fd11)
tcp    TIME-WAIT       0       0  192.0.2.10:80                         203.0.113.7:40003                               (time-wait)
tcp    ESTAB           0   70000  [fe80::5054:ff:fe12:3456%eth0]:65432  [2001:db8:1111:2222:3333:4444:5555:6666]:51515  tmux: server(1900,fd7)         peer silent: 4 retransmissions, last ACK 13 s ago
udp    UNCONN        832       0  [::]:5353                             [::]:*                                          (no process seen)
"
    );
}

#[test]
fn on_80_columns() {
    assert_eq!(
        internet(Some(80)),
        "\
PROTO STATE     PROCESS            RECV-Q SEND-Q LOCAL         PEER
    WHY
tcp   LISTEN    nginx(812) +1           5      4 0.0.0.0:80    0.0.0.0:*
    accept queue full: 5 waiting, limit 4
tcp   ESTAB     nginx(812)              0      0 192.0.2.10:80 203.0.113.7:40002
tcp   TIME-WAIT (time-wait)             0      0 192.0.2.10:80 203.0.113.7:40003
tcp   ESTAB     tmux: server(1900)      0  70000
    [fe80::5054:ff:fe12:3456%eth0]:65432
    [2001:db8:1111:2222:3333:4444:5555:6666]:51515
    peer silent: 4 retransmissions, last ACK 13 s ago
udp   UNCONN    (not seen)            832      0 [::]:5353     [::]:*
"
    );
}

#[test]
fn ipv4_alone_needs_one_line_a_socket_on_80_columns_and_findings_stand_below() {
    let fixture = Fixture::new();
    let all = fixture.all();
    let mut out = Vec::new();
    write(&mut out, &fixture.sheet(&all[..3]), &at(Some(80))).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "\
PROTO STATE     PROCESS       RECV-Q SEND-Q LOCAL         PEER
    WHY
tcp   LISTEN    nginx(812) +1      5      4 0.0.0.0:80    0.0.0.0:*
    accept queue full: 5 waiting, limit 4
tcp   ESTAB     nginx(812)         0      0 192.0.2.10:80 203.0.113.7:40002
tcp   TIME-WAIT (time-wait)        0      0 192.0.2.10:80 203.0.113.7:40003
"
    );
}

#[test]
fn on_60_columns() {
    assert_eq!(
        internet(Some(60)),
        "\
PROTO STATE     PROCESS          RECV-Q SEND-Q LOCAL
    PEER
    WHY
tcp   LISTEN    nginx(812) +1         5      4 0.0.0.0:80
    0.0.0.0:*
    accept queue full: 5 waiting, limit 4
tcp   ESTAB     nginx(812)            0      0 192.0.2.10:80
    203.0.113.7:40002
tcp   TIME-WAIT (time-wait)           0      0 192.0.2.10:80
    203.0.113.7:40003
tcp   ESTAB     tmux: s…er(1900)      0  70000
    [fe80::5054:ff:fe12:3456%eth0]:65432
    [2001:db8:1111:2222:3333:4444:5555:6666]:51515
    peer silent: 4 retransmissions, last ACK 13 s ago
udp   UNCONN    (not seen)          832      0 [::]:5353
    [::]:*
"
    );
}

#[test]
fn on_40_columns() {
    assert_eq!(
        internet(Some(40)),
        "\
PROTO STATE     PROCESS           RECV-Q
    SEND-Q LOCAL
    PEER
    WHY
tcp   LISTEN    nginx(812) +1          5
         4 0.0.0.0:80
    0.0.0.0:*
    accept queue full: 5 waiting, limit
    4
tcp   ESTAB     nginx(812)             0
         0 192.0.2.10:80
    203.0.113.7:40002
tcp   TIME-WAIT (time-wait)            0
         0 192.0.2.10:80
    203.0.113.7:40003
tcp   ESTAB     tmux: se…er(1900)      0
     70000
    [fe80::5054:ff:fe12:3456%eth0]:65432
    [2001:db8:1111:2222:3333:4444:5555:6666]:51515
    peer silent: 4 retransmissions, last
    ACK 13 s ago
udp   UNCONN    (not seen)           832
         0 [::]:5353
    [::]:*
"
    );
}

#[test]
fn columns_never_fuse_and_no_line_ends_with_blanks() {
    let fixture = Fixture::new();
    for width in [
        None,
        Some(20),
        Some(40),
        Some(60),
        Some(80),
        Some(132),
        Some(400),
    ] {
        let text = written(&fixture, &at(width));
        for line in text.lines() {
            assert_eq!(line, line.trim_end());
            assert!(!line.contains(char::is_control), "{line:?}");
            if let Some(width) = width {
                // An address is never cut.
                let fits = cells::width(line) <= usize::from(width);
                let is_address = line.ends_with(|c: char| c.is_ascii_digit());
                assert!(fits || (width < 60 && is_address), "{line:?}");
            }
        }
        if width.is_none() {
            assert_eq!(text.lines().count(), 1 + 8);
            for line in text.lines().skip(1) {
                let cells = line.split("  ").filter(|cell| !cell.is_empty()).count();
                let why =
                    usize::from(line.contains("accept queue") || line.contains("peer silent"));
                assert_eq!(cells, 7 + why, "{line}");
            }
        }
    }
}

#[test]
fn colours_do_not_change_the_text() {
    let fixture = Fixture::new();
    for width in [None, Some(80)] {
        let plain = written(&fixture, &at(width));
        let layout = Layout {
            style: Style::new(true),
            ..at(width)
        };
        let coloured = written(&fixture, &layout);
        assert!(coloured.contains("\x1b[1;31maccept queue full: 5 waiting, limit 4\x1b[0m"));
        let stripped = coloured
            .replace("\x1b[1;31m", "")
            .replace("\x1b[1m", "")
            .replace("\x1b[0m", "");
        assert_eq!(stripped, plain);
    }
}

#[test]
fn without_findings_a_terminal_has_no_column_for_them_and_a_pipe_has() {
    let fixture = Fixture::new();
    let sockets = [fixture.all()[1]];
    let mut out = Vec::new();
    write(&mut out, &fixture.sheet(&sockets), &at(Some(100))).unwrap();
    assert!(!String::from_utf8(out).unwrap().contains("WHY"));
    let mut out = Vec::new();
    write(&mut out, &fixture.sheet(&sockets), &at(None)).unwrap();
    assert!(String::from_utf8(out).unwrap().contains("WHY\n"));
}

#[test]
fn the_columns_and_the_lines_below_are_those_that_were_asked_for() {
    let fixture = Fixture::new();
    let sockets = [fixture.all()[3]];
    let layout = Layout {
        columns: &[
            Column::Pid,
            Column::User,
            Column::Rtt,
            Column::Cong,
            Column::Netns,
        ],
        header: false,
        details: details::Wanted {
            timer: true,
            ..details::Wanted::default()
        },
        ..Layout::default()
    };
    let mut out = Vec::new();
    write(&mut out, &fixture.sheet(&sockets), &layout).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "1900  www-data  0.050  cubic  4026531840\n    timer: retransmit in 1.2 s, 4 tries\n"
    );
}

#[test]
fn a_peer_that_is_too_wide_keeps_its_port_and_loses_its_process() {
    for (before, after) in [
        (
            "[::ffff:127.0.0.1]:46634 python3(14934)",
            "[::ffff:127.0.0.1]:46634",
        ),
        ("127.0.0.1:80 python3(14934)", "127.0.0.1:80 python3(14934)"),
        (
            "/run/a b/c/d/e/f/g/h/i/j/k nginx(1)",
            "/run/a b/c/d/e/f/g/h/i/j/k nginx(1)",
        ),
    ] {
        let mut cell = before.to_owned();
        fit_address(&mut cell, Column::Peer, 30, before.starts_with('/'));
        assert_eq!(cell, after);
    }
}

#[test]
fn a_cell_is_shortened_in_the_middle_on_a_terminal_only() {
    for (most, text) in [(7, "abc…hij"), (6, "ab…hij"), (1, "…"), (10, "abcdefghij")] {
        let mut cell = "abcdefghij".to_owned();
        shorten(&mut cell, most, Some(80));
        assert_eq!(cell, text);
    }
    let mut wide = "日本語日本語".to_owned();
    shorten(&mut wide, 7, Some(80));
    assert_eq!(wide, "日…本語");
    let mut cell = "abcdefghij".to_owned();
    shorten(&mut cell, 3, None);
    assert_eq!(cell, "abcdefghij");
}

/// Counts, and keeps nothing.
#[derive(Default)]
struct Sink {
    writes: usize,
    largest: usize,
    lines: usize,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes += 1;
        self.largest = self.largest.max(bytes.len());
        self.lines += bytes.split(|byte| *byte == b'\n').count() - 1;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Render<'a> = &'a dyn Fn(&mut Sink) -> io::Result<()>;

#[test]
fn a_hundred_thousand_sockets_are_streamed_in_small_pieces() {
    let fixture = Fixture::new();
    let socket = fixture::tcp(State::Established, 2);
    let sockets = vec![&socket; 100_000];
    let sheet = fixture.sheet(&sockets);
    // The others go through the same buffer; fewer of them keep this test short.
    let fewer = fixture.sheet(&sockets[..20_000]);
    let styles: [Render<'_>; 6] = [
        &|out| write(out, &sheet, &at(None)),
        &|out| write(out, &fewer, &at(Some(80))),
        &|out| {
            use super::super::netstat::{Asked, Programs, write};
            write(out, &fewer, Asked::All, Programs::Shown)
        },
        &|out| super::super::ss::write(out, &fewer),
        &|out| super::super::json::write(out, &sheet, super::super::json::About::default()),
        &|out| super::super::csv::write(out, &fewer, Column::DEFAULT),
    ];
    for render in styles {
        let mut sink = Sink::default();
        render(&mut sink).unwrap();
        assert!(sink.lines > 20_000);
        assert!(sink.writes > 50 && sink.writes < 10_000, "{}", sink.writes);
        assert!(sink.largest < 64 * 1024, "{}", sink.largest);
    }
}

#[test]
fn the_footer_tells_what_is_not_shown() {
    let notes = [Note {
        id: "owners_hidden".into(),
        text: "no owner of other users' sockets\x1b".to_owned(),
        incomplete: true,
    }];
    let mut out = Vec::new();
    footer(
        &mut out,
        &Footer {
            shown: 12,
            hidden: vec![(3_411, "TIME-WAIT", "-a"), (0, "unix", "-x")],
            remarks: vec!["the filter was read as: port 80".to_owned()],
            notes: &notes,
            width: Some(24),
        },
    )
    .unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "12 sockets; 3,411\n  TIME-WAIT not shown\n  (-a)\nthe filter was read\n  as: port 80\n\
         note: no owner of\n  other users'\n  sockets\\x1b\n"
    );
}

#[test]
fn a_long_list_of_owners_in_a_pipe_does_not_move_the_other_rows() {
    let mut fixture = Fixture::new();
    let workers: Vec<(u32, &str, Option<&str>, &[u32])> = (0..15)
        .map(|worker| (900 + worker, "worker", None, &[101][..]))
        .collect();
    fixture.sample.owners = crate::sockets::testing::owners(&workers);
    let all = fixture.all();
    let mut out = Vec::new();
    write(&mut out, &fixture.sheet(&all[..3]), &at(None)).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.contains("worker(914,fd3)  accept queue full"),
        "{text}"
    );
    let heading = text.lines().next().unwrap();
    assert!(heading.find("WHY") < Some(100), "{heading}");
}

#[test]
fn a_wildcard_of_ipv6_says_which_versions_it_takes_and_a_shared_address_how_many_share_it() {
    let mut fixture = Fixture::new();
    let on = |v6_only| Socket {
        v6_only: Some(v6_only),
        ..crate::sockets::testing::listener("[::]:7010")
    };
    let shared = || crate::sockets::testing::listener("127.0.0.1:7500");
    let bound = Socket {
        interface: 2,
        ..shared()
    };
    fixture.sample.sockets = vec![on(true), on(false), shared(), shared(), shared(), bound];
    fixture.sample.sockets[1].local = fixture::ip("::", 7011);
    let all = fixture.all();
    let mut out = Vec::new();
    write(&mut out, &fixture.sheet(&all), &at(Some(200))).unwrap();
    let text = String::from_utf8(out).unwrap();
    for (mark, count) in [
        ("[::]:7010 (IPv6 only)", 1),
        ("[::]:7011 (IPv4 too)", 1),
        ("127.0.0.1:7500 (1 of 3)", 3),
        ("127.0.0.1%eth0:7500  ", 1),
    ] {
        assert_eq!(text.matches(mark).count(), count, "{mark}\n{text}");
    }
}

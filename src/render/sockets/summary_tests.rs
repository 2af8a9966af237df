use super::super::fixture::Fixture;
use super::*;
use crate::sockets::order::group;

fn rows(fixture: &Fixture, sheet: &Sheet<'_>, by: GroupBy) -> Vec<GroupRow> {
    let findings = |index: usize| sheet.findings.of(sheet.shown[index]).count();
    group(
        &fixture.all(),
        &fixture.sample.sockets,
        &fixture.sample.owners,
        &findings,
        &|_| None,
        by,
    )
}

fn grouped(by: GroupBy, width: Option<u16>) -> String {
    let fixture = Fixture::new();
    let sheet = fixture.sheet(&fixture.all());
    let rows = rows(&fixture, &sheet, by);
    let mut out = Vec::new();
    groups(&mut out, &sheet, by, &rows, width, Style::new(false)).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_group_is_a_row_with_its_figures() {
    assert_eq!(
        grouped(GroupBy::Process, None),
        "\
PROCESS                          SOCKETS  LISTEN  ESTAB  CLOSE-WAIT  RECV-Q  SEND-Q  WHY
-                                      3       0      0           0     832       0    0
nginx(812)                             2       1      1           0       0       0    1
x) root(1\\x1b[2J\\n \\x20tcp(666)        2       0      2           0       0       0    0
nginx(813)                             1       1      0           0       0       0    1
tmux: server(1900)                     1       0      1           0       0   70000    1
"
    );
}

#[test]
fn a_narrow_terminal_gets_fewer_figures_and_shorter_names() {
    for width in [20, 40, 60, 80] {
        for by in [GroupBy::Process, GroupBy::Peer, GroupBy::State] {
            let text = grouped(by, Some(width));
            for line in text.lines() {
                assert!(cells::width(line) <= usize::from(width), "{width}\n{text}");
            }
            assert!(text.contains("SOCKETS") && text.contains("WHY"));
        }
    }
}

#[test]
fn the_summary_has_a_row_for_each_protocol_and_what_belongs_to_none() {
    let fixture = Fixture::new();
    let sheet = fixture.sheet(&fixture.all());
    let figures = Summary::new(&fixture.all(), &fixture.sample.owners);
    let mut out = Vec::new();
    summary(&mut out, &figures, &sheet, None).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "\
PROTO    SOCKETS  IPV4  IPV6  STATES
tcp            4     3     1  ESTAB 2, TIME-WAIT 1, LISTEN 1
udp            1     0     1  UNCONN 1
u_str          2     -     -  ESTAB 2
netlink        1     -     -  UNCONN 1
all            8

processes:  4
time-wait:  1; most to 203.0.113.7 (1)
findings:   accept queue full (1); peer silent (1)
"
    );
    let value = summary_json(&figures, &sheet);
    assert_eq!(value["protos"]["tcp"]["states"]["listen"], 1);
    assert_eq!(value["protos"]["u_str"]["ipv4"], Value::Null);
    assert_eq!(value["findings"][0]["severity"], "error");
}

#[test]
fn a_group_for_programs_names_its_key() {
    let fixture = Fixture::new();
    let sheet = fixture.sheet(&fixture.all());
    let of = |by| -> Vec<Value> {
        let rows = rows(&fixture, &sheet, by);
        rows.iter()
            .map(|row| group_json(row, &sheet)["key"].clone())
            .collect()
    };
    assert!(of(GroupBy::Process).contains(&json!({"pid": 812, "comm": "nginx"})));
    assert!(of(GroupBy::Peer).contains(&json!({"addr": "203.0.113.7"})));
    assert!(of(GroupBy::Port).contains(&json!({"proto": "tcp", "port": 80})));
    assert!(of(GroupBy::State).contains(&json!({"state": "time_wait"})));
    assert!(of(GroupBy::User).contains(&json!({"uid": 33, "user": "www-data"})));
    assert!(of(GroupBy::Peer).contains(&Value::Null));
}

#[test]
fn groups_are_sorted_by_any_column_of_their_table() {
    let fixture = Fixture::new();
    let sheet = fixture.sheet(&fixture.all());
    let mut rows = rows(&fixture, &sheet, GroupBy::Process);
    let mut sorted = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        sort(&mut rows, GroupBy::Process, &words).unwrap();
        let figures = rows.iter().map(|row| (row.sockets, row.send_bytes));
        figures.collect::<Vec<_>>()
    };
    assert_eq!(sorted(&["-send-q"])[0], (1, 70_000));
    assert_eq!(
        sorted(&["sockets", "-send-q"]),
        [(1, 70_000), (1, 0), (2, 0), (2, 0), (3, 0)]
    );
    let error = sort(&mut [], GroupBy::State, &["-rtt".to_owned()]).unwrap_err();
    let end = "use one of: state, sockets, listen, estab, close-wait, recv-q, send-q, why, \
               in/s, out/s, segs/s, retrans/s, drops/s, accepts/s, opened, closed";
    assert!(error.ends_with(end), "{error}");
}

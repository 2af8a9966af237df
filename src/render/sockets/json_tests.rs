use serde_json::{Value, json};

use super::super::fixture::Fixture;
use super::*;

fn written(fixture: &Fixture) -> (String, Value) {
    let mut out = Vec::new();
    let sockets = fixture.all();
    let about = About {
        time_wait: 20,
        ..About::default()
    };
    write(&mut out, &fixture.sheet(&sockets), about).unwrap();
    let text = String::from_utf8(out).unwrap();
    let value = serde_json::from_str(&text).unwrap();
    (text, value)
}

#[test]
fn the_document_has_a_head_and_a_line_for_each_socket() {
    let fixture = Fixture::new();
    let (text, value) = written(&fixture);
    assert_eq!(value["schema"], "sockdoc.sockets/1");
    assert_eq!(value["taken"], "2026-01-31T12:00:00.250Z");
    assert_eq!(value["complete"], false);
    assert_eq!(value["not_shown"], json!({"time_wait": 20}));
    assert_eq!(
        value["notes"],
        json!([{"id": "family_missing", "text": "vsock sockets are not shown", "incomplete": true}])
    );
    assert_eq!(value["sockets"].as_array().unwrap().len(), 8);
    assert_eq!(text.lines().count(), 1 + 8 + 1);
}

#[test]
fn an_empty_list_is_a_document_too() {
    let mut fixture = Fixture::new();
    fixture.sample.sockets.clear();
    fixture.sample.notes.clear();
    let (_, value) = written(&fixture);
    assert_eq!(value["sockets"], json!([]));
    assert_eq!(value["complete"], true);
}

#[test]
fn a_listener_has_an_accept_queue_and_its_finding() {
    let (_, value) = written(&Fixture::new());
    let listener = &value["sockets"][0];
    assert_eq!(
        listener["queue"],
        json!({"recv_bytes": null, "send_bytes": null, "accept_len": 5, "accept_max": 4})
    );
    assert_eq!(
        listener["local"],
        json!({"addr": "0.0.0.0", "port": 80, "scope": null})
    );
    assert_eq!(listener["findings"][0]["id"], "accept_queue_full");
    assert_eq!(listener["findings"][0]["severity"], "error");
    assert_eq!(listener["owners"].as_array().unwrap().len(), 2);
    assert_eq!(listener["owner_reason"], Value::Null);
    assert_eq!(listener["user"], "root");
}

#[test]
fn what_is_unknown_is_null() {
    let (_, value) = written(&Fixture::new());
    let over = &value["sockets"][2];
    assert_eq!(over["state"], "time_wait");
    for key in ["inode", "uid", "user", "tcp", "mem", "interface"] {
        assert_eq!(over[key], Value::Null, "{key}");
    }
    assert_eq!(over["owner_reason"], "time_wait");
    assert_eq!(
        over["timer"],
        json!({"kind": "time_wait", "expires_ms": 59_000, "retransmits": 0})
    );
    assert_eq!(value["sockets"][7]["peer"], Value::Null);
}

#[test]
fn details_are_given_with_their_units() {
    let (_, value) = written(&Fixture::new());
    let socket = &value["sockets"][3];
    assert_eq!(socket["local"]["scope"], 2);
    assert_eq!(socket["local"]["interface"], "eth0");
    assert_eq!(socket["tcp"]["rtt_us"], 50);
    assert_eq!(socket["tcp"]["bytes_sent"], Value::Null);
    assert_eq!(socket["congestion"], "cubic");
    assert_eq!(socket["mem"]["rcvbuf_bytes"], 131_072);
    assert_eq!(socket["mem"]["drops"], 3);
}

#[test]
fn what_tcp_tells_of_a_listener_is_nothing() {
    let mut fixture = Fixture::new();
    fixture.sample.sockets[0].details = fixture.sample.sockets[3].details.clone();
    let (_, value) = written(&fixture);
    assert_eq!(value["sockets"][0]["tcp"], Value::Null);
    assert_eq!(value["sockets"][0]["mem"]["drops"], 3);
}

#[test]
fn bytes_that_are_not_text_have_a_twin_and_no_control_reaches_the_terminal() {
    let (text, value) = written(&Fixture::new());
    let socket = &value["sockets"][5];
    assert_eq!(
        socket["local"]["path"],
        "/tmp/a  b\n\u{1b}[31mtcp LISTEN\u{fffd}"
    );
    assert!(
        socket["local"]["path_hex"]
            .as_str()
            .unwrap()
            .ends_with("ff")
    );
    assert_eq!(
        socket["peer"],
        json!({"abstract": "abstract\0name", "inode": 107})
    );
    assert_eq!(
        socket["owners"][0]["cmdline"],
        "/usr/bin/program --flag a b\u{fffd}"
    );
    assert!(
        socket["owners"][0]["cmdline_hex"]
            .as_str()
            .unwrap()
            .ends_with("00612062ff")
    );
    assert!(!text.replace('\n', "").contains(char::is_control));
}

#[test]
fn dates_are_right_in_leap_years_and_at_the_ends_of_years() {
    for (seconds, date) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399, "2000-02-28T23:59:59.000Z"),
        (951_782_400, "2000-02-29T00:00:00.000Z"),
        (1_709_251_200, "2024-03-01T00:00:00.000Z"),
        (4_102_444_799, "2099-12-31T23:59:59.000Z"),
    ] {
        assert_eq!(rfc3339(Duration::from_secs(seconds)), date);
    }
}

#[test]
fn groups_and_the_summary_have_the_same_head() {
    let fixture = Fixture::new();
    let sheet = fixture.sheet(&fixture.all());
    let sockets: Vec<&crate::sockets::Socket> = fixture.all();
    let by = crate::sockets::order::GroupBy::State;
    let rows = crate::sockets::order::group(
        &sockets,
        &fixture.sample.sockets,
        &fixture.sample.owners,
        &|_| 0usize,
        &|_| None,
        by,
    );
    let mut out = Vec::new();
    write_groups(&mut out, &sheet, About::default(), &rows).unwrap();
    let value: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(value["schema"], SCHEMA);
    assert_eq!(value["groups"].as_array().unwrap().len(), rows.len());
    let mut out = Vec::new();
    let figures = Summary::new(&sockets, &fixture.sample.owners);
    write_summary(&mut out, &sheet, About::default(), &figures).unwrap();
    let value: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(value["complete"], false);
    assert_eq!(value["summary"]["sockets"], 8);
}

use std::time::Duration;

use super::*;
use crate::protocol::Plan;
use crate::protocol::Talk;

fn to() -> SocketAddr {
    ([10, 9, 1, 1], 80).into()
}

/// What is said of a server that sends these bytes, and then an end.
fn found(protocol: Protocol, bytes: &[u8], end: End) -> Option<Finding> {
    let mut talk = Talk::new(Plan::new(protocol, "shop.test"));
    let _ = talk.transmit();
    if !bytes.is_empty() {
        talk.received(bytes, Duration::from_millis(2));
    }
    talk.ended(end, Duration::from_millis(1_500));
    of_talk(&talk.spoken(Duration::from_secs(2)), to())
}

#[test]
fn each_trouble_has_its_rule_and_says_what_was_seen() {
    let http = |bytes: &[u8], end| found(Protocol::Http, bytes, end);
    for (found, rule, words) in [
        (
            http(b"", End::Closed),
            &CLOSES_AT_ONCE,
            "closes it 1.5 s later",
        ),
        (http(b"", End::Reset), &RESETS_AT_ONCE, "resets it"),
        (
            http(b"", End::Stalled),
            &NEVER_ANSWERS,
            "sends no answer to the HTTP request in 1.5 s",
        ),
        (
            http(b"HTTP/1.1 20", End::Stalled),
            &ANSWER_STOPS,
            "11 bytes came",
        ),
        (http(b"HTTP/1.1 20", End::Closed), &ANSWER_STOPS, "closes"),
        (
            http(b"SSH-2.0-x\r\n", End::Closed),
            &OTHER_PROTOCOL,
            "speaks SSH, not HTTP",
        ),
        (
            http(b"\x15\x03\x01\0\x02\x02\x46", End::Closed),
            &TLS_EXPECTED,
            "wants TLS",
        ),
        (
            http(
                b"HTTP/1.1 400 Bad Request\r\n\r\nThe plain HTTP request was sent to HTTPS port",
                End::Closed,
            ),
            &TLS_EXPECTED,
            "400",
        ),
        (
            http(b"HTTP/1.1 502 Bad Gateway\r\n\r\n", End::Closed),
            &SERVICE_REFUSES,
            "502 Bad Gateway",
        ),
        (
            found(
                Protocol::WebSocket,
                b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n",
                End::Closed,
            ),
            &SERVICE_REFUSES,
            "opens no WebSocket at this URL: it answers \"HTTP/1.1 302 Found\"",
        ),
        (
            found(Protocol::Smtp, b"", End::Stalled),
            &NEVER_ANSWERS,
            "sends no SMTP greeting",
        ),
        (http(&[b'H'; 2], End::Closed), &OTHER_PROTOCOL, "\"HH\""),
        (
            found(Protocol::Ssh, &vec![b'x'; 70_000], End::Closed),
            &ENDLESS_ANSWER,
            "65536 bytes",
        ),
    ] {
        let found = found.unwrap();
        assert_eq!(found.rule.id, rule.id);
        assert!(found.headline.contains(words), "{}", found.headline);
        assert!(!found.next.is_empty() && !found.facts.is_empty());
    }
}

#[test]
fn a_server_that_is_well_or_wants_a_password_has_no_finding() {
    for (protocol, bytes) in [
        (
            Protocol::Http,
            &b"HTTP/1.1 301 Moved\r\nLocation: /x\r\n\r\n"[..],
        ),
        (Protocol::Http, b"HTTP/1.1 401 Unauthorized\r\n\r\n"),
        (Protocol::Redis, b"-NOAUTH Authentication required.\r\n"),
        (Protocol::Ssh, b"SSH-2.0-x\r\n"),
        (Protocol::Plain, b"anything"),
    ] {
        assert_eq!(found(protocol, bytes, End::Closed), None, "{bytes:?}");
    }
    assert_eq!(found(Protocol::Plain, b"", End::Stalled), None);
}

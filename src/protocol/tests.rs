use std::time::Duration;

use super::*;

const AT: Duration = Duration::from_millis(2);

/// A talk that gets these bytes one by one, and then an end.
fn talk(protocol: Protocol, bytes: &[u8], end: Option<End>) -> Spoken {
    let mut talk = Talk::new(Plan::new(protocol, "shop.test"));
    let sent = talk.transmit();
    assert_eq!(
        sent.is_empty(),
        protocol.server_speaks_first() || protocol == Protocol::Plain
    );
    for byte in bytes {
        talk.received(&[*byte], AT);
    }
    if let Some(end) = end {
        talk.ended(end, AT * 2);
    }
    let _ = talk.transmit();
    talk.spoken(AT * 3)
}

fn line(protocol: Protocol, bytes: &[u8]) -> (Tone, String) {
    match talk(protocol, bytes, None).verdict {
        Verdict::Answered(said) => (said.tone, said.line),
        other => panic!("{protocol:?} {bytes:?}: {other:?}"),
    }
}

/// An answer in a protocol, how it is to be taken, and its line.
type Row = (Protocol, &'static [u8], Tone, &'static str);

const ANSWERS: &[Row] = {
    use Protocol::*;
    use Tone::*;
    &[
        (
            Http,
            b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n",
            Good,
            "HTTP/1.1 200 OK",
        ),
        (
            Http,
            b"HTTP/1.1 404 Not Found\r\n\r\n",
            Wants,
            "HTTP/1.1 404 Not Found",
        ),
        (Http, b"HTTP/1.0 503 Busy\r\n\r\n", Bad, "HTTP/1.0 503 Busy"),
        (
            WebSocket,
            b"HTTP/1.1 101 Switching\r\n\r\n",
            Good,
            "HTTP/1.1 101 Switching",
        ),
        (
            WebSocket,
            b"HTTP/1.1 200 OK\r\n\r\n",
            Bad,
            "HTTP/1.1 200 OK",
        ),
        (
            WebSocket,
            b"HTTP/1.1 401 Unauthorized\r\n\r\n",
            Wants,
            "HTTP/1.1 401 Unauthorized",
        ),
        (Grpc, b"\0\0\x12\x04\0\0\0\0\0", Good, "HTTP/2 SETTINGS"),
        (Redis, b"+PONG\r\n", Good, "+PONG"),
        (
            Redis,
            b"-NOAUTH Authentication required.\r\n",
            Wants,
            "-NOAUTH Authentication required.",
        ),
        (
            Redis,
            b"-DENIED protected mode\r\n",
            Bad,
            "-DENIED protected mode",
        ),
        (Postgres, b"S", Good, "PostgreSQL, offers TLS"),
        (Postgres, b"N", Good, "PostgreSQL, without TLS"),
        (
            Postgres,
            b"E\0\0\0\x16SFATAL\0Mtoo many\0\0",
            Bad,
            "PostgreSQL error: too many",
        ),
        (Mysql, b"\x0c\0\0\0\x0a8.0.36\0rest", Good, "MySQL 8.0.36"),
        (
            Mysql,
            b"\x10\0\0\x00\xff\x10\x04Too many conn",
            Bad,
            "MySQL error 1040: Too many conn",
        ),
        (
            Amqp,
            b"\x01\0\0\0\0\x01\x00\0\x0a\0\x0a\0",
            Good,
            "AMQP 0-9-1 Connection.Start",
        ),
        (
            Amqp,
            b"AMQP\0\x01\0\0",
            Bad,
            "AMQP of another version: 0-1-0-0",
        ),
        (
            Mqtt,
            b"\x20\x02\0\0",
            Good,
            "MQTT CONNACK 0: connection accepted",
        ),
        (
            Mqtt,
            b"\x20\x02\0\x05",
            Wants,
            "MQTT CONNACK 5: not authorized",
        ),
        (Smtp, b"220 mx.test ESMTP\r\n", Good, "220 mx.test ESMTP"),
        (Smtp, b"554 5.7.1 no\r\n", Bad, "554 5.7.1 no"),
        (Ftp, b"220-Welcome\r\n220 FTP\r\n", Good, "220-Welcome"),
        (Ftp, b"421 Too many\r\n", Bad, "421 Too many"),
        (Imap, b"* OK ready\r\n", Good, "* OK ready"),
        (Imap, b"* BYE overloaded\r\n", Bad, "* BYE overloaded"),
        (Pop3, b"+OK ready\r\n", Good, "+OK ready"),
        (Pop3, b"-ERR locked\r\n", Bad, "-ERR locked"),
        (
            Ssh,
            b"notice\r\nSSH-2.0-OpenSSH_9.2\r\n",
            Good,
            "SSH-2.0-OpenSSH_9.2",
        ),
        (
            Ssh,
            b"Exceeded MaxStartups\r\n",
            Bad,
            "Exceeded MaxStartups",
        ),
    ]
};

#[test]
fn each_protocol_knows_its_answers() {
    for (protocol, bytes, tone, said) in ANSWERS {
        let expected = (*tone, (*said).to_owned());
        assert_eq!(line(*protocol, bytes), expected, "{protocol:?} {bytes:?}");
    }
}

#[test]
fn what_comes_in_pieces_is_waited_for() {
    for (protocol, bytes) in [
        (Protocol::Http, &b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n"[..]),
        (Protocol::Redis, b"+PONG\r\n"),
        (Protocol::Mqtt, b"\x20\x02\0\0"),
        (Protocol::Ssh, b"SSH-2.0-x\r\n"),
        (Protocol::Smtp, b"220 x ESMTP\r\n"),
        (Protocol::Mysql, b"\x03\0\0\0\x0a8\0"),
        (Protocol::Amqp, b"\x01\0\0\0\0\x01\x00\0\x0a\0\x0a"),
        (Protocol::Grpc, b"\0\0\0\x04\0\0\0\0\0"),
    ] {
        for cut in 1..bytes.len() {
            let said = talk(protocol, &bytes[..cut], Some(End::Stalled));
            assert!(
                matches!(said.verdict, Verdict::Stalled | Verdict::Answered(_)),
                "{protocol:?} {cut}: {:?}",
                said.verdict
            );
        }
        assert!(matches!(
            talk(protocol, bytes, None).verdict,
            Verdict::Answered(_)
        ));
    }
}

#[test]
fn silence_an_end_and_another_protocol_are_told_apart() {
    let verdict = |protocol, bytes: &[u8], end| talk(protocol, bytes, end).verdict;
    let ended = Some(End::Closed);
    let silent = Some(End::Stalled);
    assert_eq!(verdict(Protocol::Http, b"", silent), Verdict::Silent);
    assert_eq!(verdict(Protocol::Ssh, b"", silent), Verdict::Silent);
    assert_eq!(verdict(Protocol::Plain, b"", silent), Verdict::Quiet);
    assert_eq!(
        verdict(Protocol::Http, b"", ended),
        Verdict::EndedAtOnce(End::Closed)
    );
    assert_eq!(
        verdict(Protocol::Http, b"HTTP/1.1 2", ended),
        Verdict::EndedEarly(End::Closed)
    );
    let reset = Some(End::Reset);
    assert_eq!(
        verdict(Protocol::Http, b"", reset),
        Verdict::EndedAtOnce(End::Reset)
    );
    let other = |name| Verdict::Other(Some(name));
    assert_eq!(
        verdict(Protocol::Http, b"SSH-2.0-x\r\n", None),
        Verdict::Other(None)
    );
    assert_eq!(
        verdict(Protocol::Smtp, b"SSH-2.0-x", None),
        Verdict::Other(None)
    );
    // Whole, as a server sends it.
    let whole = |protocol, bytes: &[u8]| {
        let mut talk = Talk::new(Plan::new(protocol, "shop.test"));
        talk.received(bytes, AT);
        talk.spoken(AT).verdict
    };
    assert_eq!(whole(Protocol::Http, b"SSH-2.0-x\r\n"), other("SSH"));
    assert_eq!(
        whole(Protocol::Ssh, b"HTTP/1.1 400 Bad\r\n\r\n"),
        other("HTTP")
    );
    assert_eq!(
        whole(Protocol::Http, b"\x15\x03\x01\0\x02\x02\x46"),
        other("TLS")
    );
    assert_eq!(whole(Protocol::Ftp, b"220 mx ESMTP\r\n"), other("SMTP"));
    assert_eq!(whole(Protocol::Redis, b"+OK POP3\r\n"), other("POP3"));
}

#[test]
fn an_endless_answer_is_given_up_at_the_limit() {
    for protocol in [
        Protocol::Http,
        Protocol::Ssh,
        Protocol::Smtp,
        Protocol::Redis,
    ] {
        let start: &[u8] = match protocol {
            Protocol::Http => b"HTTP/1.1 200 OK\r\n",
            Protocol::Smtp => b"220 ",
            Protocol::Redis => b"-",
            _ => b"hello ",
        };
        let mut talk = Talk::new(Plan::new(protocol, "shop.test"));
        talk.received(start, AT);
        let mut count = 0;
        while !talk.is_done() {
            talk.received(&[b'x'; 4096], AT);
            count += 4096;
            assert!(count <= talk::MOST + 4096, "{protocol:?}");
        }
        let said = talk.spoken(AT);
        assert_eq!(said.verdict, Verdict::Endless(talk::MOST), "{protocol:?}");
        assert!(said.first.len() <= 64);
    }
}

#[test]
fn any_bytes_are_read_without_a_panic() {
    let mut seed = 7_u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    };
    for scheme in SCHEMES {
        for length in 0..200 {
            let bytes: Vec<u8> = (0..length).map(|_| next()).collect();
            let _ = talk(scheme.protocol, &bytes, Some(End::Closed));
        }
    }
}

#[test]
fn http_sends_what_a_client_sends_and_reads_where_it_is_sent() {
    let mut plan = Plan::new(Protocol::Http, "shop.test:8080");
    plan.path = "a b\r\nX: y".to_owned();
    let request = Talk::new(plan).transmit();
    let request = String::from_utf8(request).unwrap();
    assert!(request.starts_with("GET /a%20bX:%20y HTTP/1.1\r\nHost: shop.test:8080\r\n"));
    assert!(request.ends_with("\r\n\r\n"));
    let answer = b"HTTP/1.1 301 Moved\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nLOCATION: https://shop.test/\r\n\r\n";
    let Verdict::Answered(said) = talk(Protocol::Http, answer, None).verdict else {
        panic!("no answer");
    };
    assert_eq!(said.location.as_deref(), Some("https://shop.test/"));
    assert_eq!(said.date, Some(784_111_777));
    assert_eq!(said.code, Some(301));
    let leap = b"HTTP/1.1 200 OK\r\nDate: Thu, 29 Feb 2024 00:00:00 GMT\r\n\r\n";
    let Verdict::Answered(said) = talk(Protocol::Http, leap, None).verdict else {
        panic!("no answer");
    };
    assert_eq!(said.date, Some(1_709_164_800));
}

#[test]
fn what_is_expected_is_looked_for() {
    let plan = Plan {
        send: Some(b"hello".to_vec()),
        expect: Some(b"world".to_vec()),
        ..Plan::new(Protocol::Plain, "shop.test")
    };
    let mut good = Talk::new(plan.clone());
    assert_eq!(good.transmit(), b"hello");
    good.received(b"the wor", AT);
    assert!(!good.is_done());
    good.received(b"ld", AT);
    assert!(matches!(good.spoken(AT).verdict, Verdict::Answered(_)));
    let mut bad = Talk::new(plan.clone());
    bad.received(b"nothing", AT);
    bad.ended(End::Closed, AT);
    assert_eq!(bad.spoken(AT).verdict, Verdict::NotExpected);
    let mut silent = Talk::new(plan);
    silent.ended(End::Stalled, AT);
    assert_eq!(silent.spoken(AT).verdict, Verdict::Silent);
}

#[test]
fn ports_and_schemes_lead_to_a_protocol() {
    let of = |port| Scheme::of_port(port).map(|it| it.name);
    assert_eq!(of(80), Some("http"));
    assert_eq!(of(443), Some("https"));
    assert_eq!(of(6379), Some("redis"));
    assert_eq!(of(0), None);
    assert_eq!(of(9999), None);
    assert_eq!(
        Scheme::named("HTTPS").map(|it| (it.tls, it.port)),
        Some((true, 443))
    );
    assert!(Scheme::named("gopher").is_none());
}

use super::*;

/// A handshake record with this body, of this type of message.
fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = |value: usize| u16::try_from(value).unwrap().to_be_bytes();
    let mut bytes = vec![22, 3, 1];
    bytes.extend(length(body.len() + 4));
    bytes.extend([kind, 0]);
    bytes.extend(length(body.len()));
    bytes.extend(body);
    bytes
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_be_bytes().to_vec();
    bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    bytes.extend(data);
    bytes
}

/// A Client Hello for this host, with ALPN h2 and TLS 1.2 and 1.3.
fn client_hello(host: &str) -> Vec<u8> {
    let mut name = vec![0];
    name.extend(u16::try_from(host.len()).unwrap().to_be_bytes());
    name.extend(host.as_bytes());
    let mut list = u16::try_from(name.len()).unwrap().to_be_bytes().to_vec();
    list.extend(name);
    let extensions = [
        extension(0, &list),
        extension(16, &[0, 3, 2, b'h', b'2']),
        extension(43, &[6, 0x7a, 0x7a, 3, 4, 3, 3]),
    ]
    .concat();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 1, 1, 0]);
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    record(1, &body)
}

fn tls(bytes: &[u8]) -> Option<Said> {
    match tls::read(bytes) {
        tls::Read::Said(said) => Some(said),
        _ => None,
    }
}

fn words(said: Option<Said>) -> String {
    said.map(|said| format!("{} {}", said.protocol, said.words))
        .unwrap_or_default()
}

#[test]
fn a_client_hello_names_its_host_version_and_protocols() {
    let hello = client_hello("shop.test");
    let said = tls(&hello).unwrap();
    assert_eq!(said.words, "Client Hello shop.test TLS 1.3 ALPN h2");
    assert_eq!(said.host.as_deref(), Some("shop.test"));
    assert_eq!(said.sni(), Some("shop.test"));
    for length in 6..hello.len() {
        assert!(matches!(tls::read(&hello[..length]), tls::Read::Cut));
    }
}

#[test]
fn a_server_hello_and_an_alert_say_what_was_chosen_and_what_is_wrong() {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0x13, 1, 0]);
    let chosen = extension(43, &[3, 4]);
    body.extend(u16::try_from(chosen.len()).unwrap().to_be_bytes());
    body.extend(chosen);
    let hello = record(2, &body);
    assert_eq!(words(tls(&hello)), "TLS Server Hello TLS 1.3");
    let alert = [21, 3, 3, 0, 2, 2, 40];
    assert_eq!(words(tls(&alert)), "TLS Alert fatal handshake_failure (40)");
    // An encrypted one, application data, another version.
    assert_eq!(tls(&[21, 3, 3, 0, 3, 1, 2, 3]), None);
    assert_eq!(tls(&[23, 3, 3, 0, 1, 0]), None);
    assert_eq!(tls(&[22, 3, 9, 0, 1, 0]), None);
}

#[test]
fn a_line_of_text_is_http_or_ssh_or_nothing() {
    for (data, expected) in [
        (
            "GET /a?b HTTP/1.1\r\nAccept: */*\r\nhost: shop.test:8080\r\n\r\n",
            "HTTP GET /a?b (host shop.test:8080)",
        ),
        ("HTTP/1.1 404 Not Found\r\n\r\n", "HTTP 404 Not Found"),
        ("POST / HTTP/1.0\r\n\r\n", "HTTP POST /"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "SSH SSH-2.0-OpenSSH_9.2"),
        ("GET out\r\n", ""),
        ("HTTP/1.1 abc\r\n", ""),
        ("GETTING /", ""),
        ("EHLO there\r\n", ""),
    ] {
        assert_eq!(words(text::read(data.as_bytes())), expected, "{data}");
    }
    let said = text::read(b"GET / HTTP/1.1\r\nHost: shop.test:8080\r\n\r\n").unwrap();
    assert_eq!(said.host.as_deref(), Some("shop.test"));
}

/// A question for the A record of `www.test`, answered or not.
fn question(flags: u16, answers: &[u8], count: u16) -> Vec<u8> {
    let mut message = vec![0x12, 0x34];
    message.extend(flags.to_be_bytes());
    message.extend([0, 1]);
    message.extend(count.to_be_bytes());
    message.extend([0, 0, 0, 0, 3]);
    message.extend(b"www\x04test\0\0\x01\0\x01");
    message.extend(answers);
    message
}

#[test]
fn a_question_of_dns_and_its_first_answer_are_told() {
    let alias = b"\xc0\x0c\0\x05\0\x01\0\0\0\x09\0\x04\x01a\xc0\x10";
    let address = b"\xc0\x0c\0\x01\0\x01\0\0\0\x09\0\x04\x0a\0\0\x07";
    let both = [&alias[..], &address[..]].concat();
    for (message, expected) in [
        (question(0x0100, b"", 0), "DNS query A www.test"),
        (
            question(0x8180, &both, 2),
            "DNS reply A www.test: A 10.0.0.7 and 1 more",
        ),
        (
            question(0x8180, alias, 1),
            "DNS reply A www.test: CNAME a.test",
        ),
        (question(0x8183, b"", 0), "DNS reply A www.test: NXDOMAIN"),
        (question(0x8180, b"", 0), "DNS reply A www.test: no answer"),
        (question(0x8180, b"", 9), "DNS reply A www.test: no answer"),
    ] {
        assert_eq!(words(dns::read(&message)), expected);
    }
    assert_eq!(dns::read(b"hello, this is not DNS"), None);
}

#[test]
fn dhcp_tells_its_kind_the_address_and_the_name_of_the_client() {
    let mut message = vec![0; 236];
    message.extend([99, 130, 83, 99, 53, 1, 3, 50, 4, 10, 0, 0, 9, 12, 3]);
    message.extend(b"bob\xff");
    assert_eq!(
        words(dhcp::read(&message)),
        "DHCP Request 10.0.0.9 (host bob)"
    );
    message[16..20].copy_from_slice(&[10, 0, 0, 8]);
    message[242] = 5;
    assert_eq!(words(dhcp::read(&message)), "DHCP ACK 10.0.0.8 (host bob)");
    assert_eq!(dhcp::read(&message[..241]), None);
}

#[test]
fn quic_tells_its_version() {
    for (head, expected) in [
        ([0xc3, 0, 0, 0, 1, 8, 0, 0], "QUIC version 1 Initial"),
        (
            [0xd3, 0x6b, 0x33, 0x43, 0xcf, 8, 0, 0],
            "QUIC version 2 Initial",
        ),
        (
            [0xe3, 0xff, 0, 0, 29, 8, 0, 0],
            "QUIC version draft-29 Handshake",
        ),
        ([0xc0, 0, 0, 0, 0, 8, 0, 0], "QUIC Version Negotiation"),
        ([0xc3, 1, 2, 3, 4, 8, 0, 0], ""),
        ([0xc3, 0, 0, 0, 1, 21, 0, 0], ""),
    ] {
        assert_eq!(words(quic::read(&head)), expected);
    }
}

fn segment(stream: u32, sequence: u32) -> SegmentInfo {
    SegmentInfo {
        stream,
        slot: 0,
        is_copy: false,
        direction: Direction::Up,
        analysis: crate::stream::Analysis {
            sequence,
            ..crate::stream::Analysis::default()
        },
    }
}

#[test]
fn a_hello_in_several_segments_is_told_with_the_last_of_them() {
    let hello = client_hello("shop.test");
    let (first, rest) = hello.split_at(60);
    let (second, third) = rest.split_at(20);
    let mut greetings = Greetings::default();
    let mut take = |data: &[u8], sequence| {
        greetings
            .segment(data, (40_000, 443), &segment(3, sequence))
            .and_then(|said| said.host)
    };
    assert_eq!(take(first, 1), None);
    assert_eq!(take(second, 61), None);
    // Sent again.
    assert_eq!(take(second, 61), None);
    assert_eq!(take(third, 81).as_deref(), Some("shop.test"));
    // After a gap nothing is guessed.
    assert_eq!(take(first, 1), None);
    assert_eq!(take(third, 81), None);
    assert_eq!(take(second, 61), None);
}

#[test]
fn what_waits_is_bounded() {
    let hello = client_hello("shop.test");
    let mut greetings = Greetings::default();
    for stream in 0..10_000 {
        greetings.segment(&hello[..50], (1, 443), &segment(stream, 1));
    }
    assert!(greetings.waiting.len() <= MOST_WAITING);
    let mut endless = vec![22, 3, 1, 0x40, 0, 1];
    endless.resize(1000, 0);
    let mut at = 1;
    for _ in 0..100 {
        greetings.segment(&endless, (1, 443), &segment(1, at));
        at += 1000;
    }
    let kept: usize = greetings.waiting.values().map(|it| it.bytes.len()).sum();
    assert!(kept < (MOST_WAITING + 1) * 1000 + tls::LONGEST, "{kept}");
}

proptest::proptest! {
    #[test]
    fn whatever_comes_the_words_are_bounded(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400),
        kind in 0_usize..6,
    ) {
        let said = match kind {
            0 => dns::read(&bytes),
            1 => dhcp::read(&[&[0; 236][..], &[99, 130, 83, 99], &bytes].concat()),
            2 => quic::read(&bytes),
            3 => text::read(&bytes),
            4 => tls(&record(1, &bytes)),
            _ => tls(&record(2, &bytes)),
        };
        if let Some(said) = said {
            let texts = said.fields.iter().map(|(_, text)| text);
            for text in texts.chain([&said.words]).chain(&said.host) {
                proptest::prop_assert!(text.chars().count() <= MOST + 3);
            }
        }
    }
}

use proptest::prelude::*;

use super::*;
use crate::message::{
    BINARY_ENCODING, CLIENT_BINARY_TYPE, Content, encode_binary_request, encode_json_reply,
    encode_message, encode_search,
};

/// Reads chunks to the end: the wires of the messages, and how it ended.
fn read<'i>(
    deframer: &mut Deframer,
    chunks: impl IntoIterator<Item = &'i [u8]>,
) -> (Vec<Vec<u8>>, Result<(), MessageError>) {
    let mut cache = HeaderCache::default();
    let mut wires = Vec::new();
    for mut input in chunks {
        loop {
            match deframer.next(&mut input, &mut cache) {
                Ok(Some(message)) => wires.push(message.wire.to_vec()),
                Ok(None) => break,
                Err(error) => return (wires, Err(error)),
            }
        }
        assert!(input.is_empty(), "None says that all was taken");
    }
    let end = deframer.finish();
    (wires, end)
}

fn reason(bytes: &[u8]) -> String {
    let (_, end) = read(&mut Deframer::new(1000), [bytes]);
    end.unwrap_err().to_string()
}

fn framed(header: &str, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(header.len()).unwrap();
    [&length.to_be_bytes(), header.as_bytes(), content].concat()
}

#[test]
fn a_message_in_one_piece_is_borrowed_from_the_input() {
    let mut wire = Vec::new();
    encode_search("ring", &mut wire);
    let mut deframer = Deframer::new(1000);
    let mut input = &wire[..];
    let message = deframer
        .next(&mut input, &mut HeaderCache::default())
        .unwrap()
        .unwrap();
    assert_eq!(message.wire.as_ptr(), wire.as_ptr());
    assert_eq!(message.content, br#"{"action": "search", "value": "ring"}"#);
    let Content::Json(value) = message.decode().unwrap() else {
        panic!("it is JSON");
    };
    assert_eq!(value.py_repr(), "{'action': 'search', 'value': 'ring'}");
    assert!(!deframer.in_message());
}

#[test]
fn what_cannot_be_framed_is_refused_with_a_reason() {
    let header = |length: &str| {
        format!(
            "{{\"byteorder\": \"big\", \"content-type\": \"a\", \"content-encoding\": \"b\", \
             \"content-length\": {length}}}"
        )
    };
    assert_eq!(reason(b"\0\0"), "the header length is 0");
    assert_eq!(
        reason(b"\xff\xff"),
        "a header of 65535 bytes is over the limit of 1000 bytes a message"
    );
    assert_eq!(
        reason(&framed(&header("1000"), b"")),
        "a content of 1000 bytes is over the limit of 1000 bytes a message"
    );
    assert_eq!(
        reason(&framed(&header(&"9".repeat(50)), b"")),
        format!(
            "a content of more than {} bytes is over the limit of 1000 bytes a message",
            usize::MAX - 1
        )
    );
    assert_eq!(reason(&framed("{}", b"")), "the header lacks 'byteorder'");
    assert_eq!(
        reason(b"\0"),
        "1 of at least 2 bytes of the message arrived"
    );
    assert_eq!(
        reason(b"\0\x10{"),
        "3 of at least 18 bytes of the message arrived"
    );
    let whole = framed(&header("100"), b"12345");
    assert_eq!(
        reason(&whole),
        format!(
            "{} of {} bytes of the message arrived",
            whole.len(),
            whole.len() + 95
        )
    );
}

#[test]
fn the_limit_is_for_header_and_content_together() {
    let mut wire = Vec::new();
    encode_search("ring", &mut wire);
    let size = wire.len() - 2;
    assert_eq!(read(&mut Deframer::new(size), [&wire[..]]).0.len(), 1);
    let (_, end) = read(&mut Deframer::new(size - 1), [&wire[..]]);
    assert!(matches!(end, Err(MessageError::TooLarge { .. })));
}

#[test]
fn after_an_error_there_is_only_that_error() {
    let mut deframer = Deframer::new(1000);
    let mut wire = b"\0\0".to_vec();
    encode_search("ring", &mut wire);
    for _ in 0..3 {
        let (wires, end) = read(&mut deframer, [&wire[..]]);
        assert_eq!((wires, end), (vec![], Err(MessageError::EmptyHeader)));
    }
    assert_eq!(deframer.finish(), Err(MessageError::EmptyHeader));
}

#[test]
fn an_idle_deframer_is_small() {
    assert!(size_of::<Deframer>() <= 64, "{}", size_of::<Deframer>());
}

#[test]
fn a_large_message_in_single_bytes_is_linear() {
    const SIZE: usize = 2 << 20;
    let mut wire = Vec::new();
    encode_binary_request("", &vec![7; SIZE], &mut wire);
    let mut deframer = Deframer::new(SIZE + 1000);
    let mut cache = HeaderCache::default();
    let mut found = 0;
    for byte in &wire {
        let mut input = std::slice::from_ref(byte);
        while let Some(message) = deframer.next(&mut input, &mut cache).unwrap() {
            assert_eq!(message.content.len(), SIZE);
            found += 1;
        }
    }
    assert_eq!(found, 1);
}

#[test]
fn the_messages_of_a_captured_session_are_found() {
    // frame | stream | source port | header length | type | content length | content in hex
    const CAPTURED: &str = include_str!("tutorial.messages.txt");
    let mut rows = 0;
    for row in CAPTURED.lines() {
        let fields: Vec<&str> = row.split('|').collect();
        let content: Vec<u8> = (0..fields[6].len() / 2)
            .map(|at| u8::from_str_radix(&fields[6][2 * at..2 * at + 2], 16).unwrap())
            .collect();
        let encoding = if fields[4] == "text/json" {
            "utf-8"
        } else {
            "binary"
        };
        let mut wire = Vec::new();
        encode_message(fields[4], encoding, &content, &mut wire).unwrap();
        assert_eq!(fields[3], wire[1].to_string(), "header length");
        let mut deframer = Deframer::new(DEFAULT_MAX_MESSAGE);
        let mut input = &wire[..];
        let message = deframer
            .next(&mut input, &mut HeaderCache::default())
            .unwrap()
            .unwrap();
        assert_eq!(message.header.content_length.to_string(), fields[5]);
        assert_eq!(message.content, content);
        rows += 1;
    }
    assert_eq!(rows, 4);
}

/// Cuts a stream at any places.
fn cut<'a>(stream: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = places
        .iter()
        .map(|place| place.index(stream.len() + 1))
        .collect();
    at.sort_unstable();
    at.push(stream.len());
    let mut start = 0;
    at.into_iter()
        .map(|end| &stream[std::mem::replace(&mut start, end)..end])
        .collect()
}

proptest! {
    #[test]
    fn what_is_encoded_is_found_again_however_it_is_cut(
        contents in prop::collection::vec((any::<bool>(), any::<String>()), 0..8),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let wires: Vec<Vec<u8>> = contents.iter().map(|(json, text)| {
            let mut wire = Vec::new();
            if *json {
                encode_json_reply(text, &mut wire);
            } else {
                encode_message(CLIENT_BINARY_TYPE, BINARY_ENCODING, text.as_bytes(), &mut wire)
                    .unwrap();
            }
            wire
        }).collect();
        let stream = wires.concat();
        let mut deframer = Deframer::new(DEFAULT_MAX_MESSAGE);
        let (found, end) = read(&mut deframer, cut(&stream, &places));
        prop_assert_eq!(found, wires);
        prop_assert_eq!(end, Ok(()));
    }

    #[test]
    fn any_text_survives_the_way_there_and_back(text in any::<String>()) {
        let mut wire = Vec::new();
        encode_json_reply(&text, &mut wire);
        let mut deframer = Deframer::new(DEFAULT_MAX_MESSAGE);
        let mut input = &wire[..];
        let message = deframer.next(&mut input, &mut HeaderCache::default()).unwrap().unwrap();
        let content = message.decode().unwrap();
        prop_assert_eq!(content.result().unwrap().as_str(), Some(&text[..]));
    }

    #[test]
    fn no_bytes_make_it_panic_or_hold_more_than_it_was_given(
        prefix in prop::option::of(0u8..40),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let stream = match prefix {
            Some(length) => [&[0, length], &bytes[..]].concat(),
            None => bytes,
        };
        let mut deframer = Deframer::new(100);
        let _ = read(&mut deframer, cut(&stream, &places));
        prop_assert!(deframer.assembler.len() <= stream.len());
    }
}

#[test]
fn another_protocol_is_named_at_once_and_not_waited_for() {
    for (bytes, name) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "HTTP"),
        (b"POST /x HTTP/1.1\r\n", "HTTP"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "TLS"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
    ] {
        for piece in [bytes.len(), 1] {
            let mut deframer = Deframer::new(DEFAULT_MAX_MESSAGE);
            let told = bytes
                .chunks(piece)
                .find_map(|mut chunk| deframer.next(&mut chunk, &mut HeaderCache::default()).err());
            assert_eq!(told, Some(MessageError::OtherProtocol(name)), "{bytes:?}");
        }
    }
    // The same lengths in front of a header.
    for length in [&b"GE"[..], b"PO", b"\x16\x03", b"SS"] {
        let mut deframer = Deframer::new(DEFAULT_MAX_MESSAGE);
        let bytes = [length, b"{\"byteorder\""].concat();
        assert!(matches!(
            deframer.next(&mut &bytes[..], &mut HeaderCache::default()),
            Ok(None)
        ));
    }
}

#[test]
fn a_header_length_in_the_wrong_byte_order_is_recognised() {
    let mut good = Vec::new();
    encode_search("ring", &mut good);
    let mut swapped = good.clone();
    swapped.swap(0, 1);
    let find = |bytes: &[u8]| {
        let mut deframer = Deframer::new(DEFAULT_MAX_MESSAGE);
        let found = deframer.next(&mut &*bytes, &mut HeaderCache::default());
        found.map(|message| message.is_some())
    };
    let wrong = MessageError::ByteOrder {
        announced: 26_368,
        swapped: 103,
    };
    assert_eq!(find(&swapped), Err(wrong.clone()));
    assert!(wrong.to_string().contains("swapped it is 103"), "{wrong}");
    assert_eq!(find(&good), Ok(true));
    // Up to its last byte the header might yet be one that is padded with blanks.
    let mut deframer = Deframer::new(DEFAULT_MAX_MESSAGE);
    let header = &swapped[..105];
    assert!(matches!(
        deframer.next(&mut &*header, &mut HeaderCache::default()),
        Ok(None)
    ));
    assert_eq!(deframer.finish(), Err(wrong));
    let mut padded = good[2..105].to_vec();
    padded.resize(26_368, b' ');
    let padded = [&26_368_u16.to_be_bytes()[..], &padded, &good[105..]].concat();
    assert_eq!(find(&padded), Ok(true));
}

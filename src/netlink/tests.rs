use proptest::prelude::*;

use super::*;

/// A message as the kernel writes it, with a length of the caller's choice.
fn message(length: u32, kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
    let [sequence, port] = [7u32, 42].map(u32::to_ne_bytes);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence);
    bytes.extend(port);
    bytes.extend(payload);
    bytes
}

fn attribute(length: u16, kind: u16, payload: &[u8]) -> Vec<u8> {
    [&length.to_ne_bytes(), &kind.to_ne_bytes(), payload].concat()
}

fn malformed(offset: usize, need: usize, have: usize) -> Malformed {
    Malformed {
        layer: "netlink message",
        offset,
        need,
        have,
    }
}

#[test]
fn the_fields_are_where_the_kernel_puts_them() {
    let bytes = message(20, 20, MULTI, &[1, 2, 3, 4]);
    let mut messages = Messages::new(&bytes);
    let expected = Message {
        kind: 20,
        flags: MULTI,
        sequence: 7,
        port: 42,
        payload: &[1, 2, 3, 4],
    };
    assert_eq!(messages.next(), Some(Ok(expected)));
    assert_eq!(expected.content(), Ok(Content::Reply(&[1, 2, 3, 4])));
    assert_eq!(messages.next(), None);
}

#[test]
fn a_length_of_zero_ends_it() {
    let bytes = [message(16, 20, 0, &[]), vec![0; 64]].concat();
    let all: Vec<_> = Messages::new(&bytes).collect();
    assert_eq!(all.len(), 2);
    assert_eq!(all[1], Err(malformed(16, 16, 0)));
}

#[test]
fn a_length_shorter_than_the_header_ends_it() {
    let bytes = message(15, 20, 0, &[0; 32]);
    let all: Vec<_> = Messages::new(&bytes).collect();
    assert_eq!(all, [Err(malformed(0, 16, 15))]);
}

#[test]
fn a_length_beyond_the_end_ends_it() {
    for (length, need) in [(21, 21), (u32::MAX, u32::MAX as usize)] {
        let bytes = message(length, 20, 0, &[0; 4]);
        let all: Vec<_> = Messages::new(&bytes).collect();
        assert_eq!(all, [Err(malformed(0, need, 20))]);
    }
}

#[test]
fn half_a_header_is_malformed() {
    let bytes = [message(16, 20, 0, &[]), vec![16, 0, 0]].concat();
    let all: Vec<_> = Messages::new(&bytes).collect();
    assert_eq!(all[1..], [Err(malformed(16, 16, 3))]);
}

#[test]
fn a_message_of_odd_length_is_padded_except_at_the_end() {
    let odd = message(17, 20, 0, &[9]);
    let bytes = [&odd, &[0, 0, 0][..], &odd].concat();
    let all: Vec<_> = Messages::new(&bytes).collect();
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|one| one.unwrap().payload == [9]));
}

#[test]
fn a_buffer_may_begin_at_any_address() {
    let bytes = message(20, 20, 0, &[1, 2, 3, 4]);
    for shift in 0..8 {
        let moved = [vec![0xee; shift], bytes.clone()].concat();
        let found = Messages::new(&moved[shift..]).next().unwrap().unwrap();
        assert_eq!(found.payload, [1, 2, 3, 4]);
    }
}

#[test]
fn the_end_of_a_dump_and_an_error_carry_a_positive_errno() {
    let content = |kind, payload: &[u8]| {
        let length = 16 + u32::try_from(payload.len()).unwrap();
        let bytes = message(length, kind, 0, payload);
        Messages::new(&bytes)
            .next()
            .unwrap()
            .unwrap()
            .content()
            .map(|content| format!("{content:?}"))
    };
    let ok = |text: &str| Ok(text.to_owned());
    assert_eq!(content(3, &0i32.to_ne_bytes()), ok("Done(0)"));
    assert_eq!(content(3, &(-4i32).to_ne_bytes()), ok("Done(4)"));
    assert_eq!(content(3, &[]), ok("Done(0)"));
    assert_eq!(content(2, &(-2i32).to_ne_bytes()), ok("Error(2)"));
    assert_eq!(content(2, &0i32.to_ne_bytes()), ok("Error(0)"));
    assert_eq!(content(2, &i32::MIN.to_ne_bytes()), ok("Error(2147483647)"));
    assert_eq!(content(1, &[]), ok("Noop"));
    assert_eq!(content(4, &[]), ok("Overrun"));
    assert_eq!(content(2, &[0, 0]).unwrap_err().have, 2);
    assert_eq!(content(3, &[0]).unwrap_err().need, 4);
}

#[test]
fn an_error_is_explained_after_the_request_that_it_quotes() {
    let explained = |kind, flags, before: &[u8]| {
        let payload = [
            before,
            &attribute(8, 2, &[0; 4]),
            &attribute(8, 1, b"why\0"),
        ]
        .concat();
        let length = 16 + u32::try_from(payload.len()).unwrap();
        let bytes = message(length, kind, flags, &payload);
        let message = Messages::new(&bytes).next().unwrap().unwrap();
        message.explanation().map(<[u8]>::to_vec)
    };
    let errno = (-22i32).to_ne_bytes();
    let quoted = message(19, 30, 0, &[1, 2, 3, 0]);
    let whole = [&errno[..], &quoted].concat();
    let why = Some(b"why".to_vec());
    assert_eq!(explained(2, 0x200, &whole), why);
    assert_eq!(explained(2, 0x300, &whole[..20]), why);
    assert_eq!(explained(3, 0x202, &errno), why);
    assert_eq!(explained(2, 0, &whole), None, "without the flag");
    assert_eq!(explained(20, 0x200, &errno), None, "not an error");
    let beyond = [&errno[..], &message(u32::MAX, 30, 0, &[])].concat();
    assert_eq!(explained(2, 0x200, &beyond), None);
    assert_eq!(explained(2, 0x200, &[]), None);
}

#[test]
fn a_disturbed_dump_says_so_on_its_messages() {
    for (flags, interrupted) in [(MULTI, false), (MULTI | DUMP_INTERRUPTED, true)] {
        let bytes = message(16, 20, flags, &[]);
        let found = Messages::new(&bytes).next().unwrap().unwrap();
        assert_eq!(found.interrupted(), interrupted);
    }
}

#[test]
fn attributes_lose_their_flags_and_their_padding() {
    let bytes = [
        attribute(5, 0x8000 | 3, &[1, 0, 0, 0]),
        attribute(8, 0x4000 | 4, &7u32.to_ne_bytes()),
        attribute(4, 5, &[]),
    ]
    .concat();
    let all: Vec<_> = Attributes::new(&bytes, 0).map(Result::unwrap).collect();
    assert_eq!(
        all.iter().map(|one| one.kind).collect::<Vec<_>>(),
        [3, 4, 5]
    );
    assert_eq!(
        all.iter().map(|one| one.offset).collect::<Vec<_>>(),
        [0, 8, 16]
    );
    assert_eq!((all[0].u8(), all[1].u32()), (Ok(1), Ok(7)));
    assert_eq!(all[0].u32().unwrap_err().have, 1);
    assert_eq!(all[1].u64().unwrap_err().need, 8);
    assert_eq!(all[2].u8().unwrap_err().offset, 16);
}

#[test]
fn attributes_with_a_wrong_length_end_it() {
    for (bytes, need, have) in [
        (attribute(0, 1, &[0; 8]), 4, 0),
        (attribute(3, 1, &[0; 8]), 4, 3),
        (attribute(13, 1, &[0; 8]), 13, 12),
        (vec![4, 0, 0], 4, 3),
    ] {
        let all: Vec<_> = Attributes::new(&bytes, 0).collect();
        let expected = Malformed {
            layer: "attribute",
            offset: 0,
            need,
            have,
        };
        assert_eq!(all, [Err(expected)]);
    }
    assert_eq!(Attributes::new(&[1, 2], 5).next(), None);
}

#[test]
fn a_request_is_read_back() {
    let mut out = b"before".to_vec();
    Request::new(&mut out, 20, DUMP, 99)
        .bytes(&[1, 2, 3, 4])
        .attribute(1, b"odd")
        .attribute(2, b"even")
        .finish();
    let found = Messages::new(&out[6..]).next().unwrap().unwrap();
    assert_eq!((found.kind, found.flags), (20, DUMP | REQUEST));
    assert_eq!((found.sequence, found.port), (99, 0));
    assert_eq!(found.payload[..4], [1, 2, 3, 4]);
    let values: Vec<_> = Attributes::new(found.payload, 4)
        .map(|attribute| attribute.unwrap().payload)
        .collect();
    assert_eq!(values, [&b"odd"[..], b"even"]);
}

#[test]
fn the_words_for_malformed_bytes() {
    assert_eq!(
        malformed(32, 16, 3).to_string(),
        "malformed netlink message at byte 32: 16 bytes needed, 3 present"
    );
}

proptest! {
    #[test]
    fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Messages::new(&bytes).count() <= bytes.len() / HEADER_LEN + 1);
        prop_assert!(Attributes::new(&bytes, 0).count() <= bytes.len() / ATTRIBUTE_HEADER_LEN + 1);
    }

    #[test]
    fn what_is_written_is_read(
        requests in prop::collection::vec(
            (any::<u16>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..50)), 0..10),
    ) {
        let mut out = Vec::new();
        for (kind, sequence, value) in &requests {
            Request::new(&mut out, *kind, 0, *sequence).attribute(1, value).finish();
        }
        let all: Result<Vec<_>, _> = Messages::new(&out).collect();
        let all = all.unwrap();
        prop_assert_eq!(all.len(), requests.len());
        for (found, (kind, sequence, value)) in all.iter().zip(&requests) {
            prop_assert_eq!((found.kind, found.sequence), (*kind, *sequence));
            let attribute = Attributes::new(found.payload, 0).next().unwrap().unwrap();
            prop_assert_eq!(attribute.payload, value);
        }
    }
}

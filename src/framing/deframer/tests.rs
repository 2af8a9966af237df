use super::*;
use proptest::prelude::*;
use std::num::NonZeroUsize;

const NO_LIMIT: usize = usize::MAX;

fn deframer(word: &str, limit: usize) -> Deframer {
    Deframer::new(word.parse().unwrap(), limit)
}

/// Feeds a stream in the given pieces (the last one again and again) and collects the messages.
fn messages(
    deframer: &mut Deframer,
    stream: &[u8],
    pieces: &[usize],
) -> Result<Vec<Vec<u8>>, FramingError> {
    let mut found = Vec::new();
    let mut wire = 0;
    let mut rest = stream;
    let mut sizes = pieces.iter().copied().chain(std::iter::repeat(
        pieces.last().copied().unwrap_or(usize::MAX),
    ));
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(1).clamp(1, rest.len());
        let (mut input, later) = rest.split_at(size);
        rest = later;
        while let Some(frame) = deframer.next(&mut input)? {
            wire += frame.wire.len();
            assert!(stream[..wire].ends_with(frame.wire));
            found.push(frame.payload.to_vec());
        }
        assert!(input.is_empty());
        assert_eq!(wire + deframer.buffered() + rest.len(), stream.len());
    }
    if let Some(frame) = deframer.finish()? {
        found.push(frame.payload.to_vec());
    }
    Ok(found)
}

fn all_at_once(word: &str, limit: usize, stream: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    messages(&mut deframer(word, limit), stream, &[]).map_err(|error| error.to_string())
}

#[test]
fn messages_back_to_back_come_out_one_by_one() {
    for (word, stream) in [
        ("line", &b"one\ntwo\r\n\n"[..]),
        ("delim:#*#", b"one#*#two#*##*#"),
        ("digits:5", b"00003one00003two00000"),
        ("len16", b"\0\x03one\0\x03two\0\0"),
        ("len32", b"\0\0\0\x03one\0\0\0\x03two\0\0\0\0"),
        ("fixed:4", b"one#two#####"),
    ] {
        assert_eq!(
            all_at_once(word, 3, stream).unwrap(),
            [&b"one"[..], b"two", b""],
            "{word}"
        );
    }
    assert_eq!(all_at_once("close", 6, b"onetwo").unwrap(), [b"onetwo"]);
    assert_eq!(all_at_once("raw", 0, b"onetwo").unwrap(), [b"onetwo"]);
}

#[test]
fn the_wire_bytes_keep_the_peers_own_line_end() {
    let mut deframer = deframer("line", 10);
    let mut input = &b"a\rb\r\r\n"[..];
    let frame = deframer.next(&mut input).unwrap().unwrap();
    assert_eq!(frame.payload, b"a\rb\r");
    assert_eq!(frame.wire, b"a\rb\r\r\n");
}

#[test]
fn a_fixed_size_message_that_ends_with_the_pad_loses_it() {
    assert_eq!(
        all_at_once("fixed:6", 9, b"a#b##\0######").unwrap(),
        [&b"a#b##\0"[..], b""]
    );
    assert_eq!(all_at_once("fixed:3", 9, b"C##").unwrap(), [b"C"]);
}

#[test]
fn a_stream_that_ends_inside_a_message_says_how_far_it_came() {
    for (word, stream, how_far) in [
        ("digits:5", &b"000"[..], "after 3 of 5 length digits"),
        (
            "digits:5",
            b"999990123456789",
            "after 10 of the 99999 bytes announced",
        ),
        ("digits:5", b"00001", "after 0 of the 1 bytes announced"),
        ("len16", b"\0", "after 1 of 2 length bytes"),
        ("len32", b"\0\0\0\x05ab", "after 2 of the 5 bytes announced"),
        (
            "fixed:30",
            b"Hello, world!",
            "after 13 of the 30 bytes of a message",
        ),
        (
            "line",
            b"x",
            "after 1 byte, before the delimiter \"\\n\" came",
        ),
        (
            "delim:#*#",
            b"hello#*",
            "after 7 bytes, before the delimiter \"#*#\" came",
        ),
    ] {
        assert_eq!(
            all_at_once(word, 99_999, stream).unwrap_err(),
            format!("the connection ended {how_far}"),
        );
    }
}

#[test]
fn an_end_between_messages_is_no_error_and_no_message() {
    for word in [
        "raw", "line", "delim:x", "digits:1", "len16", "len32", "fixed:2", "close",
    ] {
        assert_eq!(all_at_once(word, 1, b"").unwrap(), [b""; 0], "{word}");
    }
}

#[test]
fn a_length_field_without_digits_is_shown_as_soon_as_it_comes() {
    let mut deframer = deframer("digits:5", 100);
    let error = deframer.next(&mut &b"0hi\n"[..]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the length should be 5 decimal digits, and \"0hi\\n\" came"
    );
    for field in ["+0012", "   12", "-0001", "1e003", "12_34"] {
        assert!(
            all_at_once("digits:5", 99_999, field.as_bytes()).is_err(),
            "{field}"
        );
    }
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_memory_is_taken() {
    for (word, field) in [
        ("len32", &b"\xff\xff\xff\xff"[..]),
        ("digits:9", b"999999999"),
    ] {
        let mut deframer = deframer(word, 1000);
        let error = deframer.next(&mut &*field).unwrap_err();
        assert!(
            error.to_string().ends_with("bytes, the limit is 1000"),
            "{error}"
        );
        assert_eq!(deframer.assembler.capacity(), 0);
    }
}

#[test]
fn a_length_that_is_text_or_in_the_wrong_byte_order_is_recognised() {
    let refused = |field: &[u8]| {
        deframer("len32", 1000)
            .next(&mut &*field)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(b"\x05\0\0\0hello"),
        "the length \"\\x05\\0\\0\\0\" announces a message of 83886080 bytes, the limit is 1000; swapped it \
         is 5: the peer's length is little-endian"
    );
    let text = refused(b"hello");
    assert!(text.starts_with("the length \"hell\" announces"), "{text}");
    assert!(
        text.contains("it is text, so the peer sends messages without this length"),
        "{text}"
    );
    let neither = refused(b"\xff\xff\xff\xff");
    assert!(neither.ends_with("the limit is 1000"), "{neither}");
    // A length of two bytes is never over the limit: it is recognised by how many bytes came.
    let mut short = deframer("len16", NO_LIMIT);
    assert_eq!(short.next(&mut &b"\x05\0hello"[..]), Ok(None));
    let so_far = short.unfinished().unwrap().so_far();
    assert_eq!(
        so_far,
        "5 of the 1280 bytes announced; swapped, the length is 5: the peer's length is little-endian"
    );
    let mut good = deframer("len16", NO_LIMIT);
    assert_eq!(good.next(&mut &b"\0\x05hell"[..]), Ok(None));
    assert_eq!(
        good.unfinished().unwrap().so_far(),
        "4 of the 5 bytes announced"
    );
    let mut line = deframer("line", 30);
    assert_eq!(line.next(&mut &b"12345"[..]), Ok(None));
    assert_eq!(
        line.unfinished().unwrap().so_far(),
        "5 bytes, no newline yet"
    );
    let long = line.next(&mut &[b'x'; 40][..]).unwrap_err().to_string();
    assert!(long.ends_with("the first are \"12345\""), "{long}");
}

#[test]
fn an_announced_length_takes_no_memory_until_its_bytes_come() {
    let mut deframer = deframer("len32", NO_LIMIT);
    assert_eq!(deframer.next(&mut &b"\xff\xff\xff\xffabc"[..]), Ok(None));
    assert!(deframer.assembler.capacity() < 100);
    assert_eq!(deframer.buffered(), 7);
}

#[test]
fn a_message_of_exactly_the_limit_passes_and_one_byte_more_does_not_in_any_pieces() {
    for (word, fits, too_long) in [
        ("line", &b"abc\r\n"[..], &b"abcd\n"[..]),
        ("delim:#*#", b"ab##*#", b"abcd#*#"),
        ("digits:2", b"03abc", b"04abcd"),
        ("len16", b"\0\x03abc", b"\0\x04abcd"),
        ("close", b"abc", b"abcd"),
    ] {
        for size in 1..8 {
            let run = |stream| messages(&mut deframer(word, 3), stream, &[size]);
            assert_eq!(run(fits).map(|found| found.len()), Ok(1), "{word} {size}");
            assert!(run(too_long).is_err(), "{word} {size}");
        }
    }
}

#[test]
fn a_deframer_between_messages_holds_no_memory() {
    for (word, pieces) in [
        ("line", [&b"a long li"[..], b"ne\n"]),
        ("delim:#*#", [b"text#", b"*#"]),
        ("digits:5", [b"000", b"03abc"]),
        ("fixed:9", [b"fixed", b"####"]),
    ] {
        let mut deframer = deframer(word, 100);
        let [mut first, mut second] = pieces;
        assert_eq!(deframer.next(&mut first), Ok(None));
        assert!(deframer.in_message());
        assert!(deframer.next(&mut second).unwrap().is_some());
        assert!(!deframer.in_message());
        assert_eq!(deframer.next(&mut second), Ok(None));
        assert_eq!(deframer.assembler.capacity(), 0, "{word}");
    }
}

/// A search that began again at each byte would need 10^12 steps here and never end.
#[test]
fn a_megabyte_in_single_bytes_costs_linear_time() {
    const SIZE: usize = 1 << 20;
    let mut prefixed = b"01048576".to_vec();
    prefixed.resize(8 + SIZE, b'a');
    // The delimiter nearly matches at every byte.
    let mut delimited = vec![b'a'; SIZE + 7];
    delimited.push(b'b');
    let mut line = vec![b'a'; SIZE];
    line.push(b'\n');
    for (word, stream) in [
        ("digits:8", prefixed),
        ("delim:aaaaaaab", delimited),
        ("line", line),
        ("close", vec![b'a'; SIZE]),
        ("fixed:1048576", vec![b'a'; SIZE]),
    ] {
        let found = messages(&mut deframer(word, SIZE), &stream, &[1]).unwrap();
        assert_eq!(found, [vec![b'a'; SIZE]], "{word}");
    }
}

fn any_framing() -> impl Strategy<Value = Framing> {
    prop_oneof![
        Just(Framing::Raw),
        Just(Framing::Line),
        proptest::collection::vec(b'a'..=b'c', 1..4)
            .prop_map(|bytes| Framing::Delimited(Delimiter::new(&bytes).unwrap())),
        (1_u8..=9).prop_map(|digits| Framing::Digits(digits.try_into().unwrap())),
        Just(Framing::Len16),
        Just(Framing::Len32),
        (1_usize..40, any::<u8>()).prop_map(|(size, pad)| Framing::Fixed {
            size: NonZeroUsize::new(size).unwrap(),
            pad,
        }),
        Just(Framing::Close),
    ]
}

/// Few letters, so that delimiters, line ends and pads are frequent.
fn any_message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(prop_oneof![b'a'..=b'd', Just(b'\r'), Just(b'\n')], 0..20),
        proptest::collection::vec(any::<u8>(), 0..60),
    ]
}

proptest! {
    #[test]
    fn what_was_encoded_comes_back_in_any_pieces(
        framing in any_framing(),
        originals in proptest::collection::vec(any_message(), 0..8),
        pieces in proptest::collection::vec(1_usize..30, 1..9),
    ) {
        let mut stream = Vec::new();
        let sent: Vec<Vec<u8>> = originals
            .into_iter()
            .filter(|message| framing.encode(message, &mut stream).is_ok())
            .collect();
        let got = messages(&mut Deframer::new(framing.clone(), 60 * 8), &stream, &pieces).unwrap();
        if matches!(framing, Framing::Raw | Framing::Close) {
            // They have no boundaries between messages, but they lose nothing.
            prop_assert_eq!(got.concat(), sent.concat());
        } else {
            prop_assert_eq!(got, sent);
        }
    }

    #[test]
    fn any_bytes_give_the_same_messages_in_any_pieces(
        framing in any_framing(),
        stream in proptest::collection::vec(
            prop_oneof![3 => b'a'..=b'd', 2 => b'0'..=b'2', 1 => any::<u8>(), 1 => Just(b'\n')],
            0..200,
        ),
        limit in 0_usize..30,
        pieces in proptest::collection::vec(1_usize..30, 1..9),
    ) {
        prop_assume!(framing != Framing::Raw);
        let whole = messages(&mut Deframer::new(framing.clone(), limit), &stream, &[]);
        let cut = messages(&mut Deframer::new(framing, limit), &stream, &pieces);
        match (whole, cut) {
            (Ok(whole), Ok(cut)) => prop_assert_eq!(whole, cut),
            // How much of a bad length field is shown depends on how much of it was there.
            (Err(whole), Err(cut)) => prop_assert_eq!(
                std::mem::discriminant(&whole),
                std::mem::discriminant(&cut)
            ),
            (whole, cut) => prop_assert!(false, "{whole:?} and {cut:?}"),
        }
    }
}

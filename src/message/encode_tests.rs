//! Byte for byte as Python's `json.dumps(.., ensure_ascii=False)` and the tutorial's framing.

use super::*;

/// A value and the whole request to search for it, made by Python on a little-endian machine.
const SEARCHES: &[(&str, &[u8])] = &[
    ("ring", b"\x00g{\"byteorder\": \"little\", \"content-type\": \"text/json\", \"content-encoding\": \"utf-8\", \"content-length\": 37}{\"action\": \"search\", \"value\": \"ring\"}"),
    ("morpheus", b"\x00g{\"byteorder\": \"little\", \"content-type\": \"text/json\", \"content-encoding\": \"utf-8\", \"content-length\": 41}{\"action\": \"search\", \"value\": \"morpheus\"}"),
    ("\u{1f436}", b"\x00g{\"byteorder\": \"little\", \"content-type\": \"text/json\", \"content-encoding\": \"utf-8\", \"content-length\": 37}{\"action\": \"search\", \"value\": \"\xf0\x9f\x90\xb6\"}"),
    ("nope", b"\x00g{\"byteorder\": \"little\", \"content-type\": \"text/json\", \"content-encoding\": \"utf-8\", \"content-length\": 37}{\"action\": \"search\", \"value\": \"nope\"}"),
    ("", b"\x00g{\"byteorder\": \"little\", \"content-type\": \"text/json\", \"content-encoding\": \"utf-8\", \"content-length\": 33}{\"action\": \"search\", \"value\": \"\"}"),
    ("a\"b\\c/d", b"\x00g{\"byteorder\": \"little\", \"content-type\": \"text/json\", \"content-encoding\": \"utf-8\", \"content-length\": 42}{\"action\": \"search\", \"value\": \"a\\\"b\\\\c/d\"}"),
    ("\u{8}\u{c}\n\u{d}\u{9}", b"\x00g{\"byteorder\": \"little\", \"content-type\": \"text/json\", \"content-encoding\": \"utf-8\", \"content-length\": 43}{\"action\": \"search\", \"value\": \"\\b\\f\\n\\r\\t\"}"),
    ("\u{0}\u{1}\u{1f}\u{7f}", b"\x00g{\"byteorder\": \"little\", \"content-type\": \"text/json\", \"content-encoding\": \"utf-8\", \"content-length\": 52}{\"action\": \"search\", \"value\": \"\\u0000\\u0001\\u001f\x7f\"}"),
    ("\u{2028}\u{e9}", b"\x00g{\"byteorder\": \"little\", \"content-type\": \"text/json\", \"content-encoding\": \"utf-8\", \"content-length\": 38}{\"action\": \"search\", \"value\": \"\xe2\x80\xa8\xc3\xa9\"}"),
];

/// A result and the whole reply that gives it.
const REPLIES: &[(&str, &[u8])] = &[
    ("Follow the white rabbit. \u{1f430}", b"\x00g{\"byteorder\": \"little\", \"content-type\": \"text/json\", \"content-encoding\": \"utf-8\", \"content-length\": 43}{\"result\": \"Follow the white rabbit. \xf0\x9f\x90\xb0\"}"),
    ("In the caves beneath the Misty Mountains. \u{1f48d}", b"\x00g{\"byteorder\": \"little\", \"content-type\": \"text/json\", \"content-encoding\": \"utf-8\", \"content-length\": 60}{\"result\": \"In the caves beneath the Misty Mountains. \xf0\x9f\x92\x8d\"}"),
    ("\u{1f43e} Playing ball! \u{1f3d0}", b"\x00g{\"byteorder\": \"little\", \"content-type\": \"text/json\", \"content-encoding\": \"utf-8\", \"content-length\": 37}{\"result\": \"\xf0\x9f\x90\xbe Playing ball! \xf0\x9f\x8f\x90\"}"),
    ("No match for 'nope'.", b"\x00g{\"byteorder\": \"little\", \"content-type\": \"text/json\", \"content-encoding\": \"utf-8\", \"content-length\": 34}{\"result\": \"No match for 'nope'.\"}"),
    ("Error: invalid action 'delete'.", b"\x00g{\"byteorder\": \"little\", \"content-type\": \"text/json\", \"content-encoding\": \"utf-8\", \"content-length\": 45}{\"result\": \"Error: invalid action 'delete'.\"}"),
    ("\u{1f}\u{7f}\u{80}\"\\/", b"\x00g{\"byteorder\": \"little\", \"content-type\": \"text/json\", \"content-encoding\": \"utf-8\", \"content-length\": 28}{\"result\": \"\\u001f\x7f\xc2\x80\\\"\\\\/\"}"),
];

#[test]
#[cfg(target_endian = "little")]
fn a_search_is_what_python_sends() {
    for &(value, wire) in SEARCHES {
        let mut out = Vec::new();
        encode_search(value, &mut out);
        assert_eq!(out, wire, "{value:?}");
    }
}

#[test]
#[cfg(target_endian = "little")]
fn a_reply_is_what_python_sends() {
    for &(result, wire) in REPLIES {
        let mut out = b"before".to_vec();
        encode_json_reply(result, &mut out);
        assert_eq!(&out[6..], wire, "{result:?}");
    }
}

#[test]
fn the_ring_is_asked_for_in_142_bytes_and_answered_in_165() {
    let mut out = Vec::new();
    encode_search("ring", &mut out);
    assert_eq!(out.len(), 142);
    assert_eq!(&out[..2], b"\x00g");
    out.clear();
    encode_json_reply(
        "In the caves beneath the Misty Mountains. \u{1f48d}",
        &mut out,
    );
    assert_eq!(out.len(), 165);
}

#[test]
fn the_header_grows_with_the_digits_of_the_length() {
    if cfg!(target_endian = "big") {
        return;
    }
    for (content, json, binary) in [
        (1, 102, 126),
        (10, 103, 127),
        (100, 104, 128),
        (1000, 105, 129),
    ] {
        let header = |kind, encoding| {
            let mut out = Vec::new();
            encode_message(kind, encoding, &vec![b'x'; content], &mut out).unwrap();
            usize::from(out[1])
        };
        assert_eq!(header(JSON_TYPE, TEXT_ENCODING), json);
        assert_eq!(header(CLIENT_BINARY_TYPE, BINARY_ENCODING), binary);
        assert_eq!(header(SERVER_BINARY_TYPE, BINARY_ENCODING), binary);
    }
}

#[test]
fn a_binary_request_is_action_and_value_with_nothing_between() {
    let mut out = Vec::new();
    encode_binary_request("binary", "\u{1f603}".as_bytes(), &mut out);
    assert!(out.ends_with(b"\"content-length\": 10}binary\xf0\x9f\x98\x83"));
}

#[test]
fn a_header_too_long_for_its_length_field_is_refused() {
    let mut out = Vec::new();
    let error = encode_message(&"x".repeat(65_536), "binary", b"", &mut out).unwrap_err();
    assert!(error.to_string().contains("at most 65535"), "{error}");
    assert!(out.is_empty());
}

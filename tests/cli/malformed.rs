//! Each malformed input in turn against one `sockdoc app-server` that lives on, and a good client
//! after each.

use crate::speak::{self, good_client, message, with_header};
use crate::support::{Server, talk, unsupported};

/// A header of four fields, the length as it is given.
fn header(length: &str) -> String {
    format!(
        "{{\"byteorder\": \"little\", \"content-type\": \"text/json\", \
         \"content-encoding\": \"utf-8\", \"content-length\": {length}}}"
    )
}

fn with_length(length: &str, content: &[u8]) -> Vec<u8> {
    with_header(header(length).as_bytes(), content)
}

/// A good request whose header lacks this key.
fn without(key: &str) -> Vec<u8> {
    let content = br#"{"action": "search", "value": "ring"}"#;
    let length = content.len();
    let mut header: serde_json::Value =
        serde_json::from_str(&header(&length.to_string())).expect("JSON");
    header.as_object_mut().expect("an object").remove(key);
    with_header(header.to_string().as_bytes(), content)
}

/// A good request with this encoding, as JSON.
fn encoded(encoding: &str, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let header = header(&length.to_string()).replace("\"utf-8\"", encoding);
    with_header(header.as_bytes(), content)
}

/// What is wrong, the bytes, whether the client then shuts down its sending side, and the result
/// in the reply; an empty one is a close without a reply.
type Case = (&'static str, Vec<u8>, bool, &'static str);

const CUT: bool = true;
const OPEN: bool = false;

fn unframed() -> Vec<Case> {
    vec![
        ("nothing at all", vec![], CUT, ""),
        (
            "one byte",
            vec![0],
            CUT,
            "Error: the connection ended: 1 of at least 2 bytes of the message arrived",
        ),
        (
            "a header that is cut",
            b"\0\x67{\"byteorder\"".to_vec(),
            CUT,
            "Error: the connection ended: 14 of at least 105 bytes of the message arrived",
        ),
        (
            "header length 0",
            b"\0\0".to_vec(),
            OPEN,
            "Error: the header length is 0",
        ),
        (
            "a header that is no JSON",
            with_header(b"{byteorder: 1}", b""),
            OPEN,
            "Error: the header is not JSON: expected a key in double quotes at line 1 column 2",
        ),
        (
            "a header cut by its length",
            with_header(&header("5").as_bytes()[..50], b""),
            OPEN,
            "Error: the header is not JSON: a string without an end at line 1 column 41",
        ),
        (
            "HTTP",
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
            OPEN,
            "Error: this looks like HTTP, not like a message with a length in front",
        ),
        (
            "a header that is no UTF-8",
            with_header(b"{\"byteorder\": \"\xff\"}", b""),
            OPEN,
            "Error: the header is not utf-8: an invalid byte sequence at byte 15",
        ),
        (
            "a header with a BOM",
            with_header(format!("\u{feff}{}", header("2")).as_bytes(), b"{}"),
            OPEN,
            "Error: the header is not JSON: a byte order mark is not JSON at line 1 column 1",
        ),
        (
            "a header of blanks",
            with_header(&[b' '; 100], b""),
            OPEN,
            "Error: the header is not JSON: expected a value at line 1 column 101",
        ),
    ]
}

fn headers() -> Vec<Case> {
    let deep = "[".repeat(60_000);
    vec![
        (
            "a header that is a list",
            with_header(b"[]", b""),
            OPEN,
            "Error: the header is a JSON list, not an object",
        ),
        (
            "a header that is null",
            with_header(b"null", b""),
            OPEN,
            "Error: the header is JSON null, not an object",
        ),
        (
            "a header that is a number",
            with_header(b"5", b""),
            OPEN,
            "Error: the header is a JSON number, not an object",
        ),
        (
            "a header that is a string",
            with_header(b"\"byteorder\"", b""),
            OPEN,
            "Error: the header is a JSON string, not an object",
        ),
        (
            "a header nested too deep",
            with_header(deep.as_bytes(), b""),
            OPEN,
            "Error: the header is not JSON: nested too deep at line 1 column 501",
        ),
        (
            "an empty object as header",
            with_header(b"{}", b""),
            OPEN,
            "Error: the header lacks 'byteorder'",
        ),
        (
            "no byteorder",
            without("byteorder"),
            OPEN,
            "Error: the header lacks 'byteorder'",
        ),
        (
            "no content-length",
            without("content-length"),
            OPEN,
            "Error: the header lacks 'content-length'",
        ),
        (
            "no content-type",
            without("content-type"),
            OPEN,
            "Error: the header lacks 'content-type'",
        ),
        (
            "no content-encoding",
            without("content-encoding"),
            OPEN,
            "Error: the header lacks 'content-encoding'",
        ),
    ]
}

fn lengths() -> Vec<Case> {
    vec![
        (
            "a length that is a string",
            with_length("\"5\"", b"hello"),
            OPEN,
            "Error: content-length is the string '5', not a non-negative integer",
        ),
        (
            "a length that is null",
            with_length("null", b"hello"),
            OPEN,
            "Error: content-length is null, not a non-negative integer",
        ),
        (
            "a length that is a float",
            with_length("5.0", b"hello"),
            OPEN,
            "Error: content-length is 5.0, not a non-negative integer",
        ),
        (
            "a length with an exponent",
            with_length("5e0", b"hello"),
            OPEN,
            "Error: content-length is 5.0, not a non-negative integer",
        ),
        (
            "a negative length",
            with_length("-1", b"hello"),
            OPEN,
            "Error: content-length is -1, not a non-negative integer",
        ),
        (
            "a length that is true",
            with_length("true", b"hello"),
            OPEN,
            "Error: content-length is true, not a non-negative integer",
        ),
        (
            "a length that is a list",
            with_length("[5]", b"hello"),
            OPEN,
            "Error: content-length is a list, not a non-negative integer",
        ),
        (
            "a length that is an object",
            with_length("{}", b"hello"),
            OPEN,
            "Error: content-length is an object, not a non-negative integer",
        ),
        (
            "a length that is NaN",
            with_length("NaN", b"hello"),
            OPEN,
            "Error: content-length is nan, not a non-negative integer",
        ),
        (
            "a huge length",
            with_length("99999999999", b"hello"),
            OPEN,
            "Error: a content of 99999999999 bytes is over the limit of 16777216 bytes a message",
        ),
        (
            "a length over 64 bits",
            with_length("99999999999999999999999", b"hello"),
            OPEN,
            "Error: a content of more than 18446744073709551614 bytes is over the limit of 16777216 bytes a message",
        ),
        (
            "a length over --max-message by one",
            with_length("16777108", b"hello"),
            OPEN,
            "Error: a content of 16777108 bytes is over the limit of 16777216 bytes a message",
        ),
        (
            "a content that is cut",
            with_length("100", b"{\"action\""),
            CUT,
            "Error: the connection ended: 115 of 206 bytes of the message arrived",
        ),
        (
            "a content that never begins",
            with_length("100", b""),
            CUT,
            "Error: the connection ended: 106 of 206 bytes of the message arrived",
        ),
    ]
}

fn contents() -> Vec<Case> {
    let search = br#"{"action": "search", "value": "ring"}"#;
    let bom = [&b"\xef\xbb\xbf"[..], search].concat();
    vec![
        (
            "an unknown encoding",
            encoded("\"klingon\"", search),
            OPEN,
            unsupported!("klingon"),
        ),
        (
            "an encoding that is a number",
            encoded("5", search),
            OPEN,
            "Error: content-encoding is 5, not the name of an encoding",
        ),
        (
            "an encoding that is empty",
            encoded("\"\"", search),
            OPEN,
            unsupported!(""),
        ),
        (
            "an encoding with control characters",
            encoded("\"\\u001b[2J\"", search),
            OPEN,
            unsupported!("\u{1b}[2J"),
        ),
        (
            "a content with a BOM",
            encoded("\"utf-8\"", &bom),
            OPEN,
            "Error: the content is not JSON: a byte order mark is not JSON at line 1 column 1",
        ),
        (
            "a content that is no UTF-8",
            encoded("\"utf-8\"", b"{\"action\": \"\xff\"}"),
            OPEN,
            "Error: the content is not utf-8: an invalid byte sequence at byte 12",
        ),
        (
            "a content that is not ASCII as it says",
            encoded("\"ascii\"", "{\"value\": \"é\"}".as_bytes()),
            OPEN,
            "Error: the content is not ascii: a byte that is not ASCII at byte 11",
        ),
        (
            "half a character of utf-16",
            encoded("\"utf-16\"", b"\xff\xfe{"),
            OPEN,
            "Error: the content is not utf-16: a cut character at byte 2",
        ),
    ]
}

fn requests() -> Vec<Case> {
    let json = |content: &str| message("text/json", "utf-8", content.as_bytes());
    vec![
        (
            "a content that is no JSON",
            json("{action: search}"),
            OPEN,
            "Error: the content is not JSON: expected a key in double quotes at line 1 column 2",
        ),
        (
            "a content that goes on after its end",
            json("{} {}"),
            OPEN,
            "Error: the content is not JSON: extra data after the value at line 1 column 4",
        ),
        (
            "a JSON content of no bytes",
            json(""),
            OPEN,
            "Error: the content is not JSON: expected a value at line 1 column 1",
        ),
        (
            "a content nested too deep",
            json(&"[".repeat(500_000)),
            OPEN,
            "Error: the content is not JSON: nested too deep at line 1 column 501",
        ),
        (
            "an empty object",
            json("{}"),
            OPEN,
            "Error: invalid action 'None'.",
        ),
        (
            "an empty list",
            json("[]"),
            OPEN,
            "Error: the request is a JSON list, not an object",
        ),
        (
            "null",
            json("null"),
            OPEN,
            "Error: the request is JSON null, not an object",
        ),
        (
            "false",
            json("false"),
            OPEN,
            "Error: the request is a JSON boolean, not an object",
        ),
        (
            "zero",
            json("0"),
            OPEN,
            "Error: the request is a JSON number, not an object",
        ),
        (
            "an empty string",
            json("\"\""),
            OPEN,
            "Error: the request is a JSON string, not an object",
        ),
        (
            "another action",
            json(r#"{"action": "delete", "value": "ring"}"#),
            OPEN,
            "Error: invalid action 'delete'.",
        ),
        (
            "an action that is a list",
            json(r#"{"action": ["search"]}"#),
            OPEN,
            "Error: invalid action '['search']'.",
        ),
        (
            "half a surrogate pair",
            json(r#"{"action": "search", "value": "\ud83d"}"#),
            OPEN,
            "Error: the content is not JSON: a lone surrogate in a \\u escape at line 1 column 32",
        ),
    ]
}

#[test]
fn every_malformed_input_is_answered_and_a_good_client_is_served_after_it() {
    let mut server = Server::start(&["app-server", "0"]);
    let mut wrong = Vec::new();
    for (what, bytes, shut_down, expected) in
        [unframed(), headers(), lengths(), contents(), requests()].concat()
    {
        let answer = talk(server.address, &bytes, shut_down)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let result = if answer.is_empty() {
            String::new()
        } else {
            speak::result(&answer)
        };
        if result != expected {
            wrong.push(format!("{what}: {result:?} instead of {expected:?}"));
        }
        good_client(server.address, what);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(server.is_running());
}

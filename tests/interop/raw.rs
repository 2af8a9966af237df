//! Requests that no client sends, raw to both servers: the same reply where Python gives one, and a
//! reply of ours where it gives none.

use std::io::{Read, Write};

use crate::peers::{no_python, our_server, python_server};
use crate::support::{Server, unsupported};

/// A message with this header, as it is.
fn message(header: &str, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(header.len()).expect("a header fits");
    [&length.to_be_bytes(), header.as_bytes(), content].concat()
}

fn header(content_type: &str, encoding: &str, length: usize) -> String {
    format!(
        "{{\"byteorder\": \"little\", \"content-type\": \"{content_type}\", \
         \"content-encoding\": \"{encoding}\", \"content-length\": {length}}}"
    )
}

/// JSON in UTF-8.
fn json(content: &str) -> Vec<u8> {
    let header = header("text/json", "utf-8", content.len());
    message(&header, content.as_bytes())
}

/// The reply to these bytes; our sending side stays open.
fn reply(server: &Server, request: &[u8]) -> Vec<u8> {
    let mut stream = server.connect();
    stream.write_all(request).expect("sent");
    let mut answer = Vec::new();
    // A server that closes with bytes unread resets; what came before counts.
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// The result in a JSON reply.
fn result(reply: &[u8]) -> String {
    assert!(!reply.is_empty(), "no reply");
    let length = u16::from_be_bytes([reply[0], reply[1]]);
    let content = &reply[2 + usize::from(length)..];
    let value: serde_json::Value = serde_json::from_slice(content).expect("JSON");
    value["result"].as_str().expect("a result").to_owned()
}

struct Servers {
    python: Server,
    ours: Server,
}

impl Servers {
    fn start() -> Servers {
        Servers {
            python: python_server("app_server.py"),
            ours: our_server("app-server"),
        }
    }

    /// Both give this same reply; it is not nothing.
    #[track_caller]
    fn agree(&self, case: &str, request: &[u8]) -> Vec<u8> {
        let expected = reply(&self.python, request);
        let ours = reply(&self.ours, request);
        assert!(!expected.is_empty(), "{case}: Python does not answer");
        assert_eq!(
            ours.escape_ascii().to_string(),
            expected.escape_ascii().to_string(),
            "{case}"
        );
        expected
    }

    /// Python gives none, ours says this.
    #[track_caller]
    fn differ(&self, case: &str, request: &[u8], says: &str) {
        assert_eq!(reply(&self.python, request), b"", "{case}: Python answers");
        assert_eq!(result(&reply(&self.ours, request)), says, "{case}");
    }

    #[track_caller]
    fn still_serve(&self) {
        let found = self.agree(
            "a good request",
            &json(r#"{"action": "search", "value": "ring"}"#),
        );
        assert_eq!(found.len(), 165);
    }
}

#[test]
fn values_that_are_no_strings_are_answered_as_python_answers_them() {
    if no_python("values that are no strings") {
        return;
    }
    let servers = Servers::start();
    for (value, shown) in [
        ("null", "None"),
        ("true", "True"),
        ("false", "False"),
        ("5", "5"),
        ("-5", "-5"),
        ("-0", "0"),
        (
            "123456789012345678901234567890",
            "123456789012345678901234567890",
        ),
        ("5.0", "5.0"),
        ("-0.0", "-0.0"),
        ("0.1", "0.1"),
        ("1e15", "1000000000000000.0"),
        ("1e16", "1e+16"),
        ("1.5e300", "1.5e+300"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("5e-324", "5e-324"),
        ("1e999", "inf"),
        ("-1e999", "-inf"),
        ("NaN", "nan"),
        ("Infinity", "inf"),
        ("-Infinity", "-inf"),
        ("\"\\ud83d\\udc36\"", ""),
        ("\"\\u0000\"", "\0"),
        ("\"caf\\u00e9\"", "café"),
    ] {
        let request = json(&format!(r#"{{"action": "search", "value": {value}}}"#));
        let found = result(&servers.agree(value, &request));
        if !shown.is_empty() {
            assert_eq!(found, format!("No match for '{shown}'."));
        }
    }
    let missing = servers.agree("no value", &json(r#"{"action": "search"}"#));
    assert_eq!(result(&missing), "No match for 'None'.");
    servers.still_serve();
}

#[test]
fn actions_that_are_not_search_are_invalid_in_the_same_words() {
    if no_python("actions that are not search") {
        return;
    }
    let servers = Servers::start();
    for (content, shown) in [
        (r#"{"action": "delete", "value": "x"}"#, "delete"),
        (r#"{"action": "Search"}"#, "Search"),
        (r#"{"action": ""}"#, ""),
        (r#"{"action": null}"#, "None"),
        (r#"{"action": true}"#, "True"),
        (r#"{"action": 5.0}"#, "5.0"),
        (r#"{"action": 1e999}"#, "inf"),
        (r#"{"action": ["search", 'x']}"#, ""),
        (
            r#"{"action": ["a", "it's", null, {"b": -0.0}]}"#,
            r#"['a', "it's", None, {'b': -0.0}]"#,
        ),
        (r#"{"action": {}}"#, "{}"),
        (r#"{"action": "a\"b'c\\d\n"}"#, "a\"b'c\\d\n"),
        (r#"{"value": "ring"}"#, "None"),
        (r#"{"Action": "search"}"#, "None"),
    ] {
        if shown.is_empty() && content.contains("'x'") {
            let says = "Error: the content is not JSON: expected a value at line 1 column 23";
            servers.differ(content, &json(content), says);
            continue;
        }
        let found = result(&servers.agree(content, &json(content)));
        assert_eq!(found, format!("Error: invalid action '{shown}'."));
    }
    servers.still_serve();
}

#[test]
fn headers_and_json_in_another_form_say_the_same() {
    if no_python("headers in another form") {
        return;
    }
    let servers = Servers::start();
    let content = br#"{"action": "search", "value": "ring"}"#;
    let long = format!(
        r#"{{"content-length":37,"x":"{}","content-type":"text/json","content-encoding":"utf-8","byteorder":1}}"#,
        "y".repeat(20_000)
    );
    for (case, header) in [
        (
            "another order, no spaces",
            r#"{"content-length":37,"content-encoding":"utf-8","content-type":"text/json","byteorder":"big"}"#,
        ),
        (
            "spaces and lines",
            "\n {\t\"byteorder\" :\r\n\"little\" , \"content-type\": \"text/json\",\n\"content-encoding\": \"utf-8\", \"content-length\":   37 }\n ",
        ),
        (
            "extra keys",
            r#"{"byteorder": "x", "content-type": "text/json", "a": {"b": [1, null, "c"]}, "content-encoding": "utf-8", "content-length": 37, "": 1}"#,
        ),
        (
            "escapes",
            r#"{"byte\u006frder": "x", "content-type": "text\/json", "content-encoding": "utf\u002d8", "content-length": 37}"#,
        ),
        (
            "a key twice: the last one counts",
            r#"{"content-length": 5, "byteorder": 0, "content-type": "no", "content-type": "text/json", "content-encoding": "utf-8", "content-length": 37}"#,
        ),
        (
            "a byteorder of any kind",
            r#"{"byteorder": null, "content-type": "text/json", "content-encoding": "utf-8", "content-length": 37}"#,
        ),
        (
            "an encoding of null",
            r#"{"byteorder": null, "content-type": "text/json", "content-encoding": null, "content-length": 37}"#,
        ),
        ("a long header", &long),
    ] {
        let found = servers.agree(case, &message(header, content));
        assert_eq!(found.len(), 165, "{case}");
    }
    for content in [
        "{\"value\":\"ring\",\"action\":\"search\"}",
        " \n{\t\"action\" : \"search\" ,\r\"value\": \"ring\" } ",
        r#"{"x": [[]], "action": "search", "value": "r\u0069ng", "y": {"z": 1e5}}"#,
        r#"{"value": 5, "action": "a", "action": "search", "value": "ring"}"#,
    ] {
        assert_eq!(servers.agree(content, &json(content)).len(), 165);
    }
}

#[test]
fn a_content_of_another_type_is_answered_with_its_first_bytes() {
    if no_python("a content of another type") {
        return;
    }
    let servers = Servers::start();
    for (content_type, encoding, content) in [
        ("text/JSON", "utf-8", &b"{}"[..]),
        ("text/json ", "utf-8", b"[1, 2, 3, 4]"),
        ("", "", b"x"),
        (
            "binary/custom-client-binary-type",
            "binary",
            b"\0\xff\n\r'\"\\\x7f\x80z...",
        ),
        ("binary/x", "no such encoding", b"0123456789abcdef"),
        ("application/json", "utf-8", "日本語日本語".as_bytes()),
    ] {
        let request = message(&header(content_type, encoding, content.len()), content);
        let found = servers.agree(content_type, &request);
        let first = &content[..content.len().min(10)];
        assert!(
            found.ends_with(&[b"request: ", first].concat()),
            "{content_type}"
        );
    }
    let number =
        r#"{"byteorder": 1, "content-type": 5, "content-encoding": [], "content-length": 3}"#;
    servers.agree("a type that is a number", &message(number, b"abc"));
}

#[test]
fn what_python_closes_on_without_a_word_is_answered_with_the_reason() {
    if no_python("what Python closes on") {
        return;
    }
    let servers = Servers::start();
    let plain = |rest: &str| {
        format!(
            r#"{{"byteorder": "little", "content-type": "text/json", "content-encoding": {rest}}}"#
        )
    };
    for (case, request, says) in [
        (
            "no header",
            b"\0\0".to_vec(),
            "Error: the header length is 0",
        ),
        (
            "a header that is no JSON",
            message("{byteorder}", b""),
            "Error: the header is not JSON: expected a key in double quotes at line 1 column 2",
        ),
        (
            "a key is missing",
            message(
                r#"{"byteorder": 1, "content-type": "x", "content-encoding": "y"}"#,
                b"",
            ),
            "Error: the header lacks 'content-length'",
        ),
        (
            "a length that is a string",
            message(&plain(r#""utf-8", "content-length": "2""#), b"{}"),
            "Error: content-length is the string '2', not a non-negative integer",
        ),
        (
            "a length that is null",
            message(&plain(r#""utf-8", "content-length": null"#), b"{}"),
            "Error: content-length is null, not a non-negative integer",
        ),
        (
            "a length that is no integer",
            message(&plain(r#""utf-8", "content-length": 2.0"#), b"{}"),
            "Error: content-length is 2.0, not a non-negative integer",
        ),
        (
            "an unknown encoding",
            message(&header("text/json", "klingon", 2), b"{}"),
            unsupported!("klingon"),
        ),
        (
            "a codec that makes no text",
            message(&header("text/json", "hex", 4), b"7b7d"),
            unsupported!("hex"),
        ),
        (
            "JSON that is cut",
            json(r#"{"action": "#),
            "Error: the content is not JSON: expected a value at line 1 column 12",
        ),
        (
            "a byte order mark",
            json("\u{feff}{\"action\": \"search\"}"),
            "Error: the content is not JSON: a byte order mark is not JSON at line 1 column 1",
        ),
        (
            "bytes that are no UTF-8",
            message(&header("text/json", "utf-8", 3), b"\"\xff\""),
            "Error: the content is not utf-8: an invalid byte sequence at byte 1",
        ),
        (
            "a list",
            json("[1]"),
            "Error: the request is a JSON list, not an object",
        ),
        (
            "a string",
            json("\"search\""),
            "Error: the request is a JSON string, not an object",
        ),
        (
            "a number",
            json("5"),
            "Error: the request is a JSON number, not an object",
        ),
        (
            "a value that Python cannot look up",
            json(r#"{"action": "search", "value": ["ring"]}"#),
            "No match for '['ring']'.",
        ),
        (
            "a lone surrogate, which UTF-8 cannot carry back",
            json(r#"{"action": "search", "value": "\ud83d"}"#),
            "Error: the content is not JSON: a lone surrogate in a \\u escape at line 1 column 32",
        ),
    ] {
        servers.differ(case, &request, says);
        servers.still_serve();
    }
}

/// Python never answers these, and spins: they are for ours alone.
#[test]
fn empty_requests_are_answered_by_ours() {
    let server = our_server("app-server");
    for (content, says) in [
        ("{}", "Error: invalid action 'None'."),
        ("[]", "Error: the request is a JSON list, not an object"),
        ("null", "Error: the request is JSON null, not an object"),
        ("\"\"", "Error: the request is a JSON string, not an object"),
        ("0", "Error: the request is a JSON number, not an object"),
        (
            "false",
            "Error: the request is a JSON boolean, not an object",
        ),
    ] {
        assert_eq!(result(&reply(&server, &json(content))), says, "{content}");
    }
    let empty = message(
        &header("binary/custom-client-binary-type", "binary", 0),
        b"",
    );
    assert!(reply(&server, &empty).ends_with(b"First 10 bytes of request: "));
    // What Python takes for 1 and for a slice from the end.
    for (length, shown) in [("true", "true"), ("-1", "-1")] {
        let header = format!(
            r#"{{"byteorder": 0, "content-type": "x", "content-encoding": "y", "content-length": {length}}}"#
        );
        let says = format!("Error: content-length is {shown}, not a non-negative integer");
        assert_eq!(result(&reply(&server, &message(&header, b"ab"))), says);
    }
}

#[test]
fn a_request_that_comes_byte_by_byte_is_answered_the_same() {
    if no_python("a request in pieces") {
        return;
    }
    let servers = Servers::start();
    let request = json(r#"{"action": "search", "value": "ring"}"#);
    let replies = [&servers.python, &servers.ours].map(|server| {
        let mut stream = server.connect();
        stream.set_nodelay(true).expect("set");
        for byte in &request {
            stream.write_all(&[*byte]).expect("sent");
        }
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        answer
    });
    assert_eq!(replies[0], replies[1]);
    assert_eq!(replies[0].len(), 165);
}

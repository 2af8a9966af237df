use super::*;
use crate::message::{encode_binary_request, encode_message, encode_search};
use crate::service::Silent;

/// Keeps what was logged, as a transcript would show it.
#[derive(Default)]
struct Transcript {
    lines: Vec<String>,
}

impl Log for Transcript {
    fn wants_messages(&self) -> bool {
        true
    }

    fn note(&mut self, note: &Note<'_>) {
        self.lines.push(match note {
            Note::Waiting { so_far, .. } => format!("... {so_far}"),
            Note::AppRequest(request) => match &request.content {
                Content::Json(value) => format!("Received request {}", value.py_repr()),
                Content::Binary(_) => format!("Received {} request", request.header.content_type),
            },
            Note::Sending(bytes) => format!("Sending {} bytes", bytes.len()),
            Note::Received(_) => "Received".to_owned(),
            Note::Fault(reason) => format!("Fault: {reason}"),
        });
    }
}

/// What one connection got: all that was sent, and whether the server closed.
fn talk(app: &mut App, input: &[u8], log: &mut dyn Log) -> (Vec<u8>, bool) {
    let mut session = app.open();
    let mut input = input;
    let mut sent = Vec::new();
    loop {
        match app.handle_input(&mut session, &mut input, &mut sent, log) {
            Step::NeedInput => break,
            Step::Sent => {}
            Step::Echo(_) => panic!("the application server does not echo"),
            Step::Shared(reply) => sent.extend_from_slice(&reply),
            Step::Close | Step::Refuse => return (sent, true),
            Step::SharedThenClose(reply) => {
                sent.extend_from_slice(&reply);
                return (sent, true);
            }
        }
    }
    app.handle_end(&mut session, &mut sent, log);
    (sent, false)
}

/// The content of the one reply to these bytes.
fn reply(bytes: &[u8]) -> String {
    let (sent, _) = talk(&mut App::new(Entries::built_in()), bytes, &mut Silent);
    content(&sent)
}

fn content(mut sent: &[u8]) -> String {
    let mut deframer = Deframer::new(DEFAULT_MAX_MESSAGE);
    let message = deframer.next(&mut sent, &mut HeaderCache::default());
    let content = message.unwrap().unwrap().content.to_vec();
    assert!(sent.is_empty(), "one reply");
    String::from_utf8(content).unwrap()
}

fn json(content: &str) -> Vec<u8> {
    encoded("text/json", "utf-8", content.as_bytes())
}

fn encoded(content_type: &str, encoding: &str, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_message(content_type, encoding, content, &mut out).unwrap();
    out
}

fn search(value: &str) -> Vec<u8> {
    let mut out = Vec::new();
    encode_search(value, &mut out);
    out
}

#[test]
fn a_search_is_answered_from_the_entries() {
    for (value, result) in [
        ("morpheus", r#"{"result": "Follow the white rabbit. 🐰"}"#),
        (
            "ring",
            r#"{"result": "In the caves beneath the Misty Mountains. 💍"}"#,
        ),
        ("🐶", r#"{"result": "🐾 Playing ball! 🏐"}"#),
        ("nope", r#"{"result": "No match for 'nope'."}"#),
        ("Ring", r#"{"result": "No match for 'Ring'."}"#),
        ("", r#"{"result": "No match for ''."}"#),
        ("a\"\n\u{1}", r#"{"result": "No match for 'a\"\n\u0001'."}"#),
    ] {
        assert_eq!(reply(&search(value)), result);
    }
}

#[test]
fn a_value_that_is_no_string_is_shown_as_python_shows_it() {
    for (request, shown) in [
        (r#"{"action": "search"}"#, "None"),
        (r#"{"action": "search", "value": null}"#, "None"),
        (r#"{"action": "search", "value": true}"#, "True"),
        (r#"{"action": "search", "value": 5}"#, "5"),
        (r#"{"action": "search", "value": 5.0}"#, "5.0"),
        (r#"{"action": "search", "value": 1e999}"#, "inf"),
        (r#"{"action": "search", "value": NaN}"#, "nan"),
        (r#"{"action": "search", "value": ["ring"]}"#, "['ring']"),
        (r#"{"value": 1, "action": "search", "value": {}}"#, "{}"),
    ] {
        let expected = format!(r#"{{"result": "No match for '{shown}'."}}"#);
        assert_eq!(reply(&json(request)), expected);
    }
}

#[test]
fn another_action_is_invalid_and_an_empty_request_is_answered() {
    for (request, result) in [
        (r#"{"action": "delete"}"#, "Error: invalid action 'delete'."),
        (r#"{"action": "Search"}"#, "Error: invalid action 'Search'."),
        (r#"{"action": 1.5}"#, "Error: invalid action '1.5'."),
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
        let expected = format!(r#"{{"result": "{result}"}}"#);
        assert_eq!(reply(&json(request)), expected);
    }
}

#[test]
fn any_other_type_is_answered_with_its_first_ten_bytes() {
    let first = "First 10 bytes of request: ";
    for (content, echoed) in [
        ("", ""),
        ("binaryX", "binaryX"),
        ("0123456789abc", "0123456789"),
    ] {
        for content_type in [
            "binary/custom-client-binary-type",
            "text/JSON",
            "text/json ",
            "",
        ] {
            let request = encoded(content_type, "no such encoding", content.as_bytes());
            assert_eq!(reply(&request), format!("{first}{echoed}"));
        }
    }
    let (sent, _) = talk(
        &mut App::new(Entries::built_in()),
        &encoded("x", "y", b"\xff\0"),
        &mut Silent,
    );
    let expected = [first.as_bytes(), b"\xff\0"].concat();
    assert_eq!(
        sent,
        encoded("binary/custom-server-binary-type", "binary", &expected)
    );
}

#[test]
fn a_request_in_another_encoding_is_answered_in_utf_8() {
    let request = r#"{"action": "search", "value": "café"}"#;
    let little: Vec<u8> = request.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin: Vec<u8> = request.chars().map(|c| u8::try_from(c).unwrap()).collect();
    let answer = r#"{"result": "No match for 'café'."}"#;
    assert_eq!(reply(&encoded("text/json", "UTF-16LE", &little)), answer);
    let marked = [b"\xff\xfe", &little[..]].concat();
    assert_eq!(reply(&encoded("text/json", "utf-16", &marked)), answer);
    assert_eq!(reply(&encoded("text/json", "latin-1", &latin)), answer);
}

#[test]
fn what_cannot_be_accepted_is_answered_with_the_reason_and_a_close() {
    let hex = MessageError::UnknownEncoding("hex".into()).to_string();
    assert!(hex.starts_with("the encoding 'hex' is not supported; send UTF-8 (supported: "));
    for (bytes, reason) in [
        (encoded("text/json", "hex", b"7b7d"), hex.as_str()),
        (b"\0\0".to_vec(), "the header length is 0"),
        (
            json("{\"action\": "),
            "the content is not JSON: expected a value at line 1 column 12",
        ),
        (
            json(""),
            "the content is not JSON: expected a value at line 1 column 1",
        ),
        (
            json("\u{feff}{}"),
            "the content is not JSON: a byte order mark is not JSON at line 1 column 1",
        ),
        (
            encoded("text/json", "utf-8", b"\"\xff\""),
            "the content is not utf-8: an invalid byte sequence at byte 1",
        ),
    ] {
        for keep_open in [false, true] {
            let mut app = App::new(Entries::built_in()).keep_open(keep_open);
            let mut log = Transcript::default();
            let (sent, closed) = talk(&mut app, &bytes, &mut log);
            let expected = format!(r#"{{"result": "Error: {reason}"}}"#);
            assert_eq!(content(&sent), expected);
            assert!(closed);
            assert!(
                log.lines.contains(&format!("Fault: {reason}")),
                "{:?}",
                log.lines
            );
        }
    }
}

#[test]
fn an_end_in_the_middle_is_answered_with_what_came() {
    let request = search("ring");
    for (length, came) in [
        (1, "1 of at least 2 bytes"),
        (2, "2 of at least 105 bytes"),
        (104, "104 of at least 105 bytes"),
        (141, "141 of 142 bytes"),
    ] {
        let expected = format!(
            r#"{{"result": "Error: the connection ended: {came} of the message arrived"}}"#
        );
        assert_eq!(reply(&request[..length]), expected);
    }
    let (sent, _) = talk(&mut App::new(Entries::built_in()), b"", &mut Silent);
    assert!(sent.is_empty(), "at a boundary there is nothing to say");
}

#[test]
fn a_request_that_takes_too_long_is_answered_with_what_came() {
    let mut app = App::new(Entries::built_in());
    let mut session = app.open();
    let (mut out, request) = (Vec::new(), search("ring"));
    assert!(!app.in_message(&session));
    let step = app.handle_input(&mut session, &mut &request[..140], &mut out, &mut Silent);
    assert!(matches!(step, Step::NeedInput));
    assert!(app.in_message(&session));
    app.handle_timeout(&mut session, &mut out, &mut Silent);
    assert_eq!(
        content(&out),
        "{\"result\": \"Error: the request was not complete in time: \
         140 of 142 bytes of the message arrived\"}"
    );
    assert!(!app.in_message(&session));
}

#[test]
fn one_reply_is_given_and_what_follows_is_ignored() {
    let mut app = App::new(Entries::built_in());
    let mut session = app.open();
    let stream = [search("ring"), search("morpheus"), b"\0\0".to_vec()].concat();
    let (mut input, mut out) = (&stream[..], Vec::new());
    let step = app.handle_input(&mut session, &mut input, &mut out, &mut Silent);
    assert!(matches!(step, Step::Close));
    assert_eq!(input.len(), stream.len() - search("ring").len());
    let length = out.len();
    let step = app.handle_input(&mut session, &mut &stream[..], &mut out, &mut Silent);
    assert!(matches!(step, Step::NeedInput));
    app.handle_input(&mut session, &mut &stream[..7], &mut out, &mut Silent);
    app.handle_end(&mut session, &mut out, &mut Silent);
    app.handle_timeout(&mut session, &mut out, &mut Silent);
    assert_eq!(out.len(), length);
}

#[test]
fn a_connection_that_is_kept_open_serves_every_request_in_turn() {
    let mut app = App::new(Entries::built_in()).keep_open(true);
    let mut stream = [search("ring"), search("nope")].concat();
    encode_binary_request("a", b"b", &mut stream);
    stream.extend(json("[]"));
    let (sent, closed) = talk(&mut app, &stream, &mut Silent);
    assert!(!closed);
    let (mut input, mut lengths) = (&sent[..], Vec::new());
    let mut deframer = Deframer::new(DEFAULT_MAX_MESSAGE);
    let mut cache = HeaderCache::default();
    while let Some(message) = deframer.next(&mut input, &mut cache).unwrap() {
        lengths.push(message.content.len());
    }
    assert_eq!(lengths, [60, 34, 29, 62]);
}

#[test]
fn the_log_hears_of_requests_and_replies_in_order() {
    let mut app = App::new(Entries::built_in()).keep_open(true);
    let mut stream = search("ring");
    encode_binary_request("binary", b"X", &mut stream);
    let mut log = Transcript::default();
    talk(&mut app, &stream, &mut log);
    assert_eq!(
        log.lines,
        [
            "Received request {'action': 'search', 'value': 'ring'}",
            "Sending 165 bytes",
            "Received binary/custom-client-binary-type request",
            "Sending 163 bytes",
        ]
    );
}

#[test]
fn a_large_entry_is_shared_and_not_copied() {
    let text = format!(r#"{{"big": "{}", "empty": ""}}"#, "x".repeat(SHARE_FROM));
    let mut app = App::new(Entries::from_json(&text).unwrap());
    let (mut session, mut out, request) = (app.open(), Vec::new(), search("big"));
    let step = app.handle_input(&mut session, &mut &request[..], &mut out, &mut Silent);
    let Step::SharedThenClose(reply) = step else {
        panic!("{step:?}");
    };
    assert!(out.is_empty());
    assert_eq!(content(&reply).len(), SHARE_FROM + 14);
    let (sent, _) = talk(&mut app, &search("empty"), &mut Silent);
    assert_eq!(content(&sent), r#"{"result": ""}"#);
}

#[test]
fn entries_are_an_object_of_strings_and_nothing_else() {
    let reason = |text| Entries::from_json(text).unwrap_err();
    assert_eq!(reason("[]"), "a JSON list, not an object");
    assert_eq!(reason("null"), "JSON null, not an object");
    assert_eq!(
        reason(r#"{"a": "b", "c": 5}"#),
        "the entry 'c' is a JSON number, not a string"
    );
    assert_eq!(
        reason("{"),
        "expected a key in double quotes at line 1 column 2"
    );
}

#[test]
fn a_request_over_the_limit_is_refused() {
    let mut app = App::new(Entries::built_in()).max_message(200);
    let (sent, closed) = talk(&mut app, &search(&"x".repeat(200)), &mut Silent);
    let content = content(&sent);
    assert!(content.contains("over the limit of 200 bytes"), "{content}");
    assert!(closed);
}

#[test]
fn the_same_request_again_gets_the_same_answer_and_another_one_its_own() {
    let mut app = App::new(Entries::built_in()).keep_open(true);
    let (ring, dog, nope) = (search("ring"), search("\u{1f436}"), search("nope"));
    let alone = [&ring, &ring, &dog, &ring, &nope, &nope]
        .map(|request| talk(&mut App::new(Entries::built_in()), request, &mut Silent).0)
        .concat();
    let together = [&ring[..], &ring, &dog, &ring, &nope, &nope].concat();
    assert_eq!(talk(&mut app, &together, &mut Silent).0, alone);
    // In pieces, the remembered request never stands whole in one of them.
    let mut session = app.open();
    let mut sent = Vec::new();
    for piece in together.chunks(100) {
        let mut input = piece;
        while let Step::Sent = app.handle_input(&mut session, &mut input, &mut sent, &mut Silent) {}
    }
    assert_eq!(sent, alone);
}

#[test]
fn a_remembered_request_is_still_told_to_a_log() {
    let mut app = App::new(Entries::built_in()).keep_open(true);
    let mut transcript = Transcript::default();
    talk(&mut app, &search("ring"), &mut Silent);
    talk(&mut app, &search("ring"), &mut transcript);
    assert_eq!(transcript.lines.len(), 2, "{:?}", transcript.lines);
}

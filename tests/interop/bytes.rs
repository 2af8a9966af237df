//! The tutorial's client and server and ours, in all four pairs, through a relay that keeps every
//! byte: each pair must exchange the same ones, and print the same transcript.

use std::fmt::Write as _;

use sockdoc::render::escape;

use crate::peers::{finish, no_python, our_server, ours, python, python_server, without_ports};
use crate::relay::{Recording, Relay};
use crate::support::{self, Server};

/// A request of the command line, and the content of its reply.
struct Row {
    case: &'static str,
    action: &'static str,
    value: String,
    reply: Vec<u8>,
}

fn row(case: &'static str, action: &'static str, value: &str, reply: impl Into<Vec<u8>>) -> Row {
    Row {
        case,
        action,
        value: value.to_owned(),
        reply: reply.into(),
    }
}

/// A search that finds nothing; `shown` is the value as it stands in the JSON of the reply.
fn no_match(case: &'static str, value: &str, shown: &str) -> Row {
    let reply = format!("{{\"result\": \"No match for '{shown}'.\"}}");
    row(case, "search", value, reply)
}

/// A binary request, whose reply has its first ten bytes.
fn binary(case: &'static str, action: &'static str, value: &str) -> Row {
    let sent = [action.as_bytes(), value.as_bytes()].concat();
    let first = &sent[..sent.len().min(10)];
    let reply = [b"First 10 bytes of request: ", first].concat();
    row(case, action, value, reply)
}

fn rows() -> Vec<Row> {
    let long = "0123456789".repeat(1000);
    vec![
        row(
            "search morpheus",
            "search",
            "morpheus",
            "{\"result\": \"Follow the white rabbit. 🐰\"}",
        ),
        row(
            "search ring",
            "search",
            "ring",
            "{\"result\": \"In the caves beneath the Misty Mountains. 💍\"}",
        ),
        row(
            "search a dog's face",
            "search",
            "🐶",
            "{\"result\": \"🐾 Playing ball! 🏐\"}",
        ),
        no_match("no match", "nope", "nope"),
        no_match("case matters", "Ring", "Ring"),
        no_match("empty value", "", ""),
        no_match("spaces", "  ring  ", "  ring  "),
        no_match("double quotes", "say \"hi\"", "say \\\"hi\\\""),
        no_match("single quote", "it's", "it's"),
        no_match("both quotes", "it's \"x\"", "it's \\\"x\\\""),
        no_match("backslash", "a\\b\\n", "a\\\\b\\\\n"),
        no_match("slash", "a/b", "a/b"),
        no_match(
            "controls with a name",
            "\u{8}\u{c}\n\r\t",
            "\\b\\f\\n\\r\\t",
        ),
        no_match(
            "other controls",
            "\u{1}\u{b}\u{1b}[2J\u{1f}",
            "\\u0001\\u000b\\u001b[2J\\u001f",
        ),
        no_match("0x7f and C1", "\u{7f}\u{80}\u{9b}", "\u{7f}\u{80}\u{9b}"),
        no_match(
            "U+2028 and U+2029",
            "a\u{2028}b\u{2029}",
            "a\u{2028}b\u{2029}",
        ),
        no_match("bidi controls", "a\u{202e}b\u{2066}", "a\u{202e}b\u{2066}"),
        no_match("not ASCII", "Grüße, 東京, Жук", "Grüße, 東京, Жук"),
        no_match("a byte order mark", "\u{feff}ring", "\u{feff}ring"),
        no_match("a combining mark", "cafe\u{301}", "cafe\u{301}"),
        no_match("an emoji family", "👩\u{200d}👧", "👩\u{200d}👧"),
        no_match("private use", "\u{e000}\u{10ffff}", "\u{e000}\u{10ffff}"),
        no_match("JSON in the value", "{\"a\": 1}", "{\\\"a\\\": 1}"),
        no_match("content of 3 digits", &long[..200], &long[..200]),
        no_match("content of 4 digits", &long[..3000], &long[..3000]),
        no_match("content of 5 digits", &long, &long),
        binary("binary, 1 byte", "x", ""),
        binary("binary, the tutorial's", "binary", "😃"),
        binary("binary, an emoji cut in two", "12345678", "😀😀"),
        binary("binary, 10 bytes", "binary", "1234"),
        binary("binary, no action", "", "value"),
        binary("binary, case matters", "Search", "ring"),
        binary("binary, controls", "a\n", "\u{1b}[2J\u{7f}\t"),
        binary("binary, quotes", "'", "\"\\"),
        binary("binary, 3 digits", "binary", &long[..500]),
        binary("binary, 4 digits", "binary", &long[..5000]),
    ]
}

/// A server after its relay.
struct Side {
    server: Server,
    relay: Relay,
}

impl Side {
    fn of(server: Server) -> Side {
        let relay = Relay::to(server.address);
        Side { server, relay }
    }

    /// What the server said of one connection, up to its closing, without the ports.
    fn transcript(&self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = without_ports(&self.server.line());
            let closing = line.starts_with("Closing connection to ");
            lines.push(line);
            if closing {
                return lines;
            }
        }
    }
}

/// One client to one server.
struct Exchange {
    pair: &'static str,
    bytes: Recording,
    client: String,
    server: Vec<String>,
}

/// The four pairs; the first one is Python with itself.
fn exchange(row: &Row, python_side: &Side, our_side: &Side) -> [Exchange; 4] {
    let with_python = |side: &Side| {
        let port = side.relay.port();
        let args = ["127.0.0.1", &port, row.action, &row.value];
        python("app_client.py", &args)
    };
    let with_ours = |side: &Side| {
        let port = side.relay.port();
        ours(&[
            "app-client",
            "-v",
            "127.0.0.1",
            &port,
            "--",
            row.action,
            &row.value,
        ])
    };
    [
        ("python to python", with_python(python_side), python_side),
        ("python to ours", with_python(our_side), our_side),
        ("ours to python", with_ours(python_side), python_side),
        ("ours to ours", with_ours(our_side), our_side),
    ]
    .map(|(pair, client, side)| {
        let output = finish(client);
        let errors = support::stderr(&output);
        assert!(output.status.success(), "{}, {pair}: {errors}", row.case);
        assert_eq!(errors, "", "{}, {pair}", row.case);
        Exchange {
            pair,
            bytes: side.relay.recording(),
            client: without_ports(&support::stdout(&output)),
            server: side.transcript(),
        }
    })
}

/// The content of a message: what stands after its header.
fn content(message: &[u8]) -> &[u8] {
    let length = u16::from_be_bytes([message[0], message[1]]);
    &message[2 + usize::from(length)..]
}

/// Python prints a result as it is, ours escapes what would reach the terminal as a command.
fn escaped_result(transcript: &str) -> String {
    let mark = "\nGot result: ";
    let Some((before, after)) = transcript.split_once(mark) else {
        return transcript.to_owned();
    };
    let (result, after) = after
        .rsplit_once("\nClosing connection to ")
        .expect("it closes");
    let result = escape::text(result);
    format!("{before}{mark}{result}\nClosing connection to {after}")
}

#[test]
fn every_pair_of_client_and_server_exchanges_the_same_bytes_and_prints_the_same() {
    if no_python("the comparison of bytes") {
        return;
    }
    let python_side = Side::of(python_server("app_server.py"));
    let our_side = Side::of(our_server("app-server"));
    let mut table = format!(
        "\n{:<28} {:>8} {:>7}  content of the reply, and the four pairs\n",
        "case", "request", "reply"
    );
    for row in rows() {
        let case = row.case;
        let exchanges = exchange(&row, &python_side, &our_side);
        let [reference, others @ ..] = &exchanges;
        assert_eq!(content(&reference.bytes.reply), row.reply, "{case}");
        for other in others {
            let pair = other.pair;
            assert_eq!(other.bytes, reference.bytes, "{case}: {pair}");
        }
        assert!(reference.bytes.closed_in_order, "{case}");
        // A long message may be sent in parts, which Python's transcript shows.
        if reference
            .bytes
            .request
            .len()
            .max(reference.bytes.reply.len())
            < 4096
        {
            for other in others {
                let pair = other.pair;
                assert_eq!(other.server, reference.server, "{case}: {pair}");
                assert_eq!(
                    escaped_result(&other.client),
                    escaped_result(&reference.client),
                    "{case}: {pair}"
                );
            }
            for ours in &exchanges[2..] {
                let unescaped = ours.client.replace('\n', "");
                assert_eq!(escape::text(&unescaped), unescaped, "{case}: a control");
            }
        }
        let shown: String = String::from_utf8_lossy(&row.reply)
            .chars()
            .take(44)
            .collect();
        // Writing to a String cannot fail.
        let _ = writeln!(
            table,
            "{case:<28} {:>8} {:>7}  identical x4  {}",
            reference.bytes.request.len(),
            reference.bytes.reply.len(),
            escape::text(&shown)
        );
    }
    println!("{table}");
}

#[test]
fn the_lengths_are_those_that_the_protocol_is_known_by() {
    if no_python("the comparison of lengths") {
        return;
    }
    let server = our_server("app-server");
    let relay = Relay::to(server.address);
    // The request and the reply with all headers.
    for (action, value, request, reply) in [
        ("search", "ring", 142, 165),
        ("search", "morpheus", 146, 148),
        ("x", "", 2 + 126 + 1, 2 + 127 + 28),
    ] {
        let port = relay.port();
        let client = python("app_client.py", &["127.0.0.1", &port, action, value]);
        assert!(finish(client).status.success());
        let bytes = relay.recording();
        let found = (bytes.request.len(), bytes.reply.len());
        assert_eq!(found, (request, reply), "{action} {value}");
    }
}

#[test]
fn the_transcript_of_a_search_is_the_tutorial_s() {
    if no_python("the transcript of a search") {
        return;
    }
    let server = our_server("app-server");
    let port = server.port();
    let client = python("app_client.py", &["127.0.0.1", &port, "search", "morpheus"]);
    assert!(finish(client).status.success());
    let first = "Accepted connection from ('127.0.0.1', PORT)";
    assert_eq!(without_ports(&server.line()), first);
    assert_eq!(
        without_ports(&server.line()),
        "Received request {'action': 'search', 'value': 'morpheus'} from ('127.0.0.1', PORT)"
    );
    assert_eq!(
        without_ports(&server.line()),
        "Sending b'\\x00g{\"byteorder\": \"little\", \"content-type\": \"text/json\", \
         \"content-encoding\": \"utf-8\", \"content-length\": 43}\
         {\"result\": \"Follow the white rabbit. \\xf0\\x9f\\x90\\xb0\"}' to ('127.0.0.1', PORT)"
    );
    let last = "Closing connection to ('127.0.0.1', PORT)";
    assert_eq!(without_ports(&server.line()), last);
}

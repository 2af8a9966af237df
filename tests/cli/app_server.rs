//! `sockdoc app-server` and what it answers.

use std::io::Write;

use crate::speak::{self, message};
use crate::support::{Server, talk};

fn utf_16(text: &str) -> Vec<u8> {
    std::iter::once(0xfeff)
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect()
}

#[test]
fn a_falsy_request_is_answered_and_leaves_nothing_behind() {
    let server = Server::start(&["app-server", "0"]);
    let empty = message("binary/custom-client-binary-type", "binary", b"");
    let answer = talk(server.address, &empty, false).expect("an answer");
    let expected = message(
        "binary/custom-server-binary-type",
        "binary",
        b"First 10 bytes of request: ",
    );
    assert_eq!(answer, expected);
    for falsy in ["{}", "[]", "null", "false", "0", "\"\""] {
        talk(server.address, &speak::json(falsy), false).expect("an answer");
    }
    server.wait_for_no_connections();
}

#[test]
fn other_encodings_are_read_as_python_reads_them() {
    let server = Server::start(&["app-server", "0"]);
    let dog = r#"{"action": "search", "value": "🐶"}"#;
    let paw = speak::reply("\u{1f43e} Playing ball! \u{1f3d0}");
    for (encoding, content) in [
        ("utf-16", utf_16(dog)),
        ("UTF16", utf_16(dog)),
        ("utf-16-le", utf_16(dog)[2..].to_vec()),
        (
            "utf-32-be",
            dog.chars().flat_map(|c| (c as u32).to_be_bytes()).collect(),
        ),
        ("utf-8-sig", [b"\xef\xbb\xbf", dog.as_bytes()].concat()),
        ("utf_8", dog.as_bytes().to_vec()),
    ] {
        let answer = talk(
            server.address,
            &message("text/json", encoding, &content),
            false,
        );
        assert_eq!(answer.expect("an answer"), paw, "{encoding}");
    }
    for encoding in ["latin-1", "iso-8859-1", "cp1252", "L1"] {
        let content = b"{\"action\": \"search\", \"value\": \"caf\xe9\"}";
        let answer = talk(
            server.address,
            &message("text/json", encoding, content),
            false,
        );
        assert_eq!(
            answer.expect("an answer"),
            speak::reply("No match for 'café'."),
            "{encoding}"
        );
    }
}

#[test]
fn whatever_is_not_text_json_is_binary_and_its_first_ten_bytes_come_back() {
    let server = Server::start(&["app-server", "0"]);
    for content_type in ["text/JSON", "text/json; charset=utf-8", "", "\\u001b[2J"] {
        let request = message(content_type, "whatever", b"0123456789abc");
        let answer = talk(server.address, &request, false).expect("an answer");
        let content = &speak::contents(&answer)[0];
        assert_eq!(
            content, b"First 10 bytes of request: 0123456789",
            "{content_type}"
        );
    }
}

#[test]
fn bytes_behind_the_request_do_not_cost_the_reply() {
    let server = Server::start(&["app-server", "0"]);
    for trailing in [1, 1000, 500_000] {
        let request = [speak::search("ring"), vec![b'x'; trailing]].concat();
        let answer = talk(server.address, &request, false).expect("no reset");
        assert_eq!(answer, speak::ring_reply(), "{trailing} bytes more");
    }
    // A reply that is still on its way when the connection would be closed.
    let value = "v".repeat(300_000);
    let request = [speak::search(&value), vec![b'x'; 200_000]].concat();
    let answer = talk(server.address, &request, false).expect("no reset");
    let expected = speak::reply(&format!("No match for '{value}'."));
    assert!(answer == expected, "{} bytes came", answer.len());
}

#[test]
fn pipelined_requests_without_keep_open_get_one_whole_reply_and_a_clean_end() {
    let server = Server::start(&["app-server", "0"]);
    for count in [2, 60, 100, 2000] {
        let requests = speak::search("ring").repeat(count);
        let answer = talk(server.address, &requests, false).expect("no reset");
        assert_eq!(answer, speak::ring_reply(), "{count} requests");
    }
}

#[test]
fn pipelined_requests_with_keep_open_are_all_answered_in_order() {
    let server = Server::start(&["app-server", "0", "--keep-open"]);
    let count = 500;
    let requests: Vec<u8> = (0..count)
        .flat_map(|n| speak::search(&format!("v{n}")))
        .collect();
    let expected: Vec<u8> = (0..count)
        .flat_map(|n| speak::reply(&format!("No match for 'v{n}'.")))
        .collect();
    let answer = talk(server.address, &requests, true).expect("answers");
    assert!(answer == expected, "{}", answer.escape_ascii());
    // The same one byte a write for the first few.
    let mut stream = server.connect();
    stream.set_nodelay(true).expect("set");
    for byte in &requests[..500] {
        stream
            .write_all(std::slice::from_ref(byte))
            .expect("writes");
    }
    stream.write_all(&requests[500..]).expect("writes");
    stream.shutdown(std::net::Shutdown::Write).expect("shuts");
    let mut answer = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut answer).expect("answers");
    assert!(answer == expected, "{}", answer.escape_ascii());
}

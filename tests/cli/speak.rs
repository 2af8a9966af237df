//! The application protocol by hand, so that the crate's own encoder is not its own judge.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support;

/// What our side says of its byte order.
pub(crate) const ORDER: &str = if cfg!(target_endian = "little") {
    "little"
} else {
    "big"
};

/// A message with this header, whatever it is.
pub(crate) fn with_header(header: &[u8], content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(header.len()).expect("a header of at most 65,535 bytes");
    [&length.to_be_bytes(), header, content].concat()
}

/// A message as the tutorial's programs write it.
pub(crate) fn message(content_type: &str, encoding: &str, content: &[u8]) -> Vec<u8> {
    let header = format!(
        "{{\"byteorder\": \"{ORDER}\", \"content-type\": \"{content_type}\", \
         \"content-encoding\": \"{encoding}\", \"content-length\": {}}}",
        content.len()
    );
    with_header(header.as_bytes(), content)
}

/// A JSON message.
pub(crate) fn json(content: &str) -> Vec<u8> {
    message("text/json", "utf-8", content.as_bytes())
}

/// A search request.
pub(crate) fn search(value: &str) -> Vec<u8> {
    json(&format!(
        "{{\"action\": \"search\", \"value\": \"{value}\"}}"
    ))
}

/// A reply with this result.
pub(crate) fn reply(result: &str) -> Vec<u8> {
    json(&format!("{{\"result\": \"{result}\"}}"))
}

/// The reply to a search for ring, 165 bytes.
pub(crate) fn ring_reply() -> Vec<u8> {
    reply("In the caves beneath the Misty Mountains. \u{1f48d}")
}

/// Takes whole messages apart: the content of each. Panics when one is not whole.
pub(crate) fn contents(mut wire: &[u8]) -> Vec<Vec<u8>> {
    let mut contents = Vec::new();
    while !wire.is_empty() {
        let header_end = 2 + usize::from(u16::from_be_bytes([wire[0], wire[1]]));
        let header: serde_json::Value =
            serde_json::from_slice(&wire[2..header_end]).expect("a JSON header");
        let length = header["content-length"].as_u64().expect("a length");
        let end = header_end + usize::try_from(length).expect("a small length");
        contents.push(wire[header_end..end].to_vec());
        wire = &wire[end..];
    }
    contents
}

/// The result in the one message that `wire` is.
pub(crate) fn result(wire: &[u8]) -> String {
    let contents = contents(wire);
    assert_eq!(contents.len(), 1, "one message: {}", wire.escape_ascii());
    let content: serde_json::Value = serde_json::from_slice(&contents[0]).expect("JSON");
    content["result"].as_str().expect("a string").to_owned()
}

/// Reads one message.
pub(crate) fn read_message(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut wire = vec![0; 2];
    stream.read_exact(&mut wire)?;
    let header_end = 2 + usize::from(u16::from_be_bytes([wire[0], wire[1]]));
    wire.resize(header_end, 0);
    stream.read_exact(&mut wire[2..])?;
    let header: serde_json::Value = serde_json::from_slice(&wire[2..])?;
    let length = header["content-length"].as_u64().expect("a length");
    let end = header_end + usize::try_from(length).expect("a small length");
    wire.resize(end, 0);
    stream.read_exact(&mut wire[header_end..])?;
    Ok(wire)
}

/// A good client gets a good answer, byte for byte, and the end of file.
pub(crate) fn good_client(address: SocketAddr, after: &str) {
    let answer = support::talk(address, &search("ring"), false)
        .unwrap_or_else(|error| panic!("after {after}, a good client: {error}"));
    assert_eq!(
        answer.escape_ascii().to_string(),
        ring_reply().escape_ascii().to_string(),
        "a good client after {after}"
    );
}

/// Asks on a connection that stays open.
pub(crate) fn ask(stream: &mut TcpStream, request: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(request)?;
    read_message(stream)
}

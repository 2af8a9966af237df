//! The tutorial's lines, word for word. Every value in them is a Python literal, so nothing that a
//! peer sends reaches the terminal as it is.

use std::fmt;
use std::io::{self, Write};

use super::escape::text;
use super::python;
use crate::load::echo::Moment;
use crate::message::{Content, Header, repr_str};
use crate::service::Peer;
use crate::service::app::Request;

/// A peer as Python's `socket` module names it: a tuple, or the path of a Unix socket.
pub fn peer(peer: &Peer) -> String {
    match peer {
        Peer::Ip(address) => python::address(address).to_string(),
        Peer::Unix(path) => {
            let path = path
                .as_ref()
                .map(|path| path.to_string_lossy())
                .unwrap_or_default();
            let mut literal = String::new();
            repr_str(&path, &mut literal);
            literal
        }
    }
}

/// An address as a client was given it: `('localhost', 65432)`.
pub fn typed_address(host: &str, port: u16) -> String {
    let mut literal = String::from("(");
    repr_str(host, &mut literal);
    literal + &format!(", {port})")
}

/// `Received request {...} from (...)`, or the content type of what is not JSON.
pub fn request(out: &mut impl Write, request: &Request<'_>, from: &str) -> io::Result<()> {
    received(out, "request", request.header, &request.content, from)
}

/// The same of a response, and what it says.
pub fn response(
    out: &mut impl Write,
    header: &Header,
    content: &Content<'_>,
    from: &str,
) -> io::Result<()> {
    received(out, "response", header, content, from)?;
    match content {
        Content::Json(_) => {
            let result = content
                .result()
                .map_or("None".into(), |result| result.py_str());
            writeln!(out, "Got result: {}", text(&result))
        }
        Content::Binary(bytes) => writeln!(out, "Got response: {}", python::bytes(bytes)),
    }
}

fn received(
    out: &mut impl Write,
    what: &str,
    header: &Header,
    content: &Content<'_>,
    from: &str,
) -> io::Result<()> {
    match content {
        Content::Json(value) => writeln!(out, "Received {what} {} from {from}", value.py_repr()),
        Content::Binary(_) => {
            writeln!(
                out,
                "Received {} {what} from {from}",
                text(&header.content_type)
            )
        }
    }
}

/// `Sending b'...' to (...)`; `verb` is `Sending` or `Echoing`.
pub fn sending(
    out: &mut impl Write,
    verb: &str,
    bytes: &[u8],
    to: impl fmt::Display,
) -> io::Result<()> {
    writeln!(out, "{verb} {} to {to}", python::bytes(bytes))
}

/// The lines of the client with many connections.
pub fn moment(
    out: &mut impl Write,
    connection: usize,
    moment: &Moment<'_>,
    server: &str,
) -> io::Result<()> {
    match moment {
        Moment::Opened => writeln!(out, "Starting connection {connection} to {server}"),
        Moment::Sending(bytes) => sending(
            out,
            "Sending",
            bytes,
            format_args!("connection {connection}"),
        ),
        Moment::Received(bytes) => {
            writeln!(
                out,
                "Received {} from connection {connection}",
                python::bytes(bytes)
            )
        }
        Moment::Closed => writeln!(out, "Closing connection {connection}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_named_as_python_names_them() {
        assert_eq!(
            peer(&Peer::Ip("127.0.0.1:1".parse().unwrap())),
            "('127.0.0.1', 1)"
        );
        assert_eq!(peer(&Peer::Unix(None)), "''");
        assert_eq!(peer(&Peer::Unix(Some("/tmp/a\n".into()))), "'/tmp/a\\n'");
        assert_eq!(typed_address("localhost", 65432), "('localhost', 65432)");
    }

    #[test]
    fn a_hostile_content_type_is_escaped() {
        let header = br#"{"byteorder": "little", "content-type": "x\u001b[2J\nForged line",
            "content-encoding": "binary", "content-length": 0}"#;
        let header = Header::parse(header).unwrap();
        let mut out = Vec::new();
        let request_ = Request {
            header: &header,
            content: Content::Binary(b""),
        };
        request(&mut out, &request_, "x").unwrap();
        assert_eq!(out, b"Received x\\x1b[2J\\nForged line request from x\n");
    }
}

//! The data of a stream as JSON.

use super::super::buffer::Buffer;
use super::{direction, string};
use crate::stream::{Piece, StreamRef};

/// The next bytes of a connection that is followed.
pub(super) fn data(out: &mut Buffer, stream: &StreamRef, piece: Piece<'_>) {
    out.text(begin!("data"));
    direction(out, stream);
    key!(out, "from_client");
    out.text(if stream.from_client { "true" } else { "false" });
    match piece {
        Piece::Gap(length) => {
            key!(out, "missing_bytes");
            out.number(u64::from(length));
        }
        Piece::Data(bytes) => content_bytes(out, bytes),
    }
    out.text("}\n");
}

/// Bytes as text; if they are not UTF-8 lossy, with an exact `_hex` twin.
pub(super) fn content_bytes(out: &mut Buffer, bytes: &[u8]) {
    key!(out, "content");
    string(out, &String::from_utf8_lossy(bytes));
    if std::str::from_utf8(bytes).is_err() {
        key!(out, "content_hex");
        string(out, &crate::render::json::hex(bytes));
    }
}

//! QUIC: the version and the kind of a packet with a long header (RFC 9000 section 17.2, RFC 8999).

use super::Said;

/// Connection IDs have 20 bytes at most (RFC 9000 section 17.2).
const LONGEST_ID: u8 = 20;

/// Reads the beginning of a datagram.
pub(super) fn read(payload: &[u8]) -> Option<Said> {
    let &[first, a, b, c, d, id, ..] = payload.first_chunk::<7>()?;
    let number = u32::from_be_bytes([a, b, c, d]);
    if id > LONGEST_ID {
        return None;
    }
    let kinds = ["Initial", "0-RTT", "Handshake", "Retry"];
    let kind = usize::from(first >> 4 & 3);
    let (version, kind) = match number {
        0 => ("negotiation".to_owned(), "Version Negotiation"),
        1 => ("1".to_owned(), kinds[kind]),
        // RFC 9369 section 3.2: the kinds are numbered from Retry on.
        0x6b33_43cf => ("2".to_owned(), kinds[(kind + 3) % 4]),
        0xff00_0000..=0xff00_00ff => (format!("draft-{}", number & 0xff), kinds[kind]),
        _ => return None,
    };
    let words = if number == 0 {
        kind.to_owned()
    } else {
        format!("version {version} {kind}")
    };
    let said = Said::new("QUIC").saying(words);
    Some(said.with("version", version).with("packet", kind))
}

//! Blocks of pcapng files, made byte by byte (draft-ietf-opsawg-pcapng).

/// A block of pcapng with this body.
pub fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut padded = body.to_vec();
    padded.resize(body.len().next_multiple_of(4), 0);
    let length = u32::try_from(padded.len() + 12).unwrap().to_le_bytes();
    [&kind.to_le_bytes()[..], &length, &padded, &length].concat()
}

/// A frame with these comments.
pub fn commented(data: &[u8], comments: &[&str]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap().to_le_bytes();
    let mut body = [&[0; 12][..], &length, &length, data].concat();
    body.resize(body.len().next_multiple_of(4), 0);
    for comment in comments {
        let length = u16::try_from(comment.len()).unwrap().to_le_bytes();
        body.extend([&[1, 0][..], &length, comment.as_bytes()].concat());
        body.resize(body.len().next_multiple_of(4), 0);
    }
    body.extend([0; 4]);
    block(6, &body)
}

/// The section and an interface of Ethernet.
pub fn begun() -> Vec<u8> {
    let section = [b"\x4d\x3c\x2b\x1a\x01\0\0\0", &[0xff; 8][..]].concat();
    let interface = block(1, &[1, 0, 0, 0, 0, 0, 0, 0]);
    [block(0x0a0d_0d0a, &section), interface].concat()
}

/// A record of a name resolution block: an IPv4 address and its name.
pub fn named(address: [u8; 4], name: &str) -> Vec<u8> {
    let length = u16::try_from(name.len() + 5).unwrap().to_le_bytes();
    let mut record = [&[1, 0][..], &length, &address, name.as_bytes(), &[0]].concat();
    record.resize(record.len().next_multiple_of(4), 0);
    record
}

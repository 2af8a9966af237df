//! What the fuzz targets of the message room do with their bytes. An ordinary test replays the
//! corpus through the same functions.

use sockdoc::message::{Deframer, HeaderCache, encode_json_reply, parse_json, to_json};

/// The first byte says in what pieces the rest arrives; the pieces must not matter.
pub(crate) fn message_deframer(data: &[u8]) {
    let Some((&size, stream)) = data.split_first() else {
        return;
    };
    let whole = read(stream, stream.len().max(1));
    let cut = read(stream, usize::from(size).max(1));
    assert_eq!(whole, cut);
}

/// The wires of all messages and why there are no more.
fn read(stream: &[u8], size: usize) -> (Vec<Vec<u8>>, Option<String>) {
    let mut deframer = Deframer::new(1 << 16);
    let mut cache = HeaderCache::default();
    let mut wires = Vec::new();
    for mut input in stream.chunks(size) {
        loop {
            match deframer.next(&mut input, &mut cache) {
                Ok(Some(message)) => {
                    assert!(message.wire.ends_with(message.content));
                    let _ = message.decode();
                    wires.push(message.wire.to_vec());
                }
                Ok(None) => break,
                Err(error) => return (wires, Some(error.to_string())),
            }
        }
        assert!(input.is_empty());
    }
    let found: usize = wires.iter().map(Vec::len).sum();
    assert!(found <= stream.len());
    (wires, deframer.finish().err().map(|cut| cut.to_string()))
}

/// Whatever is read can be shown, sent in a reply, and written and read again.
pub(crate) fn message_json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(value) = parse_json(text) else {
        return;
    };
    let shown = value.py_repr();
    encode_json_reply(&shown, &mut Vec::new());
    let again = String::from_utf8(to_json(&value)).expect("JSON is UTF-8");
    let once = parse_json(&again).expect("what was written is JSON");
    let twice = String::from_utf8(to_json(&once)).expect("JSON is UTF-8");
    assert_eq!(again, twice);
}

//! What must hold for the framing room whatever bytes come.

use sockdoc::framing::{Deframer, Framing, FramingError, escapes};

/// The input: one line with a framing as a user writes it, a byte for the limit, a byte for the size
/// of the pieces, and the stream.
pub(crate) fn framing(data: &[u8]) {
    let Some(newline) = data.iter().position(|&byte| byte == b'\n') else {
        return;
    };
    let (word, rest) = (&data[..newline], &data[newline + 1..]);
    let Ok(word) = std::str::from_utf8(word) else {
        return;
    };
    escapes_come_back(word);
    let Ok(framing) = word.parse::<Framing>() else {
        return;
    };
    assert_eq!(
        framing.to_string().parse::<Framing>().as_ref(),
        Ok(&framing)
    );
    let [limit, piece, stream @ ..] = rest else {
        return;
    };
    let limit = usize::from(*limit);
    let whole = deframe(&framing, limit, stream, stream.len().max(1));
    // With raw framing the pieces are the messages.
    if framing != Framing::Raw {
        let pieces = deframe(&framing, limit, stream, usize::from(*piece).max(1));
        match (&whole, &pieces) {
            (Ok(whole), Ok(pieces)) => assert_eq!(whole, pieces),
            (Err(whole), Err(pieces)) => assert_eq!(
                std::mem::discriminant(whole),
                std::mem::discriminant(pieces)
            ),
            _ => panic!("{whole:?} in one piece, {pieces:?} in pieces"),
        }
    }
    for message in whole.iter().flatten() {
        comes_back(&framing, message);
    }
    comes_back(&framing, stream);
}

fn escapes_come_back(text: &str) {
    let shown = escapes::escape(text.as_bytes()).to_string();
    assert_eq!(escapes::unescape(&shown).as_deref(), Ok(text.as_bytes()));
    match escapes::unescape(text) {
        Ok(bytes) => assert!(bytes.len() <= text.len()),
        Err(error) => assert!((1..=text.chars().count()).contains(&error.position())),
    }
}

/// Feeds the stream in pieces of one size and counts every byte.
fn deframe(
    framing: &Framing,
    limit: usize,
    stream: &[u8],
    piece: usize,
) -> Result<Vec<Vec<u8>>, FramingError> {
    let mut deframer = Deframer::new(framing.clone(), limit);
    let mut messages = Vec::new();
    let (mut fed, mut delivered) = (0, 0);
    for mut input in stream.chunks(piece) {
        fed += input.len();
        while let Some(frame) = deframer.next(&mut input)? {
            assert!(stream[delivered..].starts_with(frame.wire));
            assert!(!frame.wire.is_empty());
            delivered += frame.wire.len();
            messages.push(frame.payload.to_vec());
        }
        assert!(input.is_empty());
        assert_eq!(delivered + deframer.buffered(), fed);
        assert_eq!(deframer.in_message(), deframer.unfinished().is_some());
    }
    if let Some(frame) = deframer.finish()? {
        delivered += frame.wire.len();
        messages.push(frame.payload.to_vec());
    }
    assert_eq!(delivered, stream.len());
    Ok(messages)
}

/// What the encoder accepts, the deframer gives back.
fn comes_back(framing: &Framing, message: &[u8]) {
    // A small input can ask for a gigabyte of padding.
    if matches!(framing, Framing::Fixed { size, .. } if size.get() > 1 << 16) {
        return;
    }
    let mut wire = Vec::new();
    if framing.encode(message, &mut wire).is_err() {
        assert!(wire.is_empty());
        return;
    }
    let got = deframe(framing, message.len(), &wire, 7);
    if *framing == Framing::Raw {
        assert_eq!(got.map(|pieces| pieces.concat()).as_deref(), Ok(message));
    } else if !wire.is_empty() {
        assert_eq!(got.as_deref(), Ok(&[message.to_vec()][..]));
    }
}

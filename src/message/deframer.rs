//! Finds messages in a stream of bytes.

use std::sync::Arc;

use crate::framing::Assembler;

use super::Message;
use super::error::MessageError;
use super::header::{Header, HeaderCache};

/// The limit of a message's header and content together, unless another is given: 16 MiB.
pub const DEFAULT_MAX_MESSAGE: usize = 16 << 20;

/// The bytes of the header length.
const PREFIX: usize = 2;

/// Finds messages in chunks of any size.
///
/// The invariants: no byte is looked at twice for its own sake, so n bytes cost O(n) however they
/// are cut; what a length announces is compared with the limit before anything is done about it,
/// and memory is taken only for bytes that came; after an error nothing is found any more, since
/// the next boundary is not known.
#[derive(Debug)]
pub struct Deframer {
    assembler: Assembler,
    max_message: usize,
    stage: Stage,
}

/// What is known of the message in progress.
#[derive(Debug)]
enum Stage {
    /// Nothing, or its header is incomplete.
    Header,
    /// Its header, and so the length of all of it.
    Content { header: Arc<Header>, total: usize },
    /// The bytes are not a message; nothing after them is read.
    Dead(Box<MessageError>),
}

impl Deframer {
    /// A deframer at the beginning of a stream. `max_message` limits header and content together.
    pub fn new(max_message: usize) -> Self {
        Deframer {
            assembler: Assembler::default(),
            max_message,
            stage: Stage::Header,
        }
    }

    /// Takes the next message off the front of `input`. `None` says that all of `input` was taken
    /// and more is needed.
    pub fn next<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
        cache: &mut HeaderCache,
    ) -> Result<Option<Message<'a>>, MessageError> {
        if let Err(error) = self.read_header(input, cache) {
            self.assembler = Assembler::default();
            self.stage = Stage::Dead(Box::new(error.clone()));
            return Err(error);
        }
        let Stage::Content { total, .. } = self.stage else {
            return Ok(None);
        };
        if !self.assembler.fill(total, input) {
            return Ok(None);
        }
        let Stage::Content { header, .. } = std::mem::replace(&mut self.stage, Stage::Header)
        else {
            return Ok(None);
        };
        let wire = self.assembler.take(total, input);
        let content = &wire[total - header.content_length..];
        Ok(Some(Message {
            header,
            content,
            wire,
        }))
    }

    /// Gets to [`Stage::Content`] if the bytes of the header are there.
    fn read_header(
        &mut self,
        input: &mut &[u8],
        cache: &mut HeaderCache,
    ) -> Result<(), MessageError> {
        match &self.stage {
            Stage::Header => {}
            Stage::Content { .. } => return Ok(()),
            Stage::Dead(error) => return Err(MessageError::clone(error)),
        }
        if !self.assembler.fill(PREFIX, input) {
            return Ok(());
        }
        let length = header_length(self.assembler.view(input));
        if length == 0 {
            return Err(MessageError::EmptyHeader);
        }
        if length > self.max_message {
            return Err(self.too_large("header", length));
        }
        let start = PREFIX + length;
        if !self.assembler.fill(start, input) {
            let at_hand = self.assembler.view(input);
            return match (other_protocol(at_hand), wrong_byte_order(at_hand, false)) {
                (Some(name), _) => Err(MessageError::OtherProtocol(name)),
                (None, Some(error)) => Err(error),
                (None, None) => Ok(()),
            };
        }
        let at_hand = self.assembler.view(input);
        let header = cache
            .read(&at_hand[PREFIX..start])
            .map_err(|error| wrong_byte_order(at_hand, false).unwrap_or(error))?;
        // The subtraction cannot wrap: the length of the header was compared above.
        if header.content_length > self.max_message - length {
            return Err(self.too_large("content", header.content_length));
        }
        let total = start + header.content_length;
        self.stage = Stage::Content { header, total };
        Ok(())
    }

    fn too_large(&self, part: &str, length: usize) -> MessageError {
        let announced = match length {
            usize::MAX => format!("a {part} of more than {} bytes", usize::MAX - 1),
            length => format!("a {part} of {length} bytes"),
        };
        MessageError::TooLarge {
            announced: announced.into(),
            limit: self.max_message,
        }
    }

    /// Whether a message has begun and is not complete.
    pub fn in_message(&self) -> bool {
        !self.assembler.is_empty()
    }

    /// Bytes of memory for what waits for the rest of a message.
    pub fn memory(&self) -> usize {
        let header = match &self.stage {
            // Its strings are those of the bytes, or what Python shows of other values.
            Stage::Content { header, total } => 2 * (total - header.content_length),
            Stage::Header | Stage::Dead(_) => 0,
        };
        self.assembler.capacity() + header
    }

    /// The stream has ended, or will not be waited for: says what is missing, if anything is.
    pub fn finish(&self) -> Result<(), MessageError> {
        if let Stage::Dead(error) = &self.stage {
            return Err(MessageError::clone(error));
        }
        let have = self.assembler.len();
        if have == 0 {
            return Ok(());
        }
        if let (Stage::Header, Some(error)) = (
            &self.stage,
            wrong_byte_order(self.assembler.view(&[]), true),
        ) {
            return Err(error);
        }
        let (need, exact) = match self.stage {
            Stage::Content { total, .. } => (total, true),
            _ if have < PREFIX => (PREFIX, false),
            // A message handed out before is no longer in the buffer once `in_message` is true.
            _ => (PREFIX + header_length(self.assembler.view(&[])), false),
        };
        Err(MessageError::Cut { have, need, exact })
    }
}

/// The number that the first two bytes are.
///
/// # Panics
/// When there are fewer.
fn header_length(bytes: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// A header whose length is little-endian. What follows it must not be a blank, of which a header in the
/// right byte order may have any number at its end; at the end of the stream nothing may follow.
fn wrong_byte_order(bytes: &[u8], ended: bool) -> Option<MessageError> {
    let field = bytes.get(..PREFIX)?;
    let (announced, swapped) = (
        usize::from(u16::from_be_bytes([field[0], field[1]])),
        usize::from(u16::from_le_bytes([field[0], field[1]])),
    );
    let header = bytes.get(PREFIX..PREFIX + swapped)?;
    let follows = match bytes.get(PREFIX + swapped) {
        Some(next) => !next.is_ascii_whitespace(),
        None => ended,
    };
    let is_header = announced != swapped && follows && Header::parse(header).is_ok();
    is_header.then_some(MessageError::ByteOrder { announced, swapped })
}

/// What a peer speaks that took us for another server. None of these can begin a message of ours: the
/// third byte would have to begin a JSON object. Taken for a length, they would be waited for until
/// the deadline.
fn other_protocol(beginning: &[u8]) -> Option<&'static str> {
    /// Request methods and the status line (RFC 9110), the preface of HTTP/2 (RFC 9113).
    const HTTP: [&[u8]; 9] = [
        b"GET ",
        b"HEAD ",
        b"POST ",
        b"PUT ",
        b"DELETE ",
        b"OPTIONS ",
        b"CONNECT ",
        b"HTTP/",
        b"PRI * ",
    ];
    /// A handshake record (RFC 8446 section 5.1).
    const TLS: &[u8] = b"\x16\x03";
    if HTTP.iter().any(|word| beginning.starts_with(word)) {
        return Some("HTTP");
    }
    if beginning.starts_with(b"SSH-") {
        return Some("SSH");
    }
    let version_follows = beginning.get(2).is_some_and(|minor| *minor <= 4);
    (beginning.starts_with(TLS) && version_follows).then_some("TLS")
}

#[cfg(test)]
#[path = "deframer_tests.rs"]
mod tests;

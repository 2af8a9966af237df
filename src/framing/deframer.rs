//! The messages in a stream of bytes.

use std::ops::Range;

use super::error::Suspect;
use super::{Assembler, Delimiter, Framing, FramingError, Unfinished};

/// Finds the messages in a stream of bytes, in whatever pieces it comes.
///
/// It holds bytes of one unfinished message at most, only such that really came, and no memory
/// between messages. Every byte is looked at a fixed number of times, whatever the pieces.
///
/// After an error the stream has no more boundaries: close the connection.
#[derive(Debug)]
pub struct Deframer {
    framing: Framing,
    max_message: usize,
    assembler: Assembler,
    /// How much of the delimiter stands at the end of what is stored.
    matched: usize,
}

/// One message as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The message.
    pub payload: &'a [u8],
    /// The very bytes that came, with the length, the delimiter or the padding.
    pub wire: &'a [u8],
}

/// Where a complete message lies at the front of the bytes at hand.
struct Bounds {
    wire: usize,
    payload: Range<usize>,
}

impl Deframer {
    /// A deframer that accepts messages of at most `max_message` bytes, their frame not counted.
    ///
    /// Two framings need no limit and ignore it: with [`Framing::Fixed`] the size is the limit, and
    /// with [`Framing::Raw`] nothing is ever stored.
    pub fn new(framing: Framing, max_message: usize) -> Self {
        Deframer {
            framing,
            max_message,
            assembler: Assembler::default(),
            matched: 0,
        }
    }

    /// Takes the next message off the front of `input`. Without one, all of `input` has been
    /// taken and stored. Call it again until it gives no message; only then the memory of the last
    /// message is given back.
    ///
    /// A limit is checked before memory is taken for what it limits, and an announced length takes
    /// no memory at all.
    pub fn next<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Frame<'a>>, FramingError> {
        let Some(bounds) = self.locate(input)? else {
            return Ok(None);
        };
        let wire = self.assembler.take(bounds.wire, input);
        Ok(Some(Frame {
            payload: &wire[bounds.payload],
            wire,
        }))
    }

    /// The stream has ended. Gives the last message of [`Framing::Close`], if any byte came; with
    /// the other framings an unfinished message is an error that states how much of it arrived.
    pub fn finish(&mut self) -> Result<Option<Frame<'_>>, FramingError> {
        let have = self.assembler.len();
        if have > 0 && self.framing == Framing::Close {
            let wire = self.assembler.take(have, &mut &[][..]);
            return Ok(Some(Frame {
                payload: wire,
                wire,
            }));
        }
        match self.unfinished() {
            None => Ok(None),
            Some(unfinished) => Err(FramingError::Ended(unfinished)),
        }
    }

    /// Whether a message has begun and is not complete.
    pub fn in_message(&self) -> bool {
        !self.assembler.is_empty()
    }

    /// How many bytes of an unfinished message are held.
    pub fn buffered(&self) -> usize {
        self.assembler.len()
    }

    /// Bytes of memory for what waits for the rest of a message.
    pub fn memory(&self) -> usize {
        self.assembler.capacity()
    }

    /// The framing.
    pub fn framing(&self) -> &Framing {
        &self.framing
    }

    /// How far the message in progress has come; `None` between messages.
    pub fn unfinished(&self) -> Option<Unfinished> {
        let have = self.assembler.len();
        if have == 0 {
            return None;
        }
        if let Some(prefix) = self.framing.length_prefix() {
            let announced = self
                .assembler
                .view(&[])
                .get(..prefix)
                .and_then(|field| self.framing.announced(field).ok());
            return Some(match announced {
                Some(announced) => {
                    let field = &self.assembler.view(&[])[..prefix];
                    let is_binary = !matches!(self.framing, Framing::Digits(_));
                    let suspect = if is_binary {
                        Suspect::of(field, have - prefix)
                    } else {
                        Suspect::Nothing
                    };
                    Unfinished::Announced {
                        have: have - prefix,
                        announced: usize::try_from(announced).unwrap_or(usize::MAX),
                        suspect,
                    }
                }
                None if matches!(self.framing, Framing::Digits(_)) => {
                    Unfinished::LengthDigits { have, need: prefix }
                }
                None => Unfinished::LengthBytes { have, need: prefix },
            });
        }
        Some(match &self.framing {
            Framing::Line => Unfinished::Delimiter {
                have,
                delimiter: (*b"\n").into(),
            },
            Framing::Delimited(delimiter) => Unfinished::Delimiter {
                have,
                delimiter: delimiter.as_bytes().into(),
            },
            Framing::Fixed { size, .. } => Unfinished::Fixed {
                have,
                size: size.get(),
            },
            _ => Unfinished::Open { have },
        })
    }

    fn locate(&mut self, input: &mut &[u8]) -> Result<Option<Bounds>, FramingError> {
        let assembler = &mut self.assembler;
        let limit = self.max_message;
        match &self.framing {
            Framing::Raw => Ok((!input.is_empty()).then_some(Bounds {
                wire: input.len(),
                payload: 0..input.len(),
            })),
            Framing::Line => locate_line(assembler, limit, input),
            Framing::Delimited(delimiter) => {
                locate_delimited(assembler, &mut self.matched, delimiter, limit, input)
            }
            Framing::Digits(_) | Framing::Len16 | Framing::Len32 => {
                locate_announced(assembler, &self.framing, limit, input)
            }
            Framing::Fixed { size, pad } => Ok(locate_fixed(assembler, size.get(), *pad, input)),
            Framing::Close => {
                if input.len() > limit.saturating_sub(assembler.len()) {
                    return Err(FramingError::NoEnd { limit });
                }
                assembler.fill(usize::MAX, input);
                Ok(None)
            }
        }
    }
}

impl Framing {
    /// The size of the length field, if there is one.
    fn length_prefix(&self) -> Option<usize> {
        match self {
            Framing::Digits(digits) => Some(usize::from(digits.get())),
            Framing::Len16 => Some(2),
            Framing::Len32 => Some(4),
            _ => None,
        }
    }

    /// What a length field says, whole or only its beginning.
    fn announced(&self, field: &[u8]) -> Result<u64, FramingError> {
        let Framing::Digits(digits) = self else {
            let fold = |value, &byte| value << 8 | u64::from(byte);
            return Ok(field.iter().fold(0, fold));
        };
        if !field.iter().all(u8::is_ascii_digit) {
            return Err(FramingError::NotDigits {
                field: field.to_vec(),
                digits: usize::from(digits.get()),
            });
        }
        Ok(field.iter().fold(0_u64, |value, byte| {
            value
                .saturating_mul(10)
                .saturating_add(u64::from(byte - b'0'))
        }))
    }
}

fn locate_announced(
    assembler: &mut Assembler,
    framing: &Framing,
    limit: usize,
    input: &mut &[u8],
) -> Result<Option<Bounds>, FramingError> {
    let prefix = framing.length_prefix().unwrap_or(0);
    let complete = assembler.fill(prefix, input);
    let at_hand = assembler.view(input);
    // A bad digit is an error at once: otherwise a client that sends "hi" without a length would wait forever.
    let announced = framing.announced(&at_hand[..at_hand.len().min(prefix)])?;
    if !complete {
        return Ok(None);
    }
    let length = usize::try_from(announced)
        .ok()
        .filter(|length| *length <= limit)
        .ok_or_else(|| FramingError::AnnouncedTooLong {
            announced,
            field: at_hand[..prefix].into(),
            binary: !matches!(framing, Framing::Digits(_)),
            limit,
        })?;
    let wire = prefix.saturating_add(length);
    Ok(assembler.fill(wire, input).then_some(Bounds {
        wire,
        payload: prefix..wire,
    }))
}

fn locate_fixed(
    assembler: &mut Assembler,
    size: usize,
    pad: u8,
    input: &mut &[u8],
) -> Option<Bounds> {
    if !assembler.fill(size, input) {
        return None;
    }
    let padded = &assembler.view(input)[..size];
    let end = padded
        .iter()
        .rposition(|&byte| byte != pad)
        .map_or(0, |last| last + 1);
    Some(Bounds {
        wire: size,
        payload: 0..end,
    })
}

/// The first bytes of a message, for an error.
fn beginning(assembler: &Assembler, input: &[u8]) -> Box<[u8]> {
    const SHOWN: usize = 24;
    let first = match assembler.len() {
        0 => input,
        _ => assembler.view(&[]),
    };
    first[..first.len().min(SHOWN)].into()
}

/// The invariant of both searches: what is stored has been searched, `input` has not.
fn locate_line(
    assembler: &mut Assembler,
    limit: usize,
    input: &mut &[u8],
) -> Result<Option<Bounds>, FramingError> {
    let newline = input.iter().position(|&byte| byte == b'\n');
    let fresh = &input[..newline.unwrap_or(input.len())];
    let last = fresh.last().or_else(|| match assembler.len() {
        0 => None,
        _ => assembler.view(&[]).last(),
    });
    let line = assembler.len() + fresh.len();
    let payload = line - usize::from(last == Some(&b'\r'));
    if payload > limit {
        return Err(FramingError::NoDelimiter {
            limit,
            delimiter: (*b"\n").into(),
            beginning: beginning(assembler, input),
        });
    }
    let wire = newline.map_or(usize::MAX, |_| line + 1);
    Ok(assembler.fill(wire, input).then_some(Bounds {
        wire,
        payload: 0..payload,
    }))
}

fn locate_delimited(
    assembler: &mut Assembler,
    matched: &mut usize,
    delimiter: &Delimiter,
    limit: usize,
    input: &mut &[u8],
) -> Result<Option<Bounds>, FramingError> {
    let mut now = *matched;
    let found = delimiter.search(&mut now, input);
    let end = assembler.len() + found.unwrap_or(input.len());
    // What may yet turn out to be the delimiter is not counted.
    let payload = end - found.map_or(now, |_| delimiter.as_bytes().len());
    if payload > limit {
        return Err(FramingError::NoDelimiter {
            limit,
            delimiter: delimiter.as_bytes().into(),
            beginning: beginning(assembler, input),
        });
    }
    *matched = now;
    let wire = found.map_or(usize::MAX, |_| end);
    Ok(assembler.fill(wire, input).then_some(Bounds {
        wire,
        payload: 0..payload,
    }))
}

#[cfg(test)]
mod tests;

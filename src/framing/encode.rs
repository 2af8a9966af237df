//! A message onto the wire, and what would not come back.

use std::io::Write as _;

use super::{Delimiter, Frame, Framing, FramingError};

impl Framing {
    /// Appends `message` with what marks its end to `out`.
    ///
    /// It fails, and leaves `out` as it was, when the receiver would find another message than this
    /// one. Two promises are left to the caller: with [`Framing::Close`] the sending side must be
    /// shut down after the message, and with [`Framing::Raw`] nothing marks the end.
    pub fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), FramingError> {
        match self {
            Framing::Raw | Framing::Close => {}
            Framing::Line => return encode_line(message, out),
            Framing::Delimited(delimiter) => return encode_delimited(message, delimiter, out),
            Framing::Digits(digits) => {
                let digits = usize::from(digits.get());
                let power = u32::try_from(digits)
                    .ok()
                    .and_then(|n| 10_u64.checked_pow(n));
                length_fits(message, power.map_or(u64::MAX, |power| power - 1))?;
                let _ = write!(out, "{:0digits$}", message.len());
            }
            Framing::Len16 => {
                let len = length_fits(message, u64::from(u16::MAX))?;
                out.extend_from_slice(&len.to_be_bytes()[6..]);
            }
            Framing::Len32 => {
                let len = length_fits(message, u64::from(u32::MAX))?;
                out.extend_from_slice(&len.to_be_bytes()[4..]);
            }
            Framing::Fixed { size, pad } => {
                return encode_fixed(message, size.get(), *pad, out);
            }
        }
        out.extend_from_slice(message);
        Ok(())
    }

    /// As [`Framing::encode`], for an answer to the message in `request`: a line ends as the line
    /// of the peer did, with `\n` or with `\r\n`.
    pub fn encode_answer(
        &self,
        message: &[u8],
        request: &Frame<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), FramingError> {
        if *self == Framing::Line && request.wire.ends_with(b"\r\n") {
            // Behind this line's end, a `\r` at the end of the message is not lost.
            no_line_end_inside(message)?;
            out.extend_from_slice(message);
            out.extend_from_slice(b"\r\n");
            return Ok(());
        }
        self.encode(message, out)
    }
}

fn encode_line(message: &[u8], out: &mut Vec<u8>) -> Result<(), FramingError> {
    no_line_end_inside(message)?;
    if message.ends_with(b"\r") {
        return Err(FramingError::EndsWithReturn);
    }
    out.extend_from_slice(message);
    out.push(b'\n');
    Ok(())
}

fn no_line_end_inside(message: &[u8]) -> Result<(), FramingError> {
    match message.iter().position(|&byte| byte == b'\n') {
        None => Ok(()),
        Some(position) => Err(FramingError::DelimiterInside {
            position,
            delimiter: (*b"\n").into(),
        }),
    }
}

fn encode_delimited(
    message: &[u8],
    delimiter: &Delimiter,
    out: &mut Vec<u8>,
) -> Result<(), FramingError> {
    // The end of the message and the beginning of the delimiter can form the delimiter too early:
    // "xa" ended by "aa" reads as "x" and a stray "a". So the search runs over both.
    let bytes = delimiter.as_bytes();
    let mut matched = 0;
    let found = delimiter.search(&mut matched, message).or_else(|| {
        let end = delimiter.search(&mut matched, bytes)?;
        Some(message.len() + end)
    });
    let start = found.map_or(message.len(), |end| end - bytes.len());
    if start < message.len() {
        return Err(FramingError::DelimiterInside {
            position: start,
            delimiter: bytes.into(),
        });
    }
    out.extend_from_slice(message);
    out.extend_from_slice(bytes);
    Ok(())
}

fn encode_fixed(
    message: &[u8],
    size: usize,
    pad: u8,
    out: &mut Vec<u8>,
) -> Result<(), FramingError> {
    let len = message.len();
    if len > size {
        return Err(FramingError::LongerThanFixed { len, size });
    }
    if message.last() == Some(&pad) {
        return Err(FramingError::EndsWithPad { pad });
    }
    out.extend_from_slice(message);
    out.resize(out.len() + size - len, pad);
    Ok(())
}

fn length_fits(message: &[u8], most: u64) -> Result<u64, FramingError> {
    u64::try_from(message.len())
        .ok()
        .filter(|len| *len <= most)
        .ok_or(FramingError::LengthTooBig {
            len: message.len(),
            most,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(framing: &str, message: &[u8]) -> Result<Vec<u8>, String> {
        let framing: Framing = framing.parse().unwrap();
        let mut out = b"before ".to_vec();
        match framing.encode(message, &mut out) {
            Ok(()) => Ok(out.split_off(7)),
            Err(error) => {
                assert_eq!(out, b"before ", "an error must leave the output as it was");
                Err(error.to_string())
            }
        }
    }

    #[test]
    fn the_wire_looks_as_in_the_tutorials() {
        for (framing, wire) in [
            ("raw", &b"Hello, world!"[..]),
            ("close", b"Hello, world!"),
            ("line", b"Hello, world!\n"),
            ("delim:#*#", b"Hello, world!#*#"),
            ("digits:5", b"00013Hello, world!"),
            ("len16", b"\0\x0dHello, world!"),
            ("len32", b"\0\0\0\x0dHello, world!"),
            ("fixed:30", b"Hello, world!#################"),
            ("fixed:15:\\0", b"Hello, world!\0\0"),
            ("fixed:13", b"Hello, world!"),
        ] {
            assert_eq!(
                encoded(framing, b"Hello, world!").unwrap(),
                wire,
                "{framing}"
            );
        }
    }

    #[test]
    fn a_message_that_would_not_come_back_is_refused_with_the_reason() {
        let long = vec![b'x'; 65536];
        for (framing, message, reason) in [
            ("line", &b"a\nb"[..], "at byte 1 of the message"),
            ("line", b"a\r", "ends with \"\\r\""),
            ("delim:#*#", b"a#*#b", "\"#*#\" would be found at byte 1"),
            ("delim:aa", b"xa", "at byte 1 of the message, before"),
            (
                "digits:2",
                &long[..100],
                "has 100 bytes, the length field can say at most 99",
            ),
            (
                "len16",
                &long,
                "has 65536 bytes, the length field can say at most 65535",
            ),
            (
                "fixed:5",
                b"123456",
                "has 6 bytes, the fixed size is 5 bytes",
            ),
            ("fixed:5", b"no#", "ends with the padding byte \"#\""),
        ] {
            let error = encoded(framing, message).unwrap_err();
            assert!(error.contains(reason), "{framing}: {error}");
        }
    }

    #[test]
    fn an_answer_to_a_line_ends_as_that_line_did() {
        let answer = |wire: &'static [u8], message: &[u8]| {
            let request = Frame { payload: b"", wire };
            let mut out = Vec::new();
            Framing::Line
                .encode_answer(message, &request, &mut out)
                .map(|()| out)
        };
        assert_eq!(answer(b"abc\r\n", b"cba").unwrap(), b"cba\r\n");
        assert_eq!(answer(b"abc\n", b"cba").unwrap(), b"cba\n");
        assert_eq!(answer(b"abc\r\n", b"cba\r").unwrap(), b"cba\r\r\n");
        assert_eq!(
            answer(b"abc\n", b"cba\r"),
            Err(FramingError::EndsWithReturn)
        );
        assert!(answer(b"abc\r\n", b"c\nba").is_err());
    }
}

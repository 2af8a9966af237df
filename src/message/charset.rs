//! The encodings of a content: those that Python names, strict as Python's are.
//!
//! A name is normalised and looked up as Python does it (`UTF 8`, `latin-1`, `IBM037` ...), from
//! the alias table of Python 3.11 in `charmaps.txt`. Behind the names stand
//!
//! - UTF-8, UTF-16 and UTF-32. As in the tutorial's programs, which read through a stream decoder,
//!   `utf-16` and `utf-32` without an explicit byte order want a byte order mark;
//! - ASCII, Latin-1 and every single-byte codec, from the tables in `charmaps.txt`;
//! - the usual Chinese, Japanese and Korean encodings;
//! - of the rest (`utf-7`, `unicode_escape`, `hz`, `johab`, the JIS X 0213 family ...) the ASCII
//!   characters that mean themselves; anything else in them is an error that says so.
//!
//! Codecs that do not make text (`hex`, `rot13` ...) are unknown, and so are `undefined`,
//! `punycode` and `idna`.

use std::borrow::Cow;
use std::fmt;

use super::multibyte::MultiByte;

/// The names and tables; `tools/make-charmaps` writes it.
const CHARMAPS: &str = include_str!("charmaps.txt");

/// An encoding that can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset(Scheme);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Utf8,
    Utf8Sig,
    Utf16(Order),
    Utf32(Order),
    Ascii,
    Latin1,
    /// The runs of a `charmap` line.
    Table(&'static str),
    MultiByte(&'static MultiByte),
    AsciiPart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Big,
    Little,
    /// What the byte order mark says.
    Marked,
}

impl Charset {
    /// UTF-8 without a byte order mark.
    pub const UTF_8: Charset = Charset(Scheme::Utf8);

    /// The encoding that Python knows by this name.
    pub fn named(name: &str) -> Option<Charset> {
        if name == "utf-8" {
            return Some(Charset::UTF_8);
        }
        let normal = normalise(name)?;
        let codec = alias(&normal)
            .or_else(|| alias(&normal.replace('.', "_")))
            .unwrap_or(&normal);
        scheme(codec).or_else(|| scheme(&normal)).map(Charset)
    }

    /// Decodes the whole content; valid UTF-8 and ASCII are borrowed.
    pub fn decode(self, bytes: &[u8]) -> Result<Cow<'_, str>, TextError> {
        match self.0 {
            Scheme::Utf8 => utf8(bytes),
            Scheme::Utf8Sig => utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)),
            Scheme::Utf16(order) => utf16(bytes, order).map(Cow::Owned),
            Scheme::Utf32(order) => utf32(bytes, order).map(Cow::Owned),
            Scheme::Ascii => match bytes.iter().position(|byte| !byte.is_ascii()) {
                Some(at) => Err(TextError::at(at, "a byte that is not ASCII")),
                None => utf8(bytes),
            },
            Scheme::Latin1 => Ok(Cow::Owned(bytes.iter().copied().map(char::from).collect())),
            Scheme::Table(runs) => single_byte(bytes, runs).map(Cow::Owned),
            Scheme::MultiByte(codec) => codec.decode(bytes).ok_or(TextError {
                at: None,
                what: "an invalid byte sequence",
            }),
            Scheme::AsciiPart => match bytes.iter().position(|&byte| !means_itself(byte)) {
                Some(at) => Err(TextError::at(at, "only its plain ASCII part is supported")),
                None => utf8(bytes),
            },
        }
    }
}

/// Why a content is not text of its encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextError {
    at: Option<usize>,
    what: &'static str,
}

impl TextError {
    fn at(at: usize, what: &'static str) -> Self {
        TextError { at: Some(at), what }
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        match self.at {
            Some(at) => write!(f, " at byte {at}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for TextError {}

/// Python's `encodings.normalize_encoding`: runs of punctuation become one underscore, in the
/// middle only; letters that are not ASCII vanish. `None` for a name that Python refuses.
fn normalise(name: &str) -> Option<String> {
    if name.contains('\0') {
        return None;
    }
    let mut normal = String::with_capacity(name.len());
    let mut gap = false;
    for character in name.chars() {
        if character.is_alphanumeric() || character == '.' {
            if gap && !normal.is_empty() {
                normal.push('_');
            }
            if character.is_ascii() {
                normal.push(character.to_ascii_lowercase());
            }
            gap = false;
        } else {
            gap = true;
        }
    }
    Some(normal)
}

fn alias(name: &str) -> Option<&'static str> {
    lines("alias ").find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
}

fn lines(kind: &'static str) -> impl Iterator<Item = &'static str> {
    CHARMAPS
        .lines()
        .filter_map(move |line| line.strip_prefix(kind))
}

/// The codec that Python keeps in the module of this name.
fn scheme(codec: &str) -> Option<Scheme> {
    Some(match codec {
        // `locale` is what the receiver's locale says: UTF-8 everywhere that matters.
        "utf_8" | "locale" => Scheme::Utf8,
        "utf_8_sig" => Scheme::Utf8Sig,
        "utf_16" => Scheme::Utf16(Order::Marked),
        "utf_16_le" => Scheme::Utf16(Order::Little),
        "utf_16_be" => Scheme::Utf16(Order::Big),
        "utf_32" => Scheme::Utf32(Order::Marked),
        "utf_32_le" => Scheme::Utf32(Order::Little),
        "utf_32_be" => Scheme::Utf32(Order::Big),
        "ascii" => Scheme::Ascii,
        "latin_1" | "charmap" => Scheme::Latin1,
        "utf_7" | "unicode_escape" | "raw_unicode_escape" | "hz" | "johab" | "iso2022_kr"
        | "iso2022_jp_1" | "iso2022_jp_2" | "iso2022_jp_2004" | "iso2022_jp_3"
        | "iso2022_jp_ext" | "euc_jis_2004" | "euc_jisx0213" | "shift_jis_2004"
        | "shift_jisx0213" => Scheme::AsciiPart,
        _ => match MultiByte::named(codec) {
            Some(codec) => Scheme::MultiByte(codec),
            None => Scheme::Table(runs(codec)?),
        },
    })
}

/// The `charmap` line of a single-byte codec.
fn runs(codec: &str) -> Option<&'static str> {
    lines("charmap ").find_map(|line| line.strip_prefix(codec)?.strip_prefix(' '))
}

/// Whether a byte means itself in all of the encodings whose plain part alone is supported: no
/// shift, no escape, none of the ASCII places that have other characters in some of them.
fn means_itself(byte: u8) -> bool {
    byte.is_ascii() && !matches!(byte, 0x0e | 0x0f | 0x1b | b'+' | b'\\' | b'~')
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, TextError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(error) => Err(TextError::at(
            error.valid_up_to(),
            "an invalid byte sequence",
        )),
    }
}

const NO_MARK: &str = "no byte order mark";
const CUT: &str = "a cut character";
const BAD_UNIT: &str = "an invalid code";

fn utf16(bytes: &[u8], order: Order) -> Result<String, TextError> {
    let (big, start) = match (order, bytes) {
        (Order::Big, _) => (true, 0),
        (Order::Little, _) => (false, 0),
        (Order::Marked, [0xfe, 0xff, ..]) => (true, 2),
        (Order::Marked, [0xff, 0xfe, ..]) => (false, 2),
        (Order::Marked, []) => return Ok(String::new()),
        (Order::Marked, _) => return Err(TextError::at(0, NO_MARK)),
    };
    let (pairs, rest) = bytes[start..].as_chunks::<2>();
    let units = pairs.iter().map(|&pair| {
        if big {
            u16::from_be_bytes(pair)
        } else {
            u16::from_le_bytes(pair)
        }
    });
    let mut text = String::with_capacity(pairs.len());
    let mut at = start;
    for unit in char::decode_utf16(units) {
        let character = unit.map_err(|_| TextError::at(at, BAD_UNIT))?;
        at += 2 * character.len_utf16();
        text.push(character);
    }
    whole(rest, at, text)
}

fn utf32(bytes: &[u8], order: Order) -> Result<String, TextError> {
    let (big, start) = match (order, bytes) {
        (Order::Big, _) => (true, 0),
        (Order::Little, _) => (false, 0),
        (Order::Marked, [0, 0, 0xfe, 0xff, ..]) => (true, 4),
        (Order::Marked, [0xff, 0xfe, 0, 0, ..]) => (false, 4),
        (Order::Marked, []) => return Ok(String::new()),
        (Order::Marked, _) => return Err(TextError::at(0, NO_MARK)),
    };
    let (words, rest) = bytes[start..].as_chunks::<4>();
    let mut text = String::with_capacity(words.len());
    for (index, &word) in words.iter().enumerate() {
        let code = if big {
            u32::from_be_bytes(word)
        } else {
            u32::from_le_bytes(word)
        };
        let character = char::from_u32(code);
        text.push(character.ok_or(TextError::at(start + 4 * index, BAD_UNIT))?);
    }
    whole(rest, start + 4 * words.len(), text)
}

/// The text, if nothing of a further character is left.
fn whole(rest: &[u8], at: usize, text: String) -> Result<String, TextError> {
    if rest.is_empty() {
        Ok(text)
    } else {
        Err(TextError::at(at, CUT))
    }
}

fn single_byte(bytes: &[u8], runs: &str) -> Result<String, TextError> {
    let table = table(runs);
    let mut text = String::with_capacity(bytes.len());
    for (at, &byte) in bytes.iter().enumerate() {
        let character = table[usize::from(byte)];
        text.push(character.ok_or(TextError::at(at, "an undefined byte"))?);
    }
    Ok(text)
}

/// The 256 characters of a `charmap` line. The data is our own; a test reads all of it.
fn table(runs: &str) -> [Option<char>; 256] {
    let hex = |digits: &str| u32::from_str_radix(digits, 16).unwrap_or(0);
    let mut table = [None; 256];
    let mut at = 0;
    for run in runs.split(' ') {
        let (first, last) = run.split_once('-').unwrap_or((run, run));
        if first.is_empty() {
            at += hex(last) as usize;
            continue;
        }
        for code in hex(first)..=hex(last) {
            table[at] = char::from_u32(code);
            at += 1;
        }
    }
    table
}

#[cfg(test)]
#[path = "charset_tests.rs"]
mod tests;

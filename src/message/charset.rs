//! The encodings of a content: names as Python normalises them, decoding as strict as Python's.
//!
//! ASCII, Latin-1, UTF-8, UTF-16 and UTF-32 are decoded here. As in the tutorial's programs, which read
//! through a stream decoder, `utf-16` and `utf-32` without an explicit byte order require a byte order mark.
//!
//! The other encodings come from `encoding_rs`: those, and only those, that decode every byte sequence as
//! Python's codec does. `tests/interop/encodings.rs` compares them. They are found by Python's names, never by
//! the labels of `encoding_rs`, in which `latin1` and `ascii` mean windows-1252.

use std::borrow::Cow;
use std::fmt;

use encoding_rs::Encoding;

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
    /// As `encoding_rs` has it.
    Table(&'static Encoding),
    /// As `encoding_rs` has it, but for the C1 controls: it decodes the undefined bytes of a code page to them.
    CodePage(&'static Encoding),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Big,
    Little,
    /// What the byte order mark says.
    Marked,
}

use Scheme::{Ascii, CodePage, Latin1, Table, Utf8, Utf8Sig, Utf16, Utf32};

/// Every encoding: Python's name of the codec, Python's aliases, how it is decoded.
static CODECS: &[(&str, &str, Scheme)] = &[
    ("utf_8", "cp65001 u8 utf utf8 utf8_ucs2 utf8_ucs4", Utf8),
    ("utf_8_sig", "", Utf8Sig),
    ("utf_16", "u16 utf16", Utf16(Order::Marked)),
    (
        "utf_16_le",
        "unicodelittleunmarked utf_16le",
        Utf16(Order::Little),
    ),
    (
        "utf_16_be",
        "unicodebigunmarked utf_16be",
        Utf16(Order::Big),
    ),
    ("utf_32", "u32 utf32", Utf32(Order::Marked)),
    ("utf_32_le", "utf_32le", Utf32(Order::Little)),
    ("utf_32_be", "utf_32be", Utf32(Order::Big)),
    (
        "ascii",
        "646 ansi_x3.4_1968 ansi_x3.4_1986 ansi_x3_4_1968 cp367 csascii ibm367 iso646_us iso_646.irv_1991 iso_ir_6 us us_ascii",
        Ascii,
    ),
    (
        "latin_1",
        "8859 cp819 csisolatin1 ibm819 iso8859 iso8859_1 iso_8859_1 iso_8859_1_1987 iso_ir_100 l1 latin latin1",
        Latin1,
    ),
    (
        "iso8859_2",
        "csisolatin2 iso_8859_2 iso_8859_2_1987 iso_ir_101 l2 latin2",
        Table(encoding_rs::ISO_8859_2),
    ),
    (
        "iso8859_3",
        "csisolatin3 iso_8859_3 iso_8859_3_1988 iso_ir_109 l3 latin3",
        Table(encoding_rs::ISO_8859_3),
    ),
    (
        "iso8859_4",
        "csisolatin4 iso_8859_4 iso_8859_4_1988 iso_ir_110 l4 latin4",
        Table(encoding_rs::ISO_8859_4),
    ),
    (
        "iso8859_5",
        "csisolatincyrillic cyrillic iso_8859_5 iso_8859_5_1988 iso_ir_144",
        Table(encoding_rs::ISO_8859_5),
    ),
    (
        "iso8859_6",
        "arabic asmo_708 csisolatinarabic ecma_114 iso_8859_6 iso_8859_6_1987 iso_ir_127",
        Table(encoding_rs::ISO_8859_6),
    ),
    (
        "iso8859_7",
        "csisolatingreek ecma_118 elot_928 greek greek8 iso_8859_7 iso_8859_7_1987 iso_ir_126",
        Table(encoding_rs::ISO_8859_7),
    ),
    (
        "iso8859_8",
        "csisolatinhebrew hebrew iso_8859_8 iso_8859_8_1988 iso_ir_138",
        Table(encoding_rs::ISO_8859_8),
    ),
    (
        "iso8859_10",
        "csisolatin6 iso_8859_10 iso_8859_10_1992 iso_ir_157 l6 latin6",
        Table(encoding_rs::ISO_8859_10),
    ),
    (
        "iso8859_13",
        "iso_8859_13 l7 latin7",
        Table(encoding_rs::ISO_8859_13),
    ),
    (
        "iso8859_14",
        "iso_8859_14 iso_8859_14_1998 iso_celtic iso_ir_199 l8 latin8",
        Table(encoding_rs::ISO_8859_14),
    ),
    (
        "iso8859_15",
        "iso_8859_15 l9 latin9",
        Table(encoding_rs::ISO_8859_15),
    ),
    (
        "iso8859_16",
        "iso_8859_16 iso_8859_16_2001 iso_ir_226 l10 latin10",
        Table(encoding_rs::ISO_8859_16),
    ),
    ("koi8_r", "cskoi8r", Table(encoding_rs::KOI8_R)),
    (
        "mac_roman",
        "macintosh macroman",
        Table(encoding_rs::MACINTOSH),
    ),
    (
        "mac_cyrillic",
        "maccyrillic",
        Table(encoding_rs::X_MAC_CYRILLIC),
    ),
    ("cp866", "866 csibm866 ibm866", Table(encoding_rs::IBM866)),
    ("cp949", "949 ms949 uhc", Table(encoding_rs::EUC_KR)),
    ("cp874", "", CodePage(encoding_rs::WINDOWS_874)),
    (
        "cp1250",
        "1250 windows_1250",
        CodePage(encoding_rs::WINDOWS_1250),
    ),
    (
        "cp1251",
        "1251 windows_1251",
        CodePage(encoding_rs::WINDOWS_1251),
    ),
    (
        "cp1252",
        "1252 windows_1252",
        CodePage(encoding_rs::WINDOWS_1252),
    ),
    (
        "cp1253",
        "1253 windows_1253",
        CodePage(encoding_rs::WINDOWS_1253),
    ),
    (
        "cp1254",
        "1254 windows_1254",
        CodePage(encoding_rs::WINDOWS_1254),
    ),
    (
        "cp1256",
        "1256 windows_1256",
        CodePage(encoding_rs::WINDOWS_1256),
    ),
    (
        "cp1257",
        "1257 windows_1257",
        CodePage(encoding_rs::WINDOWS_1257),
    ),
    (
        "cp1258",
        "1258 windows_1258",
        CodePage(encoding_rs::WINDOWS_1258),
    ),
];

/// The encodings of [`CODECS`], for people.
pub(super) const KNOWN: &str = "UTF-8, UTF-16, UTF-32, ASCII, Latin-1, ISO 8859-2 to -8, -10 and -13 to -16, \
    cp866, cp874, cp949, cp1250 to cp1254, cp1256 to cp1258, KOI8-R, Mac Roman, Mac Cyrillic";

impl Charset {
    /// UTF-8 without a byte order mark.
    pub const UTF_8: Charset = Charset(Utf8);

    /// The encoding that Python knows by this name, if it is supported.
    pub fn named(name: &str) -> Option<Charset> {
        if name == "utf-8" {
            return Some(Charset::UTF_8);
        }
        let normal = normalise(name)?;
        // Python looks for a dot as for an underscore, but in the aliases alone.
        let alias = normal.replace('.', "_");
        let is_it = |codec: &&(&str, &str, Scheme)| {
            codec.0 == normal
                || codec
                    .1
                    .split(' ')
                    .any(|known| known == normal || known == alias)
        };
        let codec = CODECS.iter().find(is_it).filter(|_| !normal.is_empty());
        codec.map(|codec| Charset(codec.2))
    }

    /// Decodes the whole content; valid UTF-8 and ASCII are borrowed.
    pub fn decode(self, bytes: &[u8]) -> Result<Cow<'_, str>, TextError> {
        match self.0 {
            Utf8 => utf8(bytes),
            Utf8Sig => utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)),
            Utf16(order) => utf16(bytes, order).map(Cow::Owned),
            Utf32(order) => utf32(bytes, order).map(Cow::Owned),
            Ascii => match bytes.iter().position(|byte| !byte.is_ascii()) {
                Some(at) => Err(TextError::at(at, "a byte that is not ASCII")),
                None => utf8(bytes),
            },
            Latin1 => Ok(encoding_rs::mem::decode_latin1(bytes)),
            Table(encoding) => table(bytes, encoding),
            CodePage(encoding) => match table(bytes, encoding) {
                Ok(text) if text.contains(|c| matches!(c, '\u{80}'..='\u{9f}')) => Err(INVALID),
                decoded => decoded,
            },
        }
    }
}

/// Somewhere in the text.
const INVALID: TextError = TextError {
    at: None,
    what: "an invalid byte sequence",
};

fn table<'a>(bytes: &'a [u8], encoding: &'static Encoding) -> Result<Cow<'a, str>, TextError> {
    encoding
        .decode_without_bom_handling_and_without_replacement(bytes)
        .ok_or(INVALID)
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

#[cfg(test)]
#[path = "charset_tests.rs"]
mod tests;

//! The double-byte encodings of East Asia, as Python's codecs of the same names have them.
//!
//! The tables are those of `encoding_rs`, which follows the WHATWG encoding standard: its
//! encodings are supersets of their namesakes, and a few signs are mapped to another look-alike.
//! Both are undone here: what is outside of the namesake's planes is refused, and the signs are
//! mapped as Python maps them. Compared over all pairs of bytes, nothing is read otherwise than
//! Python reads it but one sign each of JIS X 0212 and cp950, and 41 rare places of GB 18030, where
//! the newer standard is followed. Rows C6A1 to C8FE of `big5` and `cp950`, where the vendors
//! disagree, are refused, and some vendor characters are taken that Python does not have.

use std::borrow::Cow;

use encoding_rs::Encoding;

/// An encoding of `encoding_rs` and what makes Python's of it.
#[derive(Debug)]
pub(super) struct MultiByte {
    /// Python's name of the codec.
    name: &'static str,
    base: &'static Encoding,
    /// How many bytes the character of this lead and trail byte has, 0 when Python has none;
    /// `None` takes what the base has.
    width: Option<fn(u8, u8) -> usize>,
    /// Signs of the base, and Python's instead.
    signs: &'static [(char, char)],
}

impl PartialEq for MultiByte {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for MultiByte {}

/// Every codec that is decoded here.
static CODECS: &[MultiByte] = &[
    MultiByte {
        name: "shift_jis",
        base: encoding_rs::SHIFT_JIS,
        width: Some(|lead, _| match lead {
            0xa1..=0xdf => 1,
            0x80 | 0x87 | 0xed | 0xee | 0xf0.. => 0,
            _ => 2,
        }),
        signs: JIS_SIGNS,
    },
    MultiByte {
        name: "cp932",
        base: encoding_rs::SHIFT_JIS,
        width: None,
        signs: &[],
    },
    MultiByte {
        name: "euc_jp",
        base: encoding_rs::EUC_JP,
        width: Some(|lead, _| match lead {
            0x8f => 3,
            0xad | 0xf9.. => 0,
            _ => 2,
        }),
        signs: JIS_SIGNS,
    },
    MultiByte {
        name: "iso2022_jp",
        base: encoding_rs::ISO_2022_JP,
        width: None,
        signs: JIS_SIGNS,
    },
    MultiByte {
        name: "euc_kr",
        base: encoding_rs::EUC_KR,
        width: Some(|lead, trail| pair(lead >= 0xa1 && trail >= 0xa1)),
        signs: &[],
    },
    MultiByte {
        name: "cp949",
        base: encoding_rs::EUC_KR,
        width: None,
        signs: &[],
    },
    MultiByte {
        name: "gb2312",
        base: encoding_rs::GBK,
        width: Some(|lead, trail| pair(matches!(lead, 0xa1..=0xf7) && trail >= 0xa1)),
        signs: &[('\u{b7}', '\u{30fb}'), ('\u{2014}', '\u{2015}')],
    },
    MultiByte {
        name: "gbk",
        base: encoding_rs::GBK,
        width: Some(|lead, trail| pair(lead > 0x80 && trail >= 0x40)),
        signs: &[],
    },
    MultiByte {
        name: "gb18030",
        base: encoding_rs::GB18030,
        width: None,
        signs: &[],
    },
    MultiByte {
        name: "big5",
        base: encoding_rs::BIG5,
        width: Some(|lead, trail| pair(big5_plane(lead, trail) && (lead, trail) <= (0xf9, 0xd5))),
        signs: BIG5_SIGNS,
    },
    MultiByte {
        name: "cp950",
        base: encoding_rs::BIG5,
        width: Some(|lead, trail| pair(big5_plane(lead, trail) && lead <= 0xf9)),
        signs: &[],
    },
    MultiByte {
        name: "big5hkscs",
        base: encoding_rs::BIG5,
        width: None,
        signs: BIG5_SIGNS,
    },
];

/// Two bytes or none.
fn pair(defined: bool) -> usize {
    if defined { 2 } else { 0 }
}

/// Big5 without the rows between its two levels of characters, where the vendors disagree.
fn big5_plane(lead: u8, trail: u8) -> bool {
    lead >= 0xa1 && !matches!((lead, trail), (0xc6, 0xa1..) | (0xc7 | 0xc8, _))
}

const JIS_SIGNS: &[(char, char)] = &[
    ('\u{ff5e}', '\u{301c}'),
    ('\u{2225}', '\u{2016}'),
    ('\u{ff0d}', '\u{2212}'),
    ('\u{ffe0}', '\u{a2}'),
    ('\u{ffe1}', '\u{a3}'),
    ('\u{ffe2}', '\u{ac}'),
];

const BIG5_SIGNS: &[(char, char)] = &[
    ('\u{2027}', '\u{2022}'),
    ('\u{fe51}', '\u{ff64}'),
    ('\u{af}', '\u{203e}'),
    ('\u{ff5e}', '\u{223c}'),
    ('\u{2295}', '\u{2641}'),
    ('\u{2299}', '\u{2609}'),
    ('\u{2215}', '\u{ff0f}'),
    ('\u{fe68}', '\u{ff3c}'),
    ('\u{ffe5}', '\u{a5}'),
    ('\u{ffe0}', '\u{a2}'),
    ('\u{ffe1}', '\u{a3}'),
];

impl MultiByte {
    /// The codec that Python keeps in the module of this name.
    pub(super) fn named(codec: &str) -> Option<&'static MultiByte> {
        CODECS.iter().find(|known| known.name == codec)
    }

    /// Decodes the whole text; `None` when some of its bytes are no character.
    pub(super) fn decode<'a>(&self, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
        if self.width.is_some_and(|width| !all_defined(bytes, width)) {
            return None;
        }
        let text = self
            .base
            .decode_without_bom_handling_and_without_replacement(bytes)?;
        // The vendors' private places; Python has them in cp932, cp949 and GB 18030 alone.
        if self.width.is_some() && text.contains(|c| matches!(c, '\u{e000}'..='\u{f8ff}')) {
            return None;
        }
        let sign = |character| self.signs.iter().find(|(base, _)| *base == character);
        if text.chars().all(|character| sign(character).is_none()) {
            return Some(text);
        }
        let python = |character| sign(character).map_or(character, |(_, python)| *python);
        Some(text.chars().map(python).collect())
    }
}

/// Whether Python has all of the characters. What is cut is left to the base to refuse.
fn all_defined(bytes: &[u8], width: fn(u8, u8) -> usize) -> bool {
    let mut at = 0;
    while let Some(&lead) = bytes.get(at) {
        at += if lead.is_ascii() {
            1
        } else {
            match width(lead, bytes.get(at + 1).copied().unwrap_or(u8::MAX)) {
                0 => return false,
                width => width,
            }
        };
    }
    true
}

//! The words and signs of a filter.

use std::net::Ipv6Addr;
use std::ops::Range;

use super::error::Wrong;
use super::words;

/// A word or a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A word with a meaning of its own, or of a protocol.
    Word(String),
    /// A number, or the name of one.
    Number(u32),
    /// Numbers with dots between: an IPv4 address or the beginning of one.
    Dotted(String),
    Ipv6(Ipv6Addr),
    Mac([u8; 6]),
    /// Any other word: the name of something.
    Name(String),
    /// A sign; `==` is given as `=`, `&&` as the word `and`, `||` as `or`, `!` as `not`.
    Sign(&'static str),
}

pub(super) type Spanned = (Token, Range<usize>);

/// Signs, the longer ones first.
const SIGNS: &[&str] = &[
    "&&", "||", ">=", "<=", "!=", "==", "<<", ">>", "+", "-", "*", "/", "%", ":", "[", "]", "!",
    "<", ">", "(", ")", "&", "|", "^", "=",
];

/// No filter is longer, in bytes.
const LONGEST: usize = 64 * 1024;

/// The tokens of a filter.
pub(super) fn tokens(text: &str) -> Result<Vec<Spanned>, Wrong> {
    if text.len() > LONGEST {
        let at = LONGEST..text.len();
        return Err(Wrong::new(
            &at,
            format!("a filter has at most {LONGEST} bytes"),
        ));
    }
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if matches!(first, ' ' | '\t' | '\r' | '\n') {
            at += 1;
            continue;
        }
        let (token, len) = token(text, at)?;
        found.push((token, at..at + len));
        at += len;
    }
    Ok(found)
}

/// The token at a place, and its length: the longest that there is.
fn token(text: &str, at: usize) -> Result<(Token, usize), Wrong> {
    let rest = &text[at..];
    if let Some(name) = rest.strip_prefix('\\') {
        let is_end = |c: char| matches!(c, ' ' | '!' | '(' | ')' | '\n' | '\t' | '\r');
        let len = name.find(is_end).unwrap_or(name.len());
        if len == 0 {
            return Err(Wrong::new(
                &(at..at + 1),
                "expected a name after the backslash",
            ));
        }
        return Ok((Token::Name(name[..len].to_owned()), len + 1));
    }
    let word_len = word_len(rest);
    if let Some((token, len)) = with_colons(rest)
        && len > word_len
    {
        return Ok((token, len));
    }
    if word_len > 0 {
        let span = at..at + word_len;
        return Ok((word(&rest[..word_len], &span)?, word_len));
    }
    let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) else {
        let len = rest.chars().next().map_or(0, char::len_utf8);
        return Err(Wrong::new(&(at..at + len), "unexpected character"));
    };
    let token = match *sign {
        "&&" => Token::Word("and".to_owned()),
        "||" => Token::Word("or".to_owned()),
        "!" => Token::Word("not".to_owned()),
        "==" => Token::Sign("="),
        sign => Token::Sign(sign),
    };
    Ok((token, sign.len()))
}

/// The length of a word: letters and digits, with `-`, `_` and `.` inside; a dot may also be its end.
fn word_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    if !bytes.first().is_some_and(u8::is_ascii_alphanumeric) {
        return 0;
    }
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let len = bytes.iter().take_while(|byte| inside(byte)).count();
    let ends = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'.';
    bytes[..len]
        .iter()
        .rposition(ends)
        .map_or(0, |last| last + 1)
}

/// An IPv6 or a hardware address with colons: the longest with which the text begins.
fn with_colons(text: &str) -> Option<(Token, usize)> {
    let is_part = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let longest = text
        .bytes()
        .take(64)
        .take_while(|&byte| is_part(byte))
        .count();
    if !text[..longest].contains(':') {
        return None;
    }
    (2..=longest).rev().find_map(|len| {
        let part = &text[..len];
        let token = match part.parse() {
            Ok(address) => Token::Ipv6(address),
            Err(_) => Token::Mac(mac(part)?),
        };
        Some((token, len))
    })
}

fn word(text: &str, span: &Range<usize>) -> Result<Token, Wrong> {
    if words::UNSUPPORTED.contains(&text) {
        let what = format!("tcpdump's '{text}' is not supported");
        return Err(Wrong::new(span, what));
    }
    if words::KEYWORDS.contains(&text) || words::protocol(text).is_some() {
        return Ok(Token::Word(text.to_owned()));
    }
    if let Some(address) = mac(text) {
        return Ok(Token::Mac(address));
    }
    if is_number(text) {
        return number(text, span).map(Token::Number);
    }
    let parts = text.split('.');
    if (2..=4).contains(&parts.clone().count()) && parts.clone().all(is_number) {
        return Ok(Token::Dotted(text.to_owned()));
    }
    if let Some(number) = words::number(text) {
        return Ok(Token::Number(number));
    }
    Ok(Token::Name(text.to_owned()))
}

fn is_number(text: &str) -> bool {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match hex {
        Some(digits) => !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// A number as C writes it: decimal, with `0x` in front hexadecimal, with `0` octal.
pub(super) fn number(text: &str, span: &Range<usize>) -> Result<u32, Wrong> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = match hex {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    if radix == 8 && digits.bytes().any(|digit| digit > b'7') {
        let what = "a number with a leading 0 is octal: digits 0 to 7";
        return Err(Wrong::new(span, what));
    }
    u32::from_str_radix(digits, radix)
        .map_err(|_| Wrong::new(span, "a number is at most 4294967295 (32 bits)"))
}

/// A hardware address: `1:2:3:4:5:6`, `1-2-3-4-5-6`, `1.2.3.4.5.6`, `0102.0304.0506`, `010203040506`.
fn mac(text: &str) -> Option<[u8; 6]> {
    let hex = |part: &str| {
        let is_hex = part.bytes().all(|byte| byte.is_ascii_hexdigit());
        u8::from_str_radix(part, 16).ok().filter(|_| is_hex)
    };
    let of_pairs = |digits: &str| {
        let mut address = [0; 6];
        for (place, byte) in address.iter_mut().enumerate() {
            *byte = hex(digits.get(place * 2..place * 2 + 2)?)?;
        }
        Some(address)
    };
    let separator = text.bytes().find(|byte| matches!(byte, b':' | b'-' | b'.'));
    let Some(separator) = separator.map(char::from) else {
        return of_pairs(text).filter(|_| text.len() == 12);
    };
    let parts: Vec<&str> = text.split(separator).collect();
    if separator == '.' && parts.len() == 3 && parts.iter().all(|part| part.len() == 4) {
        return of_pairs(&parts.concat());
    }
    let mut address = [0; 6];
    if parts.len() != 6 || parts.iter().any(|part| !matches!(part.len(), 1 | 2)) {
        return None;
    }
    for (byte, part) in address.iter_mut().zip(parts) {
        *byte = hex(part)?;
    }
    Some(address)
}

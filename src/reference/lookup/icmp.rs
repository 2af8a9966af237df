//! Types and codes of ICMP in a line.

use super::UnknownCode;
use crate::reference::Entry;
use crate::reference::icmp::{self, Version};

/// A type of ICMP, and a code if one was named, as written in text.
pub(super) struct Asked {
    version: Version,
    r#type: u8,
    code: Option<u32>,
}

impl Asked {
    fn entry(&self) -> Option<Entry> {
        let code = self.code.and_then(|code| u8::try_from(code).ok());
        let message = match code {
            Some(code) => icmp::describe(self.version, self.r#type, code),
            None => icmp::by_type(self.version, self.r#type),
        };
        message.map(Entry::Icmp)
    }

    /// The code, if the tables do not have it. A type without codes has code 0.
    pub(super) fn unknown(&self) -> Option<UnknownCode> {
        let (version, code) = (self.version, self.code?);
        let r#type = icmp::by_type(version, self.r#type)?;
        let is_known = match u8::try_from(code) {
            Ok(0) if icmp::codes(version, self.r#type).next().is_none() => true,
            Ok(code) => icmp::by_code(version, self.r#type, code).is_some(),
            Err(_) => false,
        };
        (!is_known).then_some(UnknownCode { r#type, code })
    }
}

pub(super) fn entries_of(asked: &[Asked]) -> Vec<Entry> {
    asked.iter().filter_map(Asked::entry).collect()
}

/// The ICMP types and codes in a line. Where it does not say which ICMP, they may be of either.
pub(super) fn numbers(tokens: &[&str]) -> Vec<Asked> {
    let names_icmp = tokens.iter().any(|token| icmp_version(token).is_some());
    let starts = (0..tokens.len()).map(|at| &tokens[at..]);
    let at_start = |tokens| icmp_number(tokens, names_icmp);
    starts.flat_map(at_start).collect()
}

/// `icmp 3`, `icmp 3/4`, `ICMPv6 type 1 code 4`. Without the word ICMP it is `type 3 code 4`; `type
/// 3` alone may be the type of anything.
fn icmp_number(tokens: &[&str], names_icmp: bool) -> Vec<Asked> {
    let mut rest = tokens.iter().copied().peekable();
    let version = tokens.first().and_then(|token| icmp_version(token));
    if version.is_some() {
        rest.next();
    } else if names_icmp {
        return Vec::new();
    }
    let is = |token: &&str, word: &str| token.eq_ignore_ascii_case(word);
    let type_word = rest.next_if(|token| is(token, "type")).is_some();
    let r#type = rest.next().and_then(|token| token.parse().ok());
    let code_word = rest.next_if(|token| is(token, "code")).is_some();
    let code = rest.next().and_then(|token| token.parse().ok());
    let Some(r#type) = r#type else {
        return Vec::new();
    };
    match version {
        Some(version) => vec![Asked {
            version,
            r#type,
            code,
        }],
        None if type_word && code_word && code.is_some() => of_either(r#type, code),
        None => Vec::new(),
    }
}

/// The query is `3/4` and nothing else.
pub(super) fn bare(query: &str, tokens: &[&str]) -> Vec<Asked> {
    if let ([_, _], Some((r#type, code))) = (tokens, query.split_once('/'))
        && let (Ok(r#type), Ok(code)) = (r#type.parse(), code.parse())
    {
        return of_either(r#type, Some(code));
    }
    Vec::new()
}

fn of_either(r#type: u8, code: Option<u32>) -> Vec<Asked> {
    let versions = [Version::V4, Version::V6].into_iter();
    let asked = versions.map(|version| Asked {
        version,
        r#type,
        code,
    });
    asked.collect()
}

fn icmp_version(token: &str) -> Option<Version> {
    match token.to_lowercase().as_str() {
        "icmp" | "icmp4" | "icmpv4" => Some(Version::V4),
        "icmp6" | "icmpv6" => Some(Version::V6),
        _ => None,
    }
}

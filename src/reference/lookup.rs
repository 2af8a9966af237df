//! From text that somebody pasted to the entries it speaks of.
//!
//! The query is tried as a whole first (a number, a name, a message), then as a line in which
//! something is named. What is more certain wins: in a line, a name such as `ECONNREFUSED` or a marked
//! number (`[Errno 111]`) makes messages unimportant, and these the words of a language, since
//! `BlockingIOError: [Errno 115] Operation now in progress` is about 115 alone.

use super::icmp::{self, Version};
use super::{Entry, all, errno, resolver, spelling, tcp_state};

mod nearest;
mod words;

/// What a query stands for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lookup {
    /// All that it can mean: a Python exception may stand for several errnos.
    pub entries: Vec<Entry>,
    /// If it means nothing: the names and messages nearest to it, at most five.
    pub nearest: Vec<&'static str>,
}

/// No more of a query is looked at: a whole log file pasted by mistake costs little.
const MAX_BYTES: usize = 4096;

/// Looks up a name, a number, a message or a pasted error line.
pub fn look_up(words: &str) -> Lookup {
    let query = bounded(words, MAX_BYTES).trim_matches(|c: char| !c.is_alphanumeric() && c != '-');
    let tokens = words::tokens(query);
    let terms = terms();
    let attempts: [&dyn Fn() -> Vec<Entry>; 6] = [
        &|| bare_number(&tokens),
        &|| whole(query, &terms),
        &|| codes(&tokens, &terms),
        &|| icmp_numbers(&tokens),
        &|| messages(query, &terms),
        &|| foreign_words(query, &tokens, &terms),
    ];
    for attempt in attempts {
        let entries = without_repeats(attempt());
        if !entries.is_empty() {
            let nearest = Vec::new();
            return Lookup { entries, nearest };
        }
    }
    Lookup {
        entries: Vec::new(),
        nearest: nearest::to(query, &terms),
    }
}

/// Something to be recognised in a query.
struct Term {
    text: &'static str,
    kind: TermKind,
    entry: Entry,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TermKind {
    /// A name that stands for itself wherever it is: `ECONNREFUSED`, `ICMP_ECHO`.
    Code,
    /// A message: `Connection refused`.
    Message,
    /// A TCP state. Some are ordinary words: `LISTEN`, `CLOSE`.
    State,
    /// A word of a language: `ConnectionRefusedError`, `no such host`.
    Foreign,
}

fn terms() -> Vec<Term> {
    let mut terms = Vec::new();
    for entry in all() {
        let (names, message) = match entry {
            Entry::TcpState(_) => (TermKind::State, TermKind::State),
            _ => (TermKind::Code, TermKind::Message),
        };
        let mut add = |text, kind| terms.push(Term { text, kind, entry });
        add(entry.name(), names);
        entry.aliases().iter().for_each(|alias| add(alias, names));
        add(entry.message(), message);
        for word in spelling::of(entry.name()) {
            add(word.word, TermKind::Foreign);
        }
    }
    terms
}

/// The query is a number: `111`, `-2`, `error 111`, `tcp state 8`.
fn bare_number(tokens: &[&str]) -> Vec<Entry> {
    let lower: Vec<String> = tokens.iter().map(|token| token.to_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    match lower[..] {
        [number] | ["error", number] => number.parse().map_or(Vec::new(), of_number),
        ["tcp" | "state", number] | ["tcp", "state", number] => {
            let state = number.parse().ok().and_then(tcp_state::by_number);
            state.map(Entry::TcpState).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// What a number without any other sign means. Below zero it is a code of the resolver, or an errno
/// as the kernel returns it (-111); the codes of `getaddrinfo_a(3)` from -100 on are so rare that
/// there both are meant.
fn of_number(number: i32) -> Vec<Entry> {
    let code = resolver::by_number(number).map(Entry::Resolver);
    if code.is_some() && number > -100 {
        return code.into_iter().collect();
    }
    let errno = number.checked_abs().and_then(errno::by_number);
    errno.map(Entry::Errno).into_iter().chain(code).collect()
}

/// The query is a name or a message and nothing else, in any case, with `-` or a space for `_`.
fn whole(query: &str, terms: &[Term]) -> Vec<Entry> {
    let wanted = words::plain(query);
    let same = terms
        .iter()
        .filter(|term| words::plain(term.text) == wanted);
    same.map(|term| term.entry).collect()
}

/// The names and the marked numbers in a line.
fn codes(tokens: &[&str], terms: &[Term]) -> Vec<Entry> {
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        found.extend(marked_number(&tokens[at..]));
        let named = |term: &&Term| {
            term.kind == TermKind::Code && term.text.eq_ignore_ascii_case(words::last(tokens[at]))
        };
        found.extend(terms.iter().filter(named).map(|term| term.entry));
    }
    found
}

/// `errno 111`, `[Errno -2]`, `os error 111`, and Rust's `Os { code: 111, ...`.
fn marked_number(tokens: &[&str]) -> Vec<Entry> {
    let is = |at: usize, word: &str| {
        let token = tokens.get(at).map(|token| words::last(token));
        token.is_some_and(|token| token.eq_ignore_ascii_case(word))
    };
    let number = if is(0, "errno") {
        tokens.get(1)
    } else if is(0, "os") && (is(1, "error") || is(1, "code")) {
        tokens.get(2)
    } else {
        None
    };
    let number = number.and_then(|token| token.parse().ok());
    number.map_or(Vec::new(), of_number)
}

/// The ICMP types and codes in a line. Where it does not say which ICMP, they may be of either.
fn icmp_numbers(tokens: &[&str]) -> Vec<Entry> {
    let names_icmp = tokens.iter().any(|token| icmp_version(token).is_some());
    let starts = (0..tokens.len()).map(|at| &tokens[at..]);
    let at_start = |tokens| icmp_number(tokens, names_icmp);
    starts.flat_map(at_start).collect()
}

/// `icmp 3`, `icmp 3/4`, `ICMPv6 type 1 code 4`. Without the word ICMP it is `type 3 code 4`; `type
/// 3` alone may be the type of anything.
fn icmp_number(tokens: &[&str], names_icmp: bool) -> Vec<Entry> {
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
    let versions = match version {
        Some(version) => vec![version],
        None if type_word && code_word && code.is_some() => vec![Version::V4, Version::V6],
        None => Vec::new(),
    };
    let described = versions.into_iter().filter_map(|version| match code {
        Some(code) => icmp::describe(version, r#type, code),
        None => icmp::by_type(version, r#type),
    });
    described.map(Entry::Icmp).collect()
}

fn icmp_version(token: &str) -> Option<Version> {
    match token.to_lowercase().as_str() {
        "icmp" | "icmp4" | "icmpv4" => Some(Version::V4),
        "icmp6" | "icmpv6" => Some(Version::V6),
        _ => None,
    }
}

/// The messages in a line. `Too many open files in system` is not also `Too many open files`.
fn messages(query: &str, terms: &[Term]) -> Vec<Entry> {
    phrases(query, terms, TermKind::Message)
}

/// The words of languages, the TCP states and a bare `3/4` in a line.
fn foreign_words(query: &str, tokens: &[&str], terms: &[Term]) -> Vec<Entry> {
    let mut found = phrases(query, terms, TermKind::Foreign);
    for token in tokens {
        let word = words::last(token);
        let is_it = |term: &&Term| match term.kind {
            // Without a `_` it is an ordinary word unless it is in capitals.
            TermKind::State if term.text.contains(['_', '-']) => {
                words::plain(term.text) == words::plain(word)
            }
            TermKind::State | TermKind::Foreign => term.text == word,
            _ => false,
        };
        found.extend(terms.iter().filter(is_it).map(|term| term.entry));
    }
    if let ([_, _], Some((r#type, code))) = (tokens, query.split_once('/'))
        && let (Ok(r#type), Ok(code)) = (r#type.parse(), code.parse())
    {
        let versions = [Version::V4, Version::V6].into_iter();
        let described = versions.filter_map(|version| icmp::describe(version, r#type, code));
        found.extend(described.map(Entry::Icmp));
    }
    found
}

/// The terms of two words and more that stand in the query, unless inside of a longer one.
fn phrases(query: &str, terms: &[Term], kind: TermKind) -> Vec<Entry> {
    let query = query.to_lowercase();
    let mut hits = Vec::new();
    for term in terms.iter().filter(|term| term.kind == kind) {
        if term.text.contains([' ', '/', '.'])
            && let Some(range) = words::find(&query, &term.text.to_lowercase())
        {
            hits.push((range, term.entry));
        }
    }
    let is_outermost = |inner: &std::ops::Range<usize>| {
        !hits.iter().any(|(outer, _)| {
            outer != inner && outer.start <= inner.start && inner.end <= outer.end
        })
    };
    let outermost = hits.iter().filter(|(range, _)| is_outermost(range));
    outermost.map(|(_, entry)| *entry).collect()
}

fn without_repeats(entries: Vec<Entry>) -> Vec<Entry> {
    let mut kept = Vec::new();
    for entry in entries {
        if !kept.contains(&entry) {
            kept.push(entry);
        }
    }
    kept
}

/// The front of a text: at most so many bytes, cut between two characters.
fn bounded(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests;

//! From text that somebody pasted to the entries it speaks of.
//!
//! The query is tried as a whole first (a number, a name, a message), then as a line in which
//! something is named. What is more certain wins: in a line, a name such as `ECONNREFUSED` or a marked
//! number (`[Errno 111]`) makes messages unimportant, and these the words of a language, since
//! `BlockingIOError: [Errno 115] Operation now in progress` is about 115 alone.

use super::icmp::{self, Icmp, Version};
use super::{Circumstance, Entry, all, errno, resolver, spelling, tcp_state, winsock};

mod circumstance;
mod nearest;
mod words;

/// What a query stands for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lookup {
    /// All that it can mean: a Python exception may stand for several errnos.
    pub entries: Vec<Entry>,
    /// What the line says of how the errno came: read cause and next step with [`Entry::advice`].
    pub circumstance: Option<Circumstance>,
    /// The codes of ICMP that it names and the tables do not have; for them `entries` has the type.
    pub unknown_codes: Vec<UnknownCode>,
    /// If it means nothing: the names and messages nearest to it, at most five.
    pub nearest: Vec<&'static str>,
}

impl Lookup {
    /// Every entry of every table, kind by kind.
    pub fn everything() -> Lookup {
        Lookup {
            entries: all().collect(),
            ..Lookup::default()
        }
    }
}

/// A code of a type of ICMP that the tables do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownCode {
    /// The type as a whole.
    pub r#type: &'static Icmp,
    /// The code; above 255 it is none at all.
    pub code: u32,
}

/// No more of a query is looked at: a whole log file pasted by mistake costs little.
const MAX_BYTES: usize = 4096;

/// Looks up a name, a number, a message or a pasted error line.
pub fn look_up(words: &str) -> Lookup {
    let line = bounded(words, MAX_BYTES);
    let query = line.trim_matches(|c: char| !c.is_alphanumeric() && c != '-');
    let tokens = words::tokens(query);
    let terms = terms();
    let attempts: [&dyn Fn() -> Vec<Entry>; 7] = [
        &|| bare_number(line, &tokens, &terms),
        &|| whole(query, &terms),
        &|| codes(&tokens, &terms),
        &|| entries_of(&icmp_numbers(&tokens)),
        &|| messages(query, &terms),
        &|| entries_of(&bare_icmp(query, &tokens)),
        &|| foreign_words(line, query, &tokens, &terms),
    ];
    for attempt in attempts {
        let entries = without_repeats(attempt());
        if !entries.is_empty() {
            let mut asked = icmp_numbers(&tokens);
            asked.extend(bare_icmp(query, &tokens));
            let mut unknown_codes: Vec<_> = asked.iter().filter_map(Asked::unknown).collect();
            unknown_codes.retain(|it| entries.contains(&Entry::Icmp(it.r#type)));
            unknown_codes.dedup();
            return Lookup {
                entries,
                circumstance: circumstance::of(line),
                unknown_codes,
                nearest: Vec::new(),
            };
        }
    }
    Lookup {
        nearest: nearest::to(query, &terms),
        ..Lookup::default()
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

/// The query is a number: `111`, `-2`, `error 111`, `tcp state 8`. `(28)` may be curl's too.
fn bare_number(line: &str, tokens: &[&str], terms: &[Term]) -> Vec<Entry> {
    let lower: Vec<String> = tokens.iter().map(|token| token.to_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    match lower[..] {
        [number] | ["error", number] => {
            let mut found = number.parse().map_or(Vec::new(), of_number);
            found.extend(exit_of_curl(line, terms));
            found
        }
        ["tcp" | "state", number] | ["tcp", "state", number] => {
            let state = number.parse().ok().and_then(tcp_state::by_number);
            state.map(Entry::TcpState).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// What a number without any other sign means. Below zero it is a code of the resolver, or an errno
/// as the kernel returns it (-111); the codes of `getaddrinfo_a(3)` from -100 on are so rare that
/// there both are meant. From 10000 on it is one of Windows.
fn of_number(number: i32) -> Vec<Entry> {
    let code = resolver::by_number(number).map(Entry::Resolver);
    if code.is_some() && number > -100 {
        return code.into_iter().collect();
    }
    if let Some(error) = winsock::by_number(number) {
        let stands_for = |entry: &Entry| spelling::of(entry.name()).any(|it| it.word == error.name);
        return all().filter(stands_for).collect();
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

/// `errno 111`, `[Errno -2]`, `os error 111`, Rust's `Os { code: 111, ...`, and of Windows
/// `[WinError 10061]`, `error: 10061`, `error code 10061`.
fn marked_number(tokens: &[&str]) -> Vec<Entry> {
    let is = |at: usize, word: &str| {
        let token = tokens.get(at).map(|token| words::last(token));
        token.is_some_and(|token| token.eq_ignore_ascii_case(word))
    };
    let number = if is(0, "errno") {
        tokens.get(1)
    } else if is(0, "os") && (is(1, "error") || is(1, "code")) {
        tokens.get(2)
    } else if is(0, "winerror") || is(0, "error") || is(0, "code") {
        let is_winsock = |token: &&&str| {
            token
                .parse()
                .is_ok_and(|it| winsock::by_number(it).is_some())
        };
        tokens.get(1).filter(is_winsock)
    } else {
        None
    };
    let number = number.and_then(|token| token.parse().ok());
    number.map_or(Vec::new(), of_number)
}

/// A type of ICMP, and a code where one was named, as text says it.
struct Asked {
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
    fn unknown(&self) -> Option<UnknownCode> {
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

fn entries_of(asked: &[Asked]) -> Vec<Entry> {
    asked.iter().filter_map(Asked::entry).collect()
}

/// The ICMP types and codes in a line. Where it does not say which ICMP, they may be of either.
fn icmp_numbers(tokens: &[&str]) -> Vec<Asked> {
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
fn bare_icmp(query: &str, tokens: &[&str]) -> Vec<Asked> {
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

/// The messages in a line. `Too many open files in system` is not also `Too many open files`.
fn messages(query: &str, terms: &[Term]) -> Vec<Entry> {
    phrases(query, terms, TermKind::Message)
}

/// The words of languages and the TCP states in a line.
fn foreign_words(line: &str, query: &str, tokens: &[&str], terms: &[Term]) -> Vec<Entry> {
    let mut found = phrases(query, terms, TermKind::Foreign);
    for word in tokens.iter().map(|token| words::last(token)) {
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
    found.extend(exit_of_curl(line, terms));
    found
}

/// `(7)` of `curl: (7) Failed to connect`, with the name of the program in front or without.
fn exit_of_curl(line: &str, terms: &[Term]) -> Vec<Entry> {
    let line = line.trim_start();
    let line = line.strip_prefix("curl").unwrap_or(line);
    let line = line.trim_start_matches([':', ' ']);
    let is_it = |term: &&Term| term.text.starts_with('(') && line.starts_with(term.text);
    terms.iter().filter(is_it).map(|term| term.entry).collect()
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

//! From text that somebody pasted to the entries it speaks of.
//!
//! A short query is tried as a whole first: a number, a name, a message. Anything else is a paste, and
//! goes through these steps, one file each:
//!
//! 1. `paste`: the text becomes lines; the frames of a stack are told from what states something.
//! 2. `system`: words of the text tell Linux, macOS, Windows and lwIP, whose numbers differ.
//! 3. `evidence`: each statement is searched for phrases, names and marked numbers (`terms`, `number`);
//!    a phrase wins over a name, a name over a message, a message over a number, and what loses may only
//!    choose among several. `operation`, from the stack, chooses too.
//! 4. The last statement counts first; an earlier one may only choose among what it leaves open.
//! 5. `circumstance` and `place`: what was being done, and with which host and port.

use std::sync::LazyLock;

use super::icmp::Icmp;
use super::remedy::Remedy;
use super::system::{self, System};
use super::{Advice, Circumstance, Entry, Place, all, spelling, system_advice, tcp_state};

mod circumstance;
mod evidence;
mod icmp;
mod nearest;
mod number;
mod operation;
mod paste;
mod place;
mod terms;
mod words;

pub use number::Meaning;

use evidence::{Rank, Verdict};
use paste::{Kind, Line};

/// What a query stands for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lookup {
    /// All that it can mean: a number alone may be several errnos, one for each system.
    pub entries: Vec<Entry>,
    /// What the line says of how the errno came: read cause and next step with [`Lookup::advice`].
    pub circumstance: Option<Circumstance>,
    /// The system that the text comes from, if its words tell one.
    pub system: Option<System>,
    /// What the numbers in the text are, on their systems.
    pub numbers: Vec<Meaning>,
    /// The host, port and path that the text speaks of.
    pub place: Place,
    /// What other statements of the text come to: the exceptions before the last one.
    pub others: Vec<Entry>,
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

    /// Cause and next step of an entry, as they fit the text: its system first, then its circumstance.
    pub fn advice(&self, entry: Entry) -> Advice {
        let meant = self.numbers.iter().find(|it| it.name == entry.name());
        let system = self.system.or(meant.map(|it| it.system));
        let special = system.and_then(|system| system_advice::of(system, entry.name()));
        special.unwrap_or_else(|| entry.advice(self.circumstance))
    }
}

impl Lookup {
    /// Where an entry happened and what to run; a Unix socket or a file has no host and port to look at.
    pub fn remedy(&self, entry: Entry) -> Option<&'static Remedy> {
        use Circumstance::{File, UnixBind, UnixSocket};
        let is_local = matches!(self.circumstance, Some(File | UnixBind | UnixSocket));
        entry
            .remedy()
            .filter(|_| !is_local || !matches!(entry, Entry::Errno(_)))
    }
}

/// A code of a type of ICMP that the tables do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownCode {
    /// The type as a whole.
    pub r#type: &'static Icmp,
    /// The code; above 255 it is invalid.
    pub code: u32,
}

/// What is not a paste is no longer than this.
const MAX_BYTES: usize = 4096;

/// A query longer than this is not a misspelt name or message.
const MAX_SLIP: usize = 256;

/// This many other statements are named.
const MAX_OTHERS: usize = 5;

/// Looks up a name, a number, a message, or a paste of any length: of a long one the front and the end.
pub fn look_up(text: &str) -> Lookup {
    let text = &*paste::bounded(text);
    let line = circumstance::without_cause(bounded(text, MAX_BYTES));
    let query = line.trim_matches(|c: char| !c.is_alphanumeric() && c != '-');
    let tokens = words::tokens(query);
    let terms = terms();
    let is_line = !text.trim().contains('\n');
    let systems = system::named_in(&text.to_ascii_lowercase());

    if is_line && let Some(found) = of_number(line, &tokens, &systems) {
        return found;
    }
    let whole = whole(query, terms);
    if !whole.is_empty() {
        return Lookup {
            entries: whole,
            ..Lookup::default()
        };
    }
    let recognised = recognise(text, &systems);
    let is_named = recognised
        .as_ref()
        .is_some_and(|(_, rank)| *rank >= Rank::Name);
    if is_line
        && !is_named
        && let Some(found) = of_icmp(&icmp::numbers(&tokens))
    {
        return found;
    }
    if let Some((found, _)) = recognised {
        return found;
    }
    if is_line && let Some(found) = of_icmp(&icmp::bare(query, &tokens)) {
        return found;
    }
    let states = states(&tokens, terms);
    // What somebody may have meant is asked of a word or a sentence, not of a paste.
    let may_be_slip = states.is_empty() && is_line && query.len() <= MAX_SLIP;
    Lookup {
        nearest: if may_be_slip {
            nearest::to(query, terms)
        } else {
            Vec::new()
        },
        entries: states,
        ..Lookup::default()
    }
}

/// Something that a query can be as a whole.
struct Term {
    text: &'static str,
    /// The text as [`words::plain`] writes it.
    plain: String,
    /// A TCP state. Some are ordinary words: `LISTEN`, `CLOSE`.
    is_state: bool,
    entry: Entry,
}

fn terms() -> &'static [Term] {
    static TERMS: LazyLock<Vec<Term>> = LazyLock::new(gather);
    &TERMS
}

fn gather() -> Vec<Term> {
    let mut terms = Vec::new();
    for entry in all() {
        let is_state = matches!(entry, Entry::TcpState(_));
        let mut add = |text| {
            let plain = words::plain(text);
            terms.push(Term {
                text,
                plain,
                is_state,
                entry,
            });
        };
        add(entry.name());
        entry.aliases().iter().for_each(|alias| add(alias));
        add(entry.message());
        spelling::of(entry.name()).for_each(|it| add(it.word));
    }
    terms
}

/// The query is a number: `111`, `-2`, `error 111`, `tcp state 8`. `(28)` may be curl's too.
fn of_number(line: &str, tokens: &[&str], systems: &[System]) -> Option<Lookup> {
    // Node's `errno: -104` is an errno; elsewhere a sign can mean a code of the resolver.
    if line.to_ascii_lowercase().contains("errno: -") {
        return None;
    }
    let lower: Vec<String> = tokens.iter().map(|token| token.to_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let (entries, numbers) = match lower[..] {
        [number] | ["error" | "errno", number] => {
            let numbers = number.parse().map_or(Vec::new(), number::alone);
            let of_curl = curl(line.trim()).into_iter().flatten().copied();
            let names = numbers.iter().map(|it| it.name).chain(of_curl);
            (entries_of(names), numbers)
        }
        ["tcp" | "state", number] | ["tcp", "state", number] => {
            let state = number.parse().ok().and_then(tcp_state::by_number);
            (state.map(Entry::TcpState).into_iter().collect(), Vec::new())
        }
        _ => return None,
    };
    let system = systems.first().copied().filter(|_| systems.len() == 1);
    (!entries.is_empty()).then(|| Lookup {
        entries,
        system,
        numbers,
        ..Lookup::default()
    })
}

/// What an exit status of curl in parentheses stands for: `(7)`.
fn curl(text: &str) -> Option<&'static [&'static str]> {
    let mut words = spelling::all().filter(|it| it.language == "curl" && it.word.starts_with('('));
    words
        .find(|it| text.starts_with(it.word))
        .map(|it| it.names)
}

/// The query is a name or a message and nothing else, in any case, with `-` or a space for `_`.
fn whole(query: &str, terms: &[Term]) -> Vec<Entry> {
    let wanted = words::plain(query);
    let same = terms.iter().filter(|term| term.plain == wanted);
    without_repeats(same.map(|term| term.entry))
}

fn of_icmp(asked: &[icmp::Asked]) -> Option<Lookup> {
    let entries = without_repeats(icmp::entries_of(asked).into_iter());
    let mut unknown_codes: Vec<_> = asked.iter().filter_map(icmp::Asked::unknown).collect();
    unknown_codes.retain(|it| entries.contains(&Entry::Icmp(it.r#type)));
    unknown_codes.dedup();
    (!entries.is_empty()).then(|| Lookup {
        entries,
        unknown_codes,
        ..Lookup::default()
    })
}

/// What a paste comes to, and how certain that is.
fn recognise(text: &str, systems: &[System]) -> Option<(Lookup, Rank)> {
    let lines = paste::lines(text);
    let mut verdicts = verdicts(&lines, Kind::Statement, systems);
    if verdicts.is_empty() {
        verdicts = self::verdicts(&lines, Kind::Property, systems);
    }
    let is_strong = |(_, verdict): &&(usize, Verdict)| verdict.rank > Rank::Hint;
    let chosen = verdicts.iter().rev().find(is_strong);
    let (at, chosen) = chosen.or_else(|| verdicts.last())?;
    let mut names = chosen.names.clone();
    for (_, verdict) in verdicts.iter().rev() {
        if names.len() > 1 {
            names = evidence::narrowed(names, &verdict.names);
        }
    }
    let others = verdicts.iter().filter(is_strong);
    let others = others.flat_map(|(_, verdict)| verdict.names.iter().copied());
    let mut others = entries_of(others.filter(|name| !names.contains(name)));
    others.truncate(MAX_OTHERS);
    let entries = entries_of(names.iter().copied());
    let found = Lookup {
        circumstance: circumstance::of(&context(&lines, *at)),
        system: systems.first().copied().filter(|_| systems.len() == 1),
        numbers: chosen.numbers.clone(),
        place: place::of(around(&lines, *at)),
        entries,
        others,
        ..Lookup::default()
    };
    Some((found, chosen.rank))
}

fn verdicts(lines: &[Line<'_>], kind: Kind, systems: &[System]) -> Vec<(usize, Verdict)> {
    let of_kind = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.kind == kind);
    let verdicts = of_kind.filter_map(|(at, line)| {
        let said = circumstance::without_cause(line.text);
        let verdict = evidence::of(said, systems, operation::of(lines, at))?;
        Some((at, verdict))
    });
    verdicts.collect()
}

/// A statement with the frames above it: what was called when it happened.
fn context(lines: &[Line<'_>], at: usize) -> String {
    let frames = lines[..at]
        .iter()
        .rev()
        .take_while(|line| line.kind == Kind::Frame);
    let mut parts: Vec<&str> = frames.take(3).map(|line| line.text).collect();
    parts.reverse();
    parts.push(lines[at].text);
    parts.join(" ")
}

/// The lines in which host and port of a statement stand, the likeliest first.
fn around<'a>(lines: &'a [Line<'a>], at: usize) -> impl Iterator<Item = &'a str> {
    let below = lines[at + 1..].iter().take(8);
    let above = lines[..at].iter().rev().take(8);
    let near = std::iter::once(&lines[at]).chain(below).chain(above);
    near.map(|line| circumstance::without_cause(line.text))
}

/// The TCP states in a line.
fn states(tokens: &[&str], terms: &[Term]) -> Vec<Entry> {
    let mut found = Vec::new();
    for word in tokens.iter().map(|token| words::last(token)) {
        let is_it = |term: &&Term| {
            // Without a `_` it is an ordinary word unless it is in capitals.
            let is_one_word = !term.text.contains(['_', '-']);
            let is_same = term.plain == words::plain(word);
            term.is_state
                && if is_one_word {
                    term.text == word
                } else {
                    is_same
                }
        };
        found.extend(terms.iter().filter(is_it).map(|term| term.entry));
    }
    without_repeats(found.into_iter())
}

fn entries_of(names: impl Iterator<Item = &'static str>) -> Vec<Entry> {
    let by_name = &terms::terms().entries;
    without_repeats(names.filter_map(|name| by_name.get(name).copied()))
}

fn without_repeats(entries: impl Iterator<Item = Entry>) -> Vec<Entry> {
    let mut kept = Vec::new();
    for entry in entries {
        if !kept.contains(&entry) {
            kept.push(entry);
        }
    }
    kept
}

/// The front of a text: at most this many bytes, cut between two characters.
fn bounded(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests;

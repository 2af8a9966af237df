//! What a line says: every phrase, name and number in it, and what they come to together.

use std::ops::Range;

use super::number::{self, Meaning};
use super::operation::Operation;
use super::terms::{Pairs, Phrase, terms};
use super::words;
use crate::reference::system::System;

/// How much a sign in a line counts: what stands higher decides, and what stands lower may only choose
/// among several entries of it. So a name wins over the number beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// A general remark; it counts where the text has nothing better.
    Hint,
    /// A number marked as an error.
    Number,
    /// A word of a language, an exception's class.
    Language,
    /// The message of an errno, or as good as it.
    Message,
    /// The name of an errno.
    Name,
    /// A sentence that describes it exactly.
    Sentence,
}

/// What a line comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub rank: Rank,
    pub names: Vec<&'static str>,
    /// What its numbers are.
    pub numbers: Vec<Meaning>,
}

/// A sign in a line.
struct Hit {
    range: Range<usize>,
    names: Vec<&'static str>,
    rank: Rank,
}

/// No more than this many bytes stand between two parts of a phrase.
const GAP: usize = 600;

/// What stands before an ordinary word that is a kind of error in Rust, or in .NET's `SocketError`.
const KINDS: &[&str] = &[
    "kind:",
    "ErrorKind::",
    "Kind(",
    "io::",
    "SocketFailure (",
    "SocketError.",
    "SocketErrorCode:",
];

/// What a line says, with the systems that the whole text speaks of and the operation that its stack
/// shows.
pub(super) fn of(line: &str, systems: &[System], operation: Option<Operation>) -> Option<Verdict> {
    let line = line.replace(['’', '‘'], "'");
    let lower = line.to_ascii_lowercase();
    let (mut hits, has_number) = phrases(&lower);
    hits.extend(tokens(&line));
    hits.extend(exit_of_curl(&line));
    let numbers = number::marked(&line, systems, has_number);
    for (range, meanings) in &numbers {
        hits.push(Hit {
            range: range.clone(),
            names: meanings.iter().map(|it| it.name).collect(),
            rank: Rank::Number,
        });
    }
    let hits = outermost(hits);
    let mut verdict = judge(&hits)?;
    // Only beside the call does a word that is not a number mean the port.
    let is_call = matches!(operation, Some(Operation::Connect | Operation::Bind));
    if verdict.rank == Rank::Hint && verdict.names == ["BAD_PORT"] && !is_call {
        return None;
    }
    verdict.names = by_operation(verdict.names, operation, systems);
    let meant = numbers.into_iter().flat_map(|(_, meanings)| meanings);
    verdict.numbers = meant
        .filter(|it| verdict.names.contains(&it.name))
        .collect();
    Some(verdict)
}

/// The phrases in a line, and whether one of them has its errno in parentheses.
fn phrases(lower: &str) -> (Vec<Hit>, bool) {
    let mut hits = Vec::new();
    let mut has_number = false;
    let pairs = Pairs::of(lower);
    let phrases = terms().phrases.iter();
    for phrase in phrases.filter(|phrase| pairs.may_have(phrase)) {
        let Some(range) = place_of(phrase, lower) else {
            continue;
        };
        has_number |= phrase.has_number;
        hits.push(Hit {
            range,
            names: phrase.names.clone(),
            rank: phrase.rank,
        });
    }
    (hits, has_number)
}

fn place_of(phrase: &Phrase, lower: &str) -> Option<Range<usize>> {
    let (first, rest) = phrase.parts.split_first()?;
    let mut range = words::find(lower, first)?;
    for part in rest {
        let end = super::bounded(&lower[range.end..], GAP).len() + range.end;
        let next = words::find(&lower[range.end..end], part)?;
        range.end += next.end;
    }
    if phrase.is_common {
        let around = |c: char| !c.is_alphanumeric();
        let is_end = lower[range.end..].trim_matches(around).is_empty();
        let before = lower[..range.start].trim_end();
        let follows = before.is_empty() || before.ends_with([':', ']', '(', '-', '\'', '"']);
        let is_verb = lower[range.clone()].contains("timed out");
        return (is_end && (follows || is_verb)).then_some(range);
    }
    Some(range)
}

/// The names of errnos and the words of languages in a line.
fn tokens(line: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    for range in words::runs(line) {
        let word = &line[range.clone()];
        let upper = word.to_ascii_uppercase();
        let is_one_case = word == upper || word == word.to_ascii_lowercase();
        if let Some(name) = terms().names.get(&*upper)
            && is_one_case
        {
            hits.push(Hit {
                range: range.clone(),
                names: vec![name],
                rank: Rank::Name,
            });
        }
        let words = terms().words.get(word).into_iter().flatten();
        let before = line[..range.start].trim_end();
        let is_kind = KINDS.iter().any(|it| before.ends_with(it));
        let words: Vec<_> = words.filter(|word| !word.is_kind || is_kind).collect();
        if let Some(first) = words.first() {
            hits.push(Hit {
                range,
                names: words.iter().map(|word| word.name).collect(),
                rank: first.rank,
            });
        }
    }
    hits
}

/// `(7)` of `curl: (7) Failed to connect`, with the name of the program before it or without.
fn exit_of_curl(line: &str) -> Option<Hit> {
    let trimmed = line.trim_start();
    let from = trimmed
        .find("curl")
        .filter(|at| *at == 0 || trimmed[..*at].ends_with([' ', ':']));
    let rest = from.map_or(trimmed, |at| &trimmed[at + 4..]);
    let rest = rest.trim_start_matches([':', ' ']);
    let rest = rest.strip_prefix("error").map_or(rest, str::trim_start);
    let names = super::curl(rest)?;
    let start = line.len() - rest.len();
    Some(Hit {
        range: start..start,
        names: names.to_vec(),
        rank: Rank::Hint,
    })
}

/// The hits that are not inside of a longer phrase.
fn outermost(hits: Vec<Hit>) -> Vec<Hit> {
    let spans: Vec<Range<usize>> = hits
        .iter()
        .filter(|hit| hit.rank >= Rank::Message || hit.names.is_empty())
        .map(|hit| hit.range.clone())
        .collect();
    let is_inside = |inner: &Range<usize>| {
        spans.iter().any(|outer| {
            outer.len() > inner.len() && outer.start <= inner.start && inner.end <= outer.end
        })
    };
    let mut kept = hits;
    kept.retain(|hit| hit.rank == Rank::Number || !is_inside(&hit.range));
    kept
}

fn judge(hits: &[Hit]) -> Option<Verdict> {
    let signs = hits.iter().filter(|hit| !hit.names.is_empty());
    let rank = signs.clone().map(|hit| hit.rank).max()?;
    let mut names: Vec<&'static str> = Vec::new();
    for hit in signs.clone().filter(|hit| hit.rank == rank) {
        let both = common(&names, &hit.names);
        if names.is_empty() || both.is_empty() {
            names.extend(
                hit.names
                    .iter()
                    .filter(|name| !names.contains(name))
                    .collect::<Vec<_>>(),
            );
        } else {
            names = both;
        }
    }
    let mut below: Vec<&Hit> = signs.filter(|hit| hit.rank < rank).collect();
    below.sort_by_key(|hit| std::cmp::Reverse(hit.rank));
    for hit in below {
        names = narrowed(names, &hit.names);
    }
    Some(Verdict {
        rank,
        names,
        numbers: Vec::new(),
    })
}

/// What is in both, in the order of the first.
pub(super) fn common(a: &[&'static str], b: &[&'static str]) -> Vec<&'static str> {
    a.iter().filter(|name| b.contains(name)).copied().collect()
}

/// The names that another sign agrees with; all of them where it agrees with none.
pub(super) fn narrowed(names: Vec<&'static str>, by: &[&'static str]) -> Vec<&'static str> {
    let both = common(&names, by);
    if both.is_empty() { names } else { both }
}

/// Which of several entries fits what was being done; and what Windows calls by one number on connect
/// and on receive.
fn by_operation(
    names: Vec<&'static str>,
    operation: Option<Operation>,
    systems: &[System],
) -> Vec<&'static str> {
    let Some(operation) = operation else {
        return names;
    };
    if names == ["EAGAIN"] && operation == Operation::Connect && systems.contains(&System::Windows)
    {
        return vec!["EINPROGRESS"];
    }
    let fits = FITS.iter().find(|(its, _)| *its == operation);
    match fits {
        Some((_, fitting)) if names.contains(&"READ_TIMEOUT") => narrowed(names, fitting),
        _ => names,
    }
}

/// A time limit on connect is one thing, on an established connection another.
const FITS: &[(Operation, &[&str])] = &[
    (Operation::Connect, &["ETIMEDOUT"]),
    (Operation::Receive, &["READ_TIMEOUT"]),
    (Operation::Accept, &["READ_TIMEOUT"]),
    (Operation::Send, &["READ_TIMEOUT"]),
];

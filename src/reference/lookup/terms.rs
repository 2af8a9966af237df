//! Everything that can be recognised in a line, made once from the tables.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::evidence::Rank;
use crate::reference::phrase::{self, Weight};
use crate::reference::{Entry, all, spelling};

/// Phrases and words, ready to be looked for.
pub(super) struct Terms {
    pub phrases: Vec<Phrase>,
    /// Single words in exact case: `ConnectionRefusedError`.
    pub words: HashMap<&'static str, Vec<Word>>,
    /// Names of entries in capitals: `ECONNREFUSED`.
    pub names: HashMap<&'static str, &'static str>,
    /// The entries by name.
    pub entries: HashMap<&'static str, Entry>,
}

/// A part of a phrase, in lower case, and whether each of its ends is also the end of a word. Beside a
/// gap it is one only where a space stands there.
pub(super) struct Part {
    pub text: String,
    pub begins_word: bool,
    pub ends_word: bool,
}

impl Part {
    fn all(text: &str) -> Vec<Part> {
        let count = text.split('…').count();
        let part = |(at, part): (usize, &str)| Part {
            text: part.trim_end().to_owned(),
            begins_word: at == 0,
            ends_word: at + 1 == count || part.ends_with(' '),
        };
        text.split('…').enumerate().map(part).collect()
    }
}

/// The pairs of bytes that stand side by side in a line: a phrase whose own pairs are not all among
/// them is not in the line, and need not be looked for.
pub(super) struct Pairs(Vec<u64>);

impl Pairs {
    pub(super) fn of(line: &str) -> Pairs {
        let mut pairs = vec![0; 1 << 10];
        for pair in line.as_bytes().windows(2) {
            let index = Pairs::index(pair);
            pairs[index / 64] |= 1 << (index % 64);
        }
        Pairs(pairs)
    }

    pub(super) fn may_have(&self, phrase: &Phrase) -> bool {
        let has = |pair: &usize| self.0[pair / 64] >> (pair % 64) & 1 == 1;
        phrase.pairs.iter().all(has)
    }

    fn index(pair: &[u8]) -> usize {
        usize::from(pair[0]) << 8 | usize::from(pair[1])
    }
}

/// A phrase: its parts in order.
pub(super) struct Phrase {
    /// The pairs of bytes in its first part; see [`Pairs`].
    pairs: Vec<usize>,
    pub parts: Vec<Part>,
    pub names: Vec<&'static str>,
    pub rank: Rank,
    /// Ordinary words: they count only as the end of a line, or as its beginning.
    pub is_common: bool,
    /// The errno may stand in parentheses in the same line.
    pub has_number: bool,
}

/// A word of a language, for one name.
pub(super) struct Word {
    pub name: &'static str,
    pub rank: Rank,
    /// It is an ordinary word and needs `kind: ` or the like before it.
    pub is_kind: bool,
}

pub(super) fn terms() -> &'static Terms {
    static TERMS: LazyLock<Terms> = LazyLock::new(gather);
    &TERMS
}

/// Messages that are ordinary words in many lines.
const COMMON: &[&str] = &[
    "system error",
    "request canceled",
    "request not canceled",
    "all requests done",
    "try again",
    "out of memory",
    "protocol error",
    "timed out",
    "timeout",
    "address in use",
    "no data available",
    "is a directory",
    "file exists",
    "bad message",
    "result too large",
    "illegal seek",
    "no child processes",
    "processing request in progress",
    "eof",
    "connection timeout",
    "connect timeout",
    "read timeout",
    "response timeout",
    "receive timeout",
    "socket timeout",
    "operation timeout",
    "echo reply",
    "echo request",
    "time exceeded",
    "redirect host",
    "source quench",
];

fn gather() -> Terms {
    let mut terms = Terms {
        phrases: Vec::new(),
        words: HashMap::new(),
        names: HashMap::new(),
        entries: HashMap::new(),
    };
    for entry in all() {
        terms.entries.insert(entry.name(), entry);
        if matches!(entry, Entry::TcpState(_) | Entry::Condition(_)) {
            continue;
        }
        for name in entry.aliases().iter().chain([&entry.name()]) {
            terms.names.insert(name, entry.name());
        }
        if entry.message().contains(' ') {
            terms.add(entry.message(), &[entry.name()], Rank::Message);
        }
    }
    for spelling in spelling::all() {
        terms.add_spelling(spelling);
    }
    for phrase in phrase::all() {
        let rank = match phrase.weight {
            Weight::Hint => Rank::Hint,
            Weight::Message => Rank::Message,
            Weight::Sentence => Rank::Sentence,
        };
        terms.add(phrase.text, phrase.names, rank);
    }
    terms
}

impl Terms {
    fn add(&mut self, text: &str, names: &[&'static str], rank: Rank) {
        let text = text.replace('’', "'").to_ascii_lowercase();
        let has_number = rank == Rank::Hint
            && (text.contains("server on")
                || text.contains("server host")
                || text.contains("through socket"));
        let parts = Part::all(&text);
        let first = parts[0].text.as_bytes();
        self.phrases.push(Phrase {
            pairs: first.windows(2).map(Pairs::index).collect(),
            is_common: COMMON.contains(&&*text),
            has_number,
            parts,
            names: names.to_vec(),
            rank,
        });
    }

    fn add_spelling(&mut self, spelling: &'static spelling::Spelling) {
        // curl's exit codes are looked for where curl prints them.
        if spelling.word.starts_with('(') {
            return;
        }
        if spelling.word.contains([' ', '.']) {
            let rank = match spelling.language {
                "many" => Rank::Hint,
                _ if spelling.names.len() > 1 && spelling.word.contains(' ') => Rank::Hint,
                _ if spelling.word.contains(' ') => Rank::Message,
                _ => Rank::Language,
            };
            self.add(spelling.word, spelling.names, rank);
            return;
        }
        if spelling.language == "many" {
            self.add(spelling.word, spelling.names, Rank::Hint);
            return;
        }
        let rank = match spelling.language {
            "Node" | "Chromium" | "Firefox" | "Windows" => Rank::Name,
            _ => Rank::Language,
        };
        let words = spelling.names.iter().map(|name| Word {
            name,
            rank,
            is_kind: spelling.language == "Rust",
        });
        self.words.entry(spelling.word).or_default().extend(words);
    }
}

//! Phrases of programs: what each prints, and the entries it stands for.
//!
//! One row for each phrase, one file for each family of programs. They are found in any case; `…`
//! stands for any text in the same line.

mod apple;
mod browsers;
mod containers;
mod databases;
mod dns;
mod dotnet;
mod fetchers;
mod go;
mod java;
mod kernel;
mod native;
mod node;
mod proxies;
mod python;
mod remote;
mod small;
mod tls;
mod translated;
mod windows;

/// How much a phrase says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// A general remark: it counts where the text has nothing better.
    Hint,
    /// As much as an errno's message.
    Message,
    /// It describes the condition so exactly that an errno in the same line is only a part of it.
    Sentence,
}

/// A phrase and what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Phrase {
    /// Its text; `…` stands for any text in the same line.
    pub(super) text: &'static str,
    /// The names of its entries; without any it is known to mean nothing.
    pub(super) names: &'static [&'static str],
    /// How much it says.
    pub(super) weight: Weight,
}

/// Every phrase of every program.
pub(super) fn all() -> impl Iterator<Item = &'static Phrase> {
    let tables = [
        apple::TABLE,
        browsers::TABLE,
        containers::TABLE,
        databases::TABLE,
        dns::TABLE,
        dotnet::TABLE,
        fetchers::TABLE,
        go::TABLE,
        java::TABLE,
        kernel::TABLE,
        native::TABLE,
        node::TABLE,
        proxies::TABLE,
        python::TABLE,
        remote::TABLE,
        small::TABLE,
        tls::TABLE,
        translated::TABLE,
        windows::TABLE,
        NOTHING,
    ];
    tables.into_iter().flatten()
}

/// Writes a table: the weight, the text, and the names that it stands for.
macro_rules! phrases {
    ($($weight:ident $text:literal $($name:ident)*;)*) => {
        pub(super) static TABLE: &[$crate::reference::phrase::Phrase] = &[$(
            $crate::reference::phrase::Phrase {
                text: $text,
                names: &[$(stringify!($name)),*],
                weight: $crate::reference::phrase::Weight::$weight,
            }
        ),*];
    };
}
use phrases;

/// Texts that look like an error message but are not.
static NOTHING: &[Phrase] = &[
    nothing("please try again"),
    nothing("try again later"),
    nothing("try again in"),
    nothing("out of memory killer"),
    nothing("connection closed normally"),
    nothing("connection closed gracefully"),
    nothing("connection closed cleanly"),
    nothing("connection closed successfully"),
    nothing("connection was closed by the user"),
    nothing("connection closed by the user"),
];

const fn nothing(text: &'static str) -> Phrase {
    Phrase {
        text,
        names: &[],
        weight: Weight::Sentence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{condition, errno, resolver};
    use std::collections::HashSet;

    #[test]
    fn every_phrase_stands_for_entries_that_exist_and_is_there_once() {
        let mut seen = HashSet::new();
        for phrase in all() {
            assert!(seen.insert(phrase.text.to_lowercase()), "{phrase:?}");
            for name in phrase.names {
                let is_known = errno::by_name(name).is_some()
                    || resolver::by_name(name).is_some()
                    || condition::by_name(name).is_some();
                assert!(is_known, "{phrase:?}");
            }
        }
    }
}

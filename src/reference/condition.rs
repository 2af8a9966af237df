//! Conditions: what goes wrong on a connection and has no errno.
//!
//! The end of a connection, TLS against plain text, certificates, answers of name servers and of
//! proxies, messages cut at the wrong place: programs name them in sentences of their own, which the
//! tables of `phrase` lead to these entries.

mod http;
mod kernel;
mod program;
mod service;
mod stream;
mod tls;

use super::remedy::{End, Remedy};

/// A condition without an errno.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// `PEER_CLOSED`.
    pub name: &'static str,
    /// What it is, in a few words.
    pub message: &'static str,
    /// Why it happens, in words.
    pub cause: &'static str,
    /// The next thing to try; `HOST` and `PORT` stand for the address in question.
    pub next: &'static str,
    /// How to tell its causes apart: a sentence or two each.
    pub details: &'static [&'static str],
    /// At which end, what to run, which findings.
    pub remedy: Remedy,
}

/// The entry of a name, in any case.
pub fn by_name(name: &str) -> Option<&'static Condition> {
    all().find(|entry| entry.name.eq_ignore_ascii_case(name))
}

/// Every condition, kind by kind.
pub fn all() -> impl Iterator<Item = &'static Condition> {
    let tables = [
        stream::TABLE,
        program::TABLE,
        tls::TABLE,
        http::TABLE,
        service::TABLE,
        kernel::TABLE,
    ];
    tables.into_iter().flatten()
}

/// Writes a table: name and message, then labelled texts.
macro_rules! conditions {
    ($(
        $name:ident $message:literal
        at $end:ident $at:literal
        cause $cause:literal
        next $next:literal
        $(run $run:literal)*
        $(finding $finding:ident)*
        $(details $details:literal)*;
    )*) => {
        pub(super) static TABLE: &[Condition] = &[$(Condition {
            name: stringify!($name),
            message: $message,
            cause: $cause,
            next: $next,
            details: &[$($details),*],
            remedy: Remedy {
                name: stringify!($name),
                end: End::$end,
                at: $at,
                run: &[$($run),*],
                findings: &[$(stringify!($finding)),*],
            },
        }),*];
    };
}
use conditions;

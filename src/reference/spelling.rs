//! What other languages, C libraries, systems and programs call an errno or a resolver code.

use super::{browser, python, winsock};

/// A word of a language for one or more errnos or resolver codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spelling {
    /// Whose word it is: `Python`, `Go`, `musl`.
    pub language: &'static str,
    /// The word or phrase: `ConnectionRefusedError`.
    pub word: &'static str,
    /// The names it stands for: `ECONNREFUSED`.
    pub names: &'static [&'static str],
}

impl Spelling {
    /// For the tables.
    pub(super) const fn new(
        language: &'static str,
        word: &'static str,
        names: &'static [&'static str],
    ) -> Spelling {
        Spelling {
            language,
            word,
            names,
        }
    }
}

/// Every word of every language.
pub fn all() -> impl Iterator<Item = &'static Spelling> {
    let of_libraries = python::EXCEPTIONS.iter().chain(OTHERS);
    let of_windows = winsock::NAMES.iter().chain(winsock::SENTENCES);
    of_libraries.chain(browser::WORDS).chain(of_windows)
}

/// The words for an errno or a resolver code.
pub fn of(name: &str) -> impl Iterator<Item = &'static Spelling> {
    all().filter(move |spelling| spelling.names.contains(&name))
}

/// Phrases equal to glibc's message but for the case are not here: they are found as messages.
static OTHERS: &[Spelling] = &[
    // std::io::ErrorKind; what Rust gives no kind of its own is not here.
    rust("AddrInUse", &["EADDRINUSE"]),
    rust("AddrNotAvailable", &["EADDRNOTAVAIL"]),
    rust("AlreadyExists", &["EEXIST"]),
    rust("ArgumentListTooLong", &["E2BIG"]),
    rust("BrokenPipe", &["EPIPE"]),
    rust("ConnectionAborted", &["ECONNABORTED"]),
    rust("ConnectionRefused", &["ECONNREFUSED"]),
    rust("ConnectionReset", &["ECONNRESET"]),
    rust("HostUnreachable", &["EHOSTUNREACH"]),
    rust("Interrupted", &["EINTR"]),
    rust("InvalidInput", &["EINVAL"]),
    rust("NetworkDown", &["ENETDOWN"]),
    rust("NetworkUnreachable", &["ENETUNREACH"]),
    rust("NotConnected", &["ENOTCONN"]),
    rust("NotFound", &["ENOENT"]),
    rust("OutOfMemory", &["ENOMEM"]),
    rust("PermissionDenied", &["EACCES", "EPERM"]),
    rust("ResourceBusy", &["EBUSY"]),
    rust("StorageFull", &["ENOSPC"]),
    rust("TimedOut", &["ETIMEDOUT"]),
    rust("WouldBlock", &["EAGAIN"]),
    // package net.
    go("i/o timeout", &["ETIMEDOUT"]),
    go("no such host", &["EAI_NONAME"]),
    go("server misbehaving", &["EAI_AGAIN", "EAI_FAIL"]),
    // java.net; its ConnectException says why after a colon, in the words of strerror.
    java("UnknownHostException", &["EAI_NONAME", "EAI_AGAIN"]),
    java("NoRouteToHostException", &["EHOSTUNREACH"]),
    java("PortUnreachableException", &["ECONNREFUSED"]),
    java("SocketTimeoutException", &["ETIMEDOUT", "READ_TIMEOUT"]),
    java("ConnectException", &["ECONNREFUSED", "ETIMEDOUT"]),
    java("Connection reset", &["ECONNRESET"]),
    java("BindException", &["EADDRINUSE", "EADDRNOTAVAIL"]),
    // Node names errnos as they are; this one stands for what getaddrinfo says.
    node("ENOTFOUND", &["EAI_NONAME"]),
    // What musl, the C library of Alpine Linux, says otherwise than glibc.
    musl("Address in use", &["EADDRINUSE"]),
    musl("Address not available", &["EADDRNOTAVAIL"]),
    musl("Host is unreachable", &["EHOSTUNREACH"]),
    musl("Network unreachable", &["ENETUNREACH"]),
    musl("Connection reset by network", &["ENETRESET"]),
    musl("Connection aborted", &["ECONNABORTED"]),
    musl("Operation timed out", &["ETIMEDOUT"]),
    musl("Message too large", &["EMSGSIZE"]),
    musl("Socket not connected", &["ENOTCONN"]),
    musl("Socket is connected", &["EISCONN"]),
    musl("Not a socket", &["ENOTSOCK"]),
    musl("No file descriptors available", &["EMFILE"]),
    musl("Out of memory", &["ENOMEM"]),
    musl("Operation in progress", &["EINPROGRESS"]),
    musl("Name does not resolve", &["EAI_NONAME"]),
    musl("Try again", &["EAI_AGAIN"]),
    musl("Non-recoverable error", &["EAI_FAIL"]),
    // What people and their programs say when they mean it in general.
    anyone("timed out", &["ETIMEDOUT", "READ_TIMEOUT"]),
    anyone("timeout", &["ETIMEDOUT", "READ_TIMEOUT"]),
];

const fn rust(word: &'static str, names: &'static [&'static str]) -> Spelling {
    Spelling::new("Rust", word, names)
}

const fn go(word: &'static str, names: &'static [&'static str]) -> Spelling {
    Spelling::new("Go", word, names)
}

const fn java(word: &'static str, names: &'static [&'static str]) -> Spelling {
    Spelling::new("Java", word, names)
}

const fn node(word: &'static str, names: &'static [&'static str]) -> Spelling {
    Spelling::new("Node", word, names)
}

const fn musl(word: &'static str, names: &'static [&'static str]) -> Spelling {
    Spelling::new("musl", word, names)
}

const fn anyone(word: &'static str, names: &'static [&'static str]) -> Spelling {
    Spelling::new("many", word, names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{condition, errno, resolver};
    use std::collections::HashSet;

    #[test]
    fn every_word_stands_for_something_that_the_tables_know_by_its_first_name() {
        for spelling in all() {
            for name in spelling.names {
                let errno = errno::by_name(name).map(|entry| entry.name);
                let code = resolver::by_name(name).map(|entry| entry.name);
                let condition = condition::by_name(name).map(|entry| entry.name);
                assert_eq!(errno.or(code).or(condition), Some(*name), "{spelling:?}");
            }
        }
    }

    #[test]
    fn no_word_is_there_twice() {
        let mut seen = HashSet::new();
        for spelling in all() {
            assert!(
                seen.insert((spelling.language, spelling.word)),
                "{spelling:?}"
            );
        }
    }

    #[test]
    fn the_words_for_a_refused_connection_are_pythons_rusts_and_javas() {
        let words: Vec<&str> = of("ECONNREFUSED").map(|spelling| spelling.word).collect();
        assert!(words.contains(&"ConnectionRefusedError"), "{words:?}");
        assert!(words.contains(&"ConnectionRefused"), "{words:?}");
    }
}

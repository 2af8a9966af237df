//! What a non-blocking `send()` to a full buffer returns in each language.

use super::errno;

/// What a program of one language sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The language, or the library.
    pub language: &'static str,
    /// What it sees; `{N}` and `{M}` stand for the errno and its message.
    pattern: &'static str,
}

impl Seen {
    /// What it sees, with the number and the message of `EWOULDBLOCK`.
    pub fn text(&self) -> String {
        let Some(entry) = errno::by_name("EWOULDBLOCK") else {
            return self.pattern.to_owned();
        };
        self.pattern
            .replace("{N}", &entry.number.to_string())
            .replace("{M}", entry.message)
    }
}

/// Each language, the one of the system call first.
pub const SEEN: &[Seen] = &[
    seen(
        "C",
        "send() returns -1, errno {N} EAGAIN, which is EWOULDBLOCK: {M}",
    ),
    seen("Python", "BlockingIOError: [Errno {N}] {M}"),
    seen("Rust", "io::Error of kind WouldBlock: {M} (os error {N})"),
    seen(
        "Java",
        "SocketChannel.write() returns 0; there is no exception",
    ),
    seen(
        "Node.js",
        "socket.write() returns false; wait for the event 'drain'",
    ),
    seen(
        "Go",
        "Write() blocks until the data fits, or returns i/o timeout at its deadline",
    ),
];

const fn seen(language: &'static str, pattern: &'static str) -> Seen {
    Seen { language, pattern }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_filled_in_from_the_table_of_errnos() {
        for seen in SEEN {
            assert!(!seen.text().contains(['{', '}']), "{}", seen.text());
        }
        assert_eq!(
            SEEN[1].text(),
            "BlockingIOError: [Errno 11] Resource temporarily unavailable"
        );
    }

    #[test]
    fn the_languages_with_a_word_for_it_use_that_word() {
        for spelling in super::super::spelling::of("EAGAIN") {
            let same = SEEN.iter().find(|seen| seen.language == spelling.language);
            if let Some(seen) = same {
                assert!(seen.text().contains(spelling.word), "{seen:?} {spelling:?}");
            }
        }
    }
}

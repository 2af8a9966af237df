//! Errno: what a system call says when it fails.
//!
//! The numbers are those of `asm-generic/errno-base.h` and `asm-generic/errno.h`, which x86, Arm,
//! RISC-V, POWER and s390 share (POWER differs in EDEADLOCK only). MIPS, SPARC, Alpha and PA-RISC
//! give most of the numbers from 35 on, the network's among them, to other names; the table does not
//! describe them.

mod others;
mod sockets;

/// One errno.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno {
    /// `ECONNREFUSED`.
    pub name: &'static str,
    /// The number (`asm-generic/errno.h`).
    pub number: i32,
    /// What glibc's `strerror(3)` says: `Connection refused`.
    pub message: &'static str,
    /// Why it happens, in words.
    pub cause: &'static str,
    /// The next thing to try; the words `HOST` and `PORT` stand for the address in question.
    pub next: &'static str,
    /// Other names of the same number: `EWOULDBLOCK` for `EAGAIN`.
    pub aliases: &'static [&'static str],
    /// How to tell its causes apart: a sentence or two each.
    pub details: &'static [&'static str],
}

/// The last number of the table, `EHWPOISON`.
pub const LAST: i32 = 133;

/// The entry of a number. The kernel has no errno 41 and 58.
pub fn by_number(number: i32) -> Option<&'static Errno> {
    tables().find(|entry| entry.number == number)
}

/// The entry of a name or of another name of the same number, in any case.
pub fn by_name(name: &str) -> Option<&'static Errno> {
    tables().find(|entry| {
        let mut names = std::iter::once(&entry.name).chain(entry.aliases);
        names.any(|known| known.eq_ignore_ascii_case(name))
    })
}

/// Every entry, by number.
pub fn all() -> impl Iterator<Item = &'static Errno> {
    (1..=LAST).filter_map(by_number)
}

fn tables() -> impl Iterator<Item = &'static Errno> {
    sockets::TABLE.iter().chain(others::TABLE)
}

/// Writes a table: number, name and message, then labelled texts, so that an entry reads like a
/// page of a book and the compiler still checks that nothing is missing.
macro_rules! errnos {
    ($(
        $number:literal $name:ident $message:literal
        $(also $alias:ident)*
        cause $cause:literal
        next $next:literal
        $(details $details:literal)*;
    )*) => {
        pub(super) static TABLE: &[Errno] = &[$(Errno {
            name: stringify!($name),
            number: $number,
            message: $message,
            cause: $cause,
            next: $next,
            aliases: &[$(stringify!($alias)),*],
            details: &[$($details),*],
        }),*];
    };
}
use errnos;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::io;

    /// The numbers that `asm-generic/errno.h` leaves out.
    const HOLES: [i32; 2] = [41, 58];

    #[test]
    fn every_number_of_the_kernel_is_in_the_table_once() {
        let numbers: Vec<i32> = all().map(|entry| entry.number).collect();
        let expected: Vec<i32> = (1..=LAST).filter(|n| !HOLES.contains(n)).collect();
        assert_eq!(numbers, expected);
        assert_eq!(tables().count(), expected.len(), "a number is there twice");
    }

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn every_message_is_the_one_of_the_c_library() {
        for entry in all() {
            let theirs = io::Error::from_raw_os_error(entry.number).to_string();
            let ours = format!("{} (os error {})", entry.message, entry.number);
            assert_eq!(theirs, ours, "{}", entry.name);
        }
        let unknown = io::Error::from_raw_os_error(LAST + 1).to_string();
        assert!(unknown.starts_with("Unknown error"), "the kernel has more");
    }

    #[test]
    fn a_name_belongs_to_one_number_in_any_case_aliases_included() {
        let mut seen = HashSet::new();
        for entry in all() {
            for name in std::iter::once(&entry.name).chain(entry.aliases) {
                assert!(seen.insert(*name), "{name} is there twice");
                assert_eq!(by_name(&name.to_lowercase()), Some(entry));
            }
        }
        assert_eq!(by_name("ewouldblock").map(|entry| entry.number), Some(11));
        assert_eq!(by_name("EDEADLOCK").map(|entry| entry.number), Some(35));
        assert_eq!(by_name("ENOTSUP").map(|entry| entry.number), Some(95));
        assert_eq!(by_name("ENOTHING"), None);
    }

    #[test]
    fn every_entry_has_a_cause_and_a_next_step_of_one_line() {
        for entry in all() {
            for text in [entry.cause, entry.next].iter().chain(entry.details) {
                assert!(text.len() > 10, "{}: {text}", entry.name);
                assert!(!text.contains('\n'), "{}: {text}", entry.name);
            }
            assert!(!entry.cause.ends_with('.'), "{}", entry.name);
        }
    }

    #[test]
    fn host_and_port_are_words_of_their_own_so_that_they_can_be_filled_in() {
        for entry in all() {
            for placeholder in ["HOST", "PORT"] {
                for (at, _) in entry.next.match_indices(placeholder) {
                    let before = entry.next[..at].chars().next_back();
                    let after = entry.next[at + placeholder.len()..].chars().next();
                    for neighbour in [before, after].into_iter().flatten() {
                        let part_of_a_word = neighbour.is_alphanumeric() || neighbour == '_';
                        assert!(!part_of_a_word, "{}: {}", entry.name, entry.next);
                    }
                }
            }
        }
    }
}

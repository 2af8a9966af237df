//! Errno: why a system call failed.
//!
//! The numbers are those of `asm-generic/errno-base.h` and `asm-generic/errno.h`, which x86, Arm,
//! RISC-V, POWER and s390 share (POWER differs in EDEADLOCK only). MIPS, SPARC, Alpha and PA-RISC
//! give most of the numbers from 35 on, the network's among them, to other names; the table does not
//! describe them.

mod others;
mod sockets;

use super::circumstance::{Advice, Circumstance};

/// One errno.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno {
    /// `ECONNREFUSED`.
    pub name: &'static str,
    /// The number (`asm-generic/errno.h`).
    pub number: i32,
    /// The text of glibc's `strerror(3)`: `Connection refused`.
    pub message: &'static str,
    /// Why it happens, whatever the operation.
    pub cause: &'static str,
    /// The next thing to try; the words `HOST`, `PORT` and `PATH` stand for the address or the path
    /// in question.
    pub next: &'static str,
    /// Other texts for some circumstances; read them with [`Errno::on`].
    pub variants: &'static [(Circumstance, Advice)],
    /// Other names of the same number: `EWOULDBLOCK` for `EAGAIN`.
    pub aliases: &'static [&'static str],
    /// How to tell its causes apart: a sentence or two each.
    pub details: &'static [&'static str],
}

impl Errno {
    /// Cause and next step under a circumstance: its own, otherwise the general ones.
    ///
    /// ```text
    /// let Advice { cause, next } = entry.on(Circumstance::UnixSocket);
    /// ```
    ///
    /// Code that builds a [`crate::error::Error`] passes it there: `Error::os(..).under(..).on(path)`.
    pub fn on(&self, circumstance: Circumstance) -> Advice {
        let general = Advice {
            cause: self.cause,
            next: self.next,
        };
        self.special(circumstance).map_or(general, |(_, it)| it)
    }

    /// The variant that [`Errno::on`] uses; `None` if it uses the general texts.
    pub fn special(&self, circumstance: Circumstance) -> Option<(Circumstance, Advice)> {
        let own = |wanted| self.variants.iter().copied().find(|(it, _)| *it == wanted);
        own(circumstance).or_else(|| circumstance.wider().and_then(own))
    }
}

/// The last number of the table, `EHWPOISON`.
pub const LAST: i32 = 133;

/// The entry of a number. The kernel has no errno 41 and 58.
pub fn by_number(number: i32) -> Option<&'static Errno> {
    tables().find(|entry| entry.number == number)
}

/// A number in words: `Network is unreachable (ENETUNREACH)`.
pub fn words(number: i32) -> String {
    match by_number(number) {
        Some(entry) => format!("{} ({})", entry.message, entry.name),
        None => format!("errno {number}"),
    }
}

/// An error of a call in words: as [`words`], or the error's own text if it has no number.
pub fn words_of(error: &std::io::Error) -> String {
    error
        .raw_os_error()
        .map_or_else(|| error.to_string(), words)
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
/// page of a book and the compiler still checks that nothing is missing. `when` begins the texts
/// for a circumstance.
macro_rules! errnos {
    ($(
        $number:literal $name:ident $message:literal
        $(also $alias:ident)*
        cause $cause:literal
        next $next:literal
        $(when $circumstance:ident cause $its_cause:literal next $its_next:literal)*
        $(details $details:literal)*;
    )*) => {
        pub(super) static TABLE: &[Errno] = &[$(Errno {
            name: stringify!($name),
            number: $number,
            message: $message,
            cause: $cause,
            next: $next,
            variants: &[$((
                $crate::reference::Circumstance::$circumstance,
                $crate::reference::Advice { cause: $its_cause, next: $its_next },
            )),*],
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
            for (circumstance, Advice { cause, next }) in entry.variants {
                assert!(cause.len() > 10 && next.len() > 10, "{}", entry.name);
                assert!(!cause.ends_with('.'), "{} {circumstance:?}", entry.name);
                assert_ne!(*cause, entry.cause, "{} {circumstance:?}", entry.name);
            }
        }
    }

    #[test]
    fn host_and_port_are_words_of_their_own_so_that_they_can_be_filled_in() {
        let of_variants = |entry: &Errno| entry.variants.iter().map(|(_, it)| it.next);
        let general = all().map(|entry| entry.next);
        for next in general.chain(all().flat_map(of_variants)) {
            for placeholder in ["HOST", "PORT", "PATH"] {
                for (at, _) in next.match_indices(placeholder) {
                    let before = next[..at].chars().next_back();
                    let after = next[at + placeholder.len()..].chars().next();
                    for neighbour in [before, after].into_iter().flatten() {
                        let part_of_a_word = neighbour.is_alphanumeric() || neighbour == '_';
                        assert!(!part_of_a_word, "{next}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_circumstance_is_there_once_in_an_entry() {
        for entry in all() {
            let seen: HashSet<Circumstance> = entry.variants.iter().map(|(it, _)| *it).collect();
            assert_eq!(seen.len(), entry.variants.len(), "{}", entry.name);
        }
    }

    #[test]
    fn permission_denied_on_a_unix_socket_speaks_of_its_file_and_not_of_ports() {
        let entry = by_name("EACCES").expect("known");
        for circumstance in [Circumstance::UnixSocket, Circumstance::UnixBind] {
            let Advice { cause, next } = entry.on(circumstance);
            assert!(next.contains("namei -l PATH"), "{next}");
            assert!(!format!("{cause}{next}").contains("port"), "{cause} {next}");
        }
        assert!(
            entry
                .on(Circumstance::Bind)
                .next
                .contains("cap_net_bind_service")
        );
        assert!(entry.on(Circumstance::UnixSocket).next.contains("group"));
    }

    #[test]
    fn nothing_on_a_unix_socket_or_a_file_speaks_of_the_network() {
        for name in [
            "EACCES",
            "ENOENT",
            "ECONNREFUSED",
            "EADDRINUSE",
            "EAGAIN",
            "ECONNRESET",
            "EPIPE",
        ] {
            let entry = by_name(name).expect("known");
            let Advice { cause, next } = entry.on(Circumstance::UnixSocket);
            assert_ne!(cause, entry.cause, "{name}");
            for word in [
                "the host",
                "firewall",
                "RST",
                "sockets -t",
                "tcpdump",
                "HOST",
                "PORT",
            ] {
                assert!(
                    !cause.contains(word) && !next.contains(word),
                    "{name}: {word}"
                );
            }
        }
        for name in ["EACCES", "ENOENT", "EAGAIN", "EPERM", "EINVAL"] {
            let Advice { cause, next } = by_name(name).expect("known").on(Circumstance::File);
            assert!(
                !cause.contains("ocket") && !next.contains("sockdoc sockets"),
                "{name}"
            );
        }
    }

    #[test]
    fn a_circumstance_without_words_of_its_own_takes_the_wider_one_then_the_general_texts() {
        let refused = by_name("ECONNREFUSED").expect("known");
        let on_unix = refused.on(Circumstance::UnixSocket);
        assert_eq!(refused.on(Circumstance::UnixBind), on_unix);
        assert_eq!(refused.on(Circumstance::File).cause, refused.cause);
        assert_eq!(refused.special(Circumstance::File), None);
    }

    #[test]
    fn a_directory_in_place_of_a_file_needs_no_path_filled_in() {
        assert!(!by_name("EISDIR").expect("known").next.contains("PATH"));
    }
}

//! The errno table.
/// One errno.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno {
    /// `ECONNREFUSED`.
    pub name: &'static str,
    /// The number on this architecture (`linux/errno.h`).
    pub number: i32,
    /// What `strerror(3)` says: `Connection refused`.
    pub message: &'static str,
    /// Why it happens, in words.
    pub cause: &'static str,
    /// The next thing to try; `HOST` and `PORT` stand for the address in question.
    pub next: &'static str,
}
/// The entry of a number.
pub fn by_number(number: i32) -> Option<&'static Errno> {
    static TABLE: [Errno; 1] = [Errno {
        name: "ECONNREFUSED",
        number: 111,
        message: "Connection refused",
        cause: "the host is up",
        next: "ss -ltnp 'sport = :PORT'",
    }];
    TABLE.iter().find(|e| e.number == number)
}

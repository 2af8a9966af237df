//! The parts of every failure and its two lines of text: what failed and why, then what to do next.
//!
//! ```text
//! sockdoc: connect to 127.0.0.1:9: Connection refused (ECONNREFUSED): the host is up, but ...
//!   next: on that host, list listeners and bound sockets of the port: sockdoc sockets :9
//! ```

use std::fmt;
use std::io;

use crate::reference::{self, Circumstance};

/// Which exit status a failure has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command ran, but found a problem or got a bad reply (refused, none, damaged). Exit 1.
    BadAnswer,
    /// The command could not run: usage, permission, no such file or name. Exit 2.
    CannotRun,
    /// The reader of our output has closed it (`| head`): not a failure, the program exits quietly. Exit 0.
    OutputClosed,
}

impl Kind {
    /// The process exit status.
    pub fn exit_status(self) -> u8 {
        match self {
            Kind::OutputClosed => 0,
            Kind::BadAnswer => 1,
            Kind::CannotRun => 2,
        }
    }
}

/// A failure that a user can act upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Decides the exit status.
    pub kind: Kind,
    /// The operation: `connect`, `bind`, `read` ...
    pub operation: String,
    /// Its object: an address, a path, a name.
    pub subject: Option<String>,
    /// The name of the errno or resolver code that caused it, if any: `ECONNREFUSED`.
    pub code: Option<&'static str>,
    /// Why it failed.
    pub cause: String,
    /// Further lines of the cause: one for each address tried.
    pub details: Vec<String>,
    /// The next thing to try.
    pub next: Option<String>,
}

/// The result of everything that can fail with an [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failure that was not caused by an errno.
    pub fn new(kind: Kind, operation: impl Into<String>, cause: impl Into<String>) -> Self {
        Error {
            kind,
            operation: operation.into(),
            subject: None,
            code: None,
            cause: cause.into(),
            details: Vec::new(),
            next: None,
        }
    }

    /// A failure of the operating system: name, cause and next step come from [`mod@reference`].
    pub fn os(kind: Kind, operation: impl Into<String>, error: &io::Error) -> Self {
        let mut this = Error::new(kind, operation, cause(error));
        if let Some(entry) = error.raw_os_error().and_then(reference::errno::by_number) {
            this.code = Some(entry.name);
            this.next = Some(entry.next.to_owned());
        }
        this
    }

    /// Sets the circumstance of the errno, which selects cause and next step, mainly for a Unix socket
    /// or a file. Before or after [`Error::on`].
    ///
    /// ```text
    /// Error::os(kind, "connect to", &error).under(Circumstance::UnixSocket).on(path)
    /// ```
    #[must_use]
    pub fn under(mut self, circumstance: Circumstance) -> Self {
        let entry = self.code.and_then(reference::errno::by_name);
        let special = entry.and_then(|entry| Some((entry, entry.special(circumstance)?.1)));
        let Some((entry, advice)) = special else {
            return self;
        };
        self.cause = format!("{} ({}): {}", entry.message, entry.name, advice.cause);
        self.next = Some(advice.next.to_owned());
        match self.subject.take() {
            Some(subject) => self.on(subject),
            None => self,
        }
    }

    /// Standard output could not be written.
    // By value, for `map_err`.
    #[allow(clippy::needless_pass_by_value)]
    pub fn output(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Error::new(Kind::OutputClosed, "write the output", error.to_string());
        }
        Error::os(Kind::CannotRun, "write the output", &error).under(Circumstance::File)
    }

    /// Sets the object of the operation. Replaces `HOST` and `PORT` in the next step if it is an
    /// `address:port`, and `PATH` if it is a path.
    #[must_use]
    pub fn on(mut self, subject: impl Into<String>) -> Self {
        let subject = subject.into();
        self.next = self.next.map(|next| fill(&next, &subject));
        self.subject = Some(subject);
        self
    }

    /// Replaces the table's cause, which follows message and name, with a more specific one.
    #[must_use]
    pub fn because(mut self, cause: &str) -> Self {
        let name = self.code.map(|code| format!("({code}): "));
        let start = name.and_then(|name| Some(self.cause.find(&name)? + name.len()));
        self.cause.truncate(start.unwrap_or(0));
        self.cause.push_str(cause);
        self
    }

    /// The whole error on one line.
    pub fn on_one_line(&self) -> String {
        self.to_string().replace("\n  ", "; ")
    }

    /// Replaces the next step.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

/// Why a system call failed: `Connection reset by peer (ECONNRESET): the peer ...`.
pub fn cause(error: &io::Error) -> String {
    match error.raw_os_error().and_then(reference::errno::by_number) {
        Some(entry) => format!("{} ({}): {}", entry.message, entry.name, entry.cause),
        None => error.to_string(),
    }
}

/// The next step with the placeholders replaced by the subject.
fn fill(next: &str, subject: &str) -> String {
    if next.contains("PATH") {
        return next.replace("PATH", &quoted(subject));
    }
    match split_address(subject) {
        Some((host, port)) => next.replace("HOST", host).replace("PORT", port),
        None => next.to_owned(),
    }
}

/// A path quoted for a shell.
fn quoted(path: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=".contains(c);
    if !path.is_empty() && path.chars().all(is_plain) {
        return path.to_owned();
    }
    format!("'{}'", path.replace('\'', "'\\''"))
}

/// `HOST:PORT` or `[HOST]:PORT` taken apart; `None` for a path, a name or a bare address.
fn split_address(subject: &str) -> Option<(&str, &str)> {
    let (host, port) = subject.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match inner {
        Some(inner) => Some((inner, port)),
        None if host.is_empty() || host.contains([':', '/', ' ']) => None,
        None => Some((host, port)),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.operation)?;
        if let Some(subject) = &self.subject {
            write!(f, " {subject}")?;
        }
        write!(f, ": {}", self.cause)?;
        for detail in &self.details {
            write!(f, "\n  {detail}")?;
        }
        if let Some(next) = &self.next {
            write!(f, "\n  next: {next}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_os_error_says_name_cause_and_a_next_step_with_the_real_port() {
        let refused = io::Error::from_raw_os_error(111);
        let error = Error::os(Kind::BadAnswer, "connect to", &refused).on("127.0.0.1:9");
        let text = error.to_string();
        assert!(text.starts_with("connect to 127.0.0.1:9: Connection refused (ECONNREFUSED): "));
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.ends_with(" :9"), "{text}");
        assert!(!text.contains("PORT"), "{text}");
    }

    #[test]
    fn a_path_is_filled_in_and_the_circumstance_may_come_before_or_after_it() {
        let denied = io::Error::from_raw_os_error(13);
        let error = || Error::os(Kind::CannotRun, "connect to", &denied);
        let before = error().under(Circumstance::UnixSocket).on("/run/a b.sock");
        let after = error().on("/run/a b.sock").under(Circumstance::UnixSocket);
        assert_eq!(before, after);
        let next = before.next.unwrap_or_default();
        assert!(next.contains("namei -l '/run/a b.sock';"), "{next}");
        assert!(before.cause.starts_with("Permission denied (EACCES): "));
        assert!(!before.cause.contains("port"), "{}", before.cause);
    }

    #[test]
    fn an_error_that_has_nothing_special_to_say_stays_as_it_is() {
        let refused = io::Error::from_raw_os_error(111);
        let error = || Error::os(Kind::BadAnswer, "connect to", &refused).on("127.0.0.1:9");
        assert_eq!(error().under(Circumstance::Connect), error());
        let plain = || Error::new(Kind::BadAnswer, "read", "it is larger").next("send less");
        assert_eq!(plain().under(Circumstance::File), plain());
    }

    #[test]
    fn an_address_is_taken_apart_and_a_path_is_not() {
        assert_eq!(split_address("[::1]:80"), Some(("::1", "80")));
        assert_eq!(split_address("localhost:80"), Some(("localhost", "80")));
        assert_eq!(split_address("::1"), None);
        assert_eq!(split_address("/tmp/a:80"), None);
    }

    #[test]
    fn a_better_cause_keeps_the_message_and_the_name() {
        let refused = io::Error::from_raw_os_error(111);
        let error = Error::os(Kind::BadAnswer, "connect to", &refused).because("nobody is there");
        assert_eq!(
            error.cause,
            "Connection refused (ECONNREFUSED): nobody is there"
        );
        let error = Error::new(Kind::BadAnswer, "read", "no").because("yes");
        assert_eq!(error.cause, "yes");
    }
}

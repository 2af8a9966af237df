//! The processes at the two ends of a packet, and the comments that name them in a pcapng file.
//!
//! Each end that was looked for has a comment of its own (`opt_comment`), which people can read too:
//!
//! ```text
//! sender process: python3(812) [bpf]
//! receiver process: unknown [closed]
//! ```

use std::borrow::Cow;
use std::fmt::Write as _;

/// The processes at the two ends of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ends {
    /// Who sent it.
    pub sender: End,
    /// Who receives it.
    pub receiver: End,
}

/// Whose an end of a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum End {
    /// It is on another host, or was not looked for.
    #[default]
    Unsought,
    /// It is on this host, of this process.
    Process {
        /// Process id.
        pid: u32,
        /// Its name.
        name: Name,
        /// How it was found.
        source: Source,
    },
    /// It is on this host, and the process was not found.
    Unknown(Reason),
}

/// The name of a process as the kernel has it: any 15 bytes at most (`TASK_COMM_LEN`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Name([u8; LONGEST]);

const LONGEST: usize = 15;

/// How the process of an end was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A BPF program saw it connect, send or receive.
    Bpf,
    /// It held the socket when the packet was seen.
    Lookup,
    /// Nobody had accepted the connection, or it was closed already: it held the socket that listens for such.
    Listener,
    /// It held the socket when all sockets were listed, earlier.
    Snapshot,
}

/// Why the process of an end was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The socket was closed before it was looked up, or there was none.
    Closed,
    /// No process that may be looked at holds the socket.
    Hidden,
    /// There were too many new flows to look up.
    Busy,
}

impl Source {
    const ALL: [Source; 4] = [
        Source::Bpf,
        Source::Lookup,
        Source::Listener,
        Source::Snapshot,
    ];

    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Source::Bpf => "bpf",
            Source::Lookup => "lookup",
            Source::Listener => "listener",
            Source::Snapshot => "snapshot",
        }
    }
}

impl Reason {
    const ALL: [Reason; 3] = [Reason::Closed, Reason::Hidden, Reason::Busy];

    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Reason::Closed => "closed",
            Reason::Hidden => "hidden",
            Reason::Busy => "busy",
        }
    }
}

impl Name {
    /// A name; of one that is longer the beginning.
    pub fn new(name: &[u8]) -> Name {
        let end = name.iter().position(|byte| *byte == 0);
        let name = &name[..end.unwrap_or(name.len()).min(LONGEST)];
        let mut bytes = [0; LONGEST];
        bytes[..name.len()].copy_from_slice(name);
        Name(bytes)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        let end = self.0.iter().position(|byte| *byte == 0);
        &self.0[..end.unwrap_or(LONGEST)]
    }

    /// As text; what is not UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.bytes())
    }
}

/// How many ends of flows were found each way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// [`Source::Bpf`].
    pub bpf: u64,
    /// [`Source::Lookup`].
    pub lookup: u64,
    /// [`Source::Listener`].
    pub listener: u64,
    /// [`Source::Snapshot`].
    pub snapshot: u64,
    /// [`Reason::Closed`].
    pub closed: u64,
    /// [`Reason::Hidden`].
    pub hidden: u64,
    /// [`Reason::Busy`].
    pub busy: u64,
}

impl Tally {
    /// Counts an end.
    pub fn count(&mut self, end: &End) {
        let count = match end {
            End::Unsought => return,
            End::Process { source, .. } => match source {
                Source::Bpf => &mut self.bpf,
                Source::Lookup => &mut self.lookup,
                Source::Listener => &mut self.listener,
                Source::Snapshot => &mut self.snapshot,
            },
            End::Unknown(reason) => match reason {
                Reason::Closed => &mut self.closed,
                Reason::Hidden => &mut self.hidden,
                Reason::Busy => &mut self.busy,
            },
        };
        *count += 1;
    }
}

const SENDER: &str = "sender process: ";
const RECEIVER: &str = "receiver process: ";
const UNKNOWN: &str = "unknown";

impl Ends {
    /// Whether neither was looked for.
    #[inline]
    pub fn are_unsought(&self) -> bool {
        matches!(
            (&self.sender, &self.receiver),
            (End::Unsought, End::Unsought)
        )
    }

    /// The same of a packet in the other direction.
    #[must_use]
    pub fn turned(self) -> Ends {
        Ends {
            sender: self.receiver,
            receiver: self.sender,
        }
    }

    /// The comments that say so.
    pub fn comments(&self) -> impl Iterator<Item = String> {
        let comment = |label: &str, end: End| match end {
            End::Unsought => None,
            End::Process { pid, name, source } => {
                let name = printable(&name);
                Some(format!("{label}{name}({pid}) [{}]", source.word()))
            }
            End::Unknown(reason) => Some(format!("{label}{UNKNOWN} [{}]", reason.word())),
        };
        [
            comment(SENDER, self.sender),
            comment(RECEIVER, self.receiver),
        ]
        .into_iter()
        .flatten()
    }

    /// Takes over what a comment says; `false` if it is about anything else.
    #[inline]
    pub fn read_comment(&mut self, comment: &[u8]) -> bool {
        let (end, rest) = if let Some(rest) = comment.strip_prefix(SENDER.as_bytes()) {
            (&mut self.sender, rest)
        } else if let Some(rest) = comment.strip_prefix(RECEIVER.as_bytes()) {
            (&mut self.receiver, rest)
        } else {
            return false;
        };
        let read = End::read(rest);
        if let Some(read) = read {
            *end = read;
        }
        read.is_some()
    }
}

impl End {
    /// `NAME(PID) [SOURCE]`, read from its end: a name may hold any of these signs.
    fn read(text: &[u8]) -> Option<End> {
        let text = std::str::from_utf8(text).ok()?;
        let (who, word) = text
            .trim_end_matches('\0')
            .strip_suffix(']')?
            .rsplit_once(" [")?;
        if let Some(reason) = Reason::ALL.into_iter().find(|it| it.word() == word) {
            return (who == UNKNOWN).then_some(End::Unknown(reason));
        }
        let source = Source::ALL.into_iter().find(|it| it.word() == word)?;
        let (name, pid) = who.strip_suffix(')')?.rsplit_once('(')?;
        Some(End::Process {
            pid: pid.parse().ok()?,
            name: Name::new(name.as_bytes()),
            source,
        })
    }
}

/// A comment is UTF-8 that other programs print: what is not text is a question mark.
fn printable(name: &Name) -> String {
    let mut out = String::new();
    for chunk in name.bytes().utf8_chunks() {
        for char in chunk.valid().chars() {
            let _ = out.write_char(if char.is_control() { '?' } else { char });
        }
        if !chunk.invalid().is_empty() {
            out.push('?');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(name: &[u8], pid: u32, source: Source) -> End {
        let name = Name::new(name);
        End::Process { pid, name, source }
    }

    #[test]
    fn what_comments_say_is_read_back_whatever_the_name_is() {
        let names: [&[u8]; 5] = [b"python3", b"", b"a(1) [bpf]", b"x] (2", "été".as_bytes()];
        for name in names {
            for source in Source::ALL {
                let ends = Ends {
                    sender: process(name, u32::MAX, source),
                    receiver: End::Unknown(Reason::Busy),
                };
                let mut read = Ends::default();
                for comment in ends.comments() {
                    assert!(read.read_comment(comment.as_bytes()));
                }
                assert_eq!(read, ends);
                assert_eq!(read.turned().receiver, ends.sender);
            }
        }
        assert_eq!(Ends::default().comments().count(), 0);
        let said: Vec<String> = Ends {
            sender: process(b"curl", 7, Source::Bpf),
            receiver: End::Unknown(Reason::Closed),
        }
        .comments()
        .collect();
        assert_eq!(said[0], "sender process: curl(7) [bpf]");
        assert_eq!(said[1], "receiver process: unknown [closed]");
    }

    #[test]
    fn a_name_that_is_not_text_does_not_get_into_a_comment() {
        let ends = Ends {
            sender: process(b"\x1b[2J\xffa\n", 7, Source::Lookup),
            receiver: End::Unsought,
        };
        let said: Vec<String> = ends.comments().collect();
        assert_eq!(said, ["sender process: ?[2J?a?(7) [lookup]"]);
    }

    #[test]
    fn other_comments_say_nothing() {
        let mut ends = Ends::default();
        let comments: [&[u8]; 9] = [
            b"",
            b"sender process: ",
            b"sender process: a(1)",
            b"sender process: a(1) [magic]",
            b"sender process: a(x) [bpf]",
            b"sender process: a(99999999999) [bpf]",
            b"sender process: a [closed]",
            b"sender process: \xff(1) [bpf]",
            b"a reader's note",
        ];
        for comment in comments {
            assert!(!ends.read_comment(comment));
        }
        assert!(ends.are_unsought());
        ends.read_comment(b"sender process: a name of 26 characters(1) [bpf]");
        let End::Process { name, .. } = ends.sender else {
            panic!("{ends:?}");
        };
        assert_eq!(name.text(), "a name of 26 ch");
    }
}

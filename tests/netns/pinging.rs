//! Runs of ping, ours and others', and what they say: the lines, the counts, the objects.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::namespace::Namespace;
use crate::support::{finish, stderr, stdout};

/// What one run said and how it ended.
#[derive(Debug)]
pub(crate) struct Run {
    /// The exit status.
    pub(crate) status: Option<i32>,
    /// Standard output.
    pub(crate) text: String,
    /// Standard error.
    pub(crate) errors: String,
}

/// The line of counts as iputils writes it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Counts {
    /// `3 packets transmitted`
    pub(crate) sent: u64,
    /// `2 received`
    pub(crate) received: u64,
    /// `+1 duplicates`
    pub(crate) duplicates: u64,
    /// `+1 corrupted`
    pub(crate) corrupted: u64,
    /// `+1 errors`
    pub(crate) errors: u64,
}

impl Run {
    /// Runs `sockdoc ping ARGS...` in a namespace to its end.
    pub(crate) fn ours(namespace: &Namespace, args: &[&str]) -> Run {
        Run::of(namespace.ping(args))
    }

    /// The same, given as words with blanks between.
    pub(crate) fn words(namespace: &Namespace, words: &str) -> Run {
        Run::ours(namespace, &words.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs another program in a namespace to its end, given as words.
    pub(crate) fn other(namespace: &Namespace, words: &str) -> Run {
        let mut words = words.split_whitespace();
        let mut command = namespace.command(words.next().expect("a program"));
        command.args(words).stdin(Stdio::null());
        Run::of(command)
    }

    /// Runs a command to its end.
    pub(crate) fn of(command: Command) -> Run {
        Run::from(&finish(command))
    }

    /// The line of counts of a single target.
    pub(crate) fn counts(&self) -> Counts {
        let line = self.line_with(" packets transmitted, ");
        let mut counts = Counts::default();
        for part in line.split(", ") {
            let mut words = part.split(' ');
            let number = words.next().expect("a word").trim_start_matches('+');
            let slot = match words.next_back() {
                Some("transmitted") => &mut counts.sent,
                Some("received") => &mut counts.received,
                Some("duplicates") => &mut counts.duplicates,
                Some("corrupted") => &mut counts.corrupted,
                Some("errors") => &mut counts.errors,
                _ => continue,
            };
            *slot = number.parse().unwrap_or_else(|_| panic!("{line}"));
        }
        counts
    }

    /// The only line that holds these words.
    pub(crate) fn line_with(&self, words: &str) -> &str {
        let mut lines = self.text.lines().filter(|line| line.contains(words));
        let line = lines.next();
        let line = line.unwrap_or_else(|| panic!("no line has {words:?}: {self}"));
        assert_eq!(lines.next(), None, "several lines have {words:?}: {self}");
        line
    }

    /// Whether standard output has these words.
    pub(crate) fn says(&self, words: &str) -> bool {
        self.text.contains(words)
    }

    /// The objects of `--json`, one of each line.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let read = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}: {self}"))
        };
        self.text.lines().map(read).collect()
    }

    /// The last object of `--json`: the summary.
    pub(crate) fn summary(&self) -> Value {
        self.objects()
            .pop()
            .unwrap_or_else(|| panic!("nothing: {self}"))
    }
}

impl From<&Output> for Run {
    fn from(output: &Output) -> Run {
        Run {
            status: output.status.code(),
            text: stdout(output),
            errors: stderr(output),
        }
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Run {
            status,
            text,
            errors,
        } = self;
        write!(
            out,
            "status {status:?}\n{text}--- and on standard error\n{errors}---"
        )
    }
}

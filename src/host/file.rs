//! A sample as a file: JSON, schema `sockdoc.sample/1`.
//!
//! A section that is not there was not sampled; one that is not known is passed over, so that a later
//! version may add some.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::network::{Machine, Network};
use super::sample::{Namespace, Note, ProcessStatus, Sample};
use crate::sockets::stored::{self, MOST_TEXT};
use crate::sockets::{Owners, Socket};

/// The name and version of the format.
pub const SCHEMA: &str = "sockdoc.sample/1";

/// The longest file that is read, in bytes.
pub const MOST_BYTES: usize = 512 * 1024 * 1024;

#[derive(Serialize)]
struct Written<'a> {
    schema: &'static str,
    taken_unix_ms: u64,
    sockets: &'a [Socket],
    owners: Option<&'a Owners>,
    processes: &'a [ProcessStatus],
    namespaces: &'a [Namespace],
    networks: &'a [Network],
    machine: Option<&'a Machine>,
    notes: &'a [Note],
}

#[derive(Deserialize)]
struct Read {
    schema: String,
    #[serde(default)]
    taken_unix_ms: u64,
    #[serde(default, deserialize_with = "stored::list")]
    sockets: Vec<Socket>,
    owners: Option<Owners>,
    #[serde(default, deserialize_with = "stored::list")]
    processes: Vec<ProcessStatus>,
    #[serde(default, deserialize_with = "stored::list")]
    namespaces: Vec<Namespace>,
    #[serde(default, deserialize_with = "stored::list")]
    networks: Vec<Network>,
    machine: Option<Machine>,
    #[serde(default, deserialize_with = "stored::list")]
    notes: Vec<Note>,
}

/// Why a file is not a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileError {
    /// It has more than [`MOST_BYTES`].
    TooLong,
    /// It is of another schema.
    Schema(String),
    /// What the JSON reader says.
    Malformed(String),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::TooLong => write!(f, "a sample has at most {MOST_BYTES} bytes"),
            FileError::Schema(schema) => {
                write!(
                    f,
                    "the schema is \"{}\", not {SCHEMA}",
                    schema.escape_debug()
                )
            }
            FileError::Malformed(why) => write!(f, "not a sample: {}", why.escape_debug()),
        }
    }
}

impl std::error::Error for FileError {}

impl Sample {
    /// Writes the file.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        let written = Written {
            schema: SCHEMA,
            taken_unix_ms: u64::try_from(self.taken.as_millis()).unwrap_or(u64::MAX),
            sockets: &self.sockets,
            owners: Some(&self.owners).filter(|owners| owners.were_sought()),
            processes: &self.processes,
            namespaces: &self.namespaces,
            networks: &self.networks,
            machine: self.machine.as_ref(),
            notes: &self.notes,
        };
        serde_json::to_writer(&mut *out, &written)?;
        out.write_all(b"\n")
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it is not a sample, or too large to be one.
    pub fn read(bytes: &[u8]) -> Result<Sample, FileError> {
        if bytes.len() > MOST_BYTES {
            return Err(FileError::TooLong);
        }
        // The JSON reader bounds the nesting.
        let read: Read = serde_json::from_slice(bytes)
            .map_err(|error| FileError::Malformed(error.to_string()))?;
        if read.schema != SCHEMA {
            let start = read.schema.chars().take(40).collect();
            return Err(FileError::Schema(start));
        }
        let notes = read.notes.iter();
        let texts = notes.flat_map(|note| [note.id.len(), note.text.len()]);
        let labels = read
            .namespaces
            .iter()
            .map(|namespace| namespace.label.len());
        if texts.chain(labels).any(|length| length > MOST_TEXT) {
            return Err(FileError::Malformed("a text is too long".to_owned()));
        }
        let owners = read.owners.unwrap_or_default();
        let known = owners.processes().len();
        let mut listed = read.processes.iter();
        if listed.any(|status| status.process.0 as usize >= known) {
            return Err(FileError::Malformed(
                "a status is of a process that is not listed".to_owned(),
            ));
        }
        Ok(Sample {
            taken: Duration::from_millis(read.taken_unix_ms),
            sockets: read.sockets,
            owners,
            processes: read.processes,
            namespaces: read.namespaces,
            networks: read.networks,
            machine: read.machine,
            notes: read.notes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::testing::{figures, idle, sample, socket, timer};
    use crate::diagnose::{Case, diagnose};
    use crate::host::{Index, ProcessAt};
    use crate::sockets::testing::{owners, tcp, unix};
    use crate::sockets::{Address, Details, Proto, State, TimerKind};

    fn written(sample: &Sample) -> Vec<u8> {
        let mut out = Vec::new();
        sample.write(&mut out).unwrap();
        out
    }

    fn full() -> Sample {
        let busy = Socket {
            timer: Some(timer(TimerKind::Persist, 3)),
            details: Some(Box::default()),
            v6_only: Some(false),
            ..figures(socket(State::CloseWait, 1, 2), idle())
        };
        let named = unix(Proto::UnixDgr, State::Unconnected, b"\0a\xff\\x", 7, 8);
        let mut sample = sample(vec![busy, named, tcp("[fe80::1%2]:80", "[::1]:9")]);
        sample.taken = Duration::from_millis(1_769_860_800_250);
        sample.owners = owners(&[(7, "a\n", Some("x\0y\0"), &[7])]);
        sample.processes = vec![ProcessStatus {
            process: ProcessAt(0),
            state: 'T',
            descriptors: Some(9),
            descriptor_limit: None,
            frozen: false,
            memory: None,
            threads: None,
            adopted: false,
        }];
        sample.namespaces = vec![Namespace {
            local_ports: Some((32_768, 60_999)),
            ..Namespace::new(4_026_531_840, "blue")
        }];
        sample.notes = vec![Note {
            id: "owners_hidden".into(),
            text: "some".to_owned(),
            incomplete: true,
        }];
        sample
    }

    #[test]
    fn what_is_written_is_read_back() {
        let sample = full();
        let bytes = written(&sample);
        let read = Sample::read(&bytes).unwrap();
        assert_eq!(read.sockets, sample.sockets);
        assert_eq!(read.owners.of(7), sample.owners.of(7));
        assert_eq!(read.owners.processes(), sample.owners.processes());
        assert_eq!(read.notes, sample.notes);
        assert_eq!(read.processes, sample.processes);
        assert_eq!(
            (read.taken, read.namespaces),
            (sample.taken, sample.namespaces)
        );
        assert_eq!(written(&Sample::read(&bytes).unwrap()), bytes);
        assert!(matches!(read.sockets[1].local, Address::Unix { .. }));
        assert_eq!(
            read.sockets[0].details.as_deref(),
            Some(&Details::default())
        );
    }

    #[test]
    fn a_section_that_is_not_there_was_not_sampled_and_one_that_is_not_known_is_passed_over() {
        let text = br#"{"schema": "sockdoc.sample/1", "routes": [[{"a": 1}]], "sockets": []}"#;
        let read = Sample::read(text).unwrap();
        assert!(read.sockets.is_empty() && !read.owners.were_sought());
    }

    #[test]
    fn the_files_that_fuzzing_starts_from_are_samples_with_findings() {
        for (file, count) in [
            (
                &include_bytes!("../../tests/fuzz/corpus/sample/accepting")[..],
                4,
            ),
            (include_bytes!("../../tests/fuzz/corpus/sample/leaking"), 6),
            (include_bytes!("../../tests/fuzz/corpus/sample/empty"), 0),
        ] {
            let sample = Sample::read(file).unwrap();
            let index = Index::new(&sample);
            assert_eq!(diagnose(&Case::new(&index)).all().len(), count);
        }
    }

    #[test]
    fn what_is_no_sample_is_refused() {
        let deep = format!(
            "{{\"schema\": \"sockdoc.sample/1\", \"x\": {}",
            "[".repeat(10_000)
        );
        let of_nobody = r#"{"schema": "sockdoc.sample/1", "owners":
            {"processes": [], "links": [{"inode": 1, "process": 0, "fd": 3}], "complete": true}}"#;
        let of_nothing = r#"{"schema": "sockdoc.sample/1", "processes":
            [{"process": 0, "state": "T", "descriptors": null, "descriptor_limit": null}]}"#;
        for text in [
            "",
            "{}",
            "[]",
            "{\"schema\": \"x\"}",
            &deep,
            of_nobody,
            of_nothing,
        ] {
            assert!(Sample::read(text.as_bytes()).is_err(), "{text:.80}");
        }
        let other = Sample::read(br#"{"schema": "sockdoc.sample/2"}"#).unwrap_err();
        assert!(other.to_string().contains("sockdoc.sample/2"), "{other}");
    }
}

//! Which processes are asked for.

use regex_lite::Regex;

use super::{Filter, WordError};
use crate::sockets::owners::Process;
use crate::sockets::{Owner, Owners, Socket, cgroup};

/// The kernel cuts the name of a process to this many bytes (`TASK_COMM_LEN` and a NUL).
const COMM_MAX: usize = 15;

/// A process by name.
#[derive(Debug, Clone)]
pub enum ProcessMatch {
    /// A part of its name or command line, in lower case; made by [`ProcessMatch::name`].
    Name(String),
    /// A regular expression on its name or its command line, as they are written there.
    Pattern(Regex),
}

impl ProcessMatch {
    /// A part of the name or the command line of a process, in any case. A name that the kernel has cut
    /// short may be the front of what is asked for.
    pub fn name(part: &str) -> ProcessMatch {
        ProcessMatch::Name(part.to_lowercase())
    }

    /// A regular expression (of the regex-lite crate) on the name or the command line.
    pub fn pattern(pattern: &str) -> Result<ProcessMatch, WordError> {
        if pattern.is_empty() {
            let what = "not a regular expression: it is empty";
            return Err(WordError::new(pattern, 0..0, what));
        }
        match Regex::new(pattern) {
            Ok(regex) => Ok(ProcessMatch::Pattern(regex)),
            Err(why) => Err(WordError::new(
                pattern,
                0..pattern.len(),
                format!("not a regular expression: {why}"),
            )),
        }
    }

    /// Whether this process is asked for.
    pub fn matches(&self, process: &Process) -> bool {
        match self {
            ProcessMatch::Name(part) => matches_name(part, process),
            ProcessMatch::Pattern(regex) => {
                regex.is_match(&String::from_utf8_lossy(&process.comm))
                    || command_line(process).is_some_and(|line| regex.is_match(&line))
            }
        }
    }
}

/// A systemd unit or a container, by the path of a control group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupMatch {
    /// A unit: its name, with or without `.service`, or a part of it; in lower case.
    Unit(String),
    /// A container: the front of its id, its name or its runtime; in lower case.
    Container(String),
}

impl GroupMatch {
    /// Whether a control group is of this unit or container.
    pub fn matches(&self, path: &str) -> bool {
        match self {
            GroupMatch::Unit(part) => {
                cgroup::unit(path).is_some_and(|unit| unit.to_lowercase().contains(part))
            }
            GroupMatch::Container(part) => cgroup::container(path).is_some_and(|container| {
                container.id.to_lowercase().starts_with(part) || container.runtime == part
            }),
        }
    }
}

/// A process as one word names it.
#[derive(Debug, Clone)]
pub enum ProcessWord {
    /// `pid:N`.
    Pid(u32),
    /// `unit:NAME`, `container:NAME`.
    Group(GroupMatch),
    /// Anything else: a part of the name or the command line.
    Name(ProcessMatch),
}

impl ProcessWord {
    /// Reads a word.
    ///
    /// # Errors
    /// When it is empty, or its number is none.
    pub fn parse(word: &str) -> Result<ProcessWord, WordError> {
        let (key, value) = word.split_once(':').unwrap_or(("", word));
        if value.is_empty() {
            return Err(WordError::new(word, 0..word.len(), "it names no process"));
        }
        let part = || value.to_lowercase();
        Ok(match key {
            "pid" => {
                let at = word.len() - value.len()..word.len();
                let pid = value
                    .parse()
                    .map_err(|_| WordError::new(word, at, "not the number of a process"))?;
                ProcessWord::Pid(pid)
            }
            "unit" => ProcessWord::Group(GroupMatch::Unit(part())),
            "container" => ProcessWord::Group(GroupMatch::Container(part())),
            _ => ProcessWord::Name(ProcessMatch::name(word)),
        })
    }

    /// Whether this process is the one.
    pub fn matches(&self, process: &Process) -> bool {
        match self {
            ProcessWord::Pid(pid) => process.pid == *pid,
            ProcessWord::Name(name) => name.matches(process),
            ProcessWord::Group(group) => process
                .cgroup
                .as_deref()
                .is_some_and(|path| group.matches(path)),
        }
    }

    /// Whether the command line of a process has to be known.
    pub fn needs_command_line(&self) -> bool {
        matches!(self, ProcessWord::Name(_))
    }

    /// Whether the control group of a process has to be known.
    pub fn needs_group(&self) -> bool {
        matches!(self, ProcessWord::Group(_))
    }
}

/// The owners' part of a filter, with the processes looked at once: for many sockets.
#[derive(Debug)]
pub struct OwnerFilter<'a> {
    owners: &'a Owners,
    filter: &'a Filter,
    /// By process; `None`: nothing is asked of the owners but in expressions.
    wanted: Option<Vec<bool>>,
}

impl OwnerFilter<'_> {
    /// Whether one of the socket's owners is what is asked for.
    pub fn matches(&self, socket: &Socket) -> bool {
        let holds = |owner: &Owner| match &self.wanted {
            Some(wanted) => wanted[owner.process as usize],
            None => true,
        };
        let is_held = self.wanted.is_none()
            || self.owners.of(socket.inode).iter().any(holds)
            || self.filter.owner_test().without_name(socket, self.owners);
        is_held && self.filter.matches_tests(socket, self.owners)
    }
}

/// The owners' part of a filter.
pub(super) struct OwnerTest<'a> {
    pub(super) filter: &'a Filter,
}

impl OwnerTest<'_> {
    /// Whether this process is what is asked for; `is_named`: the socket itself is what a word names, and
    /// `is_grouped`: its own control group is the one asked for.
    fn process(&self, process: &Process, is_named: bool, is_grouped: bool) -> bool {
        let filter = self.filter;
        let names = &filter.processes;
        let group = process.cgroup.as_deref();
        (filter.pids.is_empty() || filter.pids.contains(&process.pid))
            && (is_named
                || (names.is_empty() && filter.or_socket.is_empty())
                || names.iter().any(|wanted| wanted.matches(process)))
            && (is_grouped
                || super::any(&filter.groups, |wanted| {
                    group.is_some_and(|path| wanted.matches(path))
                }))
    }

    /// Whether the socket is what is asked for by what it is, whatever the names of its owners are.
    fn without_name(&self, socket: &Socket, owners: &Owners) -> bool {
        let filter = self.filter;
        let is_named = filter
            .or_socket
            .iter()
            .any(|one| one.matches_socket(socket));
        let details = socket.details.as_deref();
        let group = details.and_then(|details| details.cgroup_id);
        let is_grouped = group.is_some_and(|id| filter.cgroup_ids.contains(&id));
        if !is_named && !is_grouped {
            return false;
        }
        let names_nothing = filter.processes.is_empty() && filter.or_socket.is_empty();
        let enough = filter.pids.is_empty()
            && (is_named || names_nothing)
            && (is_grouped || filter.groups.is_empty());
        let mut processes = owners.processes_of(socket.inode);
        enough || processes.any(|process| self.process(process, is_named, is_grouped))
    }
}

impl Filter {
    /// Whether one of the socket's owners is what is asked for. For many sockets
    /// [`Filter::for_owners`] is faster.
    pub fn matches_owners(&self, socket: &Socket, owners: &Owners) -> bool {
        let test = self.owner_test();
        let mut processes = owners.processes_of(socket.inode);
        let is_held = !self.asks_of_owners()
            || processes.any(|process| test.process(process, false, false))
            || test.without_name(socket, owners);
        is_held && self.matches_tests(socket, owners)
    }

    /// The same, with the processes looked at once.
    pub fn for_owners<'a>(&'a self, owners: &'a Owners) -> OwnerFilter<'a> {
        let test = self.owner_test();
        let wanted = self.asks_of_owners().then(|| {
            let processes = owners.processes().iter();
            processes
                .map(|process| test.process(process, false, false))
                .collect()
        });
        OwnerFilter {
            owners,
            filter: self,
            wanted,
        }
    }

    fn matches_tests(&self, socket: &Socket, owners: &Owners) -> bool {
        self.tests.iter().all(|test| test.matches(socket, owners))
    }

    /// Whether something is asked of the owners, expressions aside.
    pub(super) fn asks_of_owners(&self) -> bool {
        !(self.processes.is_empty()
            && self.or_socket.is_empty()
            && self.pids.is_empty()
            && self.groups.is_empty())
    }
}

fn matches_name(part: &str, process: &Process) -> bool {
    let comm = String::from_utf8_lossy(&process.comm).to_lowercase();
    comm.contains(part)
        || command_line(process).is_some_and(|line| line.to_lowercase().contains(part))
        // The word may be the whole name, of which only the front is known.
        || (process.comm.len() >= COMM_MAX && part.starts_with(&comm))
}

/// The command line with blanks between the words.
fn command_line(process: &Process) -> Option<String> {
    let line = process.cmdline.as_ref()?;
    let line = String::from_utf8_lossy(line).replace('\0', " ");
    Some(line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_number_a_group_or_a_part_of_a_name() {
        let process = Process {
            pid: 7,
            comm: (*b"python3").into(),
            cgroup: Some("/system.slice/web.service".into()),
            cmdline: Some((*b"python3\0-m\0http.server").into()),
            ..Process::default()
        };
        let matches = |word: &str| ProcessWord::parse(word).unwrap().matches(&process);
        for word in ["pid:7", "unit:web", "Python", "http.server"] {
            assert!(matches(word), "{word}");
        }
        for word in ["pid:8", "unit:db", "container:web", "nginx"] {
            assert!(!matches(word), "{word}");
        }
        for word in ["", "pid:", "pid:x", "unit:"] {
            assert!(ProcessWord::parse(word).is_err(), "{word}");
        }
    }
}

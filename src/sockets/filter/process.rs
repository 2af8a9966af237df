//! Which processes are asked for.

use regex_lite::Regex;

use super::{Filter, WordError};
use crate::sockets::owners::Process;
use crate::sockets::{Owners, Socket};

/// The kernel cuts the name of a process to this many bytes (`TASK_COMM_LEN` and a NUL).
const COMM_MAX: usize = 15;

/// A process by name.
#[derive(Debug, Clone)]
pub enum ProcessMatch {
    /// A part of its name, in lower case; made by [`ProcessMatch::name`].
    Name(String),
    /// A regular expression on its name or its command line, as they are written there.
    Pattern(Regex),
}

impl ProcessMatch {
    /// A part of the name of a process, in any case. It is looked for in the name alone, for `ssh`
    /// is not a process that reads /etc/ssh. A name that the kernel has cut short is completed from the
    /// command line, if known.
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

/// The owners' part of a filter, with the processes looked at once: for many sockets.
#[derive(Debug)]
pub struct OwnerFilter<'a> {
    owners: &'a Owners,
    /// By process; `None`: nothing is asked of the owners.
    wanted: Option<Vec<bool>>,
}

impl OwnerFilter<'_> {
    /// Whether one of the socket's owners is what is asked for.
    pub fn matches(&self, socket: &Socket) -> bool {
        let Some(wanted) = &self.wanted else {
            return true;
        };
        self.owners
            .of(socket.inode)
            .iter()
            .any(|owner| wanted[owner.process as usize])
    }
}

impl Filter {
    /// Whether one of the socket's owners is what is asked for. For many sockets
    /// [`Filter::for_owners`] is faster.
    pub fn matches_owners(&self, socket: &Socket, owners: &Owners) -> bool {
        !self.needs_owners()
            || owners
                .of(socket.inode)
                .iter()
                .any(|owner| self.matches_process(owners.process(owner)))
    }

    /// The same, with the processes looked at once.
    pub fn for_owners<'a>(&self, owners: &'a Owners) -> OwnerFilter<'a> {
        let wanted = self.needs_owners().then(|| {
            let processes = owners.processes().iter();
            processes
                .map(|process| self.matches_process(process))
                .collect()
        });
        OwnerFilter { owners, wanted }
    }

    /// Whether this process is what is asked for.
    pub fn matches_process(&self, process: &Process) -> bool {
        (self.pids.is_empty() || self.pids.contains(&process.pid))
            && super::any(&self.processes, |wanted| wanted.matches(process))
    }
}

fn matches_name(part: &str, process: &Process) -> bool {
    let comm = String::from_utf8_lossy(&process.comm).to_lowercase();
    if comm.contains(part) {
        return true;
    }
    if process.comm.len() < COMM_MAX {
        return false;
    }
    match program(process) {
        Some(program) if program.starts_with(&comm) => program.contains(part),
        // The word may be the whole name, of which only the front is known.
        _ => part.starts_with(&comm),
    }
}

/// The file name of the program, in lower case.
fn program(process: &Process) -> Option<String> {
    let line = process.cmdline.as_ref()?;
    let path = line.split(|&byte| byte == 0).next()?;
    let file = path.rsplit(|&byte| byte == b'/').next()?;
    Some(String::from_utf8_lossy(file).to_lowercase())
}

/// The command line with blanks between the words.
fn command_line(process: &Process) -> Option<String> {
    let line = process.cmdline.as_ref()?;
    let line = String::from_utf8_lossy(line).replace('\0', " ");
    Some(line.trim_end().to_owned())
}

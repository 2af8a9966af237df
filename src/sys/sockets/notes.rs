//! What a listing could not see, in words for those who look.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use nix::unistd::geteuid;

use super::namespaces::Unseen;
use super::processes::Hidden;
use crate::diagnose::words;
use crate::host::Note;
use crate::sys::privilege::{self, Capability};

/// What a look at the descriptors of other users takes; for one at their namespaces the first suffices.
const LOOK: &[Capability] = &[Capability::SysPtrace, Capability::DacReadSearch];

/// What the caller may do, since the next step depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// Everything: a process that hides something is protected even from root.
    Root,
    /// Root of a user namespace.
    NamespaceRoot,
    /// User 0 without the capabilities, as in most containers.
    CutRoot,
    /// Anybody else.
    User,
}

impl Caller {
    /// `needed`: what the look takes.
    fn of_this_process(needed: &[Capability]) -> Caller {
        /// `PROC_USER_INIT_INO`, `include/linux/proc_ns.h`.
        const INITIAL: u64 = 0xefff_fffd;
        let may = privilege::holds(needed);
        let user = fs::metadata("/proc/self/ns/user").map(|file| file.ino());
        match may {
            true if user.is_ok_and(|inode| inode != INITIAL) => Caller::NamespaceRoot,
            true => Caller::Root,
            false if geteuid().is_root() => Caller::CutRoot,
            false => Caller::User,
        }
    }
}

/// Processes whose sockets are not known.
pub(super) fn owners_hidden(hidden: Hidden) -> Note {
    let text = owners_text(Caller::of_this_process(LOOK), hidden);
    note("owners_hidden", text)
}

fn owners_text(caller: Caller, hidden: Hidden) -> String {
    let processes = words::count(hidden.count as u64, "process");
    match caller {
        Caller::Root if hidden.count == 1 => format!(
            "the sockets of pid {} cannot be read, not even by root",
            hidden.pid
        ),
        Caller::Root => {
            format!("the sockets of {processes} cannot be read, not even by root")
        }
        Caller::NamespaceRoot => format!(
            "could not see which sockets belong to {processes} outside this user namespace; run as \
             root of the host"
        ),
        Caller::CutRoot => format!(
            "could not see which sockets belong to {processes}; this root lacks CAP_SYS_PTRACE or \
             CAP_DAC_READ_SEARCH (docker run --cap-add SYS_PTRACE)"
        ),
        Caller::User => format!(
            "could not see which sockets belong to {processes}; run as root (needs \
             CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH)"
        ),
    }
}

/// Adds what a list of all namespaces lacks. A process that hides both its sockets and its namespace,
/// whatever the caller may do, is mentioned once.
pub fn add_unseen(notes: &mut Vec<Note>, unseen: &Unseen) {
    if *unseen != Unseen::default() {
        let caller = Caller::of_this_process(&LOOK[..1]);
        add_unseen_for(caller, notes, unseen);
    }
}

fn add_unseen_for(caller: Caller, notes: &mut Vec<Note>, unseen: &Unseen) {
    let hidden = unseen.processes;
    let same = owners_text(caller, hidden);
    let is_one = caller == Caller::Root && hidden.count == 1;
    match notes.iter_mut().find(|note| is_one && note.text == same) {
        Some(note) => {
            note.text =
                note.text
                    .replacen("the sockets", "the sockets and the network namespace", 1);
        }
        None if hidden.count > 0 => {
            notes.push(note("namespaces_hidden", namespaces_text(caller, hidden)));
        }
        None => {}
    }
    if unseen.mounts > 0 {
        let namespaces = words::count(unseen.mounts as u64, "network namespace");
        let text = format!(
            "could not reach {namespaces} kept only by a mount: another file system covers the mount \
             point, or it needs root"
        );
        notes.push(note("namespaces_hidden", text));
    }
}

fn namespaces_text(caller: Caller, hidden: Hidden) -> String {
    let processes = words::count(hidden.count as u64, "process");
    match caller {
        Caller::Root if hidden.count == 1 => format!(
            "the network namespace of pid {} cannot be read, not even by root",
            hidden.pid
        ),
        Caller::Root => {
            format!("the network namespaces of {processes} cannot be read, not even by root")
        }
        Caller::CutRoot => format!(
            "could not see the network namespaces of {processes}; this root lacks CAP_SYS_PTRACE \
             (docker run --cap-add SYS_PTRACE)"
        ),
        Caller::NamespaceRoot | Caller::User => format!(
            "could not see the network namespaces of {processes}; run as root (needs \
             CAP_SYS_PTRACE)"
        ),
    }
}

fn note(id: &'static str, text: String) -> Note {
    Note {
        id: id.into(),
        text,
        incomplete: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_not_told_to_run_as_root_and_a_protected_process_is_mentioned_once() {
        let hidden = Hidden { count: 1, pid: 1 };
        let unseen = Unseen {
            processes: hidden,
            mounts: 0,
        };
        let texts = |caller| {
            let mut notes = vec![note("owners_hidden", owners_text(caller, hidden))];
            add_unseen_for(caller, &mut notes, &unseen);
            notes.into_iter().map(|note| note.text).collect::<Vec<_>>()
        };
        assert_eq!(
            texts(Caller::Root),
            ["the sockets and the network namespace of pid 1 cannot be read, not even by root"]
        );
        for caller in [Caller::NamespaceRoot, Caller::CutRoot, Caller::User] {
            assert_eq!(texts(caller).len(), 2, "{caller:?}");
        }
        let cut = texts(Caller::CutRoot);
        assert!(
            cut.iter().all(|text| !text.contains("run as root")),
            "{cut:?}"
        );
        let user = texts(Caller::User);
        assert!(
            user.iter()
                .all(|text| text.contains("1 process; run as root")),
            "{user:?}"
        );
    }

    #[test]
    fn a_covered_mount_is_mentioned() {
        let mut notes = Vec::new();
        let unseen = Unseen {
            processes: Hidden::default(),
            mounts: 2,
        };
        add_unseen_for(Caller::Root, &mut notes, &unseen);
        assert!(
            notes[0]
                .text
                .contains("2 network namespaces kept only by a mount")
        );
    }
}

//! The next step with what only the whole host tells: the process.

use std::borrow::Cow;

use super::Finding;
use super::refine::{LISTENER, OTHER_END};
use crate::sockets::{Owners, Socket};

/// More processes than these are not named.
const NAMED: usize = 4;

/// The next step of a finding, for people and in JSON: with the process where the finding says PID.
/// The process is that of the socket, or of the listener or the other end that
/// [`refine`](super::refine::refine) found. If it is not known, it is said how to learn it.
pub fn next<'a>(finding: &'a Finding, socket: &Socket, owners: &Owners) -> Cow<'a, str> {
    if !finding.next.contains("PID") {
        return Cow::Borrowed(&finding.next);
    }
    let about = |field| {
        let facts = finding.evidence.iter();
        let inodes = facts.filter(move |fact| fact.field == field);
        inodes.filter_map(|fact| fact.value.parse().ok())
    };
    let own = finding.id != "close_never_called";
    let mut inodes: Vec<u32> = about(LISTENER).collect();
    if own {
        inodes.extend(about(OTHER_END));
    }
    if inodes.is_empty() {
        inodes.push(socket.inode);
    }
    let mut pids: Vec<u32> = inodes
        .iter()
        .flat_map(|inode| owners.of(*inode))
        .map(|owner| owners.process(owner).pid)
        .collect();
    pids.sort_unstable();
    pids.dedup();
    pids.truncate(NAMED);
    let Some(first) = pids.first() else {
        let why = if owners.is_complete() {
            "The PID cannot be seen from here: it may be that of a container's process"
        } else {
            "As root, sockdoc sockets tells the PID"
        };
        return Cow::Owned(format!("{}. {why}", finding.next));
    };
    let options: Vec<String> = pids.iter().map(|pid| format!("-p {pid}")).collect();
    let text = finding.next.replace("-p PID", &options.join(" "));
    Cow::Owned(text.replace("PID", &first.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::rules::sample::{found, socket};
    use crate::diagnose::{Fact, TcpEvidence};
    use crate::sockets::{Owner, Process, State};

    fn owners(complete: bool) -> Owners {
        let process = |pid| Process {
            pid,
            ..Process::default()
        };
        let link = |inode, process| Owner {
            inode,
            process,
            fd: 3,
        };
        let processes = vec![process(813), process(812), process(90)];
        let links = vec![link(7, 0), link(7, 1), link(9, 2)];
        Owners::new(processes, links, complete)
    }

    #[test]
    fn the_processes_stand_in_the_next_step() {
        let listener = socket(State::Listen, 5, 4);
        let finding = found(&listener, TcpEvidence::default()).unwrap();
        let text = next(&finding, &listener, &owners(true));
        assert!(text.contains("strace -f -p 812 -p 813. If"), "{text}");
        assert!(!text.contains("PID"));
    }

    #[test]
    fn the_process_is_that_of_the_listener_if_one_was_found() {
        let listener = socket(State::Listen, 5, 4);
        let mut finding = found(&listener, TcpEvidence::default()).unwrap();
        finding.evidence.push(Fact {
            source: "sock_diag",
            field: LISTENER,
            value: "9".to_owned(),
        });
        let text = next(&finding, &listener, &owners(true));
        assert!(text.contains("strace -f -p 90. If"), "{text}");
    }

    #[test]
    fn a_process_that_is_not_known_is_said_to_be_unknown() {
        let mut listener = socket(State::Listen, 5, 4);
        listener.inode = 8;
        let finding = found(&listener, TcpEvidence::default()).unwrap();
        let text = next(&finding, &listener, &owners(false));
        assert!(
            text.ends_with("As root, sockdoc sockets tells the PID"),
            "{text}"
        );
        assert!(next(&finding, &listener, &owners(true)).contains("container"));
    }

    #[test]
    fn what_needs_no_process_stays_as_it_is() {
        let listener = socket(State::Listen, 5, 4);
        let mut finding = found(&listener, TcpEvidence::default()).unwrap();
        "ip route".clone_into(&mut finding.next);
        assert_eq!(next(&finding, &listener, &owners(true)), "ip route");
    }
}

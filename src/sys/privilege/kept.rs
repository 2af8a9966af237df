//! The table of what a command keeps after its sockets are open.

use super::capabilities::{Capability, Set};

/// What a capability is kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To find out which processes own the sockets of a listing.
    Owners,
    /// To list the sockets of other network namespaces.
    Namespaces,
    /// To list all that the kernel knows of a socket.
    Details,
    /// To read the rules of the packet filter.
    Firewall,
    /// To send ICMP requests after other work.
    Probes,
    /// To connect to a Unix socket more than once.
    UnixSocket,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// The command, with the flags that make it keep this.
    pub command: &'static str,
    /// What for.
    pub need: Need,
    /// What is kept, if the process has it. It is in effect only around the calls that need it.
    pub capability: Capability,
    /// When it is dropped.
    pub until: &'static str,
    /// Which calls need it.
    pub why: &'static str,
}

/// All that any command keeps. What is not here keeps nothing: no server, no ICMP ping, no `decode`,
/// no `capture --no-process --no-drops`.
pub const KEPT: &[Kept] = &[
    Kept {
        command: "sockets; diagnose; top; watch; drops; capture that finds processes or shows drops; fill-buffers HOST PORT; app-client, echo-client; ping --tcp; check",
        need: Need::Owners,
        capability: Capability::SysPtrace,
        until: "the processes have been read, the connection is made, or each port was tried once; of top, watch, drops and capture: they end",
        why: "readlink of /proc/PID/fd/N of other users' processes",
    },
    Kept {
        command: "sockets; diagnose; top; watch; drops; capture that finds processes or shows drops; fill-buffers HOST PORT; app-client, echo-client; ping --tcp; check",
        need: Need::Owners,
        capability: Capability::DacReadSearch,
        until: "the processes have been read, the connection is made, or each port was tried once; of top, watch, drops and capture: they end",
        why: "listing /proc/PID/fd of other users' processes",
    },
    Kept {
        command: "sockets; diagnose; top; watch; drops; capture that finds processes or shows drops; fill-buffers HOST PORT; app-client, echo-client; ping --tcp; check",
        need: Need::Owners,
        capability: Capability::Perfmon,
        until: "the processes have been read, the connection is made, or each port was tried once; of top, watch, drops and capture: they end",
        why: "the BPF iterator over the files of all tasks; of diagnose, watch, drops and capture: the BPF programs that count drops and failed calls; of capture: those that see processes connect, send and receive",
    },
    Kept {
        command: "sockets; diagnose; top; watch; drops; capture that finds processes or shows drops; fill-buffers HOST PORT; app-client, echo-client; ping --tcp; check",
        need: Need::Owners,
        capability: Capability::Bpf,
        until: "the processes have been read, the connection is made, or each port was tried once; of top, watch, drops and capture: they end",
        why: "the BPF iterator over the files of all tasks; of diagnose, watch, drops and capture: the BPF programs that count drops and failed calls; of capture: those that see processes connect, send and receive",
    },
    Kept {
        command: "sockets, diagnose, top, watch, drops --netns, --all-netns; capture --netns with drops; app-client, echo-client; ping --tcp; check",
        need: Need::Namespaces,
        capability: Capability::SysPtrace,
        until: "the sockets of every namespace are listed, the connection is made, or each port was tried once; of top, watch, drops and capture: they end",
        why: "opening /proc/PID/ns/net of other users' processes",
    },
    Kept {
        command: "sockets, diagnose, top, watch, drops --netns, --all-netns; capture --netns with drops; app-client, echo-client; ping --tcp; check",
        need: Need::Namespaces,
        capability: Capability::SysAdmin,
        until: "the sockets of every namespace are listed, the connection is made, or each port was tried once; of top, watch, drops and capture: they end",
        why: "setns(2)",
    },
    Kept {
        command: "diagnose; top; watch; check; sockets --pid, --info, --json and others that show details",
        need: Need::Details,
        capability: Capability::NetAdmin,
        until: "the sockets are listed; of top, watch, drops and capture: they end",
        why: "sock_diag(7) tells the mark of a socket and the state of TLS, and SIOCGSKNS its namespace",
    },
    Kept {
        command: "diagnose; watch; check",
        need: Need::Firewall,
        capability: Capability::NetAdmin,
        until: "the host has been looked at twice, or the watch ends",
        why: "nf_tables lists its rules only with it",
    },
    Kept {
        command: "check",
        need: Need::Probes,
        capability: Capability::NetRaw,
        until: "the path has been probed",
        why: "a raw ICMP socket, where ping_group_range does not allow another one, and a packet socket that sees who answers",
    },
    Kept {
        command: "echo-client --unix",
        need: Need::UnixSocket,
        capability: Capability::DacOverride,
        until: "the last connection is made",
        why: "connect(2) checks the permissions of the path each time; root only",
    },
];

/// What the table has for these needs.
pub(super) fn for_needs(needs: &[Need]) -> Set {
    let capabilities: Vec<Capability> = KEPT
        .iter()
        .filter(|row| needs.contains(&row.need))
        .map(|row| row.capability)
        .collect();
    Set::of(&capabilities)
}

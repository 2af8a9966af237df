//! Why the kernel itself says that it drops packets.

use super::memory::uncounted;
use super::{Check, Rule, seconds};
use crate::diagnose::{Case, Command, Fact, Finding, Severity, Subject, Value};

/// Reasons that are a fault by themselves.
pub static KERNEL_DROPS: Rule = Rule::new(
    "kernel_drops",
    "packets dropped by the kernel",
    [
        "The kernel drops packets and gives a reason that no healthy host gives again and again.",
        "The kernel's own drop reasons (enum skb_drop_reason), counted between two samples by a BPF program at the \
         tracepoint skb:kfree_skb.",
        "Most reasons are everyday: a closed connection, a port without a listener, duplicates, what a firewall \
         drops. Only those that say that something is used up or wrong count here.",
        "See the reason: each has its own remedy.",
    ],
    Check::Host(kernel_drops),
);

/// A reason that is told.
struct Told {
    reason: &'static str,
    /// How often it takes.
    least: u64,
    words: &'static str,
    command: &'static str,
    next: &'static str,
}

const TOLD: &[Told] = &[
    Told {
        reason: "PROTO_MEM",
        least: 1,
        words: "the memory of all sockets of the protocol is used up (tcp_mem, udp_mem)",
        command: "sysctl net.ipv4.tcp_mem net.ipv4.udp_mem",
        next: "Find the sockets that hold the memory: sockdoc sockets -m --sort -recv-q,-send-q",
    },
    Told {
        reason: "NOMEM",
        least: 1,
        words: "the kernel is out of memory",
        command: "free -m",
        next: "Look for a process that uses too much memory.",
    },
    Told {
        reason: "SOCKET_BACKLOG",
        least: 5,
        words: "the backlog of a socket is full while its owner works on it",
        command: "sockdoc sockets -m",
        next: "The program makes many small calls, or its receive buffer is small.",
    },
    Told {
        reason: "BPF_CGROUP_EGRESS",
        least: 2,
        words: "a BPF program of a control group drops what its processes send",
        command: "bpftool cgroup tree",
        next: "systemd's IPAddressDeny= is such a program: systemctl show -p IPAddressDeny UNIT",
    },
    Told {
        reason: "IP_INNOROUTES",
        least: 3,
        words: "this host is asked to forward them and has no route to their destination",
        command: "ip route",
        next: "Add the route, or find the host that sends its packets here.",
    },
];

fn kernel_drops(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, network) in case.networks() {
        let Some(traced) = case.traced(netns) else {
            continue;
        };
        for told in TOLD {
            let packets = traced.dropped(told.reason);
            let is_told_elsewhere = told.reason == "PROTO_MEM"
                && (!network.pressed.is_empty()
                    || uncounted(case, netns).is_some()
                    || case.grown(netns, "UdpMemErrors") > Some(0)
                    || case.grown(netns, "Udp6MemErrors") > Some(0));
            if packets < told.least || is_told_elsewhere {
                continue;
            }
            let headline = format!(
                "the kernel dropped {packets} packets in {}: {}",
                seconds(case),
                told.words
            );
            found.push(Finding {
                facts: vec![Fact::new(
                    "skb:kfree_skb",
                    told.reason,
                    Value::Count(packets),
                )],
                next: vec![Command::of(told.command).into(), told.next.into()],
                ..Finding::new(
                    &KERNEL_DROPS,
                    Severity::Warning,
                    Subject::Network { netns },
                    headline,
                )
            });
        }
    }
    found
}

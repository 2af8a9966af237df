//! The receive buffer of a UDP socket is full: the kernel drops what comes next.
//!
//! Proof: what is received and not read takes (nearly) all of `SO_RCVBUF`: 95 %, or so much that not
//! even the smallest datagram fits. The kernel counts `truesize`, not the payload, on both sides.
//!
//! Look-alikes: a Recv-Q above 0, and a buffer that is half full, are everyday. Drops so far are
//! evidence, but prove nothing by themselves: they count since the socket was made.

use super::{Evidence, Finding, Rule, meminfo};
use crate::diagnose::{Severity, words};
use crate::sockdiag::SkMemInfo;
use crate::sockets::Proto;

pub(in crate::diagnose) const RULE: Rule = Rule {
    id: "udp_receive_buffer_full",
    check,
};

/// What the kernel counts for the smallest datagram: its `sk_buff` and the smallest piece of memory
/// that a driver hands up.
const SMALLEST_TRUESIZE: u32 = 768;

fn check(evidence: &Evidence<'_>) -> Option<Finding> {
    if !matches!(evidence.socket.proto, Proto::Udp | Proto::Udplite) {
        return None;
    }
    let memory = evidence.memory?;
    let (used, limit) = (memory.rmem_alloc_bytes?, memory.rcvbuf_bytes?);
    let nearly = u64::from(used) * 100 >= u64::from(limit) * 95;
    let full = nearly || used.saturating_add(SMALLEST_TRUESIZE) > limit;
    if used == 0 || !full {
        return None;
    }
    found(memory)
}

/// The finding itself, for who knows that datagrams were dropped just now: large ones are while there is
/// still room for smaller ones.
pub(in crate::diagnose) fn found(memory: SkMemInfo) -> Option<Finding> {
    let (used, limit) = (memory.rmem_alloc_bytes?, memory.rcvbuf_bytes?);
    let drops = memory.drops.filter(|drops| *drops > 0);
    let mut facts = vec![
        meminfo("rmem_alloc", &format!("{used} bytes")),
        meminfo("rcvbuf", &format!("{limit} bytes")),
    ];
    facts.extend(memory.drops.map(|drops| meminfo("drops", &drops)));
    Some(Finding {
        id: RULE.id,
        severity: Severity::Warning,
        text: format!(
            "receive buffer full: {} of {}{}",
            words::bytes(used),
            words::bytes(limit),
            drops.map_or_else(String::new, |drops| format!("; {drops} dropped so far"))
        ),
        evidence: facts,
        explanation: "Datagrams come faster than the program reads them, or it does not read at all. \
            What comes while the buffer is full is dropped, and nobody is told.",
        ruled_out: "It is no queue that merely has something in it: there is no room for another \
            datagram.",
        next: "See whether the program reads: strace -f -p PID. If it keeps up and bursts are the \
            cause: a larger SO_RCVBUF, and sysctl net.core.rmem_max"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{found_by, socket};
    use super::*;
    use crate::diagnose::TcpEvidence;
    use crate::sockdiag::SkMemInfo;
    use crate::sockets::{Socket, State};

    fn udp(recv_q: u32) -> Socket {
        Socket {
            proto: Proto::Udp,
            ..socket(State::Unconnected, recv_q, 0)
        }
    }

    fn held(socket: &Socket, used: u32, limit: u32, drops: u32) -> Option<Finding> {
        let mut bytes = Vec::new();
        for number in [used, limit, 0, 212_992, 0, 0, 0, 0, drops] {
            bytes.extend(number.to_ne_bytes());
        }
        found_by(&Evidence {
            socket,
            tcp: TcpEvidence::default(),
            memory: Some(SkMemInfo::new(&bytes)),
        })
    }

    #[test]
    fn a_full_and_a_nearly_full_buffer_fire() {
        let finding = held(&udp(213_248), 213_248, 212_992, 12).unwrap();
        assert_eq!(finding.id, "udp_receive_buffer_full");
        assert_eq!(
            finding.text,
            "receive buffer full: 208 KiB of 208 KiB; 12 dropped so far"
        );
        let finding = held(&udp(205_000), 205_000, 212_992, 0).unwrap();
        assert_eq!(finding.text, "receive buffer full: 200 KiB of 208 KiB");
        // The smallest buffer there is: one datagram of a network card.
        assert!(held(&udp(2_304), 2_304, 2_304, 0).is_some());
        assert!(held(&udp(1_600), 1_600, 2_304, 0).is_some());
    }

    #[test]
    fn a_half_full_or_empty_buffer_and_old_drops_stay_silent() {
        for used in [0, 768, 106_496, 200_000] {
            assert_eq!(held(&udp(used), used, 212_992, 900), None);
        }
        assert_eq!(held(&udp(0), 0, 0, 0), None);
    }

    #[test]
    fn other_protocols_and_unknown_memory_stay_silent() {
        let tcp = socket(State::Established, 212_992, 0);
        assert_eq!(held(&tcp, 212_992, 212_992, 0), None);
        assert_eq!(
            super::super::sample::found(&udp(9), TcpEvidence::default()),
            None
        );
    }
}

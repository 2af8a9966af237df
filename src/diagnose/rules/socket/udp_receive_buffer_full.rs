//! The receive buffer of a UDP socket is full: the kernel drops further datagrams.

use super::super::{Cause, Check, Rule, host, meminfo, watch_program};
use super::listener_drops::dropped;
use crate::diagnose::{Case, Finding, Role, Severity, Subject, Value, words};
use crate::host::SocketAt;
use crate::sockets::Proto;

/// The rule.
pub static RULE: Rule = Rule {
    id: "udp_receive_buffer_full",
    title: "receive buffer full",
    meaning: "Datagrams arrive faster than the program reads them, or it does not read at all. Datagrams that \
        arrive while the buffer is full are dropped silently.",
    proof: "Received and unread datagrams take (nearly) all of SO_RCVBUF: 95 %, or enough that not even the \
        smallest datagram fits, or, if some were dropped, one of ordinary size. The kernel counts memory \
        (truesize), not payload.",
    look_alikes: "A Recv-Q above 0, and a half-full buffer, are everyday. Drops so far are evidence, but \
        prove nothing by themselves: they count since the socket was made. Only a count that rises between \
        two samples does.",
    next: "See whether the program reads. If it keeps up and only bursts overflow the buffer, raise SO_RCVBUF \
        and net.core.rmem_max.",
    because: &[Cause::at(&host::UDP_MEMORY_USED_UP, Role::Itself)],
    check: Check::Socket(check),
};

/// What the kernel counts for the smallest datagram: its `sk_buff` and the smallest piece of memory
/// that a driver hands up.
const SMALLEST_TRUESIZE: u32 = 768;

/// What it counts for a datagram of 500 bytes: its `sk_buff` and 1 KiB. In the smallest buffers it is a
/// quarter of the limit.
const ORDINARY_TRUESIZE: u32 = 1_280;

pub(in crate::diagnose::rules) fn check(case: &Case<'_>, at: SocketAt) -> Option<Finding> {
    let socket = case.socket(at);
    if !matches!(socket.proto, Proto::Udp | Proto::Udplite) {
        return None;
    }
    let memory = socket.memory()?;
    let (used, limit) = (memory.rmem_alloc_bytes?, memory.rcvbuf_bytes?);
    let nearly = u64::from(used) * 100 >= u64::from(limit) * 95;
    let next = match memory.drops {
        Some(1..) => ORDINARY_TRUESIZE,
        _ => SMALLEST_TRUESIZE,
    };
    let full = nearly || used.saturating_add(next) > limit;
    let mut finding = found(case, at)?;
    if let Some((before, now)) = dropped(case, at) {
        let elapsed = case.before?.span().as_millis();
        finding.headline = format!(
            "receive buffer overflows: {} dropped in the last {}",
            words::count(now - before, "datagram"),
            words::duration(u64::try_from(elapsed).unwrap_or(u64::MAX))
        );
        finding.ruled_out = "Not drops of the past: the count rose between two samples.";
        let counts = finding
            .facts
            .iter_mut()
            .filter(|fact| fact.field == "drops");
        counts.for_each(|fact| fact.before = Some(Value::Count(before.into())));
    } else if used == 0 || !full {
        return None;
    }
    Some(finding)
}

/// The finding itself, for callers that know that datagrams were dropped just now: large ones are while
/// there is still room for smaller ones.
pub(in crate::diagnose::rules) fn found(case: &Case<'_>, at: SocketAt) -> Option<Finding> {
    let memory = case.socket(at).memory()?;
    let (used, limit) = (memory.rmem_alloc_bytes?, memory.rcvbuf_bytes?);
    let drops = memory.drops.filter(|drops| *drops > 0);
    let mut facts = vec![
        meminfo("rmem_alloc", Value::Bytes(used.into())),
        meminfo("rcvbuf", Value::Bytes(limit.into())),
    ];
    let counted = memory.drops.map(|drops| Value::Count(drops.into()));
    facts.extend(counted.map(|drops| meminfo("drops", drops)));
    let mut next = watch_program(case, &[at], "It shows whether the program reads.");
    next.push(
        "If the program keeps up and only bursts overflow the buffer, raise SO_RCVBUF and \
         net.core.rmem_max."
            .into(),
    );
    let headline = format!(
        "receive buffer full: {} of {}{}",
        words::bytes(used),
        words::bytes(limit),
        drops.map_or_else(String::new, |drops| format!("; {drops} dropped so far"))
    );
    Some(Finding {
        facts,
        ruled_out: "Not a queue that merely has something in it: another datagram of ordinary size does not \
            fit.",
        next,
        ..Finding::new(&RULE, Severity::Warning, Subject::Socket(at), headline)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::testing::{found, found_since, memory, socket};
    use crate::sockets::{Socket, State, TcpFigures};

    fn udp(recv_q: u32) -> Socket {
        Socket {
            proto: Proto::Udp,
            ..socket(State::Unconnected, recv_q, 0)
        }
    }

    fn held(socket: &Socket, used: u32, limit: u32, drops: u32) -> Option<Finding> {
        let socket = memory(socket.clone(), [used, limit, drops]);
        found(&socket, TcpFigures::default())
    }

    #[test]
    fn a_full_and_a_nearly_full_buffer_fire() {
        let finding = held(&udp(213_248), 213_248, 212_992, 12).unwrap();
        assert_eq!(finding.rule.id, "udp_receive_buffer_full");
        assert_eq!(
            finding.headline,
            "receive buffer full: 208 KiB of 208 KiB; 12 dropped so far"
        );
        let finding = held(&udp(205_000), 205_000, 212_992, 0).unwrap();
        assert_eq!(finding.headline, "receive buffer full: 200 KiB of 208 KiB");
        // The smallest buffer there is: one datagram of a network card.
        assert!(held(&udp(2_304), 2_304, 2_304, 0).is_some());
        assert!(held(&udp(1_600), 1_600, 2_304, 0).is_some());
        // Three datagrams of 500 bytes; the others were dropped.
        let finding = held(&udp(3_840), 3_840, 4_608, 497).unwrap();
        assert!(finding.headline.ends_with("497 dropped so far"));
    }

    #[test]
    fn a_half_full_or_empty_buffer_and_old_drops_stay_silent() {
        for used in [0, 768, 106_496, 200_000] {
            assert_eq!(held(&udp(used), used, 212_992, 900), None);
        }
        assert_eq!(held(&udp(0), 0, 0, 0), None);
        assert_eq!(held(&udp(2_560), 2_560, 4_608, 497), None);
        assert_eq!(held(&udp(3_840), 3_840, 4_608, 0), None);
    }

    #[test]
    fn drops_that_rise_fire_whatever_is_in_the_buffer() {
        let at = |drops| [memory(udp(0), [0, 212_992, drops])];
        let finding = found_since(&at(497), &at(520)).unwrap();
        assert_eq!(
            finding.headline,
            "receive buffer overflows: 23 datagrams dropped in the last 1.5 s"
        );
        assert_eq!(finding.facts[2].before, Some(Value::Count(497)));
        assert_eq!(found_since(&at(497), &at(497)), None);
    }

    #[test]
    fn other_protocols_and_unknown_memory_stay_silent() {
        let tcp = socket(State::Established, 212_992, 0);
        assert_eq!(held(&tcp, 212_992, 212_992, 0), None);
        assert_eq!(found(&udp(9), TcpFigures::default()), None);
    }
}

//! `connect()` gets no answer at all.

use std::net::IpAddr;

use super::super::{Cause, Check, Rule, ask_for_the_host, diag_count, reach, watch_program};
use super::ACCEPT_QUEUE_FULL;
use crate::diagnose::{Case, Command, Finding, Role, Severity, Subject};
use crate::host::SocketAt;
use crate::sockets::State;

/// The rule.
pub static RULE: Rule = Rule {
    id: "connecting_no_answer",
    title: "connecting, no answer",
    meaning: "Nothing answers at that address and port: no SYN-ACK, no RST. A firewall drops the packets, the \
        host is down, the path there or back is broken, or the accept queue there is full.",
    proof: "SYN-SENT, and the SYN was sent again at least once (the first time after a second).",
    look_alikes: "A connection that was just begun has sent its SYN once. A refused one is gone: its answer \
        came. One that a router calls unreachable (ICMP) ends with EHOSTUNREACH or ENETUNREACH.",
    next: "Check the host, the route, and on the other host the listener and its firewall.",
    because: &[
        Cause::at(&ACCEPT_QUEUE_FULL, Role::Listener),
        Cause::at(&reach::NO_ROUTE, Role::Itself),
        Cause::at(&reach::LINK_DOWN, Role::Itself),
        Cause::at(&reach::NEIGHBOUR_FAILED, Role::Itself),
        Cause::at(&reach::OWN_FIREWALL_DROPS, Role::Itself),
        Cause::at(&reach::WRONG_SOURCE_ADDRESS, Role::Itself),
    ],
    check: Check::Socket(check),
};

/// What a connection between two ends of this host rules out.
const NOT_THE_NETWORK: &str = "Not the network: both ends are on this host.";

fn check(case: &Case<'_>, at: SocketAt) -> Option<Finding> {
    let socket = case.socket(at);
    if socket.state != State::SynSent {
        return None;
    }
    let repetitions = case.retransmits(at).filter(|count| *count >= 1)?;
    let sent = u32::from(repetitions) + 1;
    let headline = format!("connecting, no answer: SYN sent {sent} times");
    let mut finding = Finding {
        facts: vec![diag_count("idiag_retrans", repetitions.into())],
        ..Finding::new(&RULE, Severity::Warning, Subject::Socket(at), headline)
    };
    let to = socket.peer.end();
    let listeners = to.map(|to| case.index.listeners(socket.proto, socket.netns, to));
    match to.zip(listeners) {
        Some(((ip, port), listeners)) if is_here(case, at, ip, &listeners) => {
            on_this_host(case, &mut finding, port, &listeners);
        }
        _ => on_another_host(case, &mut finding, at),
    }
    Some(finding)
}

/// Whether it is an address of this very host.
fn is_here(case: &Case<'_>, at: SocketAt, ip: IpAddr, listeners: &[SocketAt]) -> bool {
    let is_at = |at: &SocketAt| case.socket(*at).local.ip() == Some(ip);
    ip.is_loopback() || is_at(&at) || listeners.iter().any(is_at)
}

fn on_another_host(case: &Case<'_>, finding: &mut Finding, at: SocketAt) {
    let peer = &case.socket(at).peer;
    finding.ruled_out = "Not a closed port: an RST would have ended the attempt at once. No router has \
        called the host unreachable: that would have ended it too.";
    finding.next = ask_for_the_host(peer);
    let port = peer
        .port()
        .map_or_else(String::new, |port| format!(" :{port}"));
    let there = format!("On the other host, check for a listener: sockdoc sockets -l{port}");
    finding.next.push(there.into());
}

fn on_this_host(case: &Case<'_>, finding: &mut Finding, port: u16, listeners: &[SocketAt]) {
    finding.ruled_out = NOT_THE_NETWORK;
    let full = listeners.iter().find(|at| {
        let listener = case.socket(**at);
        // /proc/net, which has no cookie, does not tell the limit.
        listener.cookie.is_some() && listener.recv_q > listener.send_q
    });
    let role = |at: &SocketAt| (Role::Listener, Subject::Socket(*at));
    let Some(full) = full else {
        finding.others = listeners.iter().map(role).collect();
        finding.next = vec![
            Command::of("nft list ruleset").into(),
            "It shows what the firewall drops.".into(),
            Command::of("sockdoc sockets -l")
                .with(format!(":{port}"))
                .into(),
        ];
        finding.meaning = if listeners.is_empty() {
            finding
                .next
                .push("It shows whether anything listens.".into());
            RULE.meaning
        } else {
            finding
                .next
                .push("It shows the program that listens.".into());
            "The listener is on this host and its accept queue has room, so something drops the SYN or \
             its answer, most often a firewall rule. Or the queue was full a moment ago."
        };
        return;
    };
    let listener = case.socket(*full);
    finding.others = vec![role(full)];
    finding
        .facts
        .push(diag_count("idiag_rqueue", listener.recv_q));
    finding
        .facts
        .push(diag_count("idiag_wqueue", listener.send_q));
    finding.headline = format!(
        "{}; the accept queue of the listener, on this host, is full: {} waiting, limit {}",
        finding.headline, listener.recv_q, listener.send_q
    );
    finding.meaning = "The listener is on this host and its accept queue is full: the kernel drops the SYN \
        and sends it again later. The connection completes once the program calls accept().";
    finding.next = watch_program(
        case,
        &[*full],
        "It shows what the program that listens does instead of accept().",
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::testing::{found, socket, timer};
    use crate::sockets::TcpFigures;
    use crate::sockets::TimerKind;

    #[test]
    fn a_repeated_syn_fires() {
        let mut connecting = socket(State::SynSent, 0, 1);
        connecting.timer = Some(timer(TimerKind::Retransmit, 2));
        let finding = found(&connecting, TcpFigures::default()).unwrap();
        assert_eq!(finding.headline, "connecting, no answer: SYN sent 3 times");
    }

    #[test]
    fn a_first_syn_stays_silent() {
        let mut connecting = socket(State::SynSent, 0, 1);
        connecting.timer = Some(timer(TimerKind::Retransmit, 0));
        assert_eq!(found(&connecting, TcpFigures::default()), None);
    }
}

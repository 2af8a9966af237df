//! Both ends of a connection send, and neither reads.

use super::super::{Check, Rule, diag, watch_program};
use super::{not_reading, peer_window_closed};
use crate::diagnose::{Case, Finding, NextStep, Role, Severity, Subject, Value, words};
use crate::host::SocketAt;

/// The rule.
pub static RULE: Rule = Rule {
    id: "both_wait_to_be_read",
    title: "both ends wait to be read",
    meaning: "The peer has sent data that was not read here. If the receive buffer here is full, the peer \
        cannot send more, so it does not read either, and this lasts forever.",
    proof: "The peer's receive window is closed, and data of the peer is unread here.",
    look_alikes: "A peer that has only closed its side: its FIN counts as one byte of Recv-Q, but is not data.",
    next: "Read while sending: wait with poll() for POLLIN and POLLOUT, and handle whichever comes first.",
    because: &[],
    check: Check::Socket(check),
};

/// Whether this end is blocked in both directions: its own window is closed because nothing is read, and
/// the peer's is as well.
fn is_blocked(case: &Case<'_>, at: SocketAt) -> bool {
    case.tcp(at).rcv_wnd == Some(0)
        && not_reading::unread_for(case, at).is_some()
        && peer_window_closed::closed_for(case, at).is_some()
}

/// Whether the connection is what this rule is about: then it is what its other findings mean.
pub(super) fn explains(case: &Case<'_>, at: SocketAt) -> bool {
    let other = || case.index.other_end(at);
    is_blocked(case, at) || other().is_some_and(|other| is_blocked(case, other))
}

fn check(case: &Case<'_>, at: SocketAt) -> Option<Finding> {
    if !is_blocked(case, at) {
        return None;
    }
    let other = case.index.other_end(at);
    let other = other.filter(|other| case.socket(*other).inode != 0);
    // One finding for both ends: at the first of them.
    if other.is_some_and(|other| other < at && is_blocked(case, other)) {
        return None;
    }
    let socket = case.socket(at);
    let age = peer_window_closed::closed_for(case, at)?;
    let headline = format!(
        "both ends wait to be read for {}: {} unread here, {} queued for the peer",
        words::age(age),
        words::bytes(socket.recv_q),
        words::bytes(socket.send_q)
    );
    let ends: Vec<SocketAt> = [Some(at), other].into_iter().flatten().collect();
    let mut next = watch_program(
        case,
        &ends,
        "It shows the programs in send(): each waits until the other one reads.",
    );
    next.push(NextStep::Sentence(RULE.next.into()));
    Some(Finding {
        others: other
            .map(|other| (Role::Affected, Subject::Socket(other)))
            .into_iter()
            .collect(),
        facts: vec![
            diag("idiag_rqueue", Value::Bytes(socket.recv_q.into())),
            diag("idiag_wqueue", Value::Bytes(socket.send_q.into())),
            diag("idiag_timer", Value::Word("persist".into())),
        ],
        ruled_out: "Not one program that does not read: data waits in both directions, and both windows are \
            closed.",
        next,
        ..Finding::new(&RULE, Severity::Error, Subject::Socket(at), headline)
    })
}

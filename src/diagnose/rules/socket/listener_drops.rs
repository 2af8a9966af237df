//! A listener drops connections just now.

use super::super::{Cause, Check, Rule, host, meminfo, watch_program};
use super::accept_queue_full::is_full;
use crate::diagnose::{Case, Finding, Role, Severity, Subject, Value, words};
use crate::host::SocketAt;
use crate::sockets::State;

/// The rule.
pub static RULE: Rule = Rule {
    id: "listener_drops",
    title: "connections dropped",
    meaning: "The kernel dropped new connections of this listener, most often because its accept queue was \
        full at that moment. A client whose SYN is dropped repeats it after a second, so connecting takes \
        seconds.",
    proof: "The listener's own count of drops (SK_MEMINFO_DROPS) rose between two samples.",
    look_alikes: "A count that does not rise is the past: it counts since the socket was made. The kernel \
        counts here too what it cannot answer, for want of a route back or of memory. A listener that waits for \
        data (TCP_DEFER_ACCEPT) drops the last packet of each handshake: drops that TCPDeferAcceptDrop accounts for \
        are not reported.",
    next: "Raise the listen() backlog and net.core.somaxconn if bursts overflow the queue; otherwise see \
        what the program does between two calls of accept().",
    because: &[
        Cause::at(&host::NO_RETURN_ROUTE, Role::Itself),
        Cause::at(&host::SYN_QUEUE_FULL, Role::Itself),
    ],
    check: Check::Socket(check),
};

fn check(case: &Case<'_>, at: SocketAt) -> Option<Finding> {
    let socket = case.socket(at);
    if socket.state != State::Listen || is_full(case, at) {
        return None;
    }
    let (before, now) = dropped(case, at)?;
    let elapsed = case.before?.span().as_millis();
    let headline = format!(
        "connections dropped: {} in the last {}; queue {} of {}",
        now - before,
        words::duration(u64::try_from(elapsed).unwrap_or(u64::MAX)),
        socket.recv_q,
        socket.send_q
    );
    let mut fact = meminfo("drops", Value::Count(now.into()));
    fact.before = Some(Value::Count(before.into()));
    let mut next = watch_program(
        case,
        &[at],
        "It shows what the program does between two calls of accept().",
    );
    next.push(
        "If only bursts overflow the queue, raise the listen() backlog and net.core.somaxconn."
            .into(),
    );
    Some(Finding {
        facts: vec![fact],
        ruled_out: "Not drops of the past: the count rose between two samples.",
        next,
        ..Finding::new(&RULE, Severity::Warning, Subject::Socket(at), headline)
    })
}

/// The count of drops before and now, if it rose.
pub(in crate::diagnose::rules) fn dropped(case: &Case<'_>, at: SocketAt) -> Option<(u32, u32)> {
    let now = case.socket(at).memory()?.drops?;
    let before = case.earlier(at)?.memory()?.drops?;
    // The last packet of each handshake, where the listener waits for data first (TCP_DEFER_ACCEPT).
    let deferred = case.grown(case.socket(at).netns, "TcpExtTCPDeferAcceptDrop");
    let rest = u64::from(now.checked_sub(before)?).saturating_sub(deferred.unwrap_or(0));
    (rest > 0).then_some((before, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::testing::{found_since, memory, socket};
    use crate::sockets::Socket;

    fn listener(recv_q: u32, drops: u32) -> Socket {
        memory(socket(State::Listen, recv_q, 8), [0, 0, drops])
    }

    #[test]
    fn drops_that_rise_fire_and_those_of_the_past_stay_silent() {
        let finding = found_since(&[listener(0, 18)], &[listener(1, 21)]).unwrap();
        assert_eq!(finding.rule, &RULE);
        assert_eq!(
            finding.headline,
            "connections dropped: 3 in the last 1.5 s; queue 1 of 8"
        );
        assert_eq!(finding.facts[0].before, Some(Value::Count(18)));
        assert_eq!(found_since(&[listener(0, 18)], &[listener(1, 18)]), None);
        // A new listener.
        assert_eq!(found_since(&[], &[listener(1, 18)]), None);
    }

    #[test]
    fn a_queue_that_is_full_says_so_instead() {
        let finding = found_since(&[listener(9, 18)], &[listener(9, 21)]).unwrap();
        assert_eq!(finding.rule.id, "accept_queue_full");
    }
}

//! A connection is complete, and the program has not accepted it.

use super::super::process::{
    BLOCKED, DESCRIPTOR_LIMIT, INHERITED_LISTENER, MEMORY_LIMIT, STOPPED, is_held_up,
};
use super::super::{Cause, Check, Rule, diag_count, held_up_by, tcp_age, watch_program};
use super::accept_queue_full::is_full;
use super::{ACCEPT_QUEUE_FULL, REUSEPORT_STUCK};
use crate::diagnose::reach::who;
use crate::diagnose::{Case, Command, Finding, Role, Severity, Subject, words};
use crate::host::SocketAt;
use crate::sockets::{Proto, State};

/// The rule.
pub static RULE: Rule = Rule {
    id: "not_accepted",
    title: "not accepted",
    meaning: "The client believes it is connected and waits; the program that listens has not called accept() \
        for it.",
    proof: "ESTABLISHED (or CLOSE-WAIT, if the peer gave up meanwhile) with inode 0: the kernel gives a \
        connection its inode in accept(). Its age is tcpi_last_data_sent: nothing can be sent before \
        accept(), so this clock has run since the handshake. The connection that sockdoc check makes itself is \
        looked at for three seconds.",
    look_alikes: "A connection that is a moment old is about to be accepted, and a program that accepts slowly \
        but steadily works through its queue: a single sample is believed after ten seconds, two samples \
        between which nothing was accepted after three. A socket that the \
        program has closed has inode 0 too, but is in FIN-WAIT, CLOSING or LAST-ACK.",
    next: "Find the program that listens and see what it does instead of accept().",
    because: &[
        Cause::at(&INHERITED_LISTENER, Role::Listener),
        Cause::at(&ACCEPT_QUEUE_FULL, Role::Listener),
        Cause::at(&REUSEPORT_STUCK, Role::Listener),
        Cause::at(&STOPPED, Role::Owner),
        Cause::at(&BLOCKED, Role::Owner),
        Cause::at(&MEMORY_LIMIT, Role::Owner),
        Cause::at(&DESCRIPTOR_LIMIT, Role::Owner),
    ],
    check: Check::Socket(check),
};

/// How long a connection may wait for `accept()`, in milliseconds: for all that one sample shows; if nothing
/// was accepted between two samples; if the process that listens cannot accept at all.
pub(super) const PATIENCE_MS: u32 = 10_000;
const PATIENCE_OF_TWO_MS: u32 = 3_000;
const LEAST_MS: u32 = 1_000;

/// How old a connection at this listener has to be to be stuck.
fn patience(case: &Case<'_>, listeners: &[SocketAt]) -> u32 {
    let held_up = |at: &SocketAt| {
        let processes = case.index.processes(&[*at]);
        let mut known = processes.iter().filter_map(|at| case.sample.status(*at));
        known.any(is_held_up)
    };
    if listeners.iter().any(|at| held_up(at) || is_full(case, *at)) {
        LEAST_MS
    } else if listeners
        .iter()
        .any(|at| case.before.is_some_and(|before| before.none_accepted(*at)))
    {
        PATIENCE_OF_TWO_MS
    } else {
        PATIENCE_MS
    }
}

/// Whether connections at the address of a listener wait for too long.
pub(super) fn is_stuck(case: &Case<'_>, listener: SocketAt) -> bool {
    let patience = patience(case, &[listener]);
    let waiting = case.index.unaccepted(listener).iter();
    let mut ages = waiting.filter_map(|at| case.tcp(*at).last_data_sent_ms);
    ages.any(|age| age > patience)
}

fn check(case: &Case<'_>, at: SocketAt) -> Option<Finding> {
    let socket = case.socket(at);
    let waits = matches!(socket.state, State::Established | State::CloseWait)
        && socket.inode == 0
        && socket.proto == Proto::Tcp;
    let age = case.tcp(at).last_data_sent_ms?;
    if !waits || age <= LEAST_MS {
        return None;
    }
    let holding = holding(case, at);
    if age <= patience(case, &holding) {
        return None;
    }
    let (gave_up, meaning) = match socket.state {
        State::CloseWait => (
            "; the peer has closed",
            "The client connected and has closed again, before the program that listens called accept() for \
             it. What it sent is still there to be read, and it takes a place in the queue.",
        ),
        _ => ("", RULE.meaning),
    };
    let headline = format!("not accepted for {}{gave_up}", words::age(age));
    Some(told(case, at, (age, holding), (headline, meaning)))
}

/// A connection that was made to see whether it is accepted, and was not in this time, in milliseconds.
pub fn of_own(case: &Case<'_>, at: SocketAt, age: u32) -> Finding {
    let holding = holding(case, at);
    let who = who(case.index, &holding);
    let headline = format!(
        "{who} has not called accept() for this connection in {}: only the kernel has completed it",
        words::age(age)
    );
    told(case, at, (age, holding), (headline, RULE.meaning))
}

fn told(
    case: &Case<'_>,
    at: SocketAt,
    (age, holding): (u32, Vec<SocketAt>),
    (headline, meaning): (String, &'static str),
) -> Finding {
    let next = if holding.is_empty() {
        let mut command = Command::of("sockdoc sockets -l");
        if let Some(port) = case.socket(at).local.port() {
            command = command.with(format!(":{port}"));
        }
        vec![
            command.into(),
            "It shows the program that listens. See what it does instead of accept().".into(),
        ]
    } else {
        watch_program(
            case,
            &holding,
            "It shows what the program that listens does instead of accept().",
        )
    };
    let mut others = held_up_by(case, &holding);
    others.extend(
        holding
            .into_iter()
            .map(|at| (Role::Listener, Subject::Socket(at))),
    );
    // Who looks at the client has to learn it too.
    let client = case
        .index
        .other_end(at)
        .filter(|at| case.socket(*at).inode != 0);
    others.extend(client.map(|at| (Role::Affected, Subject::Socket(at))));
    Finding {
        meaning,
        others,
        facts: vec![
            diag_count("idiag_inode", 0),
            tcp_age("tcpi_last_data_sent", age),
        ],
        ruled_out: "Not a socket that the program has closed: that would be in FIN-WAIT or LAST-ACK.",
        next,
        ..Finding::new(&RULE, Severity::Warning, Subject::Socket(at), headline)
    }
}

/// The listener at which it waits: those that hold a connection, of several.
fn holding(case: &Case<'_>, at: SocketAt) -> Vec<SocketAt> {
    let mut listeners = case.index.listeners_of(at);
    if listeners.len() > 1 {
        listeners.retain(|at| case.socket(*at).recv_q > 0);
    }
    listeners
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::testing::{figures, found, found_since, socket};
    use crate::sockets::Socket;
    use crate::sockets::TcpFigures;

    fn waiting(state: State) -> Socket {
        let mut socket = socket(state, 5, 0);
        socket.inode = 0;
        socket
    }

    fn age(ms: u32) -> TcpFigures {
        TcpFigures {
            last_data_sent_ms: Some(ms),
            // The client may well be sending.
            last_data_recv_ms: Some(3),
            last_ack_recv_ms: Some(3),
            ..TcpFigures::default()
        }
    }

    #[test]
    fn a_connection_that_waits_for_accept_fires_even_if_its_client_sends() {
        let finding = found(&waiting(State::Established), age(13_000)).unwrap();
        assert_eq!(finding.headline, "not accepted for 13 s");
        assert!(finding.meaning.contains("waits"));
        let finding = found(&waiting(State::CloseWait), age(200_000)).unwrap();
        assert!(
            finding.meaning.contains("has closed"),
            "{}",
            finding.meaning
        );
        assert_eq!(
            finding.headline,
            "not accepted for 3 min; the peer has closed"
        );
    }

    #[test]
    fn a_new_connection_and_one_of_unknown_age_stay_silent() {
        assert_eq!(found(&waiting(State::Established), age(10_000)), None);
        assert_eq!(
            found(&waiting(State::Established), TcpFigures::default()),
            None
        );
    }

    #[test]
    fn two_samples_tell_a_program_that_accepts_slowly_from_one_that_does_not() {
        let listener = Socket {
            inode: 70,
            cookie: Some(70),
            ..socket(State::Listen, 1, 128)
        };
        let queued = |cookie, ms| {
            let waiting = Socket {
                cookie: Some(cookie),
                ..waiting(State::Established)
            };
            vec![figures(waiting, age(ms)), listener.clone()]
        };
        let finding = found_since(&queued(5, 2_500), &queued(5, 4_000)).unwrap();
        assert_eq!(finding.headline, "not accepted for 4 s");
        // Another one was at the front before.
        assert_eq!(found_since(&queued(4, 2_500), &queued(5, 4_000)), None);
        assert_eq!(found_since(&queued(5, 1_000), &queued(5, 2_500)), None);
        assert!(found_since(&queued(4, 2_500), &queued(5, 10_500)).is_some());
    }

    #[test]
    fn an_accepted_connection_and_one_closed_by_its_program_stay_silent() {
        assert_eq!(
            found(&socket(State::Established, 0, 0), age(90_000_000)),
            None
        );
        assert_eq!(found(&waiting(State::FinWait2), age(90_000)), None);
    }
}

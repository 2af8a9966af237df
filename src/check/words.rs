//! A handshake of TLS and a talk, each in one line.

use std::fmt::Write as _;
use std::time::Duration;

use super::attempt::shown;
use crate::diagnose::words::count;
use crate::protocol::{Idle, Protocol, Spoken, Tunneled, Upgraded, Verdict};
use crate::tls::report::{Failure, Report};
use crate::tls::session::End;

/// A handshake in one line.
pub fn of_handshake(report: &Report) -> String {
    let mut words = String::new();
    if let Some(version) = report.version {
        let _ = write!(words, "{version}");
    }
    for more in [&report.cipher, &report.alpn].into_iter().flatten() {
        let _ = write!(words, ", {more}");
    }
    if let Some(own) = report.chain.first() {
        let names = own.names.iter().take(3).cloned().collect::<Vec<_>>();
        let names = if names.is_empty() {
            own.subject.clone()
        } else {
            names.join(" ")
        };
        let days = (own.not_after - report.clock.now) / 86_400;
        let _ = write!(
            words,
            ", certificate for {names}, {} sent, ",
            report.chain.len()
        );
        let _ = match days {
            0.. => write!(words, "valid for {}", count(days.unsigned_abs(), "day")),
            _ => write!(words, "expired {} ago", count(days.unsigned_abs(), "day")),
        };
    }
    if let Some(failure) = &report.failure {
        let why = failure_words(failure);
        let at = report.progress.step.word();
        words = if words.is_empty() {
            format!("{why} ({at})")
        } else {
            format!("{why} ({at}); {words}")
        };
    }
    words.trim_start_matches(", ").to_owned()
}

fn failure_words(failure: &Failure) -> String {
    match failure {
        Failure::NotTls(_) => "what came is not TLS".to_owned(),
        Failure::Alert(alert) => match alert.name() {
            Some(name) => format!("the server sent the alert {name}"),
            None => format!("the server sent the alert {}", alert.0),
        },
        Failure::Closed => "the server closed the connection".to_owned(),
        Failure::Reset => "the server reset the connection".to_owned(),
        Failure::Stalled => "nothing more came".to_owned(),
        Failure::TooLarge(what, most) => format!("{what} larger than {most} bytes came"),
        Failure::Incompatible(why) | Failure::Nonsense(why) | Failure::Unusable(why) => why.clone(),
        Failure::Errno(number) => crate::reference::errno::words(*number),
    }
}

/// A talk in one line; nothing if nothing was to be said.
pub fn of_talk(spoken: &Spoken) -> Option<String> {
    let name = spoken.protocol.name();
    Some(match &spoken.verdict {
        Verdict::Answered(said) if spoken.protocol == Protocol::Plain => {
            format!("it says: {}", said.line)
        }
        Verdict::Answered(said) => {
            let where_to = said.location.as_ref().map(|it| format!(" to {it}"));
            format!("{name}: {}{}", said.line, where_to.unwrap_or_default())
        }
        Verdict::Other(Some(other)) => format!("it speaks {other}, not {name}"),
        Verdict::Other(None) => format!("it does not speak {name}"),
        Verdict::EndedAtOnce(end) => format!("{} before a byte came", end_words(*end)),
        Verdict::EndedEarly(end) => format!("{} in the middle of its answer", end_words(*end)),
        Verdict::Silent => format!("{name}: no answer in {}", shown(spoken.took)),
        Verdict::Stalled => format!("{name}: the answer stops after {} bytes", spoken.received),
        Verdict::Endless(most) => format!("{name}: the first message goes on after {most} bytes"),
        Verdict::NotExpected => "what was expected did not come".to_owned(),
        Verdict::Quiet => return None,
    })
}

/// The answer to a request for TLS in one line.
pub fn of_upgrade(protocol: Protocol, upgraded: &Upgraded) -> String {
    let request = protocol.upgrade().unwrap_or("TLS");
    match upgraded {
        Upgraded::Ready => format!("{request} is accepted"),
        Upgraded::NotOffered(_) => format!("the server does not offer TLS ({request})"),
        Upgraded::Refused(said) => format!("the server refuses {request}: {said}"),
        Upgraded::Ended(end) => format!("{request}: the server {}", end_words(*end)),
    }
}

/// What a proxy said, in one line.
pub fn of_proxy(answer: &Tunneled) -> String {
    match answer {
        Tunneled::Open => "it opens the way to the target".to_owned(),
        Tunneled::WantsPassword(said) | Tunneled::Refused(said) | Tunneled::Unreachable(said) => {
            format!("it refuses: {said}")
        }
        Tunneled::NotAProxy(Some(other)) => format!("it speaks {other}"),
        Tunneled::NotAProxy(None) => "it does not answer as a proxy does".to_owned(),
        Tunneled::Ended(End::Stalled) => "it does not answer the request".to_owned(),
        Tunneled::Ended(end) => format!("it {}", end_words(*end)),
    }
}

/// What became of an idle connection, in one line.
pub fn of_idle(idle: &Idle, pause: Duration) -> String {
    let pause = shown(pause);
    match idle {
        Idle::Lasts => format!("a connection that was idle for {pause} still works"),
        Idle::Closed(after) => {
            format!(
                "the server closed an idle connection after {}",
                shown(*after)
            )
        }
        Idle::Reset(after) => format!("an idle connection was reset after {}", shown(*after)),
        Idle::Forgotten(End::Reset) => {
            format!("a probe after {pause} without data was answered with a reset")
        }
        Idle::Forgotten(_) => format!("probes after {pause} without data got no answer"),
    }
}

fn end_words(end: End) -> &'static str {
    match end {
        End::Closed => "closed the connection",
        End::Reset => "reset the connection",
        End::Alert(_) => "ended TLS with an alert",
        End::Stalled | End::Errno(_) | End::Nonsense => "ended the connection",
    }
}

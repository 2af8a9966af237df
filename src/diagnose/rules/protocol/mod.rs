//! What a talk in an application protocol proves.

mod rules;
#[cfg(test)]
mod tests;

pub use rules::*;

use std::net::SocketAddr;
use std::time::Duration;

use crate::diagnose::words::duration;
use crate::diagnose::{Command, Fact, Finding, NextStep, Rule, Severity, Subject, Value};
use crate::protocol::{Protocol, Said, Spoken, Tone, Verdict};
use crate::reference::errno;
use crate::tls::session::End;

/// What a talk proves; `None`: the server is well, or nothing is proven.
pub fn of_talk(spoken: &Spoken, to: SocketAddr) -> Option<Finding> {
    let name = spoken.protocol.name();
    let took = shown(spoken.took);
    let problems =
        || Some(Command::of("sockdoc sockets --problems").with(format!(":{}", to.port())));
    let (rule, headline, command) = match &spoken.verdict {
        Verdict::Quiet => return None,
        Verdict::Answered(said) if said.tone != Tone::Bad => return None,
        Verdict::Answered(said) if said.wants_tls => (
            &TLS_EXPECTED,
            format!("{to} wants TLS: it answers \"{}\"", said.line),
            None,
        ),
        Verdict::Answered(said) => (&SERVICE_REFUSES, refusal(to, said), None),
        Verdict::Other(Some("TLS")) => (
            &TLS_EXPECTED,
            format!("{to} wants TLS, and {name} was spoken to it without"),
            None,
        ),
        Verdict::Other(other) => (&OTHER_PROTOCOL, another(spoken, to, *other), None),
        Verdict::EndedAtOnce(End::Closed) => (
            &CLOSES_AT_ONCE,
            format!("{to} accepts the connection and closes it {took} later without an answer"),
            problems(),
        ),
        Verdict::EndedAtOnce(end) => (
            &RESETS_AT_ONCE,
            format!(
                "{to} accepts the connection and {} it {took} later",
                ends(*end)
            ),
            problems(),
        ),
        Verdict::EndedEarly(end) => (
            &ANSWER_STOPS,
            format!(
                "{to} {} the connection in the middle of its {name} answer, after {} bytes",
                ends(*end),
                spoken.received
            ),
            None,
        ),
        Verdict::Stalled => (
            &ANSWER_STOPS,
            format!(
                "{to} stops in the middle of its {name} answer: {} bytes came, and not the rest in {took}",
                spoken.received
            ),
            Some(Command::of("sockdoc ping --mtu").with(to.ip())),
        ),
        Verdict::Silent => (&NEVER_ANSWERS, silence(spoken, to), problems()),
        Verdict::Endless(most) => (
            &ENDLESS_ANSWER,
            format!("{to} sends more than {most} bytes and no end of a first {name} message"),
            None,
        ),
        Verdict::NotExpected => (
            &NOT_EXPECTED,
            format!(
                "what is expected is not in the {} bytes that {to} sent",
                spoken.received
            ),
            None,
        ),
    };
    Some(finding(rule, to, headline, facts(spoken), command))
}

fn finding(
    rule: &'static Rule,
    to: SocketAddr,
    headline: String,
    facts: Vec<Fact>,
    command: Option<Command>,
) -> Finding {
    let mut next: Vec<NextStep> = command.map(NextStep::Command).into_iter().collect();
    next.push(NextStep::Sentence(rule.next.into()));
    let subject = Subject::Path {
        netns: 0,
        to: to.ip(),
    };
    Finding {
        facts,
        ruled_out: rule.look_alikes,
        next,
        ..Finding::new(rule, Severity::Error, subject, headline)
    }
}

fn shown(time: Duration) -> String {
    duration(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn word(text: impl Into<String>) -> Value {
    Value::Word(text.into().into())
}

/// What the other end does to a connection.
fn ends(end: End) -> String {
    match end {
        End::Closed => "closes".to_owned(),
        End::Reset => "resets".to_owned(),
        End::Stalled => "leaves".to_owned(),
        End::Alert(alert) => format!("ends (TLS alert {alert})"),
        End::Nonsense => "breaks (bytes that are not TLS)".to_owned(),
        End::Errno(number) => format!("loses ({})", errno::words(number)),
    }
}

fn refusal(to: SocketAddr, said: &Said) -> String {
    format!("{to} answers \"{}\"", said.line)
}

fn another(spoken: &Spoken, to: SocketAddr, other: Option<&str>) -> String {
    let name = spoken.protocol.name();
    match other {
        Some(other) => format!("{to} speaks {other}, not {name}"),
        None => format!(
            "{to} does not speak {name}: it answers \"{}\"",
            spoken.first.escape_ascii()
        ),
    }
}

fn silence(spoken: &Spoken, to: SocketAddr) -> String {
    let took = shown(spoken.took);
    let name = spoken.protocol.name();
    if spoken.sent == 0 && spoken.protocol != Protocol::Plain {
        return format!("{to} accepts the connection and sends no {name} greeting in {took}");
    }
    match spoken.protocol {
        Protocol::Plain => format!("{to} accepts the connection and sends nothing in {took}"),
        _ => format!(
            "{to} accepts the connection and sends no answer to the {name} request in {took}"
        ),
    }
}

fn facts(spoken: &Spoken) -> Vec<Fact> {
    let mut facts = vec![
        Fact::new("talk", "sent", Value::Bytes(spoken.sent)),
        Fact::new("talk", "received", Value::Bytes(spoken.received)),
    ];
    if !spoken.first.is_empty() {
        let first = spoken.first.escape_ascii().to_string();
        facts.push(Fact::new("talk", "first bytes", word(first)));
    }
    facts
}

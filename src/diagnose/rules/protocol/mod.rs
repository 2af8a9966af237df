//! What a talk in an application protocol proves.

mod rules;
#[cfg(test)]
mod tests;

pub use rules::*;

use std::net::SocketAddr;
use std::time::Duration;

use crate::diagnose::words::duration;
use crate::diagnose::{Command, Fact, Finding, NextStep, Rule, Severity, Subject, Value};
use crate::protocol::{Idle, Protocol, Said, Spoken, Tone, Tunneled, Upgraded, Verdict};
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
        Verdict::Answered(said) => (&SERVICE_REFUSES, refusal(spoken, to, said), None),
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

/// The server ended a connection in plain text without an answer, and answered in TLS on another one.
pub fn only_with_tls(spoken: &Spoken, to: SocketAddr) -> Finding {
    let name = spoken.protocol.name();
    let how = match &spoken.verdict {
        Verdict::EndedAtOnce(end) => format!("it {} that connection", ends(*end)),
        _ => "it answered nothing".to_owned(),
    };
    let headline = format!("{to} wants TLS: {name} was spoken to it without, and {how}");
    let mut facts = facts(spoken);
    let shown = word("the server answers as TLS does".to_owned());
    facts.push(Fact::new("a second connection", "ClientHello", shown));
    finding(&TLS_EXPECTED, to, headline, facts, None)
}

/// What the answer of a proxy proves; `target`: what it was asked for.
pub fn of_proxy(answer: &Tunneled, to: SocketAddr, target: &str) -> Option<Finding> {
    let (rule, headline, said) = match answer {
        Tunneled::Open => return None,
        Tunneled::WantsPassword(said) => (
            &PROXY_REFUSES,
            format!("the proxy {to} wants a user and a password: {said}"),
            said,
        ),
        Tunneled::Refused(said) => (
            &PROXY_REFUSES,
            format!("the proxy {to} does not open a connection to {target}: {said}"),
            said,
        ),
        Tunneled::Unreachable(said) => (
            &PROXY_CANNOT_CONNECT,
            format!("the proxy {to} cannot reach {target}: {said}"),
            said,
        ),
        Tunneled::NotAProxy(other) => {
            let headline = match other {
                Some(other) => format!("{to} is not such a proxy: it speaks {other}"),
                None => format!("{to} does not answer as a proxy does"),
            };
            (&NOT_A_PROXY, headline, &String::new())
        }
        Tunneled::Ended(End::Stalled) => (
            &NOT_A_PROXY,
            format!("{to} does not answer the request for a connection to {target}"),
            &String::new(),
        ),
        Tunneled::Ended(end) => (
            &NOT_A_PROXY,
            format!(
                "{to} {} the connection when it is asked for {target}",
                ends(*end)
            ),
            &String::new(),
        ),
    };
    let fact = (!said.is_empty()).then(|| Fact::new("proxy", "answer", word(said.clone())));
    Some(finding(
        rule,
        to,
        headline,
        fact.into_iter().collect(),
        None,
    ))
}

/// What became of a connection on which nothing was sent for `waited`.
pub fn of_idle(idle: &Idle, to: SocketAddr, waited: Duration) -> Option<Finding> {
    let waited = shown(waited);
    let (severity, headline, fact) = match idle {
        Idle::Lasts | Idle::Closed(_) => return None,
        Idle::Reset(after) => (
            Severity::Warning,
            format!(
                "the connection to {to} was reset after {} without data",
                shown(*after)
            ),
            "RST while nothing was sent",
        ),
        Idle::Forgotten(End::Reset) => (
            Severity::Error,
            format!(
                "a device on the way to {to} forgets idle connections: after {waited} without data a probe was \
                 answered with a reset"
            ),
            "RST for a keepalive probe",
        ),
        Idle::Forgotten(_) => (
            Severity::Error,
            format!(
                "a device on the way to {to} forgets idle connections: after {waited} without data probes got no \
                 answer"
            ),
            "no answer to keepalive probes",
        ),
    };
    let facts = vec![Fact::new("tcp_info", "after the pause", word(fact))];
    Some(Finding {
        severity,
        ..finding(&IDLE_DROPPED, to, headline, facts, None)
    })
}

/// What the answer to a request for TLS proves. `is_required`: the user wants it.
pub fn of_upgrade(
    protocol: Protocol,
    upgraded: &Upgraded,
    to: SocketAddr,
    is_required: bool,
) -> Option<Finding> {
    let request = protocol.upgrade().unwrap_or("TLS");
    let (headline, said) = match upgraded {
        Upgraded::Ready => return None,
        Upgraded::NotOffered(_) if !is_required => return None,
        Upgraded::NotOffered(said) => {
            (format!("{to} does not offer TLS ({request})"), said.clone())
        }
        Upgraded::Refused(said) => (
            format!("{to} refuses to change to TLS ({request}): \"{said}\""),
            said.clone(),
        ),
        Upgraded::Ended(end) => (
            format!(
                "{to} {} the connection when it is asked for TLS ({request})",
                ends(*end)
            ),
            String::new(),
        ),
    };
    let mut facts = Vec::new();
    if !said.is_empty() {
        facts.push(Fact::new("talk", "answer", word(said)));
    }
    let severity = if is_required {
        Severity::Error
    } else {
        Severity::Warning
    };
    Some(Finding {
        severity,
        ..finding(&STARTTLS_MISSING, to, headline, facts, None)
    })
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

fn refusal(spoken: &Spoken, to: SocketAddr, said: &Said) -> String {
    match spoken.protocol {
        Protocol::WebSocket => format!(
            "{to} opens no WebSocket at this URL: it answers \"{}\"",
            said.line
        ),
        _ => format!("{to} answers \"{}\"", said.line),
    }
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

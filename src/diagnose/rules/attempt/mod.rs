//! What an attempt to connect proves that failed, and that neither the route, the link, the next hop nor this
//! host's own firewall explains.

mod here;
mod rules;
#[cfg(test)]
mod tests;

pub use super::socket::CONNECTING_NO_ANSWER as NO_ANSWER;
pub use here::*;
pub use rules::*;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::name::FAMILY_MISMATCH;
use super::path::{self, PATH_FILTERED, ROUTING_LOOP};
use super::reach::OWN_FIREWALL_DROPS;
use crate::diagnose::reach::{self, Refusing, Target, Told};
use crate::diagnose::{Command, Fact, Finding, NextStep, Role, Rule, Severity, Subject, Value};
use crate::host::SocketAt;
use crate::ping::losses::Refusal;
use crate::ping::trace::{Trace, Verdict};
use crate::reference::icmp::Version;
use crate::sockets::Proto;

fn finding(rule: &'static Rule, to: IpAddr, headline: String, facts: Vec<Fact>) -> Finding {
    Finding {
        facts,
        ruled_out: rule.look_alikes,
        next: vec![NextStep::Sentence(rule.next.into())],
        ..Finding::new(
            rule,
            Severity::Error,
            Subject::Path { netns: 0, to },
            headline,
        )
    }
}

fn word(text: impl Into<String>) -> Value {
    Value::Word(text.into().into())
}

fn preceded(command: Command, mut finding: Finding) -> Finding {
    finding.next.insert(0, command.into());
    finding
}

/// What a packet socket saw, as evidence.
fn of_packet_socket(what: &'static str, seen: Option<String>) -> Option<Fact> {
    Some(Fact::new("packet socket", what, word(seen?)))
}

/// A reset came, from another host; `seen`: who sent it, and an answer of another port that is not like it.
pub fn refused(to: SocketAddr, seen: Option<String>, unlike: Option<String>) -> Finding {
    let mut facts = vec![Fact::new("connect", "errno", word("ECONNREFUSED"))];
    facts.extend(of_packet_socket("reset", seen));
    facts.extend(of_packet_socket("answer of another port", unlike));
    let headline = format!(
        "{} refuses connections to port {}: a reset (RST) came",
        to.ip(),
        to.port()
    );
    let command = Command::of("sockdoc sockets -l").with(format!(":{}", to.port()));
    let mut finding = finding(&PORT_CLOSED, to.ip(), headline, facts);
    finding.next = vec![
        NextStep::Sentence("On that host, see what listens on the port:".into()),
        command.into(),
        NextStep::Sentence(PORT_CLOSED.next.into()),
    ];
    finding
}

/// A reset came that is not of the host; the router is the last that let packets to the port pass.
pub fn refused_on_the_way(
    to: SocketAddr,
    (distance, router): (u8, IpAddr),
    seen: Option<String>,
) -> Finding {
    let headline = format!(
        "a firewall at {router} (hop {distance}) or behind it rejects port {}: the reset (RST) is not from {}",
        to.port(),
        to.ip()
    );
    let mut facts = vec![
        Fact::new("connect", "errno", word("ECONNREFUSED")),
        Fact::new(
            "IP_MINTTL",
            "time to live",
            word("the reset comes from nearer than the host's own answers"),
        ),
    ];
    facts.extend(of_packet_socket("reset", seen));
    let mut found = finding(&PATH_FILTERED, to.ip(), headline, facts);
    found.ruled_out = "Not the host itself: what it sends from another port has a longer way here.";
    let hops = Command::of("sockdoc ping --hops --tcp")
        .with(to.port())
        .with(to.ip());
    preceded(hops, found)
}

/// An ICMP error came that says that nothing is bound to a UDP port.
pub fn closed_by_icmp(to: SocketAddr) -> Finding {
    let facts = vec![Fact::new(
        "IP_RECVERR",
        "ICMP error",
        word("port unreachable"),
    )];
    let headline = format!(
        "nothing on {} uses UDP port {}: ICMP port unreachable came",
        to.ip(),
        to.port()
    );
    let mut found = finding(&PORT_CLOSED, to.ip(), headline, facts);
    about_datagrams(&mut found);
    found
}

/// Nothing came back for a datagram.
pub fn udp_silent(to: SocketAddr, waited: Duration) -> Finding {
    let millis = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
    let facts = vec![Fact::new("recv", "waited", Value::Millis(millis))];
    let headline = format!(
        "nothing came back from UDP port {} of {}",
        to.port(),
        to.ip()
    );
    Finding {
        severity: Severity::Warning,
        ..finding(&UDP_NO_ANSWER, to.ip(), headline, facts)
    }
}

/// A reset came, and the address is one of this host.
pub fn refused_here(target: &Target<'_>) -> Option<Finding> {
    let to = target.to;
    let told = reach::refused(target)?;
    let (rule, sockets): (_, Vec<SocketAt>) = match target.refusing() {
        Refusing::Nothing | Refusing::OtherProtocol(_) => (&PORT_CLOSED, Vec::new()),
        Refusing::Listening(near) => (&OWN_FIREWALL_DROPS, near),
        Refusing::OtherNamespace(first) => (&OTHER_NAMESPACE, vec![first]),
        Refusing::Elsewhere(near) => (elsewhere(target, &near), near),
    };
    let Told { cause, mut next } = told;
    let is_udp = target.proto == Proto::Udp;
    let (what, call) = if is_udp {
        ("the datagram is", "recv")
    } else {
        ("the connection is", "connect")
    };
    if let Refusing::OtherProtocol(_) = target.refusing() {
        let scheme = if is_udp { "" } else { "udp://" };
        next = format!("sockdoc check {scheme}{to}");
    }
    let facts = vec![Fact::new(call, "errno", word("ECONNREFUSED"))];
    let headline = format!("{what} refused: {cause}");
    let others = sockets
        .iter()
        .map(|at| (Role::Listener, Subject::Socket(*at)));
    let mut found = Finding {
        others: others.collect(),
        next: vec![NextStep::Sentence(next.into())],
        ..finding(rule, to.ip(), headline, facts)
    };
    if is_udp {
        about_datagrams(&mut found);
    }
    Some(found)
}

/// A datagram needs no listener and no queue of connections.
fn about_datagrams(found: &mut Finding) {
    if found.rule == &PORT_CLOSED {
        found.meaning =
            "The host answered that no socket is bound to that UDP port of that address.";
    }
    found.ruled_out = "Not a filtered port: that answers nothing, or with another code.";
}

/// Which of the rules about a listener on another address applies.
fn elsewhere(target: &Target<'_>, near: &[SocketAt]) -> &'static Rule {
    let asked = target.to.ip().to_canonical();
    let mut ips = near
        .iter()
        .filter_map(|at| target.index.socket(*at).local.ip());
    if ips.clone().all(|own| own.is_ipv4() != asked.is_ipv4()) {
        &FAMILY_MISMATCH
    } else if ips.all(|own| own.is_loopback()) {
        &LOOPBACK_ONLY
    } else {
        &LISTENS_ELSEWHERE
    }
}

/// An ICMP error came for it; `seen`: its sender, as a packet socket saw it.
pub fn rejected(
    to: SocketAddr,
    refusal: &Refusal,
    trace: Option<&Trace>,
    seen: Option<String>,
) -> Finding {
    let mut found = rejected_by(to, refusal, trace);
    found.facts.extend(of_packet_socket("ICMP error", seen));
    found
}

fn rejected_by(to: SocketAddr, refusal: &Refusal, trace: Option<&Trace>) -> Finding {
    let subject = Subject::Path {
        netns: 0,
        to: to.ip(),
    };
    let by = refusal
        .by
        .map_or_else(|| "a router".to_owned(), |by| by.to_string());
    let told = Fact::new(
        "IP_RECVERR",
        "ICMP error",
        word(format!("{} from {by}", refusal.words())),
    );
    if let Some(turns) = trace.filter(|it| matches!(it.verdict(), Verdict::Loop { .. })) {
        let mut found = path::of_trace(to.ip(), turns).into_iter();
        if let Some(mut found) = found.next() {
            found.facts.push(told);
            return found;
        }
    }
    if refusal.is_hop_limit() {
        let headline = format!(
            "the packets to {} used up their hops: {by} reports it",
            to.ip()
        );
        let hops = Command::of("sockdoc ping --hops").with(to.ip());
        return preceded(hops, finding(&ROUTING_LOOP, to.ip(), headline, vec![told]));
    }
    if path::is_filter(refusal) || is_port(refusal) {
        let mut found = path::filtered(subject, refusal, None);
        found.headline = if refusal.by == Some(to.ip()) {
            format!(
                "a firewall of {by} rejects port {}: {}",
                to.port(),
                refusal.words()
            )
        } else {
            format!(
                "a firewall at {by} rejects packets to port {}: {}",
                to.port(),
                refusal.words()
            )
        };
        found.facts.push(told);
        return found;
    }
    let headline = format!("{by} cannot reach {}: {}", to.ip(), refusal.words());
    let hops = Command::of("sockdoc ping --hops").with(to.ip());
    preceded(
        hops,
        finding(&HOST_UNREACHABLE, to.ip(), headline, vec![told]),
    )
}

/// Port unreachable. A closed TCP port sends a reset (RFC 9293 section 3.10.7.1): this is what firewalls send.
pub fn is_port(refusal: &Refusal) -> bool {
    matches!(
        (refusal.version, refusal.r#type, refusal.code),
        (Version::V4, 3, 3) | (Version::V6, 1, 4)
    )
}

/// What is known of an attempt that nothing answered.
#[derive(Debug, Clone, Copy)]
pub struct Silence<'a> {
    /// Where to.
    pub to: SocketAddr,
    /// SYNs that were sent.
    pub syns: u32,
    /// For how long an answer was waited for.
    pub time: Duration,
    /// Packets with a limited hop count to the same port.
    pub trace: Option<&'a Trace>,
    /// Other ports of the host that were tried, and whether it answered there.
    pub others: &'a [(u16, bool)],
}

/// Nothing answered.
pub fn silent(silence: &Silence<'_>) -> Finding {
    let Silence { to, trace, .. } = *silence;
    if let Some(found) = trace.and_then(|trace| path::of_trace(to.ip(), trace))
        && [&ROUTING_LOOP, &PATH_FILTERED].contains(&found.rule)
    {
        return found;
    }
    let mut facts = vec![
        Fact::new("tcp_info", "SYNs sent", Value::Count(silence.syns.into())),
        Fact::new(
            "connect",
            "waited",
            Value::Millis(u64::try_from(silence.time.as_millis()).unwrap_or(u64::MAX)),
        ),
    ];
    let last = trace.and_then(|trace| match trace.verdict() {
        Verdict::Silent { last } => Some(last),
        _ => None,
    });
    if let Some(Some((distance, router))) = last {
        let text = format!("{router} (hop {distance})");
        facts.push(Fact::new("trace", "last router that answered", word(text)));
    }
    let place = match last.flatten() {
        Some((distance, router)) => {
            format!(" at {router} (hop {distance}) or behind it")
        }
        None => String::new(),
    };
    let open = silence.others.iter().find(|(_, answered)| *answered);
    let hops = Command::of("sockdoc ping --hops --tcp")
        .with(to.port())
        .with(to.ip());
    if let Some((port, _)) = open {
        facts.push(Fact::new(
            "connect",
            "answered",
            word(format!("port {port}")),
        ));
        let headline = format!(
            "port {} gets no answer, and port {port} of the same host does: a firewall{place} drops these packets, \
             or the server's accept queue is full",
            to.port()
        );
        return preceded(hops, finding(&PORT_FILTERED, to.ip(), headline, facts));
    }
    let headline = match (place.as_str(), silence.others) {
        ("", []) => format!(
            "no answer from {}: the host is off, or a firewall drops the packets",
            to.ip()
        ),
        ("", _) => format!(
            "no answer from {}, nor from other ports: the host is off, or a firewall drops the packets",
            to.ip()
        ),
        (place, _) => format!(
            "no answer from {}: packets are dropped{place}, by a firewall, a broken route or a host that is off",
            to.ip()
        ),
    };
    let mut found = finding(&NO_ANSWER, to.ip(), headline, facts);
    found.ruled_out = "Not a closed port: a reset would have come. Not this host: its route, link, next hop and \
        firewall let the packets leave.";
    preceded(hops, found)
}

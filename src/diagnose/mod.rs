//! What is wrong, how one knows, and what to do next.
//!
//! A [`Case`] is what is known of a host; [`diagnose`] asks each [`Rule`] about it and gives the
//! [`Findings`]: what was found, what is an effect of what, and what says the same of many sockets. A
//! capture is diagnosed fact by fact as it is read: [`of_fact`], [`Gatherer`].
//!
//! | file | what it holds |
//! |---|---|
//! | this one | [`Case`], and how the rules are asked |
//! | [`capture`] | the findings of a capture: facts that say the same become one |
//! | [`finding`] | [`Finding`] and its parts: subject, facts, next steps |
//! | [`findings`] | all of a case: by socket, first causes before their effects, like ones as one |
//! | [`reach`] | what the host's own sockets say about a connection or a bind that failed |
//! | [`rules`] | the rules, one file each |
//! | [`watch`] | what changed from one diagnosis to the next |
//! | [`words`] | ages and sizes as people say them |

pub mod capture;
pub mod finding;
pub mod findings;
pub mod reach;
pub mod rules;
#[cfg(test)]
pub(crate) mod testing;
pub mod watch;
pub mod words;

pub use capture::Gatherer;
pub use finding::{Command, Fact, Finding, FindingAt, NextStep, Role, Severity, Subject, Value};
pub use findings::{Block, Findings};
pub use rules::{Check, Rule};

use std::time::Duration;

use crate::host::traced::{self, Traced};
use crate::host::{Delta, Index, Network, ProcessAt, Sample, SocketAt};
use crate::sockets::{Process, Socket, TcpFigures};
use crate::stream;
use rules::sender::Watched;

/// What is known of a host.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// What it looks like.
    pub sample: &'a Sample,
    /// What happened since an earlier sample, if it was sampled twice.
    pub before: Option<&'a Delta<'a>>,
    /// Who listens, who is at the other end, who owns.
    pub index: &'a Index<'a>,
    /// A sender that was watched for a while.
    pub sender: Option<&'a Watched>,
    /// Rules that are not asked.
    pub ignored: &'a [&'static Rule],
}

impl<'a> Case<'a> {
    /// A case of one look.
    pub fn new(index: &'a Index<'a>) -> Self {
        Case {
            sample: index.sample(),
            before: None,
            index,
            sender: None,
            ignored: &[],
        }
    }

    /// The same case with an earlier sample.
    #[must_use]
    pub fn since(self, before: Option<&'a Delta<'a>>) -> Self {
        Case { before, ..self }
    }

    /// How far a counter of a namespace went since the earlier sample; `None` without one, or if it began
    /// again.
    pub fn grown(&self, netns: u16, name: &str) -> Option<u64> {
        let of = |sample: &Sample| sample.networks.get(usize::from(netns))?.counters.get(name);
        of(self.sample)?.checked_sub(of(self.before?.before().sample())?)
    }

    /// The same of a counter that all namespaces share.
    pub fn machine_grown(&self, name: &str) -> Option<u64> {
        let of = |sample: &Sample| sample.machine.as_ref()?.counters.get(name);
        of(self.sample)?.checked_sub(of(self.before?.before().sample())?)
    }

    /// What the kernel told of a namespace between the samples, if it was traced.
    pub fn traced(&self, netns: u16) -> Option<Traced> {
        self.before?.traced(netns).cloned()
    }

    /// A process that was traced, if it is in the sample: by number and name, or as the only one of that name.
    pub fn process_of(&self, traced: &traced::Process) -> Option<ProcessAt> {
        let processes = self.sample.owners.processes();
        let named = |(_, it): &(u32, &Process)| it.comm == traced.comm;
        let mut named = (0..).zip(processes).filter(named);
        if let Some(pid) = traced.pid {
            return named
                .find(|(_, it)| it.pid == pid)
                .map(|(at, _)| ProcessAt(at));
        }
        let (first, second) = (named.next(), named.next());
        first
            .filter(|_| second.is_none())
            .map(|(at, _)| ProcessAt(at))
    }

    /// The same as the subject of a finding; the network of the namespace if the process is not in the sample.
    pub fn traced_subject(&self, traced: &traced::Process, netns: u16) -> Subject {
        let process = self.process_of(traced);
        process.map_or(Subject::Network { netns }, Subject::Process)
    }

    /// The network stacks of the sample by their namespace.
    pub fn networks(&self) -> impl Iterator<Item = (u16, &'a Network)> + use<'a> {
        (0..).zip(&self.sample.networks)
    }

    /// The network stack of a namespace in the earlier sample.
    pub fn network_before(&self, netns: u16) -> Option<&'a Network> {
        let before = self.before?.before().sample();
        before.networks.get(usize::from(netns))
    }

    /// A socket as it was in the earlier sample.
    fn earlier(&self, at: SocketAt) -> Option<&'a Socket> {
        self.before?.earlier(at)
    }

    /// The socket at a place.
    pub fn socket(&self, at: SocketAt) -> &'a Socket {
        self.sample.socket(at)
    }

    /// What its `tcp_info` says; all unknown for other protocols.
    pub fn tcp(&self, at: SocketAt) -> TcpFigures {
        self.socket(at).tcp.into()
    }

    /// How often the oldest unacknowledged segment was sent again, by `tcp_info` or by the timer.
    pub fn retransmits(&self, at: SocketAt) -> Option<u8> {
        let timer = self.socket(at).timer.map(|timer| timer.retransmits);
        self.tcp(at).retransmits.max(timer)
    }
}

/// Asks every rule that is not ignored.
pub fn diagnose(case: &Case<'_>) -> Findings {
    let asked = || {
        rules::ALL
            .iter()
            .filter(|rule| !case.ignored.contains(rule))
    };
    let mut found = Vec::new();
    for rule in asked() {
        match rule.check {
            Check::Host(check) => found.extend(check(case)),
            Check::Process(check) => {
                let statuses = case.sample.processes.iter();
                found.extend(statuses.filter_map(|status| check(case, status)));
            }
            Check::Socket(_)
            | Check::Sender
            | Check::Path
            | Check::Name
            | Check::Attempt
            | Check::Tls
            | Check::Protocol
            | Check::Fact(_) => {}
        }
    }
    let of_sockets: Vec<_> = asked().filter_map(|rule| socket_check(rule)).collect();
    for at in case.sample.places() {
        found.extend(of_sockets.iter().filter_map(|check| check(case, at)));
    }
    for finding in &mut found {
        go_there(case, finding);
    }
    Findings::new(found)
}

/// Lets the commands of a finding look into the network namespace that it is about.
fn go_there(case: &Case<'_>, finding: &mut Finding) {
    let netns = match finding.subject {
        Subject::Socket(at) => case.socket(at).netns,
        Subject::Network { netns }
        | Subject::Interface { netns, .. }
        | Subject::Path { netns, .. } => netns,
        Subject::Process(at) => match case.index.held_by(at) {
            [held, ..] => case.socket(*held).netns,
            [] => return,
        },
        _ => return,
    };
    if let Some(namespace) = case.sample.namespaces.get(usize::from(netns)) {
        finding.go_to(namespace);
    }
}

/// Whether a second sample would tell more than this one: something waits, and it may be that it still
/// moves; something was dropped, and it may be over; or a port is held, and it may be wanted.
pub fn asks_for_a_second_sample(index: &Index<'_>) -> bool {
    let dropped = |socket: &Socket| socket.memory().is_some_and(|memory| memory.drops > Some(0));
    if index.sample().sockets.iter().any(dropped) {
        return true;
    }
    // As if nothing had moved since.
    let still = Delta::new(Index::new(index.sample()), index, Duration::ZERO);
    let findings = diagnose(&Case::new(index).since(Some(&still)));
    let mut all = findings.all().iter();
    all.any(|finding| {
        finding.severity >= Severity::Warning
            || finding.rule == &rules::socket::BOUND_NEVER_LISTENED
    })
}

/// Asks every rule about one socket; the worst first.
fn about(case: &Case<'_>, at: SocketAt) -> Vec<Finding> {
    let mut found: Vec<Finding> = socket_checks()
        .filter_map(|check| check(case, at))
        .collect();
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found
}

fn socket_checks() -> impl Iterator<Item = fn(&Case<'_>, SocketAt) -> Option<Finding>> {
    rules::ALL.iter().filter_map(|rule| socket_check(rule))
}

fn socket_check(rule: &Rule) -> Option<fn(&Case<'_>, SocketAt) -> Option<Finding>> {
    match rule.check {
        Check::Socket(check) => Some(check),
        _ => None,
    }
}

/// What a fact of a capture means.
pub fn of_fact(fact: &stream::Fact) -> Option<Finding> {
    rules::ALL.iter().find_map(|rule| match rule.check {
        Check::Fact(check) => check(fact),
        _ => None,
    })
}

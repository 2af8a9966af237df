//! All findings of a case.
//!
//! A rule speaks of one socket. Here its findings are joined: each with the one that causes it, and those
//! that say the same of many sockets of one process and port as one.

use std::collections::HashMap;
use std::net::IpAddr;

use super::finding::FindingAt;
use super::rules::Rule;
use super::{Case, Finding, Role, Subject};
use crate::host::{ProcessAt, SocketAt};
use crate::sockets::State;

/// Findings that were put together name at most this many of their subjects.
const EXAMPLES: usize = 3;

/// All findings of a case.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    all: Vec<Finding>,
    /// Of each socket, the worst first.
    by_socket: HashMap<SocketAt, Vec<usize>>,
    by_process: HashMap<ProcessAt, Vec<usize>>,
}

/// A finding and what it causes.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// The finding.
    pub finding: Finding,
    /// Its effects.
    pub effects: Vec<Block>,
}

impl Findings {
    /// Looks for the causes among them.
    pub fn new(all: Vec<Finding>) -> Findings {
        let mut findings = Findings {
            all,
            ..Findings::default()
        };
        for (index, finding) in findings.all.iter().enumerate() {
            match finding.subject {
                Subject::Socket(at) => findings.by_socket.entry(at).or_default().push(index),
                Subject::Process(at) => findings.by_process.entry(at).or_default().push(index),
                _ => {}
            }
            for at in finding.sockets_as(Role::Affected) {
                findings.by_socket.entry(at).or_default().push(index);
            }
        }
        for of_one in findings.by_socket.values_mut() {
            of_one.sort_by_key(|index| std::cmp::Reverse(findings.all[*index].severity));
        }
        for index in 0..findings.all.len() {
            findings.all[index].because = findings.cause_of(&findings.all[index]);
        }
        findings
    }

    fn cause_of(&self, finding: &Finding) -> Option<FindingAt> {
        finding.rule.because.iter().find_map(|cause| {
            let itself = (Role::Itself, finding.subject);
            let all = finding.others.iter().chain(std::iter::once(&itself));
            let others = all.filter(|(role, _)| *role == cause.at);
            others.map(|(_, subject)| *subject).find_map(|subject| {
                let of_one = match subject {
                    Subject::Socket(at) => self.by_socket.get(&at)?,
                    Subject::Process(at) => self.by_process.get(&at)?,
                    _ => return None,
                };
                let is_it = |index: &&usize| self.all[**index].rule == cause.rule;
                let found = *of_one.iter().find(is_it)?;
                u32::try_from(found).ok().map(FindingAt)
            })
        })
    }

    /// Each by itself.
    pub fn all(&self) -> &[Finding] {
        &self.all
    }

    /// Those of a socket, the worst first.
    pub fn of(&self, at: SocketAt) -> impl Iterator<Item = &Finding> + Clone {
        let of_one = self.by_socket.get(&at).map_or(&[][..], Vec::as_slice);
        of_one.iter().map(|index| &self.all[*index])
    }

    /// The finding at a place.
    pub fn get(&self, at: FindingAt) -> Option<&Finding> {
        self.all.get(at.0 as usize)
    }

    /// All findings, in the same order as [`Findings::blocks`].
    pub fn all_blocks(&self, case: &Case<'_>, each: bool) -> Vec<Block> {
        let mut groups = Groups::new(self, case, each);
        for index in 0..self.all.len() {
            groups.put(index);
        }
        groups.into_blocks()
    }

    /// The findings of these sockets, in this order, and what causes them: first causes with their effects
    /// below them, the worst first, those that say the same as one. `each`: none are put together.
    pub fn blocks(&self, case: &Case<'_>, sockets: &[SocketAt], each: bool) -> Vec<Block> {
        let mut groups = Groups::new(self, case, each);
        for at in sockets {
            for index in self.by_socket.get(at).into_iter().flatten() {
                groups.put(*index);
            }
        }
        groups.into_blocks()
    }
}

/// What findings have in common that are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    /// The group that causes it.
    cause: Option<usize>,
    /// By its place in memory: a rule is in there once.
    rule: *const Rule,
    severity: u8,
    process: Option<ProcessAt>,
    place: Place,
    /// Where none are put together.
    alone: Option<usize>,
}

/// Where the sockets of a group are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    /// On a port of ours.
    On(u16, u32),
    /// Connected to somebody's.
    To(u16, IpAddr, u32),
    Elsewhere,
}

struct Groups<'a> {
    findings: &'a Findings,
    case: &'a Case<'a>,
    each: bool,
    /// How many findings of one rule and process share a place.
    sharing: HashMap<(*const Rule, Option<ProcessAt>, Place), usize>,
    by_key: HashMap<Key, usize>,
    of_finding: HashMap<usize, usize>,
    members: Vec<(Key, Vec<usize>)>,
}

impl<'a> Groups<'a> {
    fn new(findings: &'a Findings, case: &'a Case<'a>, each: bool) -> Self {
        let mut groups = Groups {
            findings,
            case,
            each,
            sharing: HashMap::new(),
            by_key: HashMap::new(),
            of_finding: HashMap::new(),
            members: Vec::new(),
        };
        for finding in &findings.all {
            let process = groups.process(finding);
            for place in groups.places(finding) {
                let key = (std::ptr::from_ref(finding.rule), process, place);
                *groups.sharing.entry(key).or_default() += 1;
            }
        }
        groups
    }

    /// Puts a finding, and what causes it, into its group; gives the group.
    fn put(&mut self, index: usize) -> usize {
        if let Some(group) = self.of_finding.get(&index) {
            return *group;
        }
        // Rules cause each other in no circle, so this ends.
        let finding = &self.findings.all[index];
        let cause = finding.because.map(|cause| self.put(cause.0 as usize));
        let process = self.process(finding);
        let rule = std::ptr::from_ref(finding.rule);
        let sharing = |place: &Place| self.sharing.get(&(rule, process, *place));
        let [ours, theirs] = self.places(finding);
        let place = if sharing(&ours) >= sharing(&theirs) {
            ours
        } else {
            theirs
        };
        // Sockets of unknown processes with nothing in common are not one.
        let is_socket = matches!(finding.subject, Subject::Socket(_));
        let is_apart = is_socket && process.is_none() && place == Place::Elsewhere;
        let key = Key {
            cause,
            rule,
            severity: finding.severity as u8,
            process,
            place,
            alone: (self.each || is_apart).then_some(index),
        };
        let group = *self.by_key.entry(key).or_insert_with(|| {
            self.members.push((key, Vec::new()));
            self.members.len() - 1
        });
        self.members[group].1.push(index);
        self.of_finding.insert(index, group);
        group
    }

    /// The first process that holds it; of a connection that was not accepted the one that listens.
    fn process(&self, finding: &Finding) -> Option<ProcessAt> {
        let at = match finding.subject {
            Subject::Socket(at) => at,
            Subject::Process(at) => return Some(at),
            _ => return None,
        };
        let own = self.case.index.processes(&[at]);
        own.first().copied().or_else(|| {
            let listeners: Vec<SocketAt> = finding.sockets_as(Role::Listener).collect();
            self.case.index.processes(&listeners).first().copied()
        })
    }

    /// Our port and the peer's end.
    fn places(&self, finding: &Finding) -> [Place; 2] {
        let Subject::Socket(at) = finding.subject else {
            return [Place::Elsewhere; 2];
        };
        let socket = self.case.socket(at);
        let ours = socket.local.port();
        let ours = ours.map_or(Place::Elsewhere, |port| Place::On(socket.netns, port));
        let theirs = socket.peer.ip().zip(socket.peer.port());
        let theirs = theirs.map_or(ours, |(ip, port)| Place::To(socket.netns, ip, port));
        [ours, theirs]
    }

    fn into_blocks(self) -> Vec<Block> {
        let mut blocks: Vec<Option<Block>> = self
            .members
            .iter()
            .map(|(key, members)| {
                Some(Block {
                    finding: self.as_one(key, members),
                    effects: Vec::new(),
                })
            })
            .collect();
        // A cause comes before its effects, so from after each block is complete when it is moved.
        for (index, (key, _)) in self.members.iter().enumerate().rev() {
            if let Some(cause) = key.cause
                && let Some(effect) = blocks[index].take()
                && let Some(cause) = &mut blocks[cause]
            {
                cause.effects.push(effect);
            }
        }
        let mut blocks: Vec<Block> = blocks.into_iter().flatten().collect();
        for block in &mut blocks {
            block.effects.reverse();
        }
        blocks.sort_by_key(|block| std::cmp::Reverse(block.worst()));
        blocks
    }

    /// The findings of a group as one.
    fn as_one(&self, key: &Key, members: &[usize]) -> Finding {
        let all = members.iter().map(|index| &self.findings.all[*index]);
        let mut one = self.findings.all[members[0]].clone();
        if members.len() == 1 {
            return one;
        }
        one.headline = self.headline(&one, key, members.len());
        one.count = members.len();
        let subjects = all.clone().map(|finding| finding.subject);
        one.examples = subjects.take(EXAMPLES).collect();
        for finding in all.skip(1) {
            for fact in &finding.facts {
                let known = one
                    .facts
                    .iter_mut()
                    .find(|it| (it.source, it.field) == (fact.source, fact.field));
                match known {
                    Some(known) => known.value = known.value.clone().and(fact.value.clone()),
                    None => one.facts.push(fact.clone()),
                }
            }
            for other in &finding.others {
                if !one.others.contains(other) && one.others.len() < EXAMPLES {
                    one.others.push(*other);
                }
            }
        }
        one
    }

    /// `CLOSE-WAIT leak: 200 connections on port 8080 of python3 (pid 7)`.
    fn headline(&self, first: &Finding, key: &Key, count: usize) -> String {
        let things = match first.subject {
            Subject::Socket(at) => {
                let socket = self.case.socket(at);
                let connected = socket.proto.is_connected() && socket.state != State::Listen;
                if connected { "connections" } else { "sockets" }
            }
            _ => "times",
        };
        let place = match key.place {
            Place::On(_, port) => format!(" on port {port}"),
            Place::To(_, ip, port) if ip.is_ipv6() => format!(" to [{ip}]:{port}"),
            Place::To(_, ip, port) => format!(" to {ip}:{port}"),
            Place::Elsewhere => String::new(),
        };
        let process = key.process.map_or_else(String::new, |at| {
            let process = self.case.sample.process(at);
            let name = String::from_utf8_lossy(&process.comm);
            format!(" of {name} (pid {})", process.pid)
        });
        format!("{}: {count} {things}{place}{process}", first.rule.title)
    }
}

impl Block {
    /// The worst of it and its effects.
    pub fn worst(&self) -> super::Severity {
        let effects = self.effects.iter().map(Block::worst);
        effects.fold(self.finding.severity, Ord::max)
    }
}

//! Which findings of a look at this host explain what became of the attempts, and which there are besides.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::attempt::{Attempt, Outcome, Step};
use super::heard::HeardKind;
use super::server;
use crate::diagnose::reach::{Target, who};
use crate::diagnose::rules::attempt::{self, NO_ANSWER, Silence};
use crate::diagnose::rules::name;
use crate::diagnose::rules::reach::{self, Flow};
use crate::diagnose::rules::socket::{
    ACCEPT_QUEUE_FULL, BOUND_NEVER_LISTENED, NOT_ACCEPTED, not_accepted,
};
use crate::diagnose::rules::{self, path, process, protocol, tls};
use crate::diagnose::{Case, Finding, Findings, Role, Rule, Severity, Subject, diagnose};
use crate::dns::Lookup;
use crate::host::{Forward, SocketAt};
use crate::sockets::filter::is_listening;
use crate::sockets::{Proto, State};

/// What a black hole for large packets may look like further on.
const HANGS: &[&Rule] = &[
    &tls::TLS_NO_ANSWER,
    &protocol::NEVER_ANSWERS,
    &protocol::ANSWER_STOPS,
];

/// What explains a server of this host that accepts and says nothing.
const OF_THE_SERVER: &[&Rule] = &[
    &ACCEPT_QUEUE_FULL,
    &NOT_ACCEPTED,
    &attempt::PUBLISHED_NOWHERE,
    &process::STOPPED,
];
/// How such a server looks to its client.
const SILENT: &[&Rule] = &[
    &tls::TLS_CLOSED,
    &tls::TLS_NO_ANSWER,
    &protocol::CLOSES_AT_ONCE,
    &protocol::NEVER_ANSWERS,
    &protocol::RESETS_AT_ONCE,
];

/// A port that stands for that of an attempt that failed before it had one: the first of the ephemeral ones.
const SOME_PORT: u16 = 32_768;

/// What is judged.
#[derive(Debug, Clone, Copy)]
pub struct Matter<'a> {
    /// This host, after the attempts; the first namespace is the one that they were made in.
    pub case: &'a Case<'a>,
    /// The attempts.
    pub attempts: &'a [Attempt],
    /// The name.
    pub lookup: Option<&'a Lookup>,
    /// TCP or UDP.
    pub proto: Proto,
    /// Sockets that the target itself is.
    pub own: &'a [SocketAt],
    /// Where listeners of this host forward to.
    pub forwards: &'a HashMap<SocketAt, Forward>,
    /// Addresses that belong to another namespace of this host, with its place in the sample.
    pub homes: &'a [(IpAddr, u16)],
    /// Whether every address has to work.
    pub wants_all: bool,
    /// What else was found about the target.
    pub more: &'a [Finding],
    /// The user whose sockets these are.
    pub user: u32,
    /// Whether the process of this number is stopped.
    pub is_stopped: fn(u32) -> bool,
}

impl Matter<'_> {
    /// All that is wrong about the target.
    pub fn findings(&self) -> Findings {
        let mut found: Vec<Finding> = self.lookup.map(name::of_lookup).unwrap_or_default();
        for hidden in found
            .iter_mut()
            .filter(|it| it.rule == &name::HOSTS_FILE_OVERRIDE)
        {
            // The address of the DNS may well work.
            if !self.is_reachable() {
                hidden.severity = Severity::Error;
            }
        }
        let all = diagnose(self.case);
        let of_host = all.all().iter().filter(|finding| self.concerns(finding));
        let mut of_host: Vec<Finding> = of_host.cloned().collect();
        let is_reachable = self.is_reachable();
        for held in of_host
            .iter_mut()
            .filter(|it| it.rule == &BOUND_NEVER_LISTENED)
        {
            // Here somebody does want it.
            held.severity = Severity::Error;
        }
        for attempt in self.attempts {
            if matches!(attempt.outcome, Outcome::Open) {
                continue;
            }
            let severity = self.severity(attempt);
            if self.is_answered_by_nobody(attempt, &of_host) {
                continue;
            }
            if let Some(known) = of_host.iter_mut().find(|it| self.explains(it, attempt)) {
                known.severity = known.severity.min(severity);
                continue;
            }
            let more = self.explanation(attempt);
            found.extend(more.map(|it| Finding {
                severity: it.severity.min(severity),
                ..it
            }));
        }
        for attempt in self.attempts {
            let is_known = |at: SocketAt| {
                let mut known = of_host.iter().filter(|it| it.rule == &NOT_ACCEPTED);
                known.any(|it| it.examples.contains(&Subject::Socket(at)))
            };
            if let Some(at) =
                server::unaccepted(self.case.index, attempt).filter(|at| !is_known(*at))
                && let Some(age) = self.case.tcp(at).last_data_sent_ms
                && Duration::from_millis(age.into()) >= server::ACCEPTS_WITHIN
            {
                found.push(not_accepted::of_own(self.case, at, age));
            }
        }
        found.extend(self.of_local_listeners());
        found.extend(self.of_forwards());
        let is_own =
            |it: &&Finding| matches!(it.subject, Subject::Socket(at) if self.own.contains(&at));
        let is_explained = of_host.iter().filter(is_own);
        let is_explained = is_explained.map(|it| it.severity).max() == Some(Severity::Error);
        let is_more = |it: &&Finding| {
            // Why nothing accepts at a path is known better.
            !(is_explained && it.rule == &attempt::UNIX_SOCKET_UNREACHABLE)
        };
        let more = self.more.iter().filter(is_more);
        found.extend(more.map(|it| self.with_its_holder(it)));
        if found.iter().any(|it| HANGS.contains(&it.rule)) {
            let holes = found
                .iter_mut()
                .filter(|it| it.rule == &path::MTU_BLACK_HOLE);
            holes.for_each(|it| it.severity = Severity::Error);
        }
        let is_cause = |it: &Finding| OF_THE_SERVER.contains(&it.rule);
        if found.iter().chain(&of_host).any(is_cause) {
            let silent = found.iter_mut().filter(|it| SILENT.contains(&it.rule));
            silent.for_each(|it| it.severity = Severity::Notice);
        }
        // What replaces a bare "no answer" says more.
        of_host.retain(|it| it.rule != &NO_ANSWER || (!is_reachable && self.is_here_only()));
        found.extend(of_host);
        if let Some(own) = self.case.sample.namespaces.first() {
            // Those of other namespaces go there already.
            for finding in &mut found {
                finding.go_to(own);
            }
        }
        Findings::new(found)
    }

    /// What is said of a Unix socket, with the process that is bound to the path and does not listen.
    fn with_its_holder(&self, finding: &Finding) -> Finding {
        let is_bound = |at: &&SocketAt| {
            let socket = self.case.socket(**at);
            socket.state == State::Unconnected
        };
        let holder = self.own.iter().find(is_bound);
        match holder.filter(|_| finding.rule == &attempt::UNIX_SOCKET_UNREACHABLE) {
            Some(at) => attempt::unix_held(self.case, *at, finding),
            None => finding.clone(),
        }
    }

    fn is_reachable(&self) -> bool {
        self.attempts.iter().any(|it| it.outcome == Outcome::Open)
    }

    /// How bad it is that this address fails: another one may do. What fails at once costs programs no time.
    fn severity(&self, attempt: &Attempt) -> Severity {
        match (self.is_reachable() && !self.wants_all, attempt.outcome) {
            (false, _) => Severity::Error,
            (true, Outcome::Refused(_) | Outcome::Failed(_)) => Severity::Notice,
            (true, _) => Severity::Warning,
        }
    }

    fn step(&self, ip: IpAddr) -> Option<Step<'_>> {
        Step::of(self.case.sample.networks.first()?, ip)
    }

    /// Whether packets to an address leave by an interface, or would if it were not down.
    fn may_leave_by(&self, ip: IpAddr, index: u32) -> bool {
        let Some(step) = self.step(ip) else {
            return false;
        };
        !step.leads_somewhere() || step.link.is_some_and(|link| link.index == index)
    }

    fn is_here(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.step(ip).is_some_and(|step| step.is_local())
    }

    /// The namespace of this host that an address belongs to, by its place in the sample.
    fn home(&self, ip: IpAddr) -> Option<u16> {
        if self.is_here(ip) {
            return Some(0);
        }
        let mut homes = self.homes.iter();
        homes.find(|(own, _)| *own == ip).map(|(_, netns)| *netns)
    }

    fn is_here_only(&self) -> bool {
        self.attempts.iter().all(|it| self.is_here(it.to.ip()))
    }

    /// The sockets that take part: ours, and those that listen on the port where the address is one of this host.
    pub fn sockets(&self) -> Vec<SocketAt> {
        let case = self.case;
        let is_ours = |at: &SocketAt| {
            let socket = case.socket(*at);
            let ends = (socket.local.end(), socket.peer.end());
            let is_it = |attempt: &Attempt| {
                let local = attempt.local.map(|it| (it.ip().to_canonical(), it.port()));
                let to = (attempt.to.ip().to_canonical(), attempt.to.port());
                ends == (local, Some(to))
            };
            socket.netns == 0 && self.attempts.iter().any(is_it)
        };
        let is_server = |at: &SocketAt| {
            let socket = case.socket(*at);
            let is_bound = is_listening(socket) || socket.state == State::BoundInactive;
            let is_asked = |it: &Attempt| {
                let end = it.end();
                socket.local.port() == Some(end.port().into())
                    && self.home(end.ip()) == Some(socket.netns)
            };
            socket.proto == self.proto && is_bound && self.attempts.iter().any(is_asked)
        };
        let places = case.sample.places();
        let is_one = |at: &SocketAt| is_ours(at) || is_server(at) || self.own.contains(at);
        let mut sockets: Vec<SocketAt> = places.filter(is_one).collect();
        let inside = |at: &SocketAt| self.forwards.get(at)?.listener;
        let behind: Vec<SocketAt> = sockets.iter().filter_map(inside).collect();
        sockets.extend(behind);
        sockets
    }

    /// Whether a finding about this host is about the target.
    fn concerns(&self, finding: &Finding) -> bool {
        if finding.rule == &reach::OUTPUT_STOPPED {
            return false;
        }
        let sockets = self.sockets();
        let failed = || {
            self.attempts
                .iter()
                .filter(|it| it.outcome != Outcome::Open)
        };
        let is_meant = |subject: &Subject| match *subject {
            Subject::Socket(at) => sockets.contains(&at),
            Subject::Process(process) => self.case.index.processes(&sockets).contains(&process),
            Subject::Path { netns: 0, to } => failed().any(|it| {
                it.to.ip() == to || self.step(it.to.ip()).is_some_and(|step| step.hop == to)
            }),
            Subject::Interface { netns: 0, index } => {
                failed().any(|it| self.may_leave_by(it.to.ip(), index))
            }
            _ => false,
        };
        let affected = finding
            .others
            .iter()
            .filter(|(role, _)| *role == Role::Affected);
        is_meant(&finding.subject) || affected.map(|(_, subject)| subject).any(is_meant)
    }

    /// Whether a finding about this host says why an attempt failed.
    fn explains(&self, finding: &Finding, attempt: &Attempt) -> bool {
        const OF_THE_PATH: &[&Rule] = &[
            &reach::NO_ROUTE,
            &reach::LINK_DOWN,
            &reach::NEIGHBOUR_FAILED,
            &reach::OWN_FIREWALL_DROPS,
        ];
        let to = attempt.to.ip();
        if finding.rule == &BOUND_NEVER_LISTENED {
            return attempt.outcome == Outcome::Refused(None) && self.is_here(to);
        }
        if !OF_THE_PATH.contains(&finding.rule) {
            return false;
        }
        let step = self.step(to);
        match finding.subject {
            Subject::Path { to: it, .. } => it == to || step.is_some_and(|step| step.hop == it),
            Subject::Interface { index, .. } => self.may_leave_by(to, index),
            _ => false,
        }
    }

    /// Whether nothing answered because the listener, in another namespace of this host, takes no connections.
    fn is_answered_by_nobody(&self, attempt: &Attempt, of_host: &[Finding]) -> bool {
        let end = attempt.end();
        let Some(netns) = self.home(end.ip()) else {
            return false;
        };
        let to = (end.ip(), end.port());
        let listeners = self.case.index.listeners(self.proto, netns, to);
        let is_full = |it: &Finding| {
            it.rule == &ACCEPT_QUEUE_FULL
                && matches!(it.subject, Subject::Socket(at) if listeners.contains(&at))
        };
        attempt.outcome == Outcome::Silent && of_host.iter().any(is_full)
    }

    /// Why an attempt failed that no finding about this host explains.
    fn explanation(&self, attempt: &Attempt) -> Option<Finding> {
        let to = attempt.to;
        if let Some(found) = self.stopped_by_our_firewall(attempt) {
            return Some(found);
        }
        if attempt.outcome == Outcome::Silent
            && let Some(found) = self.stopped_at_the_server(attempt)
        {
            return Some(found);
        }
        let answers = attempt.heard.answers();
        if attempt.outcome == Outcome::Silent
            && let Some(seen) = answers.and_then(|it| it.first(HeardKind::Accepts))
        {
            let filtered = self.case.grown(0, "TcpExtIPReversePathFilter");
            let filtered = filtered.filter(|it| *it > 0 && to.is_ipv4());
            return Some(attempt::answer_dropped(to, seen.words(), filtered));
        }
        let by = attempt.outcome.refusal().and_then(|it| it.by);
        let icmp = || Some(answers?.icmp_of(by?)?.words());
        let end = attempt.end();
        let home = self.home(end.ip());
        let target = Target {
            index: self.case.index,
            proto: self.proto,
            to: end,
            netns: home.unwrap_or(0),
            is_stopped: self.is_stopped,
        };
        match attempt.outcome {
            Outcome::Refused(None) if home.is_some_and(|it| it == 0 || target.is_near()) => {
                attempt::refused_here(&target)
            }
            Outcome::Refused(None) if self.proto == Proto::Udp => {
                Some(attempt::closed_by_icmp(end))
            }
            Outcome::Refused(None) => {
                let reset = attempt.heard.reset();
                let unlike = || {
                    let reset = answers?.first(HeardKind::Resets)?;
                    let other = answers?.unlike(reset)?;
                    Some(format!("{} (port {})", other.words(), other.from.port()))
                };
                Some(if let Some(router) = attempt.forged {
                    attempt::refused_on_the_way(to, router, reset)
                } else {
                    attempt::refused(to, reset, unlike())
                })
            }
            Outcome::Rejected(refusal)
                if self.proto == Proto::Udp
                    && attempt.translated.is_some()
                    && refusal.by == Some(end.ip())
                    && attempt::is_port(&refusal) =>
            {
                Some(attempt::closed_by_icmp(end))
            }
            Outcome::Refused(Some(refusal)) | Outcome::Rejected(refusal) => {
                let trace = attempt.trace.as_ref();
                Some(attempt::rejected(to, &refusal, trace, icmp()))
            }
            Outcome::Silent if self.proto == Proto::Udp && home.is_some() => {
                let netns = home.unwrap_or(0);
                let to = (end.ip(), end.port());
                let listeners = self.case.index.listeners(self.proto, netns, to);
                let mut unread = listeners
                    .iter()
                    .filter(|at| self.case.socket(**at).recv_q > 0);
                Some(match unread.next() {
                    Some(at) => {
                        let holders = self.case.index.processes(&[*at]).into_iter();
                        let mut pids = holders.map(|it| self.case.sample.process(it).pid);
                        let stopped = pids.find(|pid| (self.is_stopped)(*pid));
                        attempt::udp_unread(self.case, *at, stopped)
                    }
                    None => attempt::udp_silent(to.into(), attempt.time),
                })
            }
            Outcome::Silent if self.proto == Proto::Udp => {
                Some(attempt::udp_silent(to, attempt.time))
            }
            Outcome::Silent | Outcome::Overtaken if !self.is_here(to.ip()) => {
                Some(attempt::silent(&Silence {
                    to,
                    syns: attempt.syns,
                    time: attempt.time,
                    trace: attempt.trace.as_ref(),
                    others: &attempt.others,
                }))
            }
            Outcome::Failed(number) => Some(attempt::failed_here(to, attempt.local, number)),
            _ => None,
        }
    }

    /// The firewall of the other namespace of this host that the server is in.
    fn stopped_at_the_server(&self, attempt: &Attempt) -> Option<Finding> {
        let end = attempt.end();
        let netns = self.home(end.ip()).filter(|netns| *netns > 0)?;
        let end = (end.ip().to_canonical(), end.port());
        let protocol = if self.proto == Proto::Udp { 17 } else { 6 };
        let mut finding = reach::clients_stopped(self.case, netns, protocol, end)?;
        if let Some(there) = self.case.sample.namespaces.get(usize::from(netns)) {
            finding.go_to(there);
        }
        Some(finding)
    }

    fn stopped_by_our_firewall(&self, attempt: &Attempt) -> Option<Finding> {
        let step = self.step(attempt.to.ip());
        let source = step.and_then(|step| match step.answer {
            crate::host::RouteAnswer::Route(route) => route.source,
            crate::host::RouteAnswer::Refused(_) => None,
        });
        let local = attempt
            .local
            .or(source.map(|ip| SocketAddr::new(ip, SOME_PORT)))?;
        let flow = Flow {
            netns: 0,
            local: (local.ip().to_canonical(), local.port()),
            peer: (attempt.to.ip().to_canonical(), attempt.to.port()),
            protocol: if self.proto == Proto::Udp { 17 } else { 6 },
            connecting: true,
            user: Some(self.user),
        };
        reach::stopped(self.case, flow)
    }

    /// Listeners that forward into a namespace in which nothing listens.
    fn of_forwards(&self) -> Vec<Finding> {
        let sockets = self.sockets();
        let forwards = sockets
            .iter()
            .filter_map(|at| Some((*at, self.forwards.get(at)?)));
        let lost = forwards.filter(|(_, it)| it.netns.is_some() && it.listener.is_none());
        let found = lost.map(|(at, forward)| {
            let who = who(self.case.index, &[at]);
            let port = self.case.socket(at).local.port().unwrap_or(0);
            attempt::published_nowhere(&who, port, at, forward.to)
        });
        found.collect()
    }

    /// Addresses of this host that belong to one name, of which some have a listener.
    fn of_local_listeners(&self) -> Option<Finding> {
        let lookup = self.lookup.filter(|_| self.attempts.len() > 1)?;
        let here = self.attempts.iter().filter(|it| self.is_here(it.to.ip()));
        let listens = |it: &Attempt| {
            let end = (it.to.ip(), it.to.port());
            let found = self.case.index.listeners(self.proto, 0, end);
            (end.0, !found.is_empty())
        };
        let port = self.attempts.first()?.to.port();
        let ends: Vec<(IpAddr, bool)> = here.map(listens).collect();
        rules::name::of_listeners(&lookup.name, port, &ends)
    }
}

/// Whether it helps to send more packets, after an attempt ended like this.
pub fn asks_for_a_trace(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Silent | Outcome::Overtaken => true,
        Outcome::Rejected(refusal) | Outcome::Refused(Some(refusal)) => {
            refusal.is_hop_limit() || !path::is_filter(refusal)
        }
        _ => false,
    }
}

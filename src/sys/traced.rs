//! What the kernel's tracepoints tell while a host is looked at: why packets are dropped, and what programs try in
//! vain.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use super::bpf::{Counter, Drops, Kernel, Refused, Resets};
use super::privilege::{self, Capability};
use crate::bpf::attempts::{Attempt, Call};
use crate::bpf::drops::{Flow, Reason};
use crate::bpf::resets::Reset;
use crate::host::traced::{
    self, CountedReset, DroppedFlow, FailedCall, FailedLookup, FailedSend, Traced,
};
use crate::host::{Network, Note, RouteAnswer, Sample};

/// What counting takes.
const COUNTING: &[Capability] = &[Capability::Bpf, Capability::Perfmon];

/// `IPPROTO_TCP`.
const TCP: u8 = 6;

/// Routes that are asked for because a look-up failed, at most, of one namespace.
const MOST_ROUTES: usize = 256;

/// The programs that count, from the time when this was opened. One that the kernel lacks counts nothing.
#[derive(Debug)]
pub struct Counters {
    drops: Result<Drops, Refused>,
    lookups: Result<Counter, Refused>,
    sends: Result<Counter, Refused>,
    resets: Result<Resets, Refused>,
    calls: Option<Result<Counter, Refused>>,
}

/// What was counted until now, of all network namespaces.
#[derive(Debug, Default)]
pub struct Counted {
    reasons: Vec<(Reason, Box<str>, u64)>,
    flows: Vec<(Flow, Box<str>, u64)>,
    lookups: Vec<(Attempt, u64)>,
    sends: Vec<(Attempt, u64)>,
    resets: Vec<(Reset, Option<Box<str>>, u64)>,
    calls: Vec<(Attempt, u64)>,
}

impl Counters {
    /// Begins to count, if the kernel lets this process. For a short time the system calls that fail are counted
    /// too: that makes all of them a little slower.
    pub fn open(briefly: bool) -> Counters {
        privilege::with(COUNTING, || {
            let kernel = Kernel::running();
            Counters {
                drops: Drops::open(&kernel),
                lookups: Counter::lookups(&kernel),
                sends: Counter::sends(&kernel),
                resets: Resets::open(&kernel),
                calls: briefly.then(|| Counter::calls(&kernel)),
            }
        })
    }

    /// What was counted so far; `None`: nothing is counted.
    pub fn read(&self) -> Option<Counted> {
        let counters = [&self.lookups, &self.sends];
        if self.drops.is_err() && counters.iter().all(|it| it.is_err()) {
            return None;
        }
        Some(self.counted())
    }

    fn counted(&self) -> Counted {
        privilege::with(COUNTING, || {
            let mut counted = Counted::default();
            if let Ok(drops) = &self.drops {
                let name = |reason| drops.name(reason).map(Box::from);
                let reasons = drops.reasons().into_iter();
                counted.reasons = reasons
                    .filter_map(|(it, count)| Some((it, name(it.reason)?, count)))
                    .collect();
                let flows = drops.flows().into_iter();
                counted.flows = flows
                    .filter_map(|(it, count)| Some((it, name(it.reason)?, count)))
                    .collect();
            }
            let attempts = |of: &Result<Counter, _>| {
                let of = of.as_ref();
                of.map(Counter::attempts).unwrap_or_default()
            };
            counted.lookups = attempts(&self.lookups);
            counted.sends = attempts(&self.sends);
            let resets = self.resets.as_ref();
            counted.resets = resets.map(Resets::counted).unwrap_or_default();
            counted.calls = self.calls.as_ref().map(attempts).unwrap_or_default();
            // What this program itself asks is no fault.
            let own = std::process::id();
            counted.lookups.retain(|(it, _)| it.pid != own);
            counted
        })
    }

    /// Adds why nothing was counted, if that is so.
    pub fn add_unseen(&self, sample: &mut Sample) {
        let Err(refused) = &self.drops else { return };
        let text = match refused {
            Refused::Load(error, _)
                if error.kind() == io::ErrorKind::PermissionDenied && privilege::holds(COUNTING) =>
            {
                "kernel drop reasons and failed sends: bpf(2) is refused, by a seccomp filter (docker run \
                 --security-opt seccomp=unconfined) or kernel lockdown"
                    .to_owned()
            }
            Refused::Load(error, _) if error.kind() == io::ErrorKind::PermissionDenied => {
                "kernel drop reasons and failed sends; run as root (needs CAP_BPF, CAP_PERFMON)"
                    .to_owned()
            }
            refused => format!("kernel drop reasons: {refused}"),
        };
        sample.notes.push(Note {
            id: "drop_reasons_hidden".into(),
            text,
            incomplete: true,
        });
    }
}

impl Counted {
    /// The destinations to which no route was found, by a process in this namespace or for an answer to a packet:
    /// the namespace of the latter is not known. And the peers of connections whose packets the packet filter dropped.
    pub fn destinations(&self, netns: u64) -> Vec<IpAddr> {
        let lookups = self.lookups.iter().map(|(it, _)| it);
        let mut found: Vec<IpAddr> = lookups
            .filter(|it| u64::from(it.netns) == netns || !it.from().is_unspecified())
            .map(|it| it.to().into())
            .collect();
        let calls = self.calls.iter().map(|(it, _)| it);
        let here = calls.filter(|it| u64::from(it.netns) == netns);
        found.extend(here.filter_map(unreachable));
        let dropped = self.flows.iter().filter(|(flow, reason, _)| {
            let is_of_connection = flow.protocol == TCP && !flow.begins;
            u64::from(flow.netns) == netns && is_of_connection && &**reason == "NETFILTER_DROP"
        });
        found.extend(dropped.map(|(flow, ..)| match flow.interface {
            0 => flow.destination.0,
            _ => flow.source,
        }));
        found.sort_unstable();
        found.dedup();
        found.truncate(MOST_ROUTES);
        found
    }

    /// What was counted of one namespace, of which routes and addresses are known.
    pub fn of(&self, netns: u64, network: &Network) -> Traced {
        let is_here = |it: u32| u64::from(it) == netns;
        let mut reasons: BTreeMap<Box<str>, u64> = BTreeMap::new();
        for (_, name, count) in self.reasons.iter().filter(|it| is_here(it.0.netns)) {
            *reasons.entry(name.clone()).or_default() += count;
        }
        let flows = self.flows.iter().filter(|(flow, ..)| is_here(flow.netns));
        let flows = flows.map(|(flow, reason, packets)| DroppedFlow {
            reason: reason.clone(),
            interface: flow.interface,
            protocol: flow.protocol,
            source: flow.source,
            destination: flow.destination,
            begins: flow.begins,
            packets: *packets,
        });
        let is_own = |ip: IpAddr| network.addresses.iter().any(|it| it.address == ip);
        let is_refused = |to: IpAddr| match network.route(to) {
            Some(RouteAnswer::Refused(_)) => true,
            Some(RouteAnswer::Route(route)) => route.kind.refuses(),
            None => false,
        };
        let lookups = self.lookups.iter().filter(|(it, _)| {
            (is_here(it.netns) || is_own(it.from().into())) && is_refused(it.to().into())
        });
        let lookups = lookups.map(|(it, times)| FailedLookup {
            by: is_here(it.netns).then(|| by(it)),
            from: (!it.from().is_unspecified()).then(|| it.from().into()),
            to: it.to().into(),
            times: *times,
        });
        let of_calls = self.calls.iter().filter(|(it, _)| is_here(it.netns));
        let looked_up = |to: IpAddr| {
            let mut here = self.lookups.iter().filter(|(it, _)| is_here(it.netns));
            here.any(|(it, _)| IpAddr::from(it.to()) == to)
        };
        // A rule of policy routing refuses without a look-up; a look-up of IPv4 is counted itself.
        let of_calls = of_calls.filter_map(|(it, times)| {
            let to = unreachable(it).filter(|to| is_refused(*to) && !looked_up(*to))?;
            Some(FailedLookup {
                by: Some(by(it)),
                from: None,
                to,
                times: *times,
            })
        });
        let sends = self.sends.iter().filter(|(it, _)| is_here(it.netns));
        let sends = sends.map(|(it, times)| FailedSend {
            by: by(it),
            errno: it.errno,
            protocol: it.what,
            times: *times,
        });
        let resets = self.resets.iter().filter(|(it, ..)| is_here(it.netns));
        let resets = resets.map(|(it, reason, times)| CountedReset {
            reason: it.reason.map(|_| reason.clone().unwrap_or_default()),
            local: it.local,
            peer: it.peer,
            connecting: it.connecting,
            times: *times,
        });
        let calls = self.calls.iter().filter(|(it, _)| is_here(it.netns));
        let calls = calls.filter_map(|(it, times)| {
            Some(FailedCall {
                by: by(it),
                call: match Call::of(it.what)? {
                    Call::Accept => "accept",
                    Call::Bind => "bind",
                    Call::Connect => "connect",
                    Call::Socket => "socket",
                }
                .into(),
                errno: it.errno,
                address: it.given(),
                times: *times,
            })
        });
        Traced {
            reasons: reasons.into_iter().collect(),
            flows: flows.collect(),
            lookups: lookups.chain(of_calls).collect(),
            sends: sends.collect(),
            calls: calls.collect(),
            resets: resets.collect(),
        }
    }
}

/// Where `connect()` found no way to, or one that refuses, or from where an ICMP error came back.
fn unreachable(attempt: &Attempt) -> Option<IpAddr> {
    const ERRORS: [i32; 4] = [
        libc::EACCES,
        libc::EINVAL,
        libc::ENETUNREACH,
        libc::EHOSTUNREACH,
    ];
    let connects = Call::of(attempt.what) == Some(Call::Connect);
    let to = attempt.given().filter(|_| connects)?.ip().to_canonical();
    ERRORS.contains(&attempt.errno).then_some(to)
}

/// Who it was. In a PID namespace of its own the number is another one than /proc has.
fn by(attempt: &Attempt) -> traced::Process {
    let named = std::fs::read(format!("/proc/{}/comm", attempt.pid)).unwrap_or_default();
    let is_it = named.strip_suffix(b"\n") == Some(attempt.comm());
    traced::Process {
        pid: is_it.then_some(attempt.pid),
        comm: attempt.comm().into(),
    }
}

#[cfg(test)]
#[path = "traced_tests.rs"]
mod tests;

//! What the kernel told of a namespace while it was traced: packets that it dropped, and what programs tried in vain.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::sockets::stored;

/// What was counted since tracing began.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Traced {
    /// Packets that were dropped, by the name of the reason in `enum skb_drop_reason`: `NETFILTER_DROP`.
    #[serde(default, deserialize_with = "stored::list")]
    pub reasons: Vec<(Box<str>, u64)>,
    /// For some reasons the flows of these packets.
    #[serde(default, deserialize_with = "stored::list")]
    pub flows: Vec<DroppedFlow>,
    /// Destinations for which no route was found.
    #[serde(default, deserialize_with = "stored::list")]
    pub lookups: Vec<FailedLookup>,
    /// Sends that failed.
    #[serde(default, deserialize_with = "stored::list")]
    pub sends: Vec<FailedSend>,
    /// System calls that failed.
    #[serde(default, deserialize_with = "stored::list")]
    pub calls: Vec<FailedCall>,
    /// Connections that were reset.
    #[serde(default, deserialize_with = "stored::list")]
    pub resets: Vec<CountedReset>,
}

/// Linux's errno.
const EADDRINUSE: i32 = 98;

/// A host of which packets to more ports than these are dropped is a scanner.
const SCANNED: usize = 3;

/// A process that did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number, if /proc has it.
    pub pid: Option<u32>,
    /// Its name.
    #[serde(with = "stored::bytes")]
    pub comm: Box<[u8]>,
}

/// Packets of one flow that were dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedFlow {
    /// Why.
    pub reason: Box<str>,
    /// The interface by which they came; 0: this host sent them.
    pub interface: u32,
    /// The protocol after IP.
    pub protocol: u8,
    /// From where.
    pub source: IpAddr,
    /// To where; the port is 0 for other protocols than TCP and UDP.
    pub destination: (IpAddr, u16),
    /// Whether they begin TCP connections.
    pub begins: bool,
    /// How many.
    pub packets: u64,
}

/// Look-ups of a route that found none, or one that refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedLookup {
    /// Who asked; `None`: the kernel, for an answer to a packet.
    pub by: Option<Process>,
    /// The source address, if one was chosen.
    pub from: Option<IpAddr>,
    /// The destination.
    pub to: IpAddr,
    /// How often.
    pub times: u64,
}

/// Sends that failed with one error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedSend {
    /// Who sent.
    pub by: Process,
    /// The error.
    pub errno: i32,
    /// The protocol after IP.
    pub protocol: u32,
    /// How often.
    pub times: u64,
}

/// System calls that failed with one error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedCall {
    /// Who called.
    pub by: Process,
    /// The name of the call: `accept`, `bind`, `connect`, `socket`.
    pub call: Box<str>,
    /// The error.
    pub errno: i32,
    /// The address that it was given.
    pub address: Option<SocketAddr>,
    /// How often.
    pub times: u64,
}

/// Resets of connections between two ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountedReset {
    /// Why this host sent it, by the name in `enum sk_rst_reason`: `TCP_ABORT_ON_CLOSE`; `None`: the peer sent it.
    pub reason: Option<Box<str>>,
    /// Our end.
    pub local: SocketAddr,
    /// The other end.
    pub peer: SocketAddr,
    /// Whether it was an attempt that was refused.
    pub connecting: bool,
    /// How often.
    pub times: u64,
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", String::from_utf8_lossy(&self.comm))?;
        self.pid.map_or(Ok(()), |pid| write!(f, " (pid {pid})"))
    }
}

impl Traced {
    /// The packets that were dropped for a reason.
    pub fn dropped(&self, reason: &str) -> u64 {
        let mut reasons = self.reasons.iter();
        let found = reasons.find(|(name, _)| &**name == reason);
        found.map_or(0, |(_, count)| *count)
    }

    /// The flows that were dropped for a reason, but for those of hosts that try one port after the other.
    pub fn flows_for(&self, reason: &str) -> impl Iterator<Item = &DroppedFlow> {
        let mut tried: BTreeMap<IpAddr, BTreeSet<(u8, u16)>> = BTreeMap::new();
        for flow in self.flows.iter().filter(|flow| flow.interface != 0) {
            let ports = tried.entry(flow.source).or_default();
            ports.insert((flow.protocol, flow.destination.1));
        }
        self.flows.iter().filter(move |flow| {
            let ports = tried.get(&flow.source).map_or(0, BTreeSet::len);
            &*flow.reason == reason && ports <= SCANNED
        })
    }

    /// The addresses that programs could not bind because another socket has them.
    pub fn taken(&self) -> impl Iterator<Item = SocketAddr> {
        let calls = self.calls.iter();
        let failed = calls.filter(|call| &*call.call == "bind" && call.errno == EADDRINUSE);
        failed
            .filter_map(|call| call.address)
            .filter(|to| to.port() != 0)
    }

    /// What was counted since an earlier moment of the same tracing.
    #[must_use]
    pub fn since(&self, before: &Traced) -> Traced {
        fn grown<T: Clone>(
            now: &[T],
            before: &[T],
            same: fn(&T, &T) -> bool,
            count: fn(&mut T) -> &mut u64,
        ) -> Vec<T> {
            let now = now.iter().cloned().map(|mut it| {
                let earlier = before.iter().find(|earlier| same(earlier, &it)).cloned();
                let earlier = earlier.map_or(0, |mut earlier| *count(&mut earlier));
                // One that is smaller began again: the kernel had made room for others.
                let counted = *count(&mut it);
                *count(&mut it) = counted.checked_sub(earlier).unwrap_or(counted);
                it
            });
            let mut grown: Vec<T> = now.collect();
            grown.retain_mut(|it| *count(it) > 0);
            grown
        }
        Traced {
            reasons: grown(
                &self.reasons,
                &before.reasons,
                |a, b| a.0 == b.0,
                |it| &mut it.1,
            ),
            flows: grown(
                &self.flows,
                &before.flows,
                |a, b| {
                    let a = (
                        &a.reason,
                        a.interface,
                        a.protocol,
                        a.source,
                        a.destination,
                        a.begins,
                    );
                    a == (
                        &b.reason,
                        b.interface,
                        b.protocol,
                        b.source,
                        b.destination,
                        b.begins,
                    )
                },
                |it| &mut it.packets,
            ),
            lookups: grown(
                &self.lookups,
                &before.lookups,
                |a, b| (&a.by, a.from, a.to) == (&b.by, b.from, b.to),
                |it| &mut it.times,
            ),
            sends: grown(
                &self.sends,
                &before.sends,
                |a, b| (&a.by, a.errno, a.protocol) == (&b.by, b.errno, b.protocol),
                |it| &mut it.times,
            ),
            resets: grown(
                &self.resets,
                &before.resets,
                |a, b| {
                    (&a.reason, a.local, a.peer, a.connecting)
                        == (&b.reason, b.local, b.peer, b.connecting)
                },
                |it| &mut it.times,
            ),
            calls: grown(
                &self.calls,
                &before.calls,
                |a, b| (&a.by, &a.call, a.errno, a.address) == (&b.by, &b.call, b.errno, b.address),
                |it| &mut it.times,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(port: u16, packets: u64) -> DroppedFlow {
        DroppedFlow {
            reason: "NO_SOCKET".into(),
            interface: 2,
            protocol: 17,
            source: [10, 0, 0, 1].into(),
            destination: ([10, 0, 0, 2].into(), port),
            begins: false,
            packets,
        }
    }

    #[test]
    fn only_what_grew_is_left() {
        let before = Traced {
            reasons: vec![("NO_SOCKET".into(), 5), ("NOMEM".into(), 1)],
            flows: vec![flow(7, 3), flow(8, 2)],
            ..Traced::default()
        };
        let mut now = before.clone();
        now.reasons[0].1 = 9;
        now.flows[0].packets = 4;
        now.flows.push(flow(9, 3));
        let since = now.since(&before);
        assert_eq!(since.reasons, [("NO_SOCKET".into(), 4)]);
        assert_eq!(since.flows, [flow(7, 1), flow(9, 3)]);
        assert_eq!((since.dropped("NO_SOCKET"), since.dropped("NOMEM")), (4, 0));
    }

    #[test]
    fn a_host_that_tries_many_ports_is_left_out() {
        let flows = |ports: u16| Traced {
            flows: (1..=ports).map(|port| flow(port, 3)).collect(),
            ..Traced::default()
        };
        assert_eq!(flows(3).flows_for("NO_SOCKET").count(), 3);
        assert_eq!(flows(3).flows_for("NETFILTER_DROP").count(), 0);
        assert_eq!(flows(4).flows_for("NO_SOCKET").count(), 0);
    }
}

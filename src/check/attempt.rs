//! One address of the target, and what became of the attempt to connect to it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::heard::Listened;
use crate::host::{Network, RouteAnswer};
use crate::ping::losses::Refusal;
use crate::ping::trace::Trace;
use crate::reference::errno;
use crate::rtnetlink::{Link, Neighbour, Reachability, Route, RouteKind, RoutingRule};
use crate::sockets::Proto;

/// An address, and what became of the attempt to connect to it.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Where to.
    pub to: SocketAddr,
    /// TCP or UDP.
    pub proto: Proto,
    /// Our end, if there was one.
    pub local: Option<SocketAddr>,
    /// Where the packets went to, if the firewall of this host translated the address.
    pub translated: Option<SocketAddr>,
    /// What became of it.
    pub outcome: Outcome,
    /// From the first SYN to that.
    pub time: Duration,
    /// SYNs that were sent.
    pub syns: u32,
    /// Packets with a limited hop count to the same port, if nothing or a router answered.
    pub trace: Option<Trace>,
    /// Of a reset that another device than the host sent: the last router that packets to this port passed, and
    /// how many hops away it is.
    pub forged: Option<(u8, IpAddr)>,
    /// Other ports of the host that were tried then, and whether it answered there.
    pub others: Vec<(u16, bool)>,
    /// What came back, as a packet socket saw it.
    pub heard: Listened,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was accepted.
    Open,
    /// A reset came; or, with the error, an ICMP error that means the same.
    Refused(Option<Refusal>),
    /// An ICMP error came.
    Rejected(Refusal),
    /// This host says why not: an errno.
    Failed(i32),
    /// Nothing came.
    Silent,
    /// Another address was connected first, and nothing had come yet.
    Overtaken,
}

impl Outcome {
    /// The word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Open => "open",
            Outcome::Refused(_) => "refused",
            Outcome::Rejected(_) => "rejected",
            Outcome::Failed(_) => "failed",
            Outcome::Silent => "no_answer",
            Outcome::Overtaken => "overtaken",
        }
    }

    /// The ICMP error in it.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Outcome::Refused(refusal) => refusal.as_ref(),
            Outcome::Rejected(refusal) => Some(refusal),
            _ => None,
        }
    }
}

/// How packets leave for an address.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// The kernel's answer.
    pub answer: RouteAnswer,
    /// The interface.
    pub link: Option<&'a Link>,
    /// The router, or the address itself.
    pub hop: IpAddr,
    /// Whether the hop is known; `None`: nothing was sent to it.
    pub reachability: Option<Reachability>,
    /// What is known of it.
    pub neighbour: Option<&'a Neighbour>,
    /// The rule that chose the routing table, if it is one of its own.
    pub rule: Option<&'a RoutingRule>,
}

impl<'a> Step<'a> {
    /// What a look at the network stack says of it.
    pub fn of(network: &'a Network, to: IpAddr) -> Option<Step<'a>> {
        let answer = network.route(to)?;
        let route = match answer {
            RouteAnswer::Route(route) => route,
            RouteAnswer::Refused(_) => Route::default(),
        };
        let link = route.interface.and_then(|index| network.link(index));
        let hop = route.gateway.unwrap_or(to);
        let neighbour = link.and_then(|link| network.neighbour(link.index, hop));
        Some(Step {
            answer,
            link,
            hop,
            reachability: neighbour.map(|it| it.reachability),
            neighbour,
            rule: network
                .chosen_by
                .iter()
                .find(|(of, _)| *of == to)
                .map(|(_, rule)| rule),
        })
    }

    /// Whether the kernel would send a packet.
    pub fn leads_somewhere(&self) -> bool {
        match self.answer {
            RouteAnswer::Route(route) => {
                matches!(
                    route.kind,
                    RouteKind::Unicast | RouteKind::Local | RouteKind::Other
                )
            }
            RouteAnswer::Refused(_) => false,
        }
    }

    /// Whether the link is up, and nothing is known that keeps the next hop from answering.
    pub fn answers(&self) -> bool {
        let is_up = self
            .link
            .is_none_or(|link| link.loopback || link.up && link.carrier);
        is_up && self.reachability.is_none_or(|it| it == Reachability::Known)
    }

    /// Whether the address is one of this host.
    pub fn is_local(&self) -> bool {
        matches!(self.answer, RouteAnswer::Route(route) if route.kind == RouteKind::Local)
    }

    /// `eth0, source 10.9.1.2, MTU 1500, no gateway`.
    pub fn route_words(&self) -> String {
        let route = match self.answer {
            RouteAnswer::Refused(number) => return errno::words(number),
            RouteAnswer::Route(route) => route,
        };
        if self.is_local() {
            return "an address of this host".to_owned();
        }
        let mut words = Vec::new();
        if let Some(link) = self.link {
            words.push(link.name.to_string());
        }
        words.extend(route.source.map(|source| format!("source {source}")));
        words.extend(self.link.map(|link| format!("MTU {}", link.mtu_bytes)));
        words.push(match route.gateway {
            Some(gateway) => format!("gateway {gateway}"),
            None => "no gateway".to_owned(),
        });
        let table = route.special_table();
        words.extend(table.map(|table| match self.rule {
            Some(rule) => format!("table {table}, chosen by the rule {rule}"),
            None => format!("table {table} (chosen by a rule: ip rule)"),
        }));
        words.join(", ")
    }

    /// What is known of the next hop.
    pub fn hop_words(&self) -> String {
        let hop = self.hop;
        if self.is_local() || !self.leads_somewhere() {
            return String::new();
        }
        match (self.link, self.reachability) {
            (Some(link), _) if !link.up => format!("interface {} is down", link.name),
            (Some(link), _) if !link.carrier => format!("interface {} has no carrier", link.name),
            (_, Some(Reachability::Known)) => self.known_words(),
            (_, Some(Reachability::Incomplete)) => format!("{hop} has not answered yet"),
            (_, Some(Reachability::Failed)) => format!("{hop} does not answer"),
            (_, None) => format!("no entry for {hop}: no packet went out, or none is needed"),
        }
    }
}

impl Step<'_> {
    /// `10.9.1.1 is at 02:00:00:00:00:77, reachable`.
    fn known_words(&self) -> String {
        let hop = self.hop;
        let hardware = self.neighbour.and_then(|it| it.hardware);
        let at = hardware.map_or_else(
            || format!("{hop} is known"),
            |it| {
                let bytes = it.map(|byte| format!("{byte:02x}"));
                format!("{hop} is at {}", bytes.join(":"))
            },
        );
        match self.neighbour.and_then(Neighbour::state_word) {
            Some(state) => format!("{at}, {state}"),
            None => at,
        }
    }
}

/// A time in words.
pub(super) fn shown(time: Duration) -> String {
    match time.as_secs_f64() * 1e3 {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1e3),
    }
}

impl Attempt {
    /// An attempt that was not begun.
    pub fn new(to: SocketAddr, proto: Proto) -> Attempt {
        Attempt {
            to,
            proto,
            local: None,
            translated: None,
            outcome: Outcome::Overtaken,
            time: Duration::ZERO,
            syns: 0,
            trace: None,
            forged: None,
            others: Vec::new(),
            heard: Listened::NotNeeded,
        }
    }

    /// The end that the packets go to: after address translation.
    pub fn end(&self) -> SocketAddr {
        self.translated.unwrap_or(self.to)
    }

    fn translated_words(&self) -> String {
        self.translated
            .map_or_else(String::new, |it| format!(", translated to {it} (DNAT)"))
    }

    /// What became of it, in words.
    pub fn words(&self) -> String {
        let is_udp = self.proto == Proto::Udp;
        match &self.outcome {
            Outcome::Open if is_udp => format!("a datagram came back{}", self.translated_words()),
            Outcome::Refused(None) if is_udp => {
                format!("refused: {} sent ICMP port unreachable", self.to.ip())
            }
            Outcome::Silent if is_udp => format!(
                "nothing came back in {}{}",
                shown(self.time),
                self.translated_words()
            ),
            Outcome::Open => {
                let again = match self.syns.saturating_sub(1) {
                    0 => String::new(),
                    1 => ", the SYN was sent again once".to_owned(),
                    n => format!(", the SYN was sent again {n} times"),
                };
                let from = self
                    .local
                    .map_or_else(String::new, |local| format!(" from {local}"));
                format!("accepted{from}{again}{}", self.translated_words())
            }
            Outcome::Refused(None) => match self.heard.reset() {
                None => "refused: a reset (RST) came".to_owned(),
                Some(from) => format!("refused: a reset (RST) came {from}"),
            },
            Outcome::Refused(Some(refusal)) => {
                format!("refused: {}", by(refusal))
            }
            Outcome::Rejected(refusal) => by(refusal),
            Outcome::Failed(number) => errno::words(*number),
            Outcome::Silent => {
                let syns = match self.syns {
                    0 | 1 => "the SYN".to_owned(),
                    n => format!("{n} SYNs"),
                };
                let through = self.translated_words();
                format!("no answer to {syns} in {}{through}", shown(self.time))
            }
            Outcome::Overtaken => {
                format!(
                    "no answer yet after {}; another address answered",
                    shown(self.time)
                )
            }
        }
    }
}

/// `10.0.2.1 sent ICMP Destination Host Unreachable`.
pub(super) fn by(refusal: &Refusal) -> String {
    let words = refusal.words();
    match refusal.by {
        Some(by) => format!("{by} sent ICMP {words}"),
        None => format!("ICMP {words} came"),
    }
}

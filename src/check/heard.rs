//! What came back for the attempts, as a packet socket saw it: who sent it, and how far that is away.

use std::net::{IpAddr, SocketAddr};

use crate::diagnose::words::count;

/// A packet that came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What it is.
    pub kind: HeardKind,
    /// Its sender, as the packet claims; of ICMP with port 0.
    pub from: SocketAddr,
    /// The local port that it is for; of ICMP 0.
    pub to_port: u16,
    /// The time to live of IPv4, or hop limit of IPv6, that was left.
    pub hops_left: u8,
    /// The link-layer address of the last device that sent it on; `None`: the interface has none.
    pub hardware: Option<[u8; 6]>,
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeardKind {
    /// A SYN-ACK.
    Accepts,
    /// A reset.
    Resets,
    /// An ICMP error.
    Icmp,
}

impl HeardKind {
    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            HeardKind::Accepts => "syn_ack",
            HeardKind::Resets => "reset",
            HeardKind::Icmp => "icmp",
        }
    }
}

impl Heard {
    /// `from 10.9.2.2, TTL 62 (2 hops if it began with 64), link-layer address 02:00:00:00:00:77`.
    pub fn words(&self) -> String {
        let from = self.from.ip();
        let name = if from.is_ipv4() { "TTL" } else { "hop limit" };
        let hardware = self.hardware.map_or_else(String::new, |it| {
            let bytes = it.map(|byte| format!("{byte:02x}"));
            format!(", link-layer address {}", bytes.join(":"))
        });
        let first = FIRST.into_iter().find(|first| *first >= self.hops_left);
        let first = first.unwrap_or(u8::MAX);
        let hops = count(u32::from(first - self.hops_left), "hop");
        format!(
            "from {from}, {name} {} ({hops} if it began with {first}){hardware}",
            self.hops_left
        )
    }
}

/// What packets begin with: Linux, Windows, network devices.
const FIRST: [u8; 3] = [64, 128, 255];

/// What was listened for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Listened {
    /// Nothing: the address is one of this host.
    #[default]
    NotNeeded,
    /// A packet socket was refused: who sends an answer is unknown.
    NotAllowed,
    /// What came back.
    To(Answers),
}

impl Listened {
    /// What came back.
    pub fn answers(&self) -> Option<&Answers> {
        match self {
            Listened::To(answers) => Some(answers),
            _ => None,
        }
    }

    /// The sender of a reset, as evidence; `None`: there is nothing to say.
    pub fn reset(&self) -> Option<String> {
        match self {
            Listened::NotNeeded => None,
            Listened::NotAllowed => {
                Some("from an unknown sender (seeing it needs CAP_NET_RAW)".to_owned())
            }
            Listened::To(answers) => Some(answers.first(HeardKind::Resets)?.words()),
        }
    }
}

/// All that came back for one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answers {
    /// From the address and port themselves.
    pub own: Vec<Heard>,
    /// From other ports of the host.
    pub others: Vec<Heard>,
    /// ICMP errors, whoever they are for.
    pub icmp: Vec<Heard>,
}

impl Answers {
    /// Those of all packets that are for an attempt from a local port; without the port every one of that address.
    pub fn of(all: &[Heard], to: SocketAddr, local: Option<u16>) -> Answers {
        let mut answers = Answers::default();
        for heard in all {
            if heard.kind == HeardKind::Icmp {
                answers.icmp.push(heard.clone());
            } else if heard.from == to {
                if local.is_none_or(|port| port == heard.to_port) {
                    answers.own.push(heard.clone());
                }
            } else if heard.from.ip() == to.ip() {
                answers.others.push(heard.clone());
            }
        }
        answers
    }

    /// The first of a kind from the address and port themselves.
    pub fn first(&self, kind: HeardKind) -> Option<&Heard> {
        self.own.iter().find(|it| it.kind == kind)
    }

    /// An ICMP error of a sender.
    pub fn icmp_of(&self, by: IpAddr) -> Option<&Heard> {
        self.icmp.iter().find(|it| it.from.ip() == by)
    }

    /// An answer of another port of the host whose time to live differs from that of a reset: one of the two is not of
    /// the host itself.
    pub fn unlike(&self, reset: &Heard) -> Option<&Heard> {
        let others = self.others.iter();
        let mut all = others.filter(|it| it.kind != HeardKind::Icmp);
        all.find(|it| it.hops_left != reset.hops_left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(kind: HeardKind, from: &str, to_port: u16, hops_left: u8) -> Heard {
        Heard {
            kind,
            from: from.parse().unwrap(),
            to_port,
            hops_left,
            hardware: Some([2, 0, 0, 0, 0, 0x77]),
        }
    }

    #[test]
    fn answers_are_told_apart_by_port_and_kind() {
        let all = [
            heard(HeardKind::Icmp, "10.9.0.1:0", 0, 64),
            heard(HeardKind::Resets, "10.9.2.2:80", 40_001, 63),
            heard(HeardKind::Resets, "10.9.2.2:80", 40_000, 62),
            heard(HeardKind::Accepts, "10.9.2.2:22", 40_002, 61),
            heard(HeardKind::Accepts, "10.9.2.3:80", 40_000, 60),
        ];
        let to = "10.9.2.2:80".parse().unwrap();
        let answers = Answers::of(&all, to, Some(40_000));
        let reset = answers.first(HeardKind::Resets).unwrap();
        assert_eq!(reset.hops_left, 62);
        assert_eq!(answers.first(HeardKind::Accepts), None);
        assert_eq!(answers.unlike(reset).unwrap().hops_left, 61);
        assert_eq!(answers.icmp_of([10, 9, 0, 1].into()).unwrap().hops_left, 64);
        assert_eq!(answers.icmp_of([10, 9, 0, 2].into()), None);
        assert_eq!(
            reset.words(),
            "from 10.9.2.2, TTL 62 (2 hops if it began with 64), link-layer address 02:00:00:00:00:77"
        );
        let same = heard(HeardKind::Resets, "10.9.2.2:80", 40_000, 61);
        assert_eq!(answers.unlike(&same), None);
    }
}

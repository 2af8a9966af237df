//! A rule that chooses a routing table (`RTM_GETRULE`, `struct fib_rule_hdr`; ip-rule(8)).

use std::fmt;
use std::net::IpAddr;

use super::{AF_INET, AF_INET6};
use crate::netlink::{Attributes, Malformed, fixed_part, u32_at};

const GET: u16 = 34;

/// `struct fib_rule_hdr`: family, lengths of destination and source, TOS, table, two reserved bytes, action, flags.
const LEN: usize = 12;
mod field {
    pub(super) const FAMILY: usize = 0;
    pub(super) const TO_BITS: usize = 1;
    pub(super) const FROM_BITS: usize = 2;
    pub(super) const TABLE: usize = 4;
    pub(super) const ACTION: usize = 7;
    pub(super) const FLAGS: usize = 8;
}

/// `FRA_*` in `linux/fib_rules.h`.
mod attribute {
    pub(super) const TO: u16 = 1;
    pub(super) const FROM: u16 = 2;
    pub(super) const IN: u16 = 3;
    pub(super) const PRIORITY: u16 = 6;
    pub(super) const MARK: u16 = 10;
    pub(super) const TABLE: u16 = 15;
    pub(super) const MARK_MASK: u16 = 16;
    pub(super) const OUT: u16 = 17;
    pub(super) const L3MDEV: u16 = 19;
    pub(super) const USERS: u16 = 20;
    pub(super) const IP_PROTOCOL: u16 = 22;
    pub(super) const FROM_PORTS: u16 = 23;
    pub(super) const TO_PORTS: u16 = 24;
}

/// `FR_ACT_TO_TBL`.
const LOOKS_UP: u8 = 1;
/// `FIB_RULE_INVERT`.
const INVERT: u32 = 2;

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoutingRule {
    is_v6: bool,
    /// Its place among the others: the lowest is asked first.
    pub priority: u32,
    /// The table that it looks into; 0: it does something else.
    pub table: u32,
    from: Option<(IpAddr, u8)>,
    to: Option<(IpAddr, u8)>,
    in_by: Option<Box<str>>,
    out_by: Option<Box<str>>,
    /// The mark, and the bits of it that count.
    mark: Option<(u32, u32)>,
    users: Option<(u32, u32)>,
    protocol: Option<u8>,
    from_ports: Option<(u16, u16)>,
    to_ports: Option<(u16, u16)>,
    is_inverted: bool,
    /// It is about devices with a table of their own (VRF).
    is_of_device: bool,
}

/// What a rule looks at: the first packet of a connection of this host.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Where it goes.
    pub to: IpAddr,
    /// The address that its socket is bound to, if it is.
    pub from: Option<IpAddr>,
    /// The interface that its socket is bound to, if it is.
    pub by: Option<&'a str>,
    /// The number of its protocol, and the port that it goes to, if they are known.
    pub end: Option<(u8, u16)>,
    /// The number of its user.
    pub user: u32,
}

impl RoutingRule {
    /// Writes the request for all rules.
    pub fn request(sequence: u32, out: &mut Vec<u8>) {
        super::dump::<LEN>(GET, sequence, out);
    }

    /// Reads one reply; `None`: it is of another family.
    ///
    /// # Errors
    /// When it is shorter than its fixed part.
    pub fn read(payload: &[u8]) -> Result<Option<RoutingRule>, Malformed> {
        let fixed = fixed_part::<LEN>(payload, "fib_rule_hdr")?;
        let is_v6 = match fixed[field::FAMILY] {
            AF_INET => false,
            AF_INET6 => true,
            _ => return Ok(None),
        };
        let looks_up = fixed[field::ACTION] == LOOKS_UP;
        let mut rule = RoutingRule {
            is_v6,
            table: fixed[field::TABLE].into(),
            is_inverted: u32_at(fixed, field::FLAGS) & INVERT != 0,
            ..RoutingRule::default()
        };
        let mut mask = None;
        for it in Attributes::new(payload, LEN).map_while(Result::ok) {
            let numbers = || Some((it.payload.get(..4)?, it.payload.get(4..8)?));
            let users = || numbers().map(|(low, high)| (u32_at(low, 0), u32_at(high, 0)));
            let ports = || {
                let bytes: [u8; 4] = it.payload.try_into().ok()?;
                let [a, b, c, d] = bytes;
                Some((u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d])))
            };
            match it.kind {
                attribute::TO => {
                    rule.to = super::ip(it.payload).map(|ip| (ip, fixed[field::TO_BITS]));
                }
                attribute::FROM => {
                    rule.from = super::ip(it.payload).map(|ip| (ip, fixed[field::FROM_BITS]));
                }
                attribute::IN => rule.in_by = Some(super::text(it.payload)),
                attribute::OUT => rule.out_by = Some(super::text(it.payload)),
                attribute::PRIORITY => rule.priority = it.u32().unwrap_or(0),
                attribute::MARK => rule.mark = it.u32().ok().map(|mark| (mark, u32::MAX)),
                attribute::MARK_MASK => mask = it.u32().ok(),
                // A number above 255 does not fit into the fixed part.
                attribute::TABLE => rule.table = it.u32().unwrap_or(rule.table),
                attribute::L3MDEV => rule.is_of_device = it.u8().is_ok_and(|it| it != 0),
                attribute::USERS => rule.users = users(),
                attribute::IP_PROTOCOL => rule.protocol = it.u8().ok(),
                attribute::FROM_PORTS => rule.from_ports = ports(),
                attribute::TO_PORTS => rule.to_ports = ports(),
                _ => {}
            }
        }
        if let Some(mask) = mask.filter(|it| *it != 0) {
            rule.mark = Some((rule.mark.map_or(0, |(mark, _)| mark), mask));
        }
        if !looks_up {
            rule.table = 0;
        }
        Ok(Some(rule))
    }

    /// The rule that leads to a table: the first that the packet matches and that looks into it.
    pub fn chosen<'a>(
        rules: &'a [RoutingRule],
        packet: &Outgoing<'_>,
        table: u32,
    ) -> Option<&'a RoutingRule> {
        let leads = rules
            .iter()
            .filter(|it| it.table == table && it.takes(packet));
        leads.min_by_key(|it| it.priority)
    }

    /// Whether it is about such a packet. What is not known of the packet, a rule must not ask for.
    fn takes(&self, packet: &Outgoing<'_>) -> bool {
        let to = packet.to.to_canonical();
        let within = |(net, bits): (IpAddr, u8), ip: IpAddr| super::covers(net, bits, ip);
        let matches = !self.is_of_device
            && self.from_ports.is_none()
            && self.to.is_none_or(|net| within(net, to))
            && self.from.is_none_or(|net| packet.from.is_some_and(|ip| within(net, ip.to_canonical())))
            // Packets of this host come in by the loopback interface.
            && self.in_by.as_deref().is_none_or(|it| it == "lo")
            && self.out_by.as_deref().is_none_or(|it| packet.by == Some(it))
            && self.mark.is_none_or(|(mark, _)| mark == 0)
            && self.users.is_none_or(|(low, high)| (low..=high).contains(&packet.user))
            && self.protocol.is_none_or(|it| packet.end.is_some_and(|(of, _)| of == it))
            && self
                .to_ports
                .is_none_or(|(low, high)| packet.end.is_some_and(|(_, port)| (low..=high).contains(&port)));
        self.is_v6 == to.is_ipv6() && matches != self.is_inverted
    }
}

impl fmt::Display for RoutingRule {
    /// As ip-rule(8) lists it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let net = |(ip, bits): (IpAddr, u8)| match (ip.is_ipv4(), bits) {
            (true, 32) | (false, 128) => ip.to_string(),
            _ => format!("{ip}/{bits}"),
        };
        let ports = |(low, high): (u16, u16)| {
            if low == high {
                low.to_string()
            } else {
                format!("{low}-{high}")
            }
        };
        write!(f, "{}: ", self.priority)?;
        if self.is_inverted {
            write!(f, "not ")?;
        }
        write!(
            f,
            "from {}",
            self.from.map_or_else(|| "all".to_owned(), net)
        )?;
        if let Some(to) = self.to {
            write!(f, " to {}", net(to))?;
        }
        match self.mark {
            Some((mark, u32::MAX)) => write!(f, " fwmark {mark:#x}")?,
            Some((mark, bits)) => write!(f, " fwmark {mark:#x}/{bits:#x}")?,
            None => {}
        }
        if let Some(name) = &self.in_by {
            write!(f, " iif {name}")?;
        }
        if let Some(name) = &self.out_by {
            write!(f, " oif {name}")?;
        }
        if let Some((low, high)) = self.users {
            write!(f, " uidrange {low}-{high}")?;
        }
        match self.protocol {
            Some(6) => write!(f, " ipproto tcp")?,
            Some(17) => write!(f, " ipproto udp")?,
            Some(other) => write!(f, " ipproto {other}")?,
            None => {}
        }
        if let Some(range) = self.from_ports {
            write!(f, " sport {}", ports(range))?;
        }
        if let Some(range) = self.to_ports {
            write!(f, " dport {}", ports(range))?;
        }
        if self.is_of_device {
            write!(f, " l3mdev")?;
        }
        write!(f, " lookup {}", self.table)
    }
}

//! How an address is reached (`RTM_GETROUTE`, `struct rtmsg`).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{AF_INET, AF_INET6};
use crate::netlink::{ACK, Attributes, Malformed, Request, fixed_part};

const GET: u16 = 26;

/// `struct rtmsg`: family, lengths of destination and source, TOS, table, protocol, scope, type, flags.
const LEN: usize = 12;
mod field {
    pub(super) const SOURCE_BITS: usize = 2;
    pub(super) const TABLE: usize = 4;
    pub(super) const KIND: usize = 7;
    pub(super) const FLAGS: usize = 8;
}

/// `RTA_*`.
mod attribute {
    pub(super) const DESTINATION: u16 = 1;
    pub(super) const FROM: u16 = 2;
    pub(super) const INTERFACE: u16 = 4;
    pub(super) const GATEWAY: u16 = 5;
    pub(super) const SOURCE: u16 = 7;
    pub(super) const TABLE: u16 = 15;
    pub(super) const VIA: u16 = 18;
    pub(super) const IP_PROTOCOL: u16 = 27;
    pub(super) const TO_PORT: u16 = 29;
}

/// `RTM_F_LOOKUP_TABLE`: the reply has the table in which the route was found.
const LOOKUP_TABLE: u32 = 0x1000;
/// The tables `main` and `local` (`RT_TABLE_*`), which rules use for every packet by default.
const USUAL_TABLES: [u32; 2] = [254, 255];

/// What a route does with a packet (`RTN_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteKind {
    /// It sends it on.
    #[default]
    Unicast,
    /// The address is this host's own.
    Local,
    /// It drops it without a word.
    Blackhole,
    /// It refuses it: host unreachable.
    Unreachable,
    /// It refuses it: administratively prohibited.
    Prohibit,
    /// Anything else: broadcast, multicast ...
    Other,
}

impl RouteKind {
    /// Whether nothing is sent by such a route.
    pub fn refuses(self) -> bool {
        matches!(
            self,
            RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit
        )
    }
}

/// What is asked of the kernel: the route of packets of this host, as rules of ip-rule(8) may tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// The address that they go to.
    pub to: IpAddr,
    /// The address that their socket is bound to, if it is.
    pub from: Option<IpAddr>,
    /// The number of the interface that it is bound to, if it is.
    pub interface: Option<u32>,
    /// The number of the protocol, and the port that they go to; `None`: any.
    pub end: Option<(u8, u16)>,
}

impl From<IpAddr> for Question {
    fn from(to: IpAddr) -> Self {
        Question {
            to,
            from: None,
            interface: None,
            end: None,
        }
    }
}

/// A route to one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Route {
    /// What it does.
    pub kind: RouteKind,
    /// The interface.
    pub interface: Option<u32>,
    /// The router; `None`: the address is on the link.
    pub gateway: Option<IpAddr>,
    /// The address that packets are sent from.
    pub source: Option<IpAddr>,
    /// The number of its table; 0: unknown.
    #[serde(default)]
    pub table: u32,
}

impl Route {
    /// The number of its table, if rules of this host chose one of its own (ip-rule(8)).
    pub fn special_table(&self) -> Option<u32> {
        (self.table != 0 && !USUAL_TABLES.contains(&self.table)).then_some(self.table)
    }

    /// Writes the request for a route.
    pub fn request(asked: &Question, sequence: u32, out: &mut Vec<u8>) {
        let bytes = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let (to, from) = (bytes(asked.to), asked.from.map(bytes));
        let from = from.filter(|it| it.len() == to.len());
        let bits = u8::try_from(to.len() * 8).unwrap_or(u8::MAX);
        let mut fixed = [0; LEN];
        let family = if asked.to.is_ipv4() {
            AF_INET
        } else {
            AF_INET6
        };
        (fixed[0], fixed[1]) = (family, bits);
        fixed[field::SOURCE_BITS] = if from.is_some() { bits } else { 0 };
        fixed[field::FLAGS..].copy_from_slice(&LOOKUP_TABLE.to_ne_bytes());
        let request = Request::new(out, GET, ACK, sequence).bytes(&fixed);
        let mut request = request.attribute(attribute::DESTINATION, &to);
        if let Some(from) = from {
            request = request.attribute(attribute::FROM, &from);
        }
        if let Some(index) = asked.interface {
            request = request.attribute(attribute::INTERFACE, &index.to_ne_bytes());
        }
        if let Some((protocol, port)) = asked.end {
            request = request
                .attribute(attribute::IP_PROTOCOL, &[protocol])
                .attribute(attribute::TO_PORT, &port.to_be_bytes());
        }
        request.finish();
    }

    /// Reads the reply.
    ///
    /// # Errors
    /// When it is shorter than its fixed part.
    pub fn read(payload: &[u8]) -> Result<Route, Malformed> {
        let fixed = fixed_part::<LEN>(payload, "rtmsg")?;
        let mut route = Route {
            kind: match fixed[field::KIND] {
                1 => RouteKind::Unicast,
                2 => RouteKind::Local,
                6 => RouteKind::Blackhole,
                7 => RouteKind::Unreachable,
                8 => RouteKind::Prohibit,
                _ => RouteKind::Other,
            },
            table: fixed[field::TABLE].into(),
            ..Route::default()
        };
        for attribute in Attributes::new(payload, LEN).map_while(Result::ok) {
            match attribute.kind {
                attribute::INTERFACE => route.interface = attribute.u32().ok(),
                attribute::GATEWAY => route.gateway = super::ip(attribute.payload),
                // A gateway of another family: the family in two bytes, then the address.
                attribute::VIA => {
                    route.gateway = attribute.payload.get(2..).and_then(super::ip);
                }
                // A number above 255 does not fit into the fixed part.
                attribute::TABLE => route.table = attribute.u32().unwrap_or(route.table),
                attribute::SOURCE => route.source = super::ip(attribute.payload),
                _ => {}
            }
        }
        Ok(route)
    }
}

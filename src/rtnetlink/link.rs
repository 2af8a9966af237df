//! Interfaces (`RTM_GETLINK`, `struct ifinfomsg`).

use serde::{Deserialize, Serialize};

use super::text;
use crate::netlink::{Attributes, Malformed, fixed_part, u32_at};

const GET: u16 = 18;

/// `struct ifinfomsg`: family, type, index, flags, change.
const LEN: usize = 16;
mod field {
    pub(super) const INDEX: usize = 4;
    pub(super) const FLAGS: usize = 8;
}

/// `IFLA_*`.
mod attribute {
    pub(super) const ADDRESS: u16 = 1;
    pub(super) const NAME: u16 = 3;
    pub(super) const MTU: u16 = 4;
    pub(super) const INFO: u16 = 18;
    /// Inside of `INFO`: `IFLA_INFO_KIND`.
    pub(super) const KIND: u16 = 1;
    /// Inside of `INFO`: `IFLA_INFO_DATA`; in it `IFLA_VXLAN_PORT` and `IFLA_GENEVE_PORT`, big-endian.
    pub(super) const DATA: u16 = 2;
    pub(super) const VXLAN_PORT: u16 = 15;
    pub(super) const GENEVE_PORT: u16 = 5;
    pub(super) const STATS64: u16 = 23;
    pub(super) const CARRIER_CHANGES: u16 = 35;
}

/// `IFF_*`.
mod flag {
    pub(super) const UP: u32 = 1;
    pub(super) const LOOPBACK: u32 = 1 << 3;
    pub(super) const LOWER_UP: u32 = 1 << 16;
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Link {
    /// Its number in its namespace.
    pub index: u32,
    /// Its name.
    pub name: Box<str>,
    /// `veth`, `bridge`, `vlan` ...; `None` for hardware.
    pub kind: Option<Box<str>>,
    /// The UDP port on which the kernel itself receives for a tunnel: VXLAN and Geneve.
    #[serde(default)]
    pub tunnel_port: Option<u16>,
    /// Its Ethernet address.
    #[serde(default)]
    pub hardware: Option<[u8; 6]>,
    /// Whether the administrator set it up (`IFF_UP`).
    pub up: bool,
    /// Whether there is a carrier: a cable, an access point, the other end of a veth (`IFF_LOWER_UP`).
    pub carrier: bool,
    /// `IFF_LOOPBACK`.
    pub loopback: bool,
    /// The largest packet: bytes.
    pub mtu_bytes: u32,
    /// How often the carrier came or went.
    pub carrier_changes: u32,
    /// Received packets with an error.
    pub rx_errors: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Received packets dropped for want of memory or a taker.
    pub rx_dropped: u64,
    /// Packets to send that the driver dropped.
    pub tx_dropped: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes received, link headers included.
    #[serde(default)]
    pub rx_bytes: u64,
    /// Bytes sent, link headers included.
    #[serde(default)]
    pub tx_bytes: u64,
}

impl Link {
    /// Writes the request for all interfaces.
    pub fn request(sequence: u32, out: &mut Vec<u8>) {
        super::dump::<LEN>(GET, sequence, out);
    }

    /// Reads one reply.
    ///
    /// # Errors
    /// When it is shorter than its fixed part. An attribute that cannot be read ends the reading: what came
    /// before it stands.
    pub fn read(payload: &[u8]) -> Result<Link, Malformed> {
        let fixed = fixed_part::<LEN>(payload, "ifinfomsg")?;
        let flags = u32_at(fixed, field::FLAGS);
        let mut link = Link {
            index: u32_at(fixed, field::INDEX),
            up: flags & flag::UP != 0,
            carrier: flags & flag::LOWER_UP != 0,
            loopback: flags & flag::LOOPBACK != 0,
            ..Link::default()
        };
        for attribute in Attributes::new(payload, LEN).map_while(Result::ok) {
            match attribute.kind {
                attribute::ADDRESS => link.hardware = attribute.payload.try_into().ok(),
                attribute::NAME => link.name = text(attribute.payload),
                attribute::MTU => link.mtu_bytes = attribute.u32().unwrap_or_default(),
                attribute::CARRIER_CHANGES => {
                    link.carrier_changes = attribute.u32().unwrap_or_default();
                }
                attribute::INFO => link.read_info(attribute.payload),
                attribute::STATS64 => link.read_counters(attribute.payload),
                _ => {}
            }
        }
        Ok(link)
    }

    /// What kind it is, and of a tunnel its port.
    fn read_info(&mut self, bytes: &[u8]) {
        let attributes = || Attributes::new(bytes, 0).map_while(Result::ok);
        let find = |kind| attributes().find(|inner| inner.kind == kind);
        self.kind = find(attribute::KIND).map(|kind| text(kind.payload));
        let port = match self.kind.as_deref() {
            Some("vxlan") => attribute::VXLAN_PORT,
            Some("geneve") => attribute::GENEVE_PORT,
            _ => return,
        };
        let data = find(attribute::DATA).map_or(&[][..], |data| data.payload);
        let mut data = Attributes::new(data, 0).map_while(Result::ok);
        let bytes = data.find(|inner| inner.kind == port);
        self.tunnel_port = bytes
            .and_then(|port| port.payload.try_into().ok())
            .map(u16::from_be_bytes);
    }

    /// The first eight numbers of `struct rtnl_link_stats64`.
    fn read_counters(&mut self, bytes: &[u8]) {
        let (numbers, _) = bytes.as_chunks::<8>();
        let at = |index: usize| numbers.get(index).map_or(0, |it| u64::from_ne_bytes(*it));
        self.rx_packets = at(0);
        self.tx_packets = at(1);
        self.rx_bytes = at(2);
        self.tx_bytes = at(3);
        self.rx_errors = at(4);
        self.tx_errors = at(5);
        self.rx_dropped = at(6);
        self.tx_dropped = at(7);
    }
}

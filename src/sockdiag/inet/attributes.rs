//! What an answer may carry after its fixed part.

use super::super::congestion::{BbrInfo, DctcpInfo, VegasInfo};
use super::super::meminfo::SkMemInfo;
use super::super::noted;
use super::super::tcp_info::TcpInfo;
use crate::netlink::{Attribute, Attributes, Malformed, u32_at};

/// `INET_DIAG_*`.
mod kind {
    pub(super) const MEMINFO: u16 = 1;
    pub(super) const INFO: u16 = 2;
    pub(super) const VEGASINFO: u16 = 3;
    pub(super) const CONG: u16 = 4;
    pub(super) const TOS: u16 = 5;
    pub(super) const TCLASS: u16 = 6;
    pub(super) const SKMEMINFO: u16 = 7;
    pub(super) const SHUTDOWN: u16 = 8;
    pub(super) const DCTCPINFO: u16 = 9;
    pub(super) const PROTOCOL: u16 = 10;
    pub(super) const SKV6ONLY: u16 = 11;
    pub(super) const MARK: u16 = 15;
    pub(super) const BBRINFO: u16 = 16;
    pub(super) const CLASS_ID: u16 = 17;
    pub(super) const ULP_INFO: u16 = 19;
    pub(super) const CGROUP_ID: u16 = 21;
    pub(super) const SOCKOPT: u16 = 22;
}

/// `INET_ULP_INFO_*`.
mod ulp_kind {
    pub(super) const NAME: u16 = 1;
    pub(super) const TLS: u16 = 2;
    pub(super) const MPTCP: u16 = 3;
}

/// The attributes of an inet socket. `None` is what the kernel did not send, because it was not
/// asked, does not know it, or keeps it from those without `CAP_NET_ADMIN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InetAttributes<'a> {
    /// `INET_DIAG_INFO`: a structure of the protocol that was asked for. See
    /// [`InetAttributes::tcp_info`].
    pub info: Option<&'a [u8]>,
    /// `INET_DIAG_SKMEMINFO`.
    pub sk_mem_info: Option<SkMemInfo>,
    /// `INET_DIAG_MEMINFO`, a part of the above.
    pub mem_info: Option<LegacyMemInfo>,
    /// `INET_DIAG_CONG`: the name of the congestion control algorithm.
    pub congestion: Option<&'a [u8]>,
    /// `INET_DIAG_VEGASINFO`.
    pub vegas: Option<VegasInfo>,
    /// `INET_DIAG_DCTCPINFO`.
    pub dctcp: Option<DctcpInfo>,
    /// `INET_DIAG_BBRINFO`.
    pub bbr: Option<BbrInfo>,
    /// `INET_DIAG_TOS`: the type of service in IPv4 headers.
    pub tos: Option<u8>,
    /// `INET_DIAG_TCLASS`: the traffic class in IPv6 headers.
    pub traffic_class: Option<u8>,
    /// `INET_DIAG_SHUTDOWN`: bit 0 nothing more is received, bit 1 nothing more is sent.
    pub shutdown: Option<u8>,
    /// `INET_DIAG_PROTOCOL`: the protocol of a raw socket.
    pub protocol: Option<u8>,
    /// `INET_DIAG_SKV6ONLY`: whether an IPv6 socket refuses IPv4. Only reported for sockets that listen or
    /// are not connected, and also true for those bound to one IPv6 address.
    pub v6_only: Option<bool>,
    /// `INET_DIAG_MARK`: the mark of its packets. Needs `CAP_NET_ADMIN`.
    pub mark: Option<u32>,
    /// `INET_DIAG_CLASS_ID`: the traffic control class, or the priority.
    pub class_id: Option<u32>,
    /// `INET_DIAG_CGROUP_ID`: the inode of the control group's directory.
    pub cgroup_id: Option<u64>,
    /// `INET_DIAG_SOCKOPT`.
    pub sock_opt: Option<SockOpt>,
    /// `INET_DIAG_ULP_INFO`: what sits on top of TCP in the kernel. Mostly `CAP_NET_ADMIN`.
    pub ulp: Option<Ulp<'a>>,
    /// The first thing that could not be read. What follows a broken length is lost; a value that is
    /// too short is lost alone.
    pub malformed: Option<Malformed>,
}

impl<'a> InetAttributes<'a> {
    pub(super) fn new(payload: &'a [u8], offset: usize) -> Self {
        let mut found = InetAttributes::default();
        for attribute in Attributes::new(payload, offset) {
            if let Some(attribute) = noted(&mut found.malformed, attribute) {
                found.add(&attribute);
            }
        }
        found
    }

    #[inline]
    fn add(&mut self, attribute: &Attribute<'a>) {
        let bad = &mut self.malformed;
        match attribute.kind {
            kind::INFO => self.info = Some(attribute.payload),
            kind::SKMEMINFO => self.sk_mem_info = noted(bad, SkMemInfo::read(attribute)),
            kind::MEMINFO => self.mem_info = noted(bad, LegacyMemInfo::read(attribute)),
            kind::CONG => self.congestion = Some(until_nul(attribute.payload)),
            kind::VEGASINFO => {
                self.vegas = noted(bad, attribute.array().map(|bytes| VegasInfo::new(&bytes)));
            }
            kind::DCTCPINFO => {
                self.dctcp = noted(bad, attribute.array().map(|bytes| DctcpInfo::new(&bytes)));
            }
            kind::BBRINFO => {
                self.bbr = noted(bad, attribute.array().map(|bytes| BbrInfo::new(&bytes)));
            }
            kind::TOS => self.tos = noted(bad, attribute.u8()),
            kind::TCLASS => self.traffic_class = noted(bad, attribute.u8()),
            kind::SHUTDOWN => self.shutdown = noted(bad, attribute.u8()),
            kind::PROTOCOL => self.protocol = noted(bad, attribute.u8()),
            kind::SKV6ONLY => self.v6_only = noted(bad, attribute.u8()).map(|byte| byte != 0),
            kind::MARK => self.mark = noted(bad, attribute.u32()),
            kind::CLASS_ID => self.class_id = noted(bad, attribute.u32()),
            kind::CGROUP_ID => self.cgroup_id = noted(bad, attribute.u64()),
            kind::SOCKOPT => self.sock_opt = noted(bad, attribute.array().map(SockOpt)),
            kind::ULP_INFO => self.ulp = Some(Ulp(attribute.payload)),
            _ => {}
        }
    }

    /// The connection as TCP sees it. Only for answers to a request for TCP: other protocols put
    /// structures of their own there (`struct mptcp_info`, `struct sctp_info`).
    pub fn tcp_info(&self) -> Option<TcpInfo<'a>> {
        self.info.map(TcpInfo::new)
    }
}

/// `struct inet_diag_meminfo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegacyMemInfo {
    /// Received and not read: bytes of memory.
    pub rmem_bytes: u32,
    /// Waits to be sent or acknowledged: bytes of memory.
    pub wmem_bytes: u32,
    /// Reserved and not used: bytes.
    pub fmem_bytes: u32,
    /// Handed down and not freed: bytes of memory.
    pub tmem_bytes: u32,
}

impl LegacyMemInfo {
    fn read(attribute: &Attribute<'_>) -> Result<Self, Malformed> {
        let bytes: [u8; 16] = attribute.array()?;
        Ok(LegacyMemInfo {
            rmem_bytes: u32_at(&bytes, 0),
            wmem_bytes: u32_at(&bytes, 4),
            fmem_bytes: u32_at(&bytes, 8),
            tmem_bytes: u32_at(&bytes, 12),
        })
    }
}

/// `struct inet_diag_sockopt`: options that are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SockOpt([u8; 2]);

impl SockOpt {
    /// `IP_RECVERR`: errors wait in the error queue.
    pub fn recverr(self) -> bool {
        self.bit(0, 0)
    }

    /// Whether the socket is connection oriented in the kernel's eyes (TCP and its like).
    pub fn is_connection_socket(self) -> bool {
        self.bit(0, 1)
    }

    /// `IP_FREEBIND`: may bind to an address that the host does not have.
    pub fn freebind(self) -> bool {
        self.bit(0, 2)
    }

    /// `IP_HDRINCL`: a raw socket whose program writes the IP headers.
    pub fn hdrincl(self) -> bool {
        self.bit(0, 3)
    }

    /// `IP_MULTICAST_LOOP`.
    pub fn mc_loop(self) -> bool {
        self.bit(0, 4)
    }

    /// `IP_TRANSPARENT`: takes connections for addresses that are not the host's.
    pub fn transparent(self) -> bool {
        self.bit(0, 5)
    }

    /// `IP_MULTICAST_ALL`.
    pub fn mc_all(self) -> bool {
        self.bit(0, 6)
    }

    /// `IP_NODEFRAG`.
    pub fn nodefrag(self) -> bool {
        self.bit(0, 7)
    }

    /// `IP_BIND_ADDRESS_NO_PORT`: the port is chosen at `connect`.
    pub fn bind_address_no_port(self) -> bool {
        self.bit(1, 0)
    }

    /// `IP_RECVERR_RFC4884`.
    pub fn recverr_rfc4884(self) -> bool {
        self.bit(1, 1)
    }

    /// TCP Fast Open waits for the first data before it connects.
    pub fn defer_connect(self) -> bool {
        self.bit(1, 2)
    }

    /// Bit fields begin at the low end on little-endian machines, at the high end on the others.
    fn bit(self, byte: usize, place: u8) -> bool {
        let place = if cfg!(target_endian = "big") {
            7 - place
        } else {
            place
        };
        self.0[byte] >> place & 1 != 0
    }
}

/// `INET_DIAG_ULP_INFO`: an upper layer protocol in the kernel, as attributes of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ulp<'a>(&'a [u8]);

impl<'a> Ulp<'a> {
    /// Its name: `tls`, `mptcp`, `espintcp`, `smc`.
    pub fn name(&self) -> Option<&'a [u8]> {
        self.find(ulp_kind::NAME).map(until_nul)
    }

    /// What kernel TLS reports, `TLS_INFO_*` attributes.
    pub fn tls(&self) -> Option<&'a [u8]> {
        self.find(ulp_kind::TLS)
    }

    /// What MPTCP reports about this subflow, `MPTCP_SUBFLOW_ATTR_*` attributes.
    pub fn mptcp(&self) -> Option<&'a [u8]> {
        self.find(ulp_kind::MPTCP)
    }

    fn find(&self, kind: u16) -> Option<&'a [u8]> {
        Attributes::new(self.0, 0)
            .map_while(Result::ok)
            .find(|attribute| attribute.kind == kind)
            .map(|attribute| attribute.payload)
    }
}

/// A C string in a field that may be longer, or have no end.
fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

//! Addresses of interfaces (`RTM_GETADDR`, `struct ifaddrmsg`).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::netlink::{Attributes, Malformed, fixed_part, u32_at};

const GET: u16 = 22;

/// `struct ifaddrmsg`: family, prefix length, flags, scope, index.
const LEN: usize = 8;
mod field {
    pub(super) const PREFIX: usize = 1;
    pub(super) const FLAGS: usize = 2;
    pub(super) const INDEX: usize = 4;
}

/// `IFA_*`.
mod attribute {
    pub(super) const ADDRESS: u16 = 1;
    pub(super) const LOCAL: u16 = 2;
    pub(super) const FLAGS: u16 = 8;
    /// `IFA_PROTO`, since Linux 5.18.
    pub(super) const PROTO: u16 = 11;
}

/// `IFA_F_*`.
mod flag {
    pub(super) const TEMPORARY: u32 = 0x01;
    pub(super) const DADFAILED: u32 = 0x08;
    pub(super) const DEPRECATED: u32 = 0x20;
}

/// `IFAPROT_KERNEL_RA`.
const BY_ROUTER: u8 = 2;

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceAddress {
    /// The interface.
    pub interface: u32,
    /// The address.
    pub address: IpAddr,
    /// How many bits of it name the network.
    pub prefix: u8,
    /// Whether another host has it too, so that it is not used (`IFA_F_DADFAILED`).
    pub duplicate: bool,
    /// Whether the kernel made it from a router advertisement, and not for privacy (`IFA_F_TEMPORARY`). Unknown before
    /// Linux 5.18: `false`.
    #[serde(default)]
    pub learned: bool,
    /// Whether its preferred lifetime is over (`IFA_F_DEPRECATED`).
    #[serde(default)]
    pub deprecated: bool,
}

impl InterfaceAddress {
    /// Whether its network has an address.
    pub fn covers(&self, to: IpAddr) -> bool {
        super::covers(self.address, self.prefix, to)
    }

    /// Writes the request for all addresses.
    pub fn request(sequence: u32, out: &mut Vec<u8>) {
        super::dump::<LEN>(GET, sequence, out);
    }

    /// Reads one reply; `None`: it has no address of IPv4 or IPv6.
    ///
    /// # Errors
    /// When it is shorter than its fixed part.
    pub fn read(payload: &[u8]) -> Result<Option<InterfaceAddress>, Malformed> {
        let fixed = fixed_part::<LEN>(payload, "ifaddrmsg")?;
        let mut flags = u32::from(fixed[field::FLAGS]);
        let (mut address, mut local, mut source) = (None, None, 0);
        for attribute in Attributes::new(payload, LEN).map_while(Result::ok) {
            match attribute.kind {
                attribute::ADDRESS => address = super::ip(attribute.payload),
                attribute::LOCAL => local = super::ip(attribute.payload),
                attribute::FLAGS => flags = attribute.u32().unwrap_or(flags),
                attribute::PROTO => source = attribute.payload.first().copied().unwrap_or(0),
                _ => {}
            }
        }
        // Of a point-to-point interface ADDRESS is the other end.
        Ok(local.or(address).map(|address| InterfaceAddress {
            interface: u32_at(fixed, field::INDEX),
            address,
            prefix: fixed[field::PREFIX],
            duplicate: flags & flag::DADFAILED != 0,
            learned: source == BY_ROUTER && flags & flag::TEMPORARY == 0,
            deprecated: flags & flag::DEPRECATED != 0,
        }))
    }
}

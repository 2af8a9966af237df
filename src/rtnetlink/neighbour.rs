//! Neighbours: what ARP and neighbour discovery know (`RTM_GETNEIGH`, `struct ndmsg`).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::netlink::{Attributes, Malformed, fixed_part, u16_at, u32_at};

const GET: u16 = 30;

/// `struct ndmsg`: family, padding, interface, state, flags, type.
const LEN: usize = 12;
mod field {
    pub(super) const INTERFACE: usize = 4;
    pub(super) const STATE: usize = 8;
}

/// `NDA_DST`.
const DESTINATION: u16 = 1;

/// Whether a neighbour's link-layer address is known (`NUD_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reachability {
    /// It is being resolved; no answer has arrived yet.
    Incomplete,
    /// It is known; perhaps not confirmed lately.
    Known,
    /// No answer arrived.
    Failed,
}

/// A neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// The interface that leads to it.
    pub interface: u32,
    /// Its address.
    pub address: IpAddr,
    /// Whether it can be reached.
    pub reachability: Reachability,
}

impl Neighbour {
    /// Writes the request for all neighbours.
    pub fn request(sequence: u32, out: &mut Vec<u8>) {
        super::dump::<LEN>(GET, sequence, out);
    }

    /// Reads one reply; `None`: it is of no use here (`NUD_NONE`, or no address of IPv4 or IPv6).
    ///
    /// # Errors
    /// When it is shorter than its fixed part.
    pub fn read(payload: &[u8]) -> Result<Option<Neighbour>, Malformed> {
        let fixed = fixed_part::<LEN>(payload, "ndmsg")?;
        let reachability = match u16_at(fixed, field::STATE) {
            0 => return Ok(None),
            0x01 => Reachability::Incomplete,
            0x20 => Reachability::Failed,
            _ => Reachability::Known,
        };
        let address = Attributes::new(payload, LEN)
            .map_while(Result::ok)
            .find(|attribute| attribute.kind == DESTINATION)
            .and_then(|attribute| super::ip(attribute.payload));
        Ok(address.map(|address| Neighbour {
            interface: u32_at(fixed, field::INTERFACE),
            address,
            reachability,
        }))
    }
}

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

/// `NDA_*`.
mod attribute {
    pub(super) const DESTINATION: u16 = 1;
    pub(super) const HARDWARE: u16 = 2;
}

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
    /// Its state in full (`NUD_*`); 0: unknown.
    #[serde(default)]
    pub state: u16,
    /// Its Ethernet address.
    #[serde(default)]
    pub hardware: Option<[u8; 6]>,
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
        let state = u16_at(fixed, field::STATE);
        let reachability = match state {
            0 => return Ok(None),
            0x01 => Reachability::Incomplete,
            0x20 => Reachability::Failed,
            _ => Reachability::Known,
        };
        let find = |kind| {
            let mut attributes = Attributes::new(payload, LEN).map_while(Result::ok);
            attributes.find(|attribute| attribute.kind == kind)
        };
        let address = find(attribute::DESTINATION).and_then(|it| super::ip(it.payload));
        Ok(address.map(|address| Neighbour {
            interface: u32_at(fixed, field::INTERFACE),
            address,
            reachability,
            state,
            hardware: find(attribute::HARDWARE).and_then(|it| it.payload.try_into().ok()),
        }))
    }

    /// The state as ip-neighbour(8) names it; `None`: it says nothing.
    pub fn state_word(&self) -> Option<&'static str> {
        Some(match self.state {
            0x01 => "incomplete",
            0x02 => "reachable",
            0x04 => "stale",
            0x08 => "delay",
            0x10 => "probe",
            0x20 => "failed",
            0x80 => "permanent",
            _ => return None,
        })
    }
}

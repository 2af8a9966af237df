//! What a socket holds of the host's memory, and what it dropped.
//!
//! Sources: `linux/sock_diag.h` (`enum` with `SK_MEMINFO_*`), filled by `sk_get_meminfo` in
//! `net/core/sock.c`. The same array for all families.

use serde::{Deserialize, Serialize};

use crate::netlink::{Attribute, Malformed};

/// An array of `SK_MEMINFO_VARS` numbers; an older kernel's is shorter (`BACKLOG` came with 2.6.35,
/// `DROPS` with 4.6).
///
/// Memory is `truesize`: packets with all that the kernel keeps for them, not the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkMemInfo {
    /// Received and not read: bytes.
    pub rmem_alloc_bytes: Option<u32>,
    /// The limit of that (`SO_RCVBUF`, doubled by the kernel): bytes.
    pub rcvbuf_bytes: Option<u32>,
    /// Handed to the device or the peer socket and not yet freed: bytes.
    pub wmem_alloc_bytes: Option<u32>,
    /// The limit of what may wait to be sent (`SO_SNDBUF`, doubled by the kernel): bytes.
    pub sndbuf_bytes: Option<u32>,
    /// Reserved and not used: bytes. A signed number, rarely negative.
    pub fwd_alloc_bytes: Option<i32>,
    /// Waits to be sent or to be acknowledged (TCP): bytes.
    pub wmem_queued_bytes: Option<u32>,
    /// Taken by socket options: bytes.
    pub optmem_bytes: Option<u32>,
    /// Came while a system call held the socket: bytes.
    pub backlog_bytes: Option<u32>,
    /// Packets that were dropped, for any reason, since the socket was made.
    pub drops: Option<u32>,
}

impl SkMemInfo {
    /// Reads an array of any length.
    pub fn new(bytes: &[u8]) -> Self {
        let (numbers, _) = bytes.as_chunks::<4>();
        let number = |index: usize| numbers.get(index).copied().map(u32::from_ne_bytes);
        SkMemInfo {
            rmem_alloc_bytes: number(0),
            rcvbuf_bytes: number(1),
            wmem_alloc_bytes: number(2),
            sndbuf_bytes: number(3),
            fwd_alloc_bytes: number(4).map(u32::cast_signed),
            wmem_queued_bytes: number(5),
            optmem_bytes: number(6),
            backlog_bytes: number(7),
            drops: number(8),
        }
    }

    /// Reads an attribute; one that does not hold a single number is malformed.
    pub(super) fn read(attribute: &Attribute<'_>) -> Result<Self, Malformed> {
        attribute.u32().map(|_| SkMemInfo::new(attribute.payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_drops_leaves_them_unknown() {
        let bytes: Vec<u8> = (1..=8u32).flat_map(u32::to_ne_bytes).collect();
        let info = SkMemInfo::new(&bytes);
        assert_eq!(info.rmem_alloc_bytes, Some(1));
        assert_eq!(info.backlog_bytes, Some(8));
        assert_eq!(info.drops, None);
    }

    #[test]
    fn forward_allocation_may_be_negative() {
        let bytes = [[0; 16].as_slice(), &(-4096i32).to_ne_bytes()].concat();
        assert_eq!(SkMemInfo::new(&bytes).fwd_alloc_bytes, Some(-4096));
    }

    #[test]
    fn half_a_number_is_no_number() {
        assert_eq!(SkMemInfo::new(&[1, 2, 3]).rmem_alloc_bytes, None);
    }
}

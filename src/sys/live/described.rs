//! Packets as frames of a capture.

use super::HEADERS;
use super::block::{self, Packet};
use crate::capfile::{Ends, Frame, Interface, LinkType};
use crate::error::Result;
use crate::sys::capture::FrameHandler;

/// How the frames of a socket are made.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) is_cooked: bool,
    pub(super) interface: Interface,
}

impl Described {
    /// Hands on a packet as a frame; whether more are wanted.
    #[inline]
    pub(super) fn hand_on(
        &self,
        id: usize,
        packet: &Packet<'_>,
        snaplen: usize,
        number: &mut u64,
        scratch: &mut Vec<u8>,
        handler: &mut impl FrameHandler,
    ) -> Result<bool> {
        let interface = &self.interface;
        let mut added = 0;
        let data = match packet.tag {
            _ if self.is_cooked => {
                block::cooked(scratch, packet);
                added = scratch.len() - packet.data.len();
                &scratch[..]
            }
            Some(tag) if interface.link == LinkType::ETHERNET => {
                block::with_tag(scratch, packet, tag);
                added = scratch.len() - packet.data.len();
                &scratch[..]
            }
            _ => packet.data,
        };
        let added = u32::try_from(added).unwrap_or(HEADERS);
        *number += 1;
        let frame = Frame {
            number: *number,
            offset: 0,
            interface: u32::try_from(id).unwrap_or(u32::MAX),
            link: interface.link,
            time: Some(packet.time),
            data: &data[..data.len().min(snaplen)],
            original_len: packet.length.saturating_add(added),
            ends: Ends::default(),
            record: &[],
        };
        handler.frame(&frame, interface)
    }
}

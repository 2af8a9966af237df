//! Queueing disciplines: where packets wait to be sent (`RTM_GETQDISC`, `struct tcmsg`).

use serde::{Deserialize, Serialize};

use super::text;
use crate::netlink::{Attributes, Malformed, fixed_part, u32_at};

const GET: u16 = 38;

/// `struct tcmsg`: family, padding, interface, handle, parent, info.
const LEN: usize = 20;
mod field {
    pub(super) const INTERFACE: usize = 4;
    pub(super) const PARENT: usize = 12;
}

/// `TCA_*`.
mod attribute {
    pub(super) const KIND: u16 = 1;
    pub(super) const STATS2: u16 = 7;
    /// Inside of `STATS2`: `TCA_STATS_QUEUE`.
    pub(super) const QUEUE: u16 = 3;
}

/// `TC_H_ROOT`.
const ROOT: u32 = u32::MAX;

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Qdisc {
    /// The interface that it belongs to.
    pub interface: u32,
    /// `fq_codel`, `tbf`, `noqueue` ...
    pub kind: Box<str>,
    /// Whether it is the whole of its interface, not a part of another one.
    pub root: bool,
    /// Packets that wait.
    pub queued: u32,
    /// Their bytes.
    pub backlog_bytes: u32,
    /// Packets dropped since it was set up.
    pub drops: u32,
}

impl Qdisc {
    /// Writes the request for all queues.
    pub fn request(sequence: u32, out: &mut Vec<u8>) {
        super::dump::<LEN>(GET, sequence, out);
    }

    /// Reads one reply.
    ///
    /// # Errors
    /// When it is shorter than its fixed part.
    pub fn read(payload: &[u8]) -> Result<Qdisc, Malformed> {
        let fixed = fixed_part::<LEN>(payload, "tcmsg")?;
        let mut qdisc = Qdisc {
            interface: u32_at(fixed, field::INTERFACE),
            root: u32_at(fixed, field::PARENT) == ROOT,
            ..Qdisc::default()
        };
        for attribute in Attributes::new(payload, LEN).map_while(Result::ok) {
            match attribute.kind {
                attribute::KIND => qdisc.kind = text(attribute.payload),
                attribute::STATS2 => {
                    let queue = Attributes::new(attribute.payload, 0)
                        .map_while(Result::ok)
                        .find(|inner| inner.kind == attribute::QUEUE);
                    // `struct gnet_stats_queue`: qlen, backlog, drops, requeues, overlimits.
                    if let Some(bytes) = queue.and_then(|it| it.array::<12>().ok()) {
                        qdisc.queued = u32_at(&bytes, 0);
                        qdisc.backlog_bytes = u32_at(&bytes, 4);
                        qdisc.drops = u32_at(&bytes, 8);
                    }
                }
                _ => {}
            }
        }
        Ok(qdisc)
    }
}

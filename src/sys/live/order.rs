//! Frames of several sockets, in the order of their times.
//!
//! Each socket has its blocks on its own clock: what one hands over may be older than what another handed over
//! before. So a block is opened when it comes and its packets are held back until each of the other sockets has
//! handed over what it received by then.

use std::time::{Duration, Instant};

use super::block::Cursor;
use super::{Live, ROUND, Round};
use crate::error::Result;
use crate::sys::capture::FrameHandler;

/// What of a block was handed on.
#[derive(Debug)]
pub(super) struct Open {
    cursor: Cursor,
    since: Instant,
}

/// A timer of the kernel may be late by this.
const LATE: Duration = Duration::from_millis(10);

impl Live {
    /// The same as [`Live::in_turn`] for several sockets. After the last block nothing `holds` packets back.
    pub(super) fn merged(
        &mut self,
        number: &mut u64,
        scratch: &mut Vec<u8>,
        handler: &mut impl FrameHandler,
        holds: bool,
    ) -> Result<Round> {
        let mut has_read = false;
        let mut released = 0;
        while released < ROUND * self.sources.len() {
            released += self.open_blocks();
            let Some((id, is_due)) = self.first(holds) else {
                break;
            };
            if !is_due {
                break;
            }
            has_read = true;
            let snaplen = self.snaplen;
            let source = &mut self.sources[id];
            let Some(block) = source.ring.ready() else {
                source.open = None;
                continue;
            };
            let packet = source
                .open
                .as_mut()
                .and_then(|open| open.cursor.next(block));
            let wants_more = match packet {
                Some(packet) => source
                    .kind
                    .hand_on(id, &packet, snaplen, number, scratch, handler)?,
                None => true,
            };
            if !wants_more {
                return Ok(Round::ENOUGH);
            }
        }
        Ok(Round::more(has_read))
    }

    /// When the packets that are held back have been held long enough.
    pub(super) fn held_until(&self) -> Option<Instant> {
        let since = self.sources.iter().filter_map(|source| {
            let open = source.open.as_ref()?;
            Some(open.since)
        });
        since.min().map(|since| since + self.hold())
    }

    fn hold(&self) -> Duration {
        self.patience + LATE
    }

    /// Opens what the kernel has handed over, and gives back what was handed on; how many blocks that were.
    fn open_blocks(&mut self) -> usize {
        let mut released = 0;
        for source in &mut self.sources {
            let is_done = |open: &Open, block: &[u8]| open.cursor.peek(block).is_none();
            if let (Some(open), Some(block)) = (&source.open, source.ring.ready())
                && is_done(open, block)
            {
                source.ring.release();
                source.open = None;
                released += 1;
            }
            if source.open.is_none() {
                source.open = source.ring.ready().map(|block| Open {
                    cursor: Cursor::new(block),
                    since: Instant::now(),
                });
            }
        }
        released
    }

    /// The socket with the earliest packet, and whether that need not wait for others.
    fn first(&self, holds: bool) -> Option<(usize, bool)> {
        let heads = self.sources.iter().enumerate().filter_map(|(id, source)| {
            let open = source.open.as_ref()?;
            // An empty block comes first, to be given back.
            let time = open.cursor.peek(source.ring.ready()?).map(|it| it.time);
            Some((time, id, open.since))
        });
        let (_, id, since) = heads.min_by_key(|(time, id, _)| (*time, *id))?;
        let mut others = self.sources.iter();
        let is_complete = others.all(|source| source.open.is_some() || source.is_gone);
        Some((id, is_complete || !holds || since.elapsed() >= self.hold()))
    }
}

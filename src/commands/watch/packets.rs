//! The packets of the last seconds, for what is saved of a finding.

use std::io;
use std::time::{Duration, Instant};

use crate::capfile::{ByteOrder, Frame, Interface, LinkType, PcapngWriter, WriteError};
use crate::commands::capture::recent::{Packet, Recent};
use crate::error::Result;
use crate::filter::Gate;
use crate::sys::capture::FrameHandler;
use crate::sys::live::{self, Live, Plan};
use crate::sys::sockets::namespaces::Place;

/// Captures packets on all interfaces, and keeps the last ones.
pub(super) struct Packets {
    live: Live,
    interfaces: Vec<Interface>,
    recent: Held,
}

struct Held(Recent);

/// Memory for packets that wait to be read, and for those that are kept.
const WAITING: usize = 16 << 20;
const KEPT: usize = 64 << 20;
/// Packets are handed over in larger pieces, after this time at the latest.
const PATIENCE: Duration = Duration::from_millis(60);

impl Packets {
    /// Begins to keep packets of this age. Takes `CAP_NET_RAW` once.
    pub(super) fn open(places: &[Place], age: Duration) -> Result<Packets> {
        let plan = Plan {
            snaplen: 262_144,
            promiscuous: false,
            buffer: WAITING,
            outgoing: None,
            patience: PATIENCE,
            is_printed: false,
        };
        let compile = |_: LinkType, gate: Gate| Ok(gate.classic().instructions);
        let live = Live::open(places, &[live::ANY.to_owned()], &plan, &compile)?;
        let interfaces = live.interfaces().cloned().collect();
        Ok(Packets {
            live,
            interfaces,
            recent: Held(Recent::new(age, KEPT)),
        })
    }

    /// Keeps packets until a time, or a signal, which is told.
    pub(super) fn wait_until(&mut self, until: Instant) -> Result<bool> {
        self.live.wait_until(until, &mut self.recent)
    }

    /// Waits for the packets that came until now.
    pub(super) fn catch_up(&mut self) -> Result<bool> {
        let until = Instant::now() + self.live.delay();
        self.wait_until(until)
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.recent.0.len()
    }

    /// Writes the packets as pcapng, and forgets them.
    pub(super) fn write(&mut self, out: impl io::Write) -> io::Result<()> {
        let mut writer = PcapngWriter::new(io::BufWriter::new(out), ByteOrder::Little)?;
        let interfaces = &self.interfaces;
        self.recent.0.drain(|packet| match packet {
            Packet::Frame(frame) => {
                let interface = &interfaces[frame.interface as usize];
                writer
                    .frame(&frame, interface)
                    .map_err(|error| match error {
                        WriteError::Output(error) => error,
                        other => io::Error::other(other.to_string()),
                    })
            }
            Packet::Dropped(_) => Ok(()),
        })?;
        writer.flush()
    }
}

impl FrameHandler for Held {
    fn frame(&mut self, frame: &Frame<'_>, _interface: &Interface) -> Result<bool> {
        self.0.frame(frame);
        Ok(true)
    }

    fn progress(&mut self, _number: u64) {}

    fn pause(&mut self) -> Result<()> {
        Ok(())
    }
}

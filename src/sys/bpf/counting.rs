//! Programs that count: what the kernel drops, and what programs try in vain.

use std::io;
use std::os::fd::OwnedFd;

use super::{Command, Kernel, Refused, number, pair};
use crate::bpf::btf::Btf;
use crate::bpf::counting::MOST;
use crate::bpf::drops::{self, FLOW_KEY, Flow, Maps, REASON_KEY, Reason};
use crate::bpf::record::Record;
use crate::bpf::resets::{self, Reset};
use crate::bpf::{Missing, Program, attempts};

use super::ring::{self, Ring};

/// `BPF_MAP_TYPE_HASH`: what does not fit is not counted, and nothing is forgotten.
const EXACT: u32 = 1;
/// `BPF_MAP_TYPE_LRU_HASH`: when it is full the oldest entry makes room, so that whoever looks for hours sees what is
/// new.
const HASH: u32 = 9;
/// `BPF_MAP_TYPE_RINGBUF`.
const RINGBUF: u32 = 27;
/// Bytes of each value.
const COUNT: u32 = 8;

/// A counting program of one map; it is gone when this is dropped.
#[derive(Debug)]
pub struct Counter {
    map: OwnedFd,
    _link: OwnedFd,
}

impl Counter {
    /// Counts the look-ups of a route that give none.
    ///
    /// # Errors
    /// When the kernel does not run the program; see [`Refused`].
    pub fn lookups(kernel: &Kernel<'_>) -> Result<Counter, Refused> {
        Counter::open(kernel, attempts::lookups)
    }

    /// Counts the sends that fail.
    ///
    /// # Errors
    /// As [`Counter::lookups`].
    pub fn sends(kernel: &Kernel<'_>) -> Result<Counter, Refused> {
        Counter::open(kernel, attempts::sends)
    }

    /// Counts the system calls of sockets that fail. It makes all system calls of the host slower.
    ///
    /// # Errors
    /// As [`Counter::lookups`].
    pub fn calls(kernel: &Kernel<'_>) -> Result<Counter, Refused> {
        Counter::open(kernel, attempts::calls)
    }

    fn open(
        kernel: &Kernel<'_>,
        program: fn(&Btf<'_>, i32) -> Result<Program, Missing>,
    ) -> Result<Counter, Refused> {
        let map = kernel.map(attempts::KEY)?;
        let program = kernel.fit(|btf| program(btf, number(&map).cast_signed()))?;
        let link = kernel.attach(&program)?;
        Ok(Counter { map, _link: link })
    }

    /// What was counted so far.
    pub fn attempts(&self) -> Vec<(attempts::Attempt, u64)> {
        let entries = entries(&self.map).into_iter();
        entries
            .map(|(key, count)| (attempts::Attempt::read(&key), count))
            .collect()
    }
}

/// The program that counts drops; it is gone when this is dropped.
#[derive(Debug)]
pub struct Drops {
    reasons: OwnedFd,
    flows: Option<OwnedFd>,
    ring: Option<Ring>,
    names: Vec<(u32, Box<str>)>,
    _link: OwnedFd,
}

impl Drops {
    /// Begins to count, by reason and by flow.
    ///
    /// # Errors
    /// As [`Counter::lookups`].
    pub fn open(kernel: &Kernel<'_>) -> Result<Drops, Refused> {
        let flows = Some(kernel.map(FLOW_KEY)?);
        Drops::begin(kernel, flows, None, &[])
    }

    /// Begins to count by reason, and to record each packet of these network namespaces; none: of all.
    ///
    /// # Errors
    /// As [`Counter::lookups`].
    pub fn recording(kernel: &Kernel<'_>, namespaces: &[u32]) -> Result<Drops, Refused> {
        let ring = Some(kernel.ring()?);
        Drops::begin(kernel, None, ring, namespaces)
    }

    fn begin(
        kernel: &Kernel<'_>,
        flows: Option<OwnedFd>,
        ring: Option<Ring>,
        namespaces: &[u32],
    ) -> Result<Drops, Refused> {
        let kind = if ring.is_some() { EXACT } else { HASH };
        let reasons = kernel.map_of(kind, REASON_KEY)?;
        let mut names = Vec::new();
        let program = kernel.fit(|btf| {
            names = drops::reasons(btf);
            let descriptor = |map: &OwnedFd| number(map).cast_signed();
            let maps = Maps {
                reasons: descriptor(&reasons),
                flows: flows.as_ref().map(descriptor),
                ring: ring.as_ref().map(|it| (descriptor(it.fd()), namespaces)),
            };
            drops::program(btf, &maps)
        })?;
        let link = kernel.attach(&program)?;
        Ok(Drops {
            reasons,
            flows,
            ring,
            names,
            _link: link,
        })
    }

    /// Takes the records that wait, in their order.
    pub fn records(&mut self, each: &mut dyn FnMut(Record)) {
        if let Some(ring) = &mut self.ring {
            ring.read(&mut |bytes| {
                if let Some(record) = Record::read(bytes) {
                    each(record);
                }
            });
        }
    }

    /// Whether there are more reasons and places than could be told apart.
    pub fn is_full(&self) -> bool {
        entries::<REASON_KEY>(&self.reasons).len() >= MOST as usize
    }

    /// The name of a reason in this kernel.
    pub fn name(&self, reason: u32) -> Option<&str> {
        let mut names = self.names.iter();
        let (_, name) = names.find(|(number, _)| *number == reason)?;
        Some(name)
    }

    /// The names of all reasons.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|(_, name)| &**name)
    }

    /// The drops so far, by reason.
    pub fn reasons(&self) -> Vec<(Reason, u64)> {
        let entries = entries(&self.reasons).into_iter();
        entries
            .map(|(key, count)| (Reason::read(&key), count))
            .collect()
    }

    /// The flows of which packets were dropped so far.
    pub fn flows(&self) -> Vec<(Flow, u64)> {
        let entries = self.flows.as_ref().map(entries::<FLOW_KEY>);
        entries
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(key, count)| Some((Flow::read(&key)?, count)))
            .collect()
    }
}

/// The programs that count resets; they are gone when this is dropped.
#[derive(Debug)]
pub struct Resets {
    map: OwnedFd,
    names: Vec<(u32, Box<str>)>,
    _received: OwnedFd,
    /// Only kernels that tell the reason have this one.
    _sent: Option<OwnedFd>,
}

impl Resets {
    /// Begins to count.
    ///
    /// # Errors
    /// As [`Counter::lookups`].
    pub fn open(kernel: &Kernel<'_>) -> Result<Resets, Refused> {
        let map = kernel.map(resets::KEY)?;
        let descriptor = number(&map).cast_signed();
        let mut names = Vec::new();
        let received = kernel.fit(|btf| {
            names = resets::reasons(btf);
            resets::received(btf, descriptor)
        })?;
        let received = kernel.attach(&received)?;
        let sent = kernel.fit(|btf| resets::sent(btf, descriptor));
        let sent = sent.and_then(|program| kernel.attach(&program));
        Ok(Resets {
            map,
            names,
            _received: received,
            _sent: sent.ok(),
        })
    }

    /// What was counted so far, with the name of the reason of what this host sent.
    pub fn counted(&self) -> Vec<(Reset, Option<Box<str>>, u64)> {
        let entries = entries::<{ resets::KEY }>(&self.map).into_iter();
        let read = |(key, count): ([u8; resets::KEY], u64)| {
            let reset = Reset::read(&key)?;
            let mut names = self.names.iter();
            let name = names.find(|(number, _)| Some(*number) == reset.reason);
            Some((reset, name.map(|(_, name)| name.clone()), count))
        };
        entries.filter_map(read).collect()
    }
}

impl Kernel<'_> {
    /// The drop reasons of this kernel; none if it does not tell.
    pub fn reasons(&self) -> Vec<(u32, Box<str>)> {
        let found = self.read(|btf| Ok(drops::reasons(btf)));
        found.unwrap_or_default()
    }

    /// Loads a program and runs it at its tracepoint until the link is closed.
    pub(super) fn attach(&self, program: &Program) -> Result<OwnedFd, Refused> {
        let loaded = self.load(program)?;
        let attach = [0, pair(number(&loaded), 0), 0];
        // SAFETY: the name is null, as it must be for this kind of program.
        let link = unsafe { (self.call)(Command::RawTracepointOpen, &attach) };
        link.map_err(Refused::Run)
    }

    /// `BPF_MAP_CREATE`: a hash with keys of this many bytes.
    fn map(&self, key: usize) -> Result<OwnedFd, Refused> {
        self.map_of(HASH, key)
    }

    fn map_of(&self, kind: u32, key: usize) -> Result<OwnedFd, Refused> {
        let key = u32::try_from(key).unwrap_or(u32::MAX);
        self.make(&[pair(kind, key), pair(COUNT, MOST), 0, 0, 0, 0])
    }

    /// A ring buffer.
    fn ring(&self) -> Result<Ring, Refused> {
        let size = u32::try_from(ring::SIZE).unwrap_or(u32::MAX);
        let made = self.make(&[pair(RINGBUF, 0), pair(0, size), 0, 0, 0, 0])?;
        Ring::map(made).map_err(Refused::Run)
    }

    fn make(&self, attributes: &[u64]) -> Result<OwnedFd, Refused> {
        // SAFETY: these attributes hold no addresses.
        let made = unsafe { (self.call)(Command::MapCreate, attributes) };
        made.map_err(|error| Refused::Load(error, String::new()))
    }
}

/// All entries of a map. While the kernel adds some a few may be missed.
fn entries<const KEY: usize>(map: &OwnedFd) -> Vec<([u8; KEY], u64)> {
    let mut entries = Vec::new();
    let mut before: Option<[u8; KEY]> = None;
    while entries.len() < MOST as usize {
        let mut key = [0; KEY];
        let from = before.as_ref().map_or(0, |key| address(key.as_ptr()));
        let attributes = [pair(number(map), 0), from, address_mut(key.as_mut_ptr())];
        // SAFETY: both keys have the size of the map's keys and outlive the call.
        if unsafe { super::numbered(Command::MapGetNextKey, &attributes) }.is_err() {
            break;
        }
        let mut count = 0_u64;
        let value = address_mut((&raw mut count).cast());
        let attributes = [pair(number(map), 0), address(key.as_ptr()), value, 0];
        // SAFETY: key and value have the sizes of the map and outlive the call.
        let found: io::Result<_> = unsafe { super::numbered(Command::MapLookupElem, &attributes) };
        if found.is_ok() {
            entries.push((key, count));
        }
        before = Some(key);
    }
    entries
}

fn address(pointer: *const u8) -> u64 {
    pointer.expose_provenance() as u64
}

fn address_mut(pointer: *mut u8) -> u64 {
    pointer.expose_provenance() as u64
}

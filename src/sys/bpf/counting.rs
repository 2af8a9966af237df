//! Programs that count: what the kernel drops, and what programs try in vain.

use std::io;
use std::os::fd::OwnedFd;

use super::{Command, Kernel, Refused, number, pair};
use crate::bpf::btf::Btf;
use crate::bpf::counting::MOST;
use crate::bpf::drops::{self, FLOW_KEY, Flow, REASON_KEY, Reason};
use crate::bpf::{Missing, Program, attempts};

/// `BPF_MAP_TYPE_HASH`.
const HASH: u32 = 1;
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
    flows: OwnedFd,
    names: Vec<(u32, Box<str>)>,
    _link: OwnedFd,
}

impl Drops {
    /// Begins to count.
    ///
    /// # Errors
    /// As [`Counter::lookups`].
    pub fn open(kernel: &Kernel<'_>) -> Result<Drops, Refused> {
        let reasons = kernel.map(REASON_KEY)?;
        let flows = kernel.map(FLOW_KEY)?;
        let mut names = Vec::new();
        let program = kernel.fit(|btf| {
            names = drops::reasons(btf);
            let descriptor = |map: &OwnedFd| number(map).cast_signed();
            drops::program(btf, descriptor(&reasons), descriptor(&flows))
        })?;
        let link = kernel.attach(&program)?;
        Ok(Drops {
            reasons,
            flows,
            names,
            _link: link,
        })
    }

    /// The name of a reason in this kernel.
    pub fn name(&self, reason: u32) -> Option<&str> {
        let mut names = self.names.iter();
        let (_, name) = names.find(|(number, _)| *number == reason)?;
        Some(name)
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
        let entries = entries::<FLOW_KEY>(&self.flows).into_iter();
        entries
            .filter_map(|(key, count)| Some((Flow::read(&key)?, count)))
            .collect()
    }
}

impl Kernel<'_> {
    /// Loads a program and runs it at its tracepoint until the link is closed.
    fn attach(&self, program: &Program) -> Result<OwnedFd, Refused> {
        let loaded = self.load(program)?;
        let attach = [0, pair(number(&loaded), 0), 0];
        // SAFETY: the name is null, as it must be for this kind of program.
        let link = unsafe { (self.call)(Command::RawTracepointOpen, &attach) };
        link.map_err(Refused::Run)
    }

    /// `BPF_MAP_CREATE`: a hash with keys of this many bytes.
    fn map(&self, key: usize) -> Result<OwnedFd, Refused> {
        let key = u32::try_from(key).unwrap_or(u32::MAX);
        let attributes = [pair(HASH, key), pair(COUNT, MOST), 0, 0, 0, 0];
        // SAFETY: these attributes hold no addresses.
        let made = unsafe { (self.call)(Command::MapCreate, &attributes) };
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

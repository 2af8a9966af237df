//! Packets that the kernel drops, as they are dropped: read from the BPF program, with the names of functions,
//! interfaces and processes.

mod symbols;

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bpf::{self, Kernel, Refused};
use super::clock;
use super::privilege::{self, Capability};
use super::sockets::namespaces::Place;
use super::sockets::processes::{Depth, walk};
use crate::bpf::drops::Reason;
use crate::bpf::record::Record;
use crate::capfile::Timestamp;
use crate::drops::hook::Hook;
use crate::drops::{Dropped, frame_of};
use crate::host::traced::Process;

use symbols::Symbols;

/// What the program takes to be loaded and read.
const RUNNING: &[Capability] = &[Capability::Bpf, Capability::Perfmon];
/// What reading the descriptors of other users' processes takes.
const OWNERS: &[Capability] = &[Capability::SysPtrace, Capability::DacReadSearch];
/// More network namespaces than these are not told apart in the kernel: there are records of all.
const MOST_NAMESPACES: usize = 64;
/// Looking at the processes for a new socket takes at most one part of these of the time.
const PARTS: u32 = 20;
/// Sockets whose owners are remembered.
const MOST_OWNERS: usize = 65_536;

/// Whether this process may see what the kernel drops.
pub fn may_watch() -> bool {
    privilege::holds(RUNNING)
}

/// The names of the drop reasons of this kernel with their numbers; none if it does not tell.
pub fn reasons() -> Vec<(u32, Box<str>)> {
    Kernel::running().reasons()
}

/// Why the program does not run, and what to do about it.
pub fn refusal(refused: &Refused) -> (String, String) {
    let program = std::env::current_exe()
        .map_or_else(|_| "sockdoc".to_owned(), |path| path.display().to_string());
    match refused {
        Refused::Load(error, _) if error.kind() == io::ErrorKind::PermissionDenied => (
            "the kernel tells only root which packets it drops (CAP_BPF and CAP_PERFMON)"
                .to_owned(),
            format!(
                "as root, or: sudo setcap cap_bpf,cap_perfmon,cap_syslog+ep {program}; without it: sockdoc diagnose \
                 reads the kernel's counters"
            ),
        ),
        refused => (
            refused.to_string(),
            "sockdoc diagnose reads the kernel's counters".to_owned(),
        ),
    }
}

/// The program that runs, and the names.
#[derive(Debug)]
pub struct Watch {
    program: bpf::Drops,
    symbols: Symbols,
    interfaces: HashMap<(u32, u32), Arc<str>>,
    places: HashSet<u32>,
    reasons: HashMap<u32, Arc<str>>,
    owners: Option<Owners>,
}

/// Whose sockets are whose, by inode. A socket that nobody held when it was looked for has no owner.
#[derive(Debug, Default)]
struct Owners {
    known: HashMap<u64, Option<Process>>,
    /// When the processes were looked at, and how long that took.
    walked: Option<(Instant, Duration)>,
}

/// Drops that the kernel has counted: why, in which function, in which network namespace, how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Why.
    pub reason: Arc<str>,
    /// The kernel's function.
    pub function: Option<Arc<str>>,
    /// Whether in one of the namespaces that are looked at.
    pub is_here: bool,
    /// Packets.
    pub packets: u64,
}

impl Watch {
    /// Begins to count the drops of all network namespaces and to describe those of these. `owners`: the processes are
    /// looked up too, which takes the privileges of [`Need::Owners`](privilege::Need::Owners).
    ///
    /// # Errors
    /// When the kernel does not run the program; see [`Refused`].
    pub fn open(places: &[Place], owners: bool) -> Result<Watch, Refused> {
        let inode = |place: &Place| u32::try_from(place.namespace.inode).ok();
        let namespaces: Vec<u32> = places.iter().filter_map(inode).collect();
        let recorded = if namespaces.len() > MOST_NAMESPACES {
            &[]
        } else {
            &namespaces[..]
        };
        let program = privilege::with(RUNNING, || {
            bpf::Drops::recording(&Kernel::running(), recorded)
        })?;
        let mut watch = Watch {
            program,
            symbols: Symbols::open(),
            interfaces: HashMap::new(),
            places: namespaces.into_iter().collect(),
            reasons: HashMap::new(),
            owners: owners.then(Owners::default),
        };
        watch.learn_interfaces(places);
        Ok(watch)
    }

    /// Learns the names of the interfaces, which come and go.
    fn learn_interfaces(&mut self, places: &[Place]) {
        for place in places {
            let (Ok(found), Ok(netns)) = (place.interfaces(), u32::try_from(place.namespace.inode))
            else {
                continue;
            };
            for (index, name) in found {
                self.interfaces.insert((netns, index), name.into());
            }
        }
    }

    /// The drops of the namespaces that are looked at since the last time, in their order.
    pub fn read(&mut self) -> Vec<Dropped> {
        self.read_at_most(usize::MAX)
    }

    /// The same, of a flood only this many: the others are passed over, and are in the counts alone.
    pub fn read_at_most(&mut self, most: usize) -> Vec<Dropped> {
        let (places, mut records) = (&self.places, Vec::new());
        self.program.records(&mut |record| {
            if records.len() < most && places.contains(&record.netns) {
                records.push(record);
            }
        });
        if records.is_empty() {
            return Vec::new();
        }
        self.symbols.learn(records.iter().flat_map(|record| {
            let place = std::iter::once(&record.place);
            place.chain(record.stack()).copied()
        }));
        if let Some(owners) = &mut self.owners {
            owners.learn(&records);
        }
        let reading = clock::carefully();
        let since_1970 = reading.realtime.0.saturating_sub(reading.monotonic.0);
        let mut dropped: Vec<Dropped> = records
            .iter()
            .map(|record| self.dropped(record, since_1970))
            .collect();
        // Each processor reserves the place of its record first, and asks for the time after that.
        dropped.sort_by_key(|it| it.time);
        dropped
    }

    fn dropped(&mut self, record: &Record, since_1970: u64) -> Dropped {
        let time = Duration::from_nanos(since_1970.saturating_add(record.time));
        let (frame, original_len) = frame_of(record);
        let index = match record.received_on {
            0 => record.device,
            index => index,
        };
        let stack = record.stack().iter();
        let stack = stack.filter_map(|address| self.symbols.name(*address));
        // Where the filter itself frees the packet, the place is the innermost function that is not of the tracer.
        let own = self.symbols.name(record.place);
        let hook = Hook::of(own.map(|it| &**it).into_iter().chain(stack.map(|it| &**it)));
        let function = own.cloned();
        Dropped {
            time: Timestamp {
                seconds: i64::try_from(time.as_secs()).unwrap_or_default(),
                nanoseconds: time.subsec_nanos(),
            },
            reason: self.reason(record.reason),
            function,
            hook,
            netns: record.netns,
            interface: self.interfaces.get(&(record.netns, index)).cloned(),
            process: self.process(record, hook),
            frame,
            original_len,
            length: record.length.saturating_add(record.link_header),
        }
    }

    /// The holder of the socket. A packet that this host is about to send is still in the hands of the process that
    /// sends it, if the socket has no other one.
    fn process(&self, record: &Record, hook: Option<Hook>) -> Option<Process> {
        let owners = self.owners.as_ref()?;
        let known = owners.known.get(&record.inode).cloned().flatten();
        known.or_else(|| {
            let is_sending = hook == Some(Hook::Output) && record.inode != 0;
            (is_sending && record.pid != 0).then(|| Process {
                pid: Some(record.pid),
                comm: record.comm().into(),
            })
        })
    }

    /// Whether this kernel has a reason of that name.
    pub fn knows(&self, name: &str) -> bool {
        self.program.names().any(|it| it == name)
    }

    fn reason(&mut self, number: u32) -> Arc<str> {
        let program = &self.program;
        let name = self.reasons.entry(number).or_insert_with(|| {
            let unknown = || format!("{number:#x}");
            let name = program.name(number).map_or_else(unknown, str::to_owned);
            name.into()
        });
        Arc::clone(name)
    }

    /// What was counted since the beginning.
    pub fn counts(&mut self) -> Vec<Counted> {
        let counts: Vec<(Reason, u64)> = privilege::with(RUNNING, || self.program.reasons());
        self.symbols
            .learn(counts.iter().map(|(reason, _)| reason.place));
        counts
            .into_iter()
            .map(|(reason, packets)| Counted {
                reason: self.reason(reason.reason),
                function: self.symbols.name(reason.place).cloned(),
                is_here: self.places.contains(&reason.netns),
                packets,
            })
            .collect()
    }

    /// Whether there are more reasons and places than could be told apart.
    pub fn is_full(&self) -> bool {
        privilege::with(RUNNING, || self.program.is_full())
    }
}

impl Owners {
    fn learn(&mut self, records: &[Record]) {
        let inodes: HashSet<u64> = records
            .iter()
            .map(|record| record.inode)
            .filter(|inode| *inode != 0 && !self.known.contains_key(inode))
            .collect();
        let is_due = self
            .walked
            .is_none_or(|(at, took)| at.elapsed() >= took * PARTS);
        if inodes.is_empty() || !is_due {
            return;
        }
        let begun = Instant::now();
        let found = privilege::with(OWNERS, || walk(Depth::Names));
        self.walked = Some((Instant::now(), begun.elapsed()));
        if self.known.len() + inodes.len() > MOST_OWNERS {
            self.known.clear();
        }
        for inode in inodes {
            let number = u32::try_from(inode).unwrap_or(0);
            let owner = found.owners.processes_of(number).next();
            let owner = owner.map(|it| Process {
                pid: Some(it.pid),
                comm: it.comm.clone(),
            });
            self.known.insert(inode, owner);
        }
    }
}

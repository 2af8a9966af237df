//! The processes at the ends of the packets of a capture.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::capfile::{Ends, Frame};
use crate::error::{Error, Kind, Result};
use crate::host::traced::Process;
use crate::packet::five_tuple;
use crate::render::capture as text;
use crate::sockets::filter::ProcessWord;
use crate::sys::live::handshakes::Handshakes;
use crate::sys::sockets::flows::{Finder, Flow};
use crate::sys::sockets::namespaces::Place;

/// Finds the processes of each flow when its first packets come.
pub(super) struct Owners {
    finder: Arc<Mutex<Finder>>,
    /// Where no BPF program sees the processes, connections are looked up as they begin, in a thread.
    handshakes: Vec<(usize, Handshakes)>,
    has_thread: bool,
    /// The number of the namespace of each interface.
    places: Vec<usize>,
    /// Flows of which no more will be known.
    settled: HashMap<Key, Known>,
    /// The last one.
    last: Option<(Key, Known)>,
}

/// The namespace, and the flow as its packets go.
type Key = (usize, Flow);

/// What is known of the ends of a frame.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) ends: Ends,
    /// One of them is a process that is asked for.
    pub(super) is_wanted: bool,
}

/// More flows than these are not kept.
const MOST: usize = 65_536;

impl Owners {
    /// Opens what finds them, for packets of the processes that are wanted. Privileges are needed up to here, and those
    /// for owners later.
    /// `interfaces`: the number of the namespace of each.
    pub(super) fn open(
        places: &[Place],
        interfaces: Vec<usize>,
        wanted: &[ProcessWord],
    ) -> Result<Owners> {
        let finder = Finder::open(places, wanted.to_vec())
            .map_err(|error| Error::os(Kind::CannotRun, "look up the owners of sockets", &error))?;
        let mut handshakes = Vec::new();
        if finder.refused().is_some() {
            for (number, place) in places.iter().enumerate() {
                let opened = place.inside(Handshakes::open)?;
                handshakes.extend(opened.ok().map(|it| (number, it)));
            }
        }
        Ok(Owners {
            finder: Arc::new(Mutex::new(finder)),
            handshakes,
            has_thread: false,
            places: interfaces,
            settled: HashMap::new(),
            last: None,
        })
    }

    /// Starts to look at connections as they begin. The threads end with the program; without one, connections that are
    /// closed at once have no process.
    pub(super) fn start(&mut self) {
        for (place, handshakes) in self.handshakes.drain(..) {
            let finder = Arc::clone(&self.finder);
            let started = thread::Builder::new()
                .name("owners".to_owned())
                .spawn(move || {
                    while let Ok(flow) = handshakes.next() {
                        let mut finder = lock(&finder);
                        finder.forget(place, flow);
                        finder.end(place, flow, true);
                        finder.end(place, flow.turned(), false);
                    }
                });
            self.has_thread |= started.is_ok();
        }
    }

    /// How the ends of flows were found, in a line.
    pub(super) fn found(&self) -> Option<String> {
        let finder = lock(&self.finder);
        text::processes(&finder.tally(), finder.hidden())
    }

    /// Why no BPF program sees the processes, if that is so.
    pub(super) fn refused(&self) -> Option<String> {
        lock(&self.finder).refused()
    }

    /// Whether this process is one of those that are asked for.
    pub(super) fn wants(&self, process: &Process) -> bool {
        let finder = lock(&self.finder);
        process
            .pid
            .is_some_and(|pid| finder.wants(pid, &process.comm))
    }

    /// Whether one of those that are asked for holds a socket now, as far as may be looked at.
    pub(super) fn has_wanted(&self) -> bool {
        lock(&self.finder).has_wanted()
    }

    /// The processes at the ends of a frame.
    pub(super) fn of(&mut self, frame: &Frame<'_>) -> Known {
        let nobody = Known {
            ends: Ends::default(),
            is_wanted: false,
        };
        let Some(tuple) = five_tuple(frame.link, frame.data, frame.original_len) else {
            return nobody;
        };
        let flow = Flow {
            protocol: tuple.protocol,
            local: tuple.source,
            peer: tuple.destination,
        };
        let place = self.places.get(frame.interface as usize).copied();
        let key = (place.unwrap_or_default(), flow);
        if tuple.begins {
            self.begin(&key);
        } else if let Some((_, known)) = self.last.filter(|(last, _)| *last == key) {
            return known;
        }
        let turned = (key.0, flow.turned());
        let known = if let Some(known) = self.settled.get(&key) {
            *known
        } else if let Some(known) = self.settled.get(&turned) {
            known.turned()
        } else {
            let (known, is_settled) = self.look_up(&key);
            if !is_settled {
                return known;
            }
            if self.settled.len() >= MOST {
                self.settled.clear();
            }
            self.settled.insert(key, known);
            known
        };
        self.last = Some((key, known));
        known
    }

    /// A connection begins: its ports may have been those of another one.
    fn begin(&mut self, (place, flow): &Key) {
        self.last = None;
        for key in [(*place, *flow), (*place, flow.turned())] {
            self.settled.remove(&key);
        }
        if !self.has_thread {
            lock(&self.finder).forget(*place, *flow);
        }
    }

    fn look_up(&self, (place, flow): &Key) -> (Known, bool) {
        let mut finder = lock(&self.finder);
        let sender = finder.end(*place, *flow, true);
        let receiver = finder.end(*place, flow.turned(), false);
        let known = Known {
            ends: Ends {
                sender: sender.end,
                receiver: receiver.end,
            },
            is_wanted: sender.is_wanted || receiver.is_wanted,
        };
        (known, sender.is_settled && receiver.is_settled)
    }
}

impl Known {
    fn turned(self) -> Known {
        Known {
            ends: self.ends.turned(),
            ..self
        }
    }
}

fn lock(finder: &Mutex<Finder>) -> MutexGuard<'_, Finder> {
    finder.lock().unwrap_or_else(PoisonError::into_inner)
}

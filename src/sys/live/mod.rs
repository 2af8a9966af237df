//! Frames as they come: packet sockets on interfaces, each with a ring of memory that the kernel fills.
//!
//! | file | what it holds |
//! |---|---|
//! | this one | the sockets of a capture, and the loop that hands on what they receive |
//! | `order` | frames of several sockets, in the order of their times |
//! | `ring` | a packet socket and its ring |
//! | `plan` | what is captured |
//! | `refusal` | why there is no capture |
//! | `described` | packets as frames of a capture |
//! | [`answers`] | what comes back from a few hosts |
//! | [`handshakes`] | the first packet of each connection, at once |
//! | `block` | the packets in a block of a ring, and their link headers in the form of a file |

pub mod answers;
mod block;
mod described;
pub mod handshakes;
mod order;
mod plan;
mod refusal;
mod ring;

use std::io;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};

use crate::capfile::{Count, Interface, LinkType, Resolution};
use crate::error::{Error, Result};
use crate::filter::{Gate, Instruction};
use crate::sys::capture::FrameHandler;
use crate::sys::outlet;
use crate::sys::privilege::{self, Capability};
use crate::sys::signals::Signals;
use crate::sys::sockets::namespaces::Place;
use crate::sys::waiting::ready_by;

use described::Described;
use order::Open;
use plan::link_of;
use refusal::{failure, receive_failure};
use ring::{Ring, Socket};

pub use plan::Plan;
pub use refusal::program;

/// What a packet socket lets through, for a link type.
pub type Compile<'a> = &'a dyn Fn(LinkType, Gate) -> Result<Vec<Instruction>>;

/// Sockets that receive.
#[derive(Debug)]
pub struct Live {
    sources: Vec<Source>,
    signals: Signals,
    patience: Duration,
    is_printed: bool,
    snaplen: usize,
}

/// A socket, and what it is bound to.
#[derive(Debug)]
struct Source {
    ring: Ring,
    /// The number of its namespace.
    place: usize,
    /// 0 for all interfaces.
    index: u32,
    kind: Described,
    /// The block that is being handed on, if there are other sockets.
    open: Option<Open>,
    received: u64,
    dropped: u64,
    is_down: bool,
    is_gone: bool,
}

/// What became of a look at the blocks.
#[derive(Debug, Clone, Copy)]
struct Round {
    has_read: bool,
    wants_more: bool,
}

impl Round {
    /// The handler wants no more.
    const ENOUGH: Round = Round {
        has_read: true,
        wants_more: false,
    };

    fn more(has_read: bool) -> Round {
        Round {
            has_read,
            wants_more: true,
        }
    }
}

/// What became of an interface while frames were captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was set down; frames come again after it is set up.
    Down,
    /// It does not exist any more.
    Gone,
}

/// The name that stands for all interfaces.
pub const ANY: &str = "any";
/// The loopback interface has the number 1 in every namespace (`LOOPBACK_IFINDEX` in `net/net_namespace.h`).
const LOOPBACK: u32 = 1;
/// Link headers and a tag that are not in what the kernel counts.
const HEADERS: u32 = 24;

/// Blocks of an interface that are read before anything else is looked at.
const ROUND: usize = 8;

impl Live {
    /// Opens a socket for each interface of each namespace. Privileges are needed up to here.
    ///
    /// # Errors
    /// When there is no such interface, or without `CAP_NET_RAW`.
    pub fn open(
        places: &[Place],
        names: &[String],
        plan: &Plan,
        compile: Compile<'_>,
    ) -> Result<Live> {
        let signals = Signals::open_with_user()?;
        let share = plan.buffer / (places.len() * names.len()).max(1);
        let mut sources: Vec<Source> = Vec::new();
        for (number, place) in places.iter().enumerate() {
            for name in names {
                let (socket, index, link) = place
                    .inside(|| open(name))?
                    .map_err(|error| failure(name, &error))?;
                let is_known = |it: &Source| (it.place, it.index) == (number, index);
                if sources.iter().any(is_known) {
                    // By another of its names.
                    continue;
                }
                let (wanted, gate) = plan.of(index, link, share);
                let program = compile(link, gate)?;
                let ring = socket
                    .start(&wanted, &program)
                    .map_err(|error| failure(name, &error))?;
                let label = match place.namespace.label.as_str() {
                    "" => name.clone(),
                    _ if !place.must_be_entered() || places.len() == 1 => name.clone(),
                    label => format!("{label}/{name}"),
                };
                sources.push(Source {
                    ring,
                    place: number,
                    index,
                    kind: Described {
                        is_cooked: wanted.is_cooked,
                        interface: Interface {
                            snaplen: Some(plan.snaplen),
                            resolution: Resolution::NANOSECONDS,
                            name: Some(label.into()),
                            ..Interface::new(link)
                        },
                    },
                    open: None,
                    received: 0,
                    dropped: 0,
                    is_down: false,
                    is_gone: false,
                });
            }
        }
        Ok(Live {
            sources,
            signals,
            patience: plan.patience,
            is_printed: plan.is_printed,
            snaplen: usize::try_from(plan.snaplen).unwrap_or(usize::MAX),
        })
    }

    /// What is captured on.
    pub fn interfaces(&self) -> impl Iterator<Item = &Interface> {
        self.sources.iter().map(|source| &source.kind.interface)
    }

    /// The number of the namespace of each of them.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        self.sources.iter().map(|source| source.place)
    }

    /// What asks it to end.
    pub fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Hands on what is received until a signal comes, the time is over, the handler has enough, or no interface is
    /// left. `tell` is told what becomes of interfaces.
    ///
    /// # Errors
    /// Those of the handler, and of the sockets.
    pub fn frames(
        &mut self,
        until: Option<Instant>,
        handler: &mut impl FrameHandler,
        tell: &mut dyn FnMut(&str, Change),
    ) -> Result<()> {
        let mut number = 0;
        let mut scratch = Vec::new();
        let mut end = until;
        let mut asked: Option<Instant> = None;
        let mut is_closing = false;
        loop {
            let is_over = is_closing && end.is_some_and(|end| end <= Instant::now());
            let round = if self.sources.len() == 1 {
                self.in_turn(&mut number, &mut scratch, handler)?
            } else {
                self.merged(&mut number, &mut scratch, handler, !is_over)?
            };
            if !round.wants_more {
                return self.count();
            }
            self.count()?;
            handler.progress(number);
            handler.pause()?;
            if is_over && !round.has_read {
                return Ok(());
            }
            if asked.is_some_and(|asked| asked <= Instant::now()) {
                asked = None;
                handler.requested(&self.counts())?;
            }
            let soon = [end, asked, self.held_until(), handler.due()];
            let soon = soon.into_iter().flatten().min();
            let wakened = self.wait(soon).map_err(|error| receive_failure(&error))?;
            if wakened.is_unread {
                return Err(Error::output(io::ErrorKind::BrokenPipe.into()));
            }
            if wakened.is_asked && asked.is_none() {
                asked = Some(self.handed_over());
            }
            if wakened.has_error {
                self.look_at_errors(tell);
            }
            let is_alone = self.sources.iter().all(|source| source.is_gone);
            let is_late = end.is_some_and(|end| end <= Instant::now());
            if wakened.is_signalled && is_closing {
                return Ok(());
            }
            if !is_closing && (wakened.is_signalled || is_alone || is_late) {
                // What came until now lies in blocks that are not full: the kernel hands them over in time.
                is_closing = true;
                for source in &self.sources {
                    source
                        .ring
                        .close_gate()
                        .map_err(|error| receive_failure(&error))?;
                }
                end = Some(self.handed_over());
            }
        }
    }

    /// Hands on what is received until a time, or a signal, which is told; more can be received after that.
    ///
    /// # Errors
    /// Those of the handler, and of the sockets.
    pub fn wait_until(&mut self, until: Instant, handler: &mut impl FrameHandler) -> Result<bool> {
        let (mut number, mut scratch) = (0, Vec::new());
        loop {
            let round = if self.sources.len() == 1 {
                self.in_turn(&mut number, &mut scratch, handler)?
            } else {
                self.merged(&mut number, &mut scratch, handler, true)?
            };
            self.count()?;
            handler.pause()?;
            let soon = self.held_until().into_iter().chain([until]).min();
            let wakened = self.wait(soon).map_err(|error| receive_failure(&error))?;
            if wakened.has_error {
                self.look_at_errors(&mut |_, _| {});
            }
            if wakened.is_signalled || (until <= Instant::now() && !round.has_read) {
                return Ok(wakened.is_signalled);
            }
        }
    }

    /// The time until which the kernel hands over what came until now.
    fn handed_over(&self) -> Instant {
        Instant::now() + self.delay()
    }

    /// A frame is handed on this long after it came, at the latest.
    pub fn delay(&self) -> Duration {
        2 * self.patience + Duration::from_millis(20)
    }

    /// Frames that passed the filter of each socket, and those that were lost.
    pub fn counts(&self) -> Vec<Count> {
        let counts = self.sources.iter().map(|source| Count {
            name: source.kind.interface.name.as_deref().unwrap_or(ANY).into(),
            received: source.received,
            dropped: source.dropped,
        });
        counts.collect()
    }

    /// Hands on the packets of the blocks of the only socket. Not for ever: signals and the time have to be looked at
    /// while packets flood in.
    fn in_turn(
        &mut self,
        number: &mut u64,
        scratch: &mut Vec<u8>,
        handler: &mut impl FrameHandler,
    ) -> Result<Round> {
        let snaplen = self.snaplen;
        let source = &mut self.sources[0];
        let mut has_read = false;
        for _ in 0..ROUND {
            let kind = &source.kind;
            let read = source.ring.block(|block| {
                for packet in block::packets(block) {
                    if !kind.hand_on(0, &packet, snaplen, number, scratch, handler)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            });
            let Some(wants_more) = read else { break };
            has_read = true;
            if !wants_more? {
                return Ok(Round::ENOUGH);
            }
        }
        Ok(Round::more(has_read))
    }

    /// Waits for a block, a signal or an error. What becomes of an interface that is down has to be asked for.
    fn wait(&self, until: Option<Instant>) -> io::Result<Wakened> {
        let is_down = |source: &Source| source.is_down && !source.is_gone;
        let has_down = self.sources.iter().any(is_down);
        let soon = has_down.then(|| Instant::now() + Duration::from_millis(500));
        let until = soon.into_iter().chain(until).min();
        let stdout = io::stdout();
        let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.is_printed.then(|| outlet::reader(&stdout)));
        let first = fds.len();
        // A socket whose block is open would always be ready.
        let waits = |source: &&Source| !source.is_gone && source.open.is_none();
        let sources = self.sources.iter().filter(waits);
        fds.extend(sources.map(|source| PollFd::new(source.ring.as_fd(), PollFlags::POLLIN)));
        ready_by(&mut fds, until)?;
        let has_error = |fd: &PollFd<'_>| {
            fd.revents()
                .is_some_and(|events| events.intersects(PollFlags::POLLERR | PollFlags::POLLNVAL))
        };
        let requests = self.signals.take_requests();
        let is_unread = self.is_printed && outlet::has_no_reader(&fds[1]);
        Ok(Wakened {
            is_unread,
            is_signalled: requests.end,
            is_asked: requests.write,
            has_error: has_down || fds[first..].iter().any(has_error),
        })
    }

    /// The counters of the kernel are set back by a look, and have 32 bits: they are added up.
    fn count(&mut self) -> Result<()> {
        for source in &mut self.sources {
            let (received, dropped) = source
                .ring
                .statistics()
                .map_err(|error| receive_failure(&error))?;
            source.received += received;
            source.dropped += dropped;
        }
        Ok(())
    }

    fn look_at_errors(&mut self, tell: &mut dyn FnMut(&str, Change)) {
        for source in &mut self.sources {
            let name = source.kind.interface.name.as_deref().unwrap_or(ANY);
            let goes_down = source.ring.error().is_some();
            if source.is_gone || !(goes_down || source.is_down) {
                continue;
            }
            let now = match source.index {
                0 => Some(true),
                index => source.ring.is_up(index),
            };
            match now {
                None => {
                    source.is_gone = true;
                    tell(name, Change::Gone);
                }
                // It may be up again by now: then frames come.
                Some(_) if goes_down && !source.is_down => {
                    source.is_down = true;
                    tell(name, Change::Down);
                }
                Some(is_up) => source.is_down = goes_down || !is_up,
            }
        }
    }
}

struct Wakened {
    /// Standard output has no reader any more.
    is_unread: bool,
    is_signalled: bool,
    /// What is kept shall be written.
    is_asked: bool,
    has_error: bool,
}

/// The programs that [`Live::open`] would attach: one for each interface of each namespace.
///
/// # Errors
/// When there is no such interface.
pub fn programs(
    places: &[Place],
    names: &[String],
    plan: &Plan,
    compile: Compile<'_>,
) -> Result<Vec<Vec<Instruction>>> {
    let mut programs = Vec::new();
    for place in places {
        for name in names {
            let (index, link) = place
                .inside(|| find(name))?
                .map_err(|error| failure(name, &error))?;
            programs.push(compile(link, plan.of(index, link, 0).1)?);
        }
    }
    Ok(programs)
}

/// The number of an interface in the namespace that this thread is in, and how its frames are received.
fn find(name: &str) -> io::Result<(u32, LinkType)> {
    if name == ANY {
        return Ok((0, LinkType::LINUX_SLL2));
    }
    let (index, kind) = ring::interface(name)?;
    Ok((index, link_of(kind)))
}

/// How frames of an interface are received, in the namespace that this thread is in.
///
/// # Errors
/// When there is no such interface.
pub fn link_type(name: &str) -> io::Result<LinkType> {
    find(name).map(|(_, link)| link)
}

/// Opens a socket for an interface in the namespace that this thread is in.
fn open(name: &str) -> io::Result<(Socket, u32, LinkType)> {
    let (index, link) = find(name)?;
    let is_cooked = link == LinkType::LINUX_SLL2;
    let socket = privilege::with(&[Capability::NetRaw], || Socket::open(is_cooked))?;
    Ok((socket, index, link))
}

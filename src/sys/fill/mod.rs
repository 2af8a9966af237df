//! The buffer experiment on real sockets: the loops that do what [`crate::fill`] decides.
//!
//! | file | what it holds |
//! |---|---|
//! | this one | [`fill`], [`hold`] and [`settled`] |
//! | [`drain`] | the receiver reads after all; the ways to close before it does |
//! | [`ends`] | the sockets of each variant |
//! | [`look`] | what a descriptor reports about its queues, and the related sysctls |
//! | [`rows`] | the same sockets as the whole host's listing has them |
//! | [`server`] | a server that does not read, or slowly |

pub mod drain;
pub mod ends;
pub mod look;
pub mod rows;
pub mod server;

pub(in crate::sys) use look::tcp_info_of;

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use socket2::Socket;

use crate::diagnose::rules::sender::Waits;
use crate::fill::{
    Balance, Checksum, Filling, Holding, Mode, Pattern, Plan, Sample, Step, Stop, Timeline, Variant,
};
use crate::sys::signals::Signals;
use crate::sys::waiting::ready_by;

use ends::Ends;

/// Called now and then with the two queues in bytes, for whoever watches.
pub type Watch<'a> = dyn FnMut(Option<u64>, Option<u64>) + 'a;

/// How often the watcher is called: often enough for an eye.
const WATCHED: Duration = Duration::from_millis(100);

/// Between two signals' checks in a loop that never waits.
const SENDS_BETWEEN_CHECKS: u64 = 256;

/// What filling gave.
#[derive(Debug)]
pub struct Filled {
    /// The sends.
    pub timeline: Timeline,
    /// Why it ended.
    pub stop: Stop,
    /// The checksum of what was accepted.
    pub checksum: u32,
    /// How the connection looked each time that there was no room.
    pub waits: Waits,
    /// How long it took, the settling included.
    pub lasted: Duration,
}

/// Sends until the plan says that it is over. Times count from `start`.
pub fn fill(
    ends: &Ends,
    plan: &Plan,
    start: Instant,
    signals: &Signals,
    watch: &mut Watch<'_>,
) -> io::Result<Filled> {
    let sender = ends.sender();
    if plan.mode == Mode::Blocking {
        sender.set_nonblocking(false)?;
        sender.set_write_timeout(Some(plan.settle))?;
    }
    let pattern = Pattern::new(plan.chunk);
    let mut checksum = Checksum::default();
    let mut filling = Filling::new(*plan);
    let mut waits = Waits::default();
    let mut watched = Watched::new();
    let stop = loop {
        let sends = filling.timeline().sends();
        let may_wait_long = plan.mode == Mode::Blocking;
        if (may_wait_long || sends.is_multiple_of(SENDS_BETWEEN_CHECKS)) && signals.take() > 0 {
            filling.interrupt();
        }
        match filling.next(start.elapsed()) {
            Step::Done(stop) => break stop,
            Step::Send(len) => {
                let bytes = pattern.at(filling.timeline().bytes(), len);
                let sent = match plan.mode {
                    Mode::Blocking => signals.interrupting(|| sender.send(bytes)),
                    Mode::NonBlocking | Mode::Poll => sender.send(bytes),
                };
                let now = start.elapsed();
                match sent {
                    Ok(took) => {
                        checksum.update(&bytes[..took]);
                        filling.sent(len, took, now);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        ends.look_at_wait(&mut waits);
                        filling.would_block(now);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => filling.failed(error.raw_os_error().unwrap_or_default()),
                }
            }
            Step::Wait(until) => {
                if plan.mode == Mode::Poll && is_writable(sender)? {
                    filling.writable();
                    continue;
                }
                if plan.mode == Mode::Poll {
                    ends.look_at_wait(&mut waits);
                    filling.not_writable(start.elapsed());
                }
                match wait_for_room(sender, start + until, signals)? {
                    Woken::Interrupted => filling.interrupt(),
                    Woken::Writable => filling.writable(),
                    Woken::TimeOut => {}
                }
            }
        }
        watched.now_and_then(ends, watch);
    };
    if plan.mode == Mode::Blocking {
        sender.set_nonblocking(true)?;
    }
    let lasted = start.elapsed();
    let (timeline, _) = filling.finish();
    Ok(Filled {
        timeline,
        stop,
        checksum: checksum.value(),
        waits,
        lasted,
    })
}

/// What ended a wait.
enum Woken {
    Writable,
    TimeOut,
    Interrupted,
}

fn wait_for_room(sender: &Socket, until: Instant, signals: &Signals) -> io::Result<Woken> {
    let mut fds = [
        PollFd::new(sender.as_fd(), PollFlags::POLLOUT),
        PollFd::new(signals.as_fd(), PollFlags::POLLIN),
    ];
    ready_by(&mut fds, Some(until))?;
    let [writable, signalled] = fds.map(|fd| fd.any() == Some(true));
    Ok(if signalled {
        Woken::Interrupted
    } else if writable {
        Woken::Writable
    } else {
        Woken::TimeOut
    })
}

/// Whether `poll()` says at once that there is room. Of a connection that is gone it says so too, with
/// `POLLERR` or `POLLHUP` beside it.
pub(super) fn is_writable(socket: &Socket) -> io::Result<bool> {
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
    ready_by(&mut fds, Some(Instant::now()))?;
    Ok(fds[0].revents() == Some(PollFlags::POLLOUT))
}

/// Calls the watcher, not too often.
pub(super) struct Watched(Instant);

impl Watched {
    pub(super) fn new() -> Self {
        Watched(Instant::now())
    }

    pub(super) fn now_and_then(&mut self, ends: &Ends, watch: &mut Watch<'_>) {
        let now = Instant::now();
        if now < self.0 {
            return;
        }
        self.0 = now + WATCHED;
        let (send_queue, recv_queue) = ends.queues();
        watch(send_queue, recv_queue);
    }
}

/// How long a sample may need to add up: an acknowledgement may be delayed for 40 to 200 ms (RFC 9293
/// section 3.8.6.3), and until then what was received is in both queues.
const ACKNOWLEDGED: Duration = Duration::from_secs(1);

/// Both ends, once everything that is on its way has arrived and is acknowledged.
pub fn settled(ends: &Ends, accepted: u64, start: Instant, signals: &Signals) -> Sample {
    let deadline = Instant::now() + ACKNOWLEDGED;
    loop {
        let sample = ends.sample(start.elapsed());
        let off = matches!(sample.balance(ends.variant, accepted, 0), Balance::Off(_));
        let pause = Instant::now() + Duration::from_millis(10);
        if !off || pause > deadline || signals.wait_until(pause).unwrap_or(true) {
            return sample;
        }
    }
}

/// Between two looks at the timer; the shortest there is takes 200 ms.
const LOOK: Duration = Duration::from_millis(20);

/// Watches the persist timer for this long, or until the connection ends.
pub fn hold(
    ends: &Ends,
    how_long: Duration,
    signals: &Signals,
    watch: &mut Watch<'_>,
) -> io::Result<Holding> {
    let mut holding = Holding::default();
    let began = Instant::now();
    let mut watched = Watched::new();
    while began.elapsed() < how_long {
        if ends.variant == Variant::Tcp
            && let Some(info) = ends.sample(began.elapsed()).sender.tcp
        {
            holding.look(began.elapsed(), &info);
        }
        if let Some(error) = ends.sender().take_error()? {
            holding.failed = error.raw_os_error();
            break;
        }
        let next = (Instant::now() + LOOK).min(began + how_long);
        if signals.wait_until(next)? {
            signals.take();
            holding.interrupted = true;
            break;
        }
        watched.now_and_then(ends, watch);
    }
    holding.lasted = began.elapsed();
    Ok(holding)
}

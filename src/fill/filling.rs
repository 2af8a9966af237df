//! When to send, to wait, and to stop.

use std::time::Duration;

use super::timeline::Timeline;
use super::{Mode, Plan};

/// Room comes back before `poll()` says so: it waits until a third of the buffer is free
/// (`sk_stream_is_writeable` in the kernel), `send()` does not. So a full socket is tried again this
/// often.
const RETRY: Duration = Duration::from_millis(10);

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Call `send()` with this many bytes.
    Send(usize),
    /// Wait for `POLLOUT`, until this time since the start at the latest; then ask again.
    Wait(Duration),
    /// Nothing more.
    Done(Stop),
}

/// Why it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Nothing more was accepted for as long as the plan says.
    Settled,
    /// As much as the plan allows was sent.
    Limit,
    /// The time was over, and the receiver still took bytes.
    TimeUp,
    /// A `send()` failed with this errno.
    Failed(i32),
    /// The user asked to end.
    Interrupted,
}

impl Stop {
    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Stop::Settled => "settled",
            Stop::Limit => "limit",
            Stop::TimeUp => "time_up",
            Stop::Failed(_) => "failed",
            Stop::Interrupted => "interrupted",
        }
    }
}

/// The sender: it gets the result of each call, and decides the next one. Times are since the
/// start.
///
/// It has stopped, or it sends, or it waits with an end: the wait is never longer than what is left
/// of the settling time.
#[derive(Debug)]
pub struct Filling {
    plan: Plan,
    timeline: Timeline,
    /// When something was accepted last.
    progress: Duration,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// There may be room.
    Room,
    /// There was none at this time.
    Full(Duration),
    Stopped(Stop),
}

impl Filling {
    /// A sender that begins now.
    pub fn new(plan: Plan) -> Self {
        Filling {
            plan,
            timeline: Timeline::default(),
            progress: Duration::ZERO,
            state: match plan.mode {
                // Asked before the first send too.
                Mode::Poll => State::Full(Duration::ZERO),
                Mode::NonBlocking | Mode::Blocking => State::Room,
            },
        }
    }

    /// What was sent so far.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Why it stopped, and what was sent.
    pub fn finish(self) -> (Timeline, Option<Stop>) {
        let stop = match self.state {
            State::Stopped(stop) => Some(stop),
            State::Room | State::Full(_) => None,
        };
        (self.timeline, stop)
    }

    /// What is to be done at this time.
    pub fn next(&mut self, now: Duration) -> Step {
        if let State::Stopped(stop) = self.state {
            return Step::Done(stop);
        }
        let left = self.plan.max_bytes.saturating_sub(self.timeline.bytes());
        if left == 0 || self.timeline.sends() >= self.plan.max_sends {
            return self.stop(Stop::Limit);
        }
        if now >= self.plan.duration {
            return self.stop(Stop::TimeUp);
        }
        // The rest fits if it is less than a chunk.
        let len = usize::try_from(left).map_or(self.plan.chunk, |left| left.min(self.plan.chunk));
        let State::Full(since) = self.state else {
            return Step::Send(len);
        };
        let settled = self.progress + self.plan.settle;
        if now >= settled {
            return self.stop(Stop::Settled);
        }
        let until = settled.min(self.plan.duration);
        match self.plan.mode {
            Mode::Poll => Step::Wait(until),
            _ if now >= since + RETRY => Step::Send(len),
            _ => Step::Wait(until.min(since + RETRY)),
        }
    }

    fn stop(&mut self, stop: Stop) -> Step {
        self.state = State::Stopped(stop);
        Step::Done(stop)
    }

    /// `send()` of `asked` bytes returned `took`.
    pub fn sent(&mut self, asked: usize, took: usize, now: Duration) {
        self.timeline.sent(asked, took, now);
        self.progress = now;
        self.state = match self.plan.mode {
            Mode::Poll => State::Full(now),
            Mode::NonBlocking | Mode::Blocking => State::Room,
        };
    }

    /// `send()` failed with `EWOULDBLOCK`. A blocking one has waited for as long as the plan says.
    pub fn would_block(&mut self, now: Duration) {
        self.timeline.no_room(now);
        self.state = match self.plan.mode {
            Mode::Blocking => State::Stopped(Stop::Settled),
            Mode::NonBlocking | Mode::Poll => State::Full(now),
        };
    }

    /// `poll()` said `POLLOUT`.
    pub fn writable(&mut self) {
        if matches!(self.state, State::Full(_)) {
            self.state = State::Room;
        }
    }

    /// `poll()` was asked whether there is room and said no, at once.
    pub fn not_writable(&mut self, now: Duration) {
        self.timeline.no_room(now);
    }

    /// `send()` failed with another errno.
    pub fn failed(&mut self, errno: i32) {
        self.state = State::Stopped(Stop::Failed(errno));
    }

    /// The user asked to end.
    pub fn interrupt(&mut self) {
        self.state = State::Stopped(Stop::Interrupted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(mode: Mode) -> Plan {
        Plan {
            chunk: 1_000,
            mode,
            settle: Duration::from_millis(500),
            max_bytes: 1_000_000,
            max_sends: u64::MAX,
            duration: Duration::from_secs(10),
        }
    }

    /// A kernel with a buffer of its own, from which a reader takes a fixed amount every millisecond.
    struct Kernel {
        room: usize,
        reads: usize,
    }

    /// Runs to the end in time that only the steps make; gives the sender, and when it ended.
    fn run(plan: Plan, kernel: &mut Kernel) -> (Timeline, Stop, Duration) {
        let mut filling = Filling::new(plan);
        let mut now = Duration::ZERO;
        let tick = Duration::from_millis(1);
        for _ in 0..1_000_000 {
            match filling.next(now) {
                Step::Send(len) if kernel.room > 0 => {
                    let took = len.min(kernel.room);
                    kernel.room -= took;
                    filling.sent(len, took, now);
                }
                Step::Send(_) => filling.would_block(now),
                Step::Wait(until) => {
                    assert!(until > now, "a wait that is over: {until:?} at {now:?}");
                    if plan.mode == Mode::Poll && kernel.room == 0 {
                        filling.not_writable(now);
                    }
                    now = until.min(now + tick);
                    kernel.room += kernel.reads;
                    if kernel.room > 0 {
                        filling.writable();
                    }
                }
                Step::Done(stop) => {
                    let (timeline, told) = filling.finish();
                    assert_eq!(told, Some(stop));
                    return (timeline, stop, now);
                }
            }
        }
        panic!("no end: {filling:?}");
    }

    #[test]
    fn a_receiver_that_does_not_read_settles_in_every_mode() {
        for mode in [Mode::NonBlocking, Mode::Poll] {
            let mut kernel = Kernel {
                room: 2_500,
                reads: 0,
            };
            let (timeline, stop, at) = run(plan(mode), &mut kernel);
            assert_eq!(stop, Stop::Settled);
            assert_eq!((timeline.bytes(), timeline.sends()), (2_500, 3));
            assert!(timeline.entries()[1].is_partial(), "{timeline:?}");
            assert!(timeline.first_block().is_some());
            assert!(at >= Duration::from_millis(500) && at < Duration::from_millis(520));
        }
    }

    #[test]
    fn a_blocking_send_that_ran_out_of_time_has_settled() {
        let mut filling = Filling::new(plan(Mode::Blocking));
        assert_eq!(filling.next(Duration::ZERO), Step::Send(1_000));
        filling.sent(1_000, 400, Duration::from_millis(300));
        assert_eq!(
            filling.next(Duration::from_millis(300)),
            Step::Send(1_000),
            "a part was taken: it goes on"
        );
        filling.would_block(Duration::from_millis(800));
        let end = filling.next(Duration::from_millis(800));
        assert_eq!(end, Step::Done(Stop::Settled));
    }

    #[test]
    fn room_that_poll_does_not_tell_of_is_found() {
        let mut filling = Filling::new(plan(Mode::NonBlocking));
        filling.would_block(Duration::ZERO);
        assert_eq!(filling.next(Duration::ZERO), Step::Wait(RETRY));
        assert_eq!(filling.next(RETRY), Step::Send(1_000));
    }

    #[test]
    fn a_reader_that_goes_on_ends_at_the_limit_or_when_the_time_is_up() {
        let reads = |reads| Kernel { room: 1_000, reads };
        let (timeline, stop, _) = run(plan(Mode::NonBlocking), &mut reads(1_000));
        assert_eq!((stop, timeline.bytes()), (Stop::Limit, 1_000_000));
        let (_, stop, at) = run(plan(Mode::NonBlocking), &mut reads(10));
        assert_eq!((stop, at), (Stop::TimeUp, Duration::from_secs(10)));
    }

    #[test]
    fn the_limit_is_met_to_the_byte_and_to_the_send() {
        let mut room = Kernel {
            room: usize::MAX,
            reads: 0,
        };
        let bytes = Plan {
            max_bytes: 2_300,
            ..plan(Mode::NonBlocking)
        };
        let (timeline, stop, _) = run(bytes, &mut room);
        assert_eq!((stop, timeline.bytes()), (Stop::Limit, 2_300));
        let sends = Plan {
            max_sends: 7,
            ..plan(Mode::NonBlocking)
        };
        let (timeline, stop, _) = run(sends, &mut room);
        assert_eq!((stop, timeline.sends()), (Stop::Limit, 7));
    }

    #[test]
    fn a_failure_and_an_interrupt_end_it_with_what_was_sent() {
        for (end, stop) in [
            (
                (|filling| filling.failed(104)) as fn(&mut Filling),
                Stop::Failed(104),
            ),
            (Filling::interrupt, Stop::Interrupted),
        ] {
            let mut filling = Filling::new(plan(Mode::NonBlocking));
            filling.sent(1_000, 1_000, Duration::ZERO);
            end(&mut filling);
            filling.writable();
            assert_eq!(filling.next(Duration::ZERO), Step::Done(stop));
            assert_eq!(filling.finish().0.bytes(), 1_000);
        }
    }
}

//! When the next request is due.

use std::time::Duration;

use super::clock::Monotonic;
use super::plan::{Pace, Plan};

/// Requests in flight in a flood at most, or one to each target.
const FLOOD_WINDOW: u64 = 64;
/// The replies in a row, in order and none missing, after which a flood may have one more request in flight.
/// A policer thus sees the pace of iputils: one for each reply.
const FLOOD_STEP: u64 = 64;
/// Being late by less than this is made up for, however short the interval is.
const STANDSTILL: Duration = Duration::from_millis(50);
/// A flood without a reply continues after this time. iputils asks the kernel for 10 ms, and gets four
/// ticks of 4 ms or more (`SO_RCVTIMEO` counts in ticks, of which Linux has 250 a second): a policer that
/// takes a hundred a second drops no more of our requests than of its.
const FLOOD_INTERVAL: Duration = Duration::from_millis(17);
/// An adaptive pace without a reply waits at least this long.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);

/// The times at which requests are due.
///
/// The invariant of a steady pace: the time of a request is counted from the start, not from the
/// request before it, so that no lateness adds up. The targets are asked in turn; the turns are an
/// interval apart, or as long as one turn takes.
#[derive(Debug, Clone)]
pub struct Schedule {
    start: Option<Monotonic>,
    /// The start, put off by the time that the program stood still.
    base: Option<Monotonic>,
    /// Requests to any target so far: the place of the next one in the turns.
    place: u64,
    targets: u64,
    /// From one turn to the next.
    period: Duration,
    spacing: Duration,
    interval: Duration,
    preload: u64,
    pace: Pace,
}

/// What a pace other than a steady one looks at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traffic {
    /// Requests after the last one that was answered.
    pub under_way: u64,
    /// Requests that were answered in their order, one after the other, up to the last answer.
    pub in_order: u64,
    /// When the last request was sent.
    pub last_sent: Option<Monotonic>,
    /// The moving mean of the round-trip times.
    pub ewma: Option<Duration>,
}

impl Schedule {
    /// A schedule for this many targets.
    pub fn new(plan: &Plan, targets: usize) -> Schedule {
        let turn = plan
            .spacing
            .saturating_mul(u32::try_from(targets).unwrap_or(u32::MAX));
        Schedule {
            start: None,
            base: None,
            place: 0,
            targets: (targets as u64).max(1),
            period: plan.interval.max(turn),
            spacing: plan.spacing,
            interval: plan.interval,
            preload: plan.preload.max(1),
            pace: plan.pace,
        }
    }

    /// The target whose turn it is.
    #[allow(clippy::cast_possible_truncation)]
    pub fn target(&self) -> usize {
        (self.place % self.targets) as usize
    }

    /// The turn is over, with a request or without.
    pub fn advance(&mut self) {
        self.place += 1;
    }

    /// When the first request was asked for.
    pub fn start(&self) -> Option<Monotonic> {
        self.start
    }

    /// Whether a flood has as many requests in flight as it may, so that the next one is sent only because
    /// no reply came.
    pub fn is_crowded(&self, traffic: Traffic) -> bool {
        self.pace == Pace::Flood && traffic.under_way >= self.room(traffic)
    }

    /// The requests that a flood may have in flight.
    fn room(&self, traffic: Traffic) -> u64 {
        let steps = 1 + traffic.in_order / FLOOD_STEP;
        steps.min(FLOOD_WINDOW).max(self.preload).max(self.targets)
    }

    /// When the next request is due; the first one now.
    pub fn due(&mut self, now: Monotonic, traffic: Traffic) -> Monotonic {
        self.start.get_or_insert(now);
        let base = *self.base.get_or_insert(now);
        match self.pace {
            Pace::Steady => self.steady(base, now),
            Pace::Flood => Self::with_room(now, traffic, self.room(traffic), FLOOD_INTERVAL),
            Pace::Adaptive => {
                let about = traffic
                    .ewma
                    .map_or(self.interval, |rtt| (rtt * 2).max(SHORTEST_WAIT));
                Self::with_room(now, traffic, self.preload.max(self.targets), about)
            }
        }
    }

    fn with_room(now: Monotonic, traffic: Traffic, room: u64, wait: Duration) -> Monotonic {
        match traffic.last_sent {
            Some(last) if traffic.under_way >= room => last + wait,
            _ => now,
        }
    }

    fn steady(&mut self, base: Monotonic, now: Monotonic) -> Monotonic {
        let due = base + self.after_start();
        // A program that stood still does not make up for it with a burst.
        let late = now.since(due);
        let step = match self.spacing {
            Duration::ZERO => self.period,
            spacing => spacing,
        };
        if late >= step.max(STANDSTILL) && !self.period.is_zero() {
            self.base = Some(base + late);
            return now;
        }
        due
    }

    /// From the start to the next request.
    fn after_start(&self) -> Duration {
        let turn = (self.place / self.targets).saturating_sub(self.preload - 1);
        let within = self.place % self.targets;
        times(self.period, turn).saturating_add(times(self.spacing, within))
    }
}

fn times(duration: Duration, n: u64) -> Duration {
    let nanos = duration.as_nanos().saturating_mul(u128::from(n));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steady(interval_ms: u64, spacing_ms: u64, targets: usize) -> Schedule {
        let plan = Plan {
            interval: Duration::from_millis(interval_ms),
            spacing: Duration::from_millis(spacing_ms),
            ..Plan::default()
        };
        Schedule::new(&plan, targets)
    }

    /// The milliseconds at which requests are sent by somebody who always comes `late` nanoseconds
    /// after the time.
    fn sent(schedule: &mut Schedule, requests: usize, late: u64) -> Vec<u64> {
        let mut now = Monotonic(0);
        let mut all = Vec::new();
        for _ in 0..requests {
            let due = schedule.due(now, Traffic::default());
            now = Monotonic(due.0.max(now.0) + late);
            all.push(now.0 / 1_000_000);
            schedule.advance();
        }
        all
    }

    #[test]
    fn a_thousand_requests_at_ten_milliseconds_do_not_drift() {
        let mut schedule = steady(10, 0, 1);
        let times = sent(&mut schedule, 1001, 900_000);
        assert_eq!(times[1000], 10_000);
    }

    #[test]
    fn targets_are_asked_in_turn_and_a_long_turn_delays_the_next() {
        let mut schedule = steady(100, 10, 3);
        assert_eq!(sent(&mut schedule, 6, 0), [0, 10, 20, 100, 110, 120]);
        assert_eq!(schedule.target(), 0);
        let mut schedule = steady(20, 10, 3);
        assert_eq!(sent(&mut schedule, 6, 0), [0, 10, 20, 30, 40, 50]);
    }

    #[test]
    fn a_preload_is_sent_at_once() {
        let mut schedule = steady(100, 0, 1);
        schedule.preload = 3;
        assert_eq!(sent(&mut schedule, 5, 0), [0, 0, 0, 100, 200]);
    }

    #[test]
    fn a_program_that_stood_still_does_not_burst() {
        let mut schedule = steady(1000, 0, 1);
        assert_eq!(schedule.due(Monotonic(0), Traffic::default()).0, 0);
        schedule.advance();
        let awake = Monotonic(3_600_000_000_000);
        assert_eq!(schedule.due(awake, Traffic::default()), awake);
        schedule.advance();
        let next = schedule.due(awake, Traffic::default());
        assert_eq!(next, awake + Duration::from_secs(1));
    }

    #[test]
    fn a_flood_waits_for_the_reply_and_at_most_one_interval() {
        let plan = Plan {
            pace: Pace::Flood,
            ..Plan::default()
        };
        let mut schedule = Schedule::new(&plan, 1);
        let now = Monotonic(5_000_000);
        let mut traffic = Traffic {
            last_sent: Some(Monotonic(4_000_000)),
            ..Traffic::default()
        };
        assert_eq!(schedule.due(now, traffic), now);
        traffic.under_way = 1;
        let waited = Monotonic(4_000_000) + FLOOD_INTERVAL;
        assert_eq!(schedule.due(now, traffic), waited);
        assert!(schedule.is_crowded(traffic));
        // Where every reply comes, more are in flight.
        traffic.in_order = 63 * FLOOD_STEP;
        traffic.under_way = 63;
        assert_eq!(schedule.due(now, traffic), now);
        traffic.under_way = 64;
        traffic.in_order *= 10;
        assert_eq!(schedule.due(now, traffic), waited);
    }

    #[test]
    fn a_policer_drops_no_more_of_a_flood_than_with_iputils() {
        // A hundred a second in bursts of ten: iputils loses 36 to 37 % of 500 requests.
        let (rate, burst) = (100.0, 10.0);
        let plan = Plan {
            pace: Pace::Flood,
            ..Plan::default()
        };
        let mut schedule = Schedule::new(&plan, 1);
        let (mut now, mut tokens, mut received) = (Monotonic(0), burst, 0);
        let mut traffic = Traffic::default();
        for _ in 0..500 {
            let due = schedule.due(now, traffic);
            if schedule.is_crowded(traffic) {
                traffic.in_order = 0;
            }
            tokens = f64::min(burst, tokens + due.since(now).as_secs_f64() * rate);
            now = due;
            traffic.last_sent = Some(now);
            traffic.under_way += 1;
            if tokens >= 1.0 {
                tokens -= 1.0;
                received += 1;
                traffic.under_way = 0;
                traffic.in_order += 1;
            }
        }
        assert!((314..=330).contains(&received), "{received} of 500");
    }

    #[test]
    fn a_stop_of_three_seconds_makes_no_burst_and_moves_no_deadline() {
        let mut schedule = steady(500, 0, 1);
        sent(&mut schedule, 1, 0);
        let awake = Monotonic(3_100_000_000);
        assert_eq!(schedule.due(awake, Traffic::default()), awake);
        schedule.advance();
        let next = schedule.due(awake, Traffic::default());
        assert_eq!(next, awake + Duration::from_millis(500));
        assert_eq!(schedule.start(), Some(Monotonic(0)));
    }

    #[test]
    fn an_adaptive_pace_waits_for_the_reply_or_about_as_long_as_one_takes() {
        let plan = Plan {
            pace: Pace::Adaptive,
            ..Plan::default()
        };
        let mut schedule = Schedule::new(&plan, 1);
        let now = Monotonic(5_000_000);
        let mut traffic = Traffic {
            last_sent: Some(Monotonic(4_000_000)),
            ..Traffic::default()
        };
        assert_eq!(schedule.due(now, traffic), now);
        traffic.under_way = 1;
        assert_eq!(schedule.due(now, traffic), Monotonic(1_004_000_000));
        traffic.ewma = Some(Duration::from_millis(30));
        assert_eq!(schedule.due(now, traffic), Monotonic(64_000_000));
    }
}

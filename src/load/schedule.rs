//! When each request of a load run is due.

use std::time::{Duration, Instant};

use super::Plan;

/// Hands out the requests of a run, each with the time at which it was meant to be sent.
///
/// With a rate, request `i` is due at `start + i / rate` whatever happens to the others. If the
/// server stalls, requests are handed out late but keep their time, so the wait shows in their
/// latency instead of vanishing ("coordinated omission").
#[derive(Debug)]
pub struct Schedule {
    start: Instant,
    end: Option<Instant>,
    /// Seconds between two requests.
    interval: Option<f64>,
    left: Option<u64>,
    begun: u64,
}

impl Schedule {
    /// The schedule of a run that starts at `start`.
    pub fn new(plan: &Plan, start: Instant) -> Self {
        Schedule {
            start,
            end: plan.duration.map(|duration| start + duration),
            interval: plan.rate.map(|rate| 1.0 / rate),
            left: plan.count,
            begun: 0,
        }
    }

    /// Takes one request that is due, and gives its time; `None` if none is due now.
    pub fn take(&mut self, now: Instant) -> Option<Instant> {
        let due = self.next_due(now)?;
        if due > now {
            return None;
        }
        self.begun += 1;
        self.left = self.left.map(|left| left - 1);
        Some(due)
    }

    /// When the next request is due (in the past if it is late); `None` when no more will come.
    pub fn next_due(&self, now: Instant) -> Option<Instant> {
        if self.left == Some(0) {
            return None;
        }
        let due = match self.interval {
            Some(interval) => self.start + Duration::from_secs_f64(interval * self.begun as f64),
            None => now,
        };
        match self.end {
            Some(end) if due >= end => None,
            // A request that was due in time is not dropped because the server kept it waiting,
            // but after the end nothing new is begun.
            Some(end) if now >= end => None,
            _ => Some(due),
        }
    }

    /// Requests handed out.
    pub fn begun(&self) -> u64 {
        self.begun
    }

    /// Requests that were due by `now` and were never handed out, because no connection was free
    /// for them before the end.
    pub fn missed(&self, now: Instant) -> u64 {
        let Some(interval) = self.interval else {
            return 0;
        };
        let until = self.end.map_or(now, |end| end.min(now));
        let elapsed = until.saturating_duration_since(self.start).as_secs_f64();
        // A float to integer cast saturates, and both are positive.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let due = (elapsed / interval).ceil() as u64;
        let due = due.saturating_sub(self.begun);
        self.left.map_or(due, |left| due.min(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            conns: 1,
            count: None,
            each: None,
            rate: None,
            pipeline: 1,
            duration: None,
            keep_open: false,
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn with_a_rate_a_late_request_keeps_the_time_it_was_due() {
        let start = Instant::now();
        let mut schedule = Schedule::new(
            &Plan {
                rate: Some(10.0),
                count: Some(3),
                ..plan()
            },
            start,
        );
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(schedule.take(start), Some(start));
        assert_eq!(schedule.take(at(50)), None);
        assert_eq!(schedule.next_due(at(50)), Some(at(100)));
        // The server stalled for a second: both requests are late and say when they were due.
        assert_eq!(schedule.take(at(1000)), Some(at(100)));
        assert_eq!(schedule.take(at(1000)), Some(at(200)));
        assert_eq!(schedule.next_due(at(1000)), None);
        assert_eq!(schedule.begun(), 3);
        assert_eq!(schedule.missed(at(1000)), 0);
    }

    #[test]
    fn without_a_rate_a_request_is_due_at_once_until_the_duration_is_over() {
        let start = Instant::now();
        let duration = Some(Duration::from_secs(1));
        let mut schedule = Schedule::new(&Plan { duration, ..plan() }, start);
        let later = start + Duration::from_millis(999);
        assert_eq!(schedule.take(later), Some(later));
        assert_eq!(schedule.take(start + Duration::from_secs(1)), None);
    }

    #[test]
    fn requests_that_never_got_a_connection_are_missed_not_forgotten() {
        let start = Instant::now();
        let duration = Some(Duration::from_secs(1));
        let mut schedule = Schedule::new(
            &Plan {
                rate: Some(100.0),
                duration,
                ..plan()
            },
            start,
        );
        for _ in 0..40 {
            assert!(schedule.take(start + Duration::from_millis(900)).is_some());
        }
        assert_eq!(schedule.missed(start + Duration::from_secs(5)), 60);
    }
}

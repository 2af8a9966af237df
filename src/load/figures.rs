//! What a load run measured.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest latency that is recorded exactly: one hour.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// The figures of a run, collected while it runs.
#[derive(Debug)]
pub struct Figures {
    /// Latencies of the requests that succeeded, in nanoseconds, to three digits.
    latency: Histogram<u64>,
    /// Requests that succeeded.
    pub good: u64,
    /// Requests that failed, by kind.
    pub errors: BTreeMap<String, u64>,
    /// A signal ended the run before its time.
    pub interrupted: bool,
    /// Requests that were not answered yet when it did.
    pub unanswered: u64,
    /// Connections opened.
    pub connections: u64,
    /// The most connections that were open at the same time.
    pub most_open: u64,
    /// Bytes written.
    pub sent_bytes: u64,
    /// Bytes read.
    pub received_bytes: u64,
    /// From the first request to the last reply.
    pub elapsed: Duration,
}

/// A summary of the latencies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    /// The shortest.
    pub min: Duration,
    /// The mean.
    pub mean: Duration,
    /// The longest.
    pub max: Duration,
}

impl Default for Figures {
    fn default() -> Self {
        Figures::new()
    }
}

impl Figures {
    /// Whether connections that were to stay open were closed after about one reply each: then the server
    /// closes them, and otherwise something ended connections that it had kept.
    pub fn closed_after_each(&self) -> bool {
        self.good < 2 * self.connections
    }

    /// Nothing measured yet.
    // The arguments are constants that are allowed: it does not panic.
    #[allow(clippy::missing_panics_doc)]
    pub fn new() -> Self {
        let latency = Histogram::new_with_bounds(1, LONGEST_NS, 3)
            .expect("the bounds are in order, and three significant digits are allowed");
        Figures {
            latency,
            good: 0,
            errors: BTreeMap::new(),
            interrupted: false,
            unanswered: 0,
            connections: 0,
            most_open: 0,
            sent_bytes: 0,
            received_bytes: 0,
            elapsed: Duration::ZERO,
        }
    }

    /// Counts a request that succeeded, with the time since it was due.
    pub fn answered(&mut self, latency: Duration) {
        self.good += 1;
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.latency.saturating_record(ns.clamp(1, LONGEST_NS));
    }

    /// Requests failed.
    pub fn failed(&mut self, kind: &str, requests: u64) {
        if requests == 0 {
            return;
        }
        if let Some(count) = self.errors.get_mut(kind) {
            *count += requests;
        } else {
            self.errors.insert(kind.to_owned(), requests);
        }
    }

    /// Requests that failed, of all kinds.
    pub fn bad(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Successful requests per second; 0 for an empty run.
    pub fn per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 {
            self.good as f64 / seconds
        } else {
            0.0
        }
    }

    /// Minimum, mean and maximum; `None` if nothing was answered.
    pub fn latency(&self) -> Option<Latency> {
        if self.latency.is_empty() {
            return None;
        }
        // Means of positive numbers below one hour.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let mean = self.latency.mean() as u64;
        Some(Latency {
            min: Duration::from_nanos(self.latency.min()),
            mean: Duration::from_nanos(mean),
            max: Duration::from_nanos(self.latency.max()),
        })
    }

    /// The latency that `percentile` percent of the good requests did not exceed; `None` if nothing
    /// was answered.
    pub fn percentile(&self, percentile: f64) -> Option<Duration> {
        (!self.latency.is_empty())
            .then(|| Duration::from_nanos(self.latency.value_at_percentile(percentile)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_good_requests() {
        let mut figures = Figures::new();
        for ms in 1..=100 {
            figures.answered(Duration::from_millis(ms));
        }
        figures.failed("timed out", 2);
        figures.failed("timed out", 1);
        let p99 = figures.percentile(99.0).unwrap();
        assert!((p99.as_secs_f64() - 0.099).abs() < 0.0002, "{p99:?}");
        assert_eq!(figures.good, 100);
        assert_eq!(figures.bad(), 3);
        let min = figures.latency().unwrap().min;
        assert!((min.as_secs_f64() - 0.001).abs() < 0.000_002, "{min:?}");
    }

    #[test]
    fn a_server_that_closes_after_each_reply_is_told_from_one_that_was_stopped() {
        let mut figures = Figures::new();
        (figures.good, figures.connections) = (5_000, 5_001);
        assert!(figures.closed_after_each());
        figures.connections = 8;
        assert!(!figures.closed_after_each());
    }

    #[test]
    fn an_empty_run_has_no_percentiles() {
        assert_eq!(Figures::new().percentile(50.0), None);
        assert_eq!(Figures::new().latency(), None);
    }
}

//! Round-trip times, summed up.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest time that percentiles tell apart: one hour, in nanoseconds.
const LONGEST: u64 = 3_600_000_000_000;

/// The round-trip times of one target: what can be kept in a few words.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Times {
    /// How many were measured.
    pub count: u64,
    min: u64,
    max: u64,
    last: u64,
    sum: u64,
    sum_of_squares: u128,
    /// Eight times the moving mean, as the kernel and iputils keep theirs.
    ewma_times_eight: u64,
    sum_of_changes: u64,
}

impl Times {
    /// A round-trip time was measured.
    pub fn add(&mut self, rtt: Duration) {
        let ns = nanos(rtt);
        if self.count == 0 {
            self.min = ns;
            self.max = ns;
            self.ewma_times_eight = ns.saturating_mul(8);
        } else {
            self.min = self.min.min(ns);
            self.max = self.max.max(ns);
            self.sum_of_changes = self.sum_of_changes.saturating_add(ns.abs_diff(self.last));
            self.ewma_times_eight = self
                .ewma_times_eight
                .saturating_sub(self.ewma_times_eight / 8)
                .saturating_add(ns);
        }
        self.last = ns;
        self.count += 1;
        self.sum = self.sum.saturating_add(ns);
        self.sum_of_squares += u128::from(ns) * u128::from(ns);
    }

    /// The mean change from one time to the next of each of several targets, together.
    pub fn jitter<'a>(all: impl Iterator<Item = &'a Times>) -> Option<Duration> {
        let (sum, changes) = all.fold((0_u64, 0), |(sum, changes), times| {
            let sum = sum.saturating_add(times.sum_of_changes);
            (sum, changes + times.count.saturating_sub(1))
        });
        sum.checked_div(changes).map(Duration::from_nanos)
    }

    /// The moving mean; `None` before the first.
    pub fn ewma(&self) -> Option<Duration> {
        (self.count > 0).then(|| Duration::from_nanos(self.ewma_times_eight / 8))
    }

    /// The longest; `None` before the first.
    pub fn max(&self) -> Option<Duration> {
        (self.count > 0).then(|| Duration::from_nanos(self.max))
    }

    /// The figures; `None` before the first.
    pub fn summary(&self) -> Option<Summary> {
        if self.count == 0 {
            return None;
        }
        let count = self.count as f64;
        let mean = self.sum as f64 / count;
        let variance = self.sum_of_squares as f64 / count - mean * mean;
        Some(Summary {
            min: Duration::from_nanos(self.min),
            mean: from_f64(mean),
            max: Duration::from_nanos(self.max),
            last: Duration::from_nanos(self.last),
            deviation: from_f64(variance.max(0.0).sqrt()),
            ewma: Duration::from_nanos(self.ewma_times_eight / 8),
            jitter: Times::jitter(std::iter::once(self)),
        })
    }
}

/// The figures of some round-trip times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The shortest.
    pub min: Duration,
    /// The arithmetic mean.
    pub mean: Duration,
    /// The longest.
    pub max: Duration,
    /// The last.
    pub last: Duration,
    /// The standard deviation of the population, which ping calls mdev.
    pub deviation: Duration,
    /// The exponentially weighted moving mean: each time weighs an eighth.
    pub ewma: Duration,
    /// The mean difference between one time and the next; `None` with only one.
    pub jitter: Option<Duration>,
}

/// The round-trip times of all targets, to three digits; the shortest and the longest exactly.
#[derive(Debug, Clone)]
pub struct Distribution {
    histogram: Histogram<u32>,
    min: u64,
    max: u64,
}

impl Default for Distribution {
    fn default() -> Self {
        Distribution::new()
    }
}

impl Distribution {
    /// Nothing measured yet.
    // The arguments are constants that are allowed: it does not panic.
    #[allow(clippy::missing_panics_doc)]
    pub fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST, 3)
            .expect("the bounds are in order, and three significant digits are allowed");
        Distribution {
            histogram,
            min: u64::MAX,
            max: 0,
        }
    }

    /// A round-trip time was measured.
    pub fn add(&mut self, rtt: Duration) {
        let ns = nanos(rtt);
        self.min = self.min.min(ns);
        self.max = self.max.max(ns);
        self.histogram.saturating_record(ns.clamp(1, LONGEST));
    }

    /// The time that `percentile` percent did not exceed; `None` before the first.
    pub fn percentile(&self, percentile: f64) -> Option<Duration> {
        (!self.histogram.is_empty()).then(|| {
            // The upper end of a bucket; no time was longer than the longest.
            let value = self.histogram.value_at_percentile(percentile);
            Duration::from_nanos(value.clamp(self.min, self.max))
        })
    }

    /// At most `most` bars of equal width on a logarithmic scale, from the shortest time to the
    /// longest: where each ends, and how many times lie in it.
    pub fn bars(&self, most: u32) -> Vec<(Duration, u64)> {
        if self.histogram.is_empty() || most == 0 {
            return Vec::new();
        }
        let (min, max) = (self.min.max(1) as f64, self.max.max(1) as f64);
        let step = (max / min).powf(1.0 / f64::from(most)).max(1.000_1);
        let mut bars: Vec<(Duration, u64)> = (1..=most)
            .map(|bar| (from_f64(min * step.powi(bar.cast_signed())), 0))
            .collect();
        for value in self.histogram.iter_recorded() {
            let time = Duration::from_nanos(value.value_iterated_to());
            let last = bars.len() - 1;
            let bar = bars.iter().position(|(end, _)| time <= *end);
            bars[bar.unwrap_or(last)].1 += value.count_since_last_iteration();
        }
        while bars.last().is_some_and(|(_, count)| *count == 0) {
            bars.pop();
        }
        bars
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A number of nanoseconds that is not negative.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn from_f64(nanos: f64) -> Duration {
    Duration::from_nanos(nanos.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(millis: &[u64]) -> Times {
        let mut times = Times::default();
        for &ms in millis {
            times.add(Duration::from_millis(ms));
        }
        times
    }

    #[test]
    fn mean_and_deviation_are_those_of_iputils() {
        // rtt min/avg/max/mdev = 1500.383/1500.522/1500.661/0.139 ms
        let mut times = Times::default();
        times.add(Duration::from_micros(1_500_383));
        times.add(Duration::from_micros(1_500_661));
        let summary = times.summary().unwrap();
        assert_eq!(summary.mean, Duration::from_micros(1_500_522));
        assert_eq!(summary.deviation.as_micros(), 139);
    }

    #[test]
    fn the_moving_mean_starts_with_the_first_and_weighs_each_an_eighth() {
        let summary = times(&[8, 16]).summary().unwrap();
        assert_eq!(summary.ewma, Duration::from_millis(9));
        assert_eq!(summary.last, Duration::from_millis(16));
    }

    #[test]
    fn jitter_is_the_mean_difference_between_neighbours() {
        let jitter = |ms: &[u64]| times(ms).summary().unwrap().jitter;
        assert_eq!(jitter(&[10]), None);
        assert_eq!(jitter(&[10, 10, 10]), Some(Duration::ZERO));
        assert_eq!(jitter(&[10, 20, 10]), Some(Duration::from_millis(10)));
    }

    #[test]
    fn without_a_reply_there_are_no_figures() {
        assert_eq!(Times::default().summary(), None);
        assert_eq!(Distribution::new().percentile(50.0), None);
        assert_eq!(Distribution::new().bars(10), []);
    }

    #[test]
    fn percentiles_are_exact_to_three_digits() {
        let mut all = Distribution::new();
        for us in 1..=1000 {
            all.add(Duration::from_micros(us));
        }
        for (percentile, us) in [(50.0, 500.0), (90.0, 900.0), (100.0, 1000.0)] {
            let time = all.percentile(percentile).unwrap().as_secs_f64() * 1e6;
            assert!((time / us - 1.0).abs() < 0.002, "{percentile}: {time}");
        }
    }

    #[test]
    fn every_time_is_in_one_bar() {
        let mut all = Distribution::new();
        for us in [3, 3, 4, 10, 100, 5000] {
            all.add(Duration::from_micros(us));
        }
        let bars = all.bars(10);
        assert!(bars.len() <= 10);
        assert!(bars.is_sorted());
        assert_eq!(bars.iter().map(|(_, count)| count).sum::<u64>(), 6);
        let mut one = Distribution::new();
        one.add(Duration::from_nanos(1_024_027_003));
        // Of one time every percentile is that time, and not the end of its bucket.
        assert_eq!(
            one.percentile(50.0),
            Some(Duration::from_nanos(1_024_027_003))
        );
        assert_eq!(one.bars(10).iter().map(|(_, count)| count).sum::<u64>(), 1);
    }
}

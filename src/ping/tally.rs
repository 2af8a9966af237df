//! Counts of what became of the requests.

use super::figures::Times;

/// Counts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tally {
    /// Requests, those that never left included.
    pub sent: u64,
    /// Requests with a good reply in time; with a lenient plan every reply that iputils counts.
    pub received: u64,
    /// Good replies of other members of a group to a request that has one already.
    pub others: u64,
    /// Good replies that came again.
    pub duplicates: u64,
    /// Replies that were corrupted or cut.
    pub damaged: u64,
    /// Good replies that came too late.
    pub late: u64,
    /// Replies whose sender did not see a request, or to requests never sent.
    pub forged: u64,
    /// Replies from another address.
    pub elsewhere: u64,
    /// Good replies that came after the reply to a later request.
    pub reordered: u64,
    /// ICMP errors, and requests that never left.
    pub errors: u64,
    /// Requests that were given up or refused.
    pub lost: u64,
    /// Requests that were still under way at the end, and might have been answered.
    pub unfinished: u64,
    /// Replies to requests never sent that a lenient plan counts as received.
    pub unasked: u64,
    /// The round-trip times.
    pub times: Times,
}

impl Tally {
    /// Loss in percent of the requests whose fate is known; `None` before the first of them. What is under
    /// way is neither received nor lost.
    pub fn loss_percent(&self) -> Option<f64> {
        let settled = self.received + self.lost;
        let lost = self.lost.saturating_sub(self.unasked);
        (settled > 0).then(|| lost as f64 * 100.0 / settled as f64)
    }

    /// Requests whose fate is not known.
    pub fn under_way(&self) -> u64 {
        self.sent
            .saturating_sub(self.received + self.lost + self.unfinished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_or_unfinished_is_no_loss() {
        let mut tally = Tally {
            sent: 6,
            received: 1,
            ..Tally::default()
        };
        assert_eq!((tally.loss_percent(), tally.under_way()), (Some(0.0), 5));
        tally.unfinished = 4;
        tally.lost = 1;
        assert_eq!((tally.loss_percent(), tally.under_way()), (Some(50.0), 0));
        assert_eq!(Tally::default().loss_percent(), None);
    }
}

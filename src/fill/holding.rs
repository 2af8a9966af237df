//! The persist timer, watched: while the peer's window is closed the kernel probes it, each time after
//! twice as long (RFC 9293 section 3.8.6.1).

use std::time::Duration;

use crate::sockdiag::TcpInfoValues;

/// The timer is never longer (`TCP_RTO_MAX`).
const LONGEST: Duration = Duration::from_mins(2);

/// More probes than these are not kept; at two minutes each they would take hours.
const MOST: usize = 200;

/// A probe that was seen to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// When it was seen, since the watch began.
    pub at: Duration,
    /// Doublings of the timer after it (`tcpi_backoff`).
    pub backoff: u8,
    /// The time from it to the next one.
    pub next_in: Duration,
}

/// What was seen while nothing moved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holding {
    probes: Vec<Probe>,
    /// The timer when the watch began, before any probe was seen.
    first: Option<Probe>,
    /// What the peer had acknowledged at the first look and at the last: bytes.
    acknowledged: Option<(u64, u64)>,
    /// How long it was watched.
    pub lasted: Duration,
    /// The errno that ended the connection meanwhile.
    pub failed: Option<i32>,
    /// Whether the user ended the watch.
    pub interrupted: bool,
}

impl Holding {
    /// The timer as it was when the watch began.
    pub fn first(&self) -> Option<Probe> {
        self.first
    }

    /// The probes that were seen.
    pub fn probes(&self) -> &[Probe] {
        &self.probes
    }

    /// Bytes that the peer acknowledged meanwhile: it took them, so it has read about as many.
    pub fn acknowledged(&self) -> Option<u64> {
        self.acknowledged
            .map(|(first, last)| last.saturating_sub(first))
    }

    /// Takes a sample. A probe shows as one more doubling.
    pub fn look(&mut self, now: Duration, info: &TcpInfoValues) {
        if let Some(bytes) = info.bytes_acked {
            let (_, last) = self.acknowledged.get_or_insert((bytes, bytes));
            *last = bytes;
        }
        let (Some(backoff), Some(rto_us)) = (info.backoff, info.rto_us) else {
            return;
        };
        let timer = Duration::from_micros(u64::from(rto_us));
        let probe = Probe {
            at: now,
            backoff,
            next_in: timer
                .saturating_mul(1_u32.checked_shl(u32::from(backoff)).unwrap_or(u32::MAX))
                .min(LONGEST),
        };
        let Some(first) = self.first else {
            self.first = Some(probe);
            return;
        };
        let before = self.probes.last().unwrap_or(&first).backoff;
        if backoff > before && self.probes.len() < MOST {
            self.probes.push(probe);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(backoff: u8) -> TcpInfoValues {
        TcpInfoValues {
            backoff: Some(backoff),
            rto_us: Some(200_000),
            ..TcpInfoValues::default()
        }
    }

    #[test]
    fn each_doubling_is_a_probe_and_tells_when_the_next_is_due() {
        let mut holding = Holding::default();
        let ms = Duration::from_millis;
        for (at, backoff) in [(500, 1), (550, 1), (700, 2), (750, 2), (1_500, 3)] {
            holding.look(ms(at), &info(backoff));
        }
        let probe = |at, backoff, next| Probe {
            at: ms(at),
            backoff,
            next_in: ms(next),
        };
        assert_eq!(holding.first(), Some(probe(500, 1, 400)));
        assert_eq!(
            holding.probes(),
            [probe(700, 2, 800), probe(1_500, 3, 1_600)]
        );
    }

    #[test]
    fn what_the_peer_takes_meanwhile_is_seen() {
        let mut holding = Holding::default();
        assert_eq!(holding.acknowledged(), None);
        for bytes_acked in [1_001, 1_001, 66_001] {
            let info = TcpInfoValues {
                bytes_acked: Some(bytes_acked),
                ..info(0)
            };
            holding.look(Duration::ZERO, &info);
        }
        assert_eq!(holding.acknowledged(), Some(65_000));
    }

    #[test]
    fn the_timer_is_never_longer_than_two_minutes_whatever_the_kernel_says() {
        let mut holding = Holding::default();
        holding.look(Duration::ZERO, &info(0));
        holding.look(Duration::from_secs(1), &info(u8::MAX));
        assert_eq!(holding.probes()[0].next_in, LONGEST);
        holding.look(Duration::from_secs(2), &TcpInfoValues::default());
        assert_eq!(holding.probes().len(), 1);
    }
}

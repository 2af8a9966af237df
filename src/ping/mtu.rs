//! The search for the MTU of a path: the largest packet that arrives whole.
//!
//! RFC 1191 and RFC 8201 let routers say it (`Frag needed`, `Packet too big`); if a firewall drops what they
//! say, large packets vanish, and only trying sizes finds it (RFC 4821).

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::losses::{Refusal, Unsent};
use crate::reference::icmp::Version;

/// A silent size is tried so often before it counts: a packet may just have been lost.
const TRIES: u32 = 3;

/// The smallest MTU that a link may have (RFC 791, RFC 8200), in bytes.
pub fn smallest(version: Version) -> usize {
    match version {
        Version::V4 => 68,
        Version::V6 => 1280,
    }
}

/// Bytes of an echo request in front of its payload: the headers of IP and ICMP.
pub fn headers(version: Version) -> usize {
    match version {
        Version::V4 => 28,
        Version::V6 => 48,
    }
}

/// What became of a packet of some size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Passed,
    /// Somebody says that it is too big, perhaps for which MTU.
    TooBig {
        /// The error, and who sent it; `None` for this host itself.
        by: Option<Refusal>,
        /// The MTU, if it was reported.
        mtu: Option<usize>,
    },
    /// Nothing was heard.
    Silent,
    /// Somebody refuses it for another reason.
    Refused(Refusal),
    /// This host does not send it, whatever its size.
    Unsent(Unsent),
}

/// The end of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Not even the smallest packet was answered.
    Unanswered,
    /// Somebody refuses packets whatever their size.
    Refused(Refusal),
    /// This host does not send them.
    Unsent(Unsent),
    /// The largest packet that was answered.
    Mtu {
        /// Its size in bytes.
        mtu: usize,
        /// The sender of the report; `None` if it is the MTU of our own link, or was found by probing.
        told_by: Option<IpAddr>,
        /// Larger packets of these sizes are lost without an ICMP error.
        black_hole: Option<RangeInclusive<usize>>,
        /// The next larger packet is refused for another reason than its size.
        refused: Option<Refusal>,
    },
}

/// The search.
///
/// The invariant: a packet of `passed` bytes was answered, none of more than `limit` bytes can pass,
/// and every outcome brings the two closer together.
#[derive(Debug, Clone)]
pub struct Search {
    smallest: usize,
    passed: Option<usize>,
    limit: usize,
    silences: u32,
    next: usize,
    told: Option<(usize, IpAddr)>,
    /// The smallest and the largest size that vanished.
    vanished: Option<(usize, usize)>,
    /// The smallest size that somebody refused, and in which words.
    refused: Option<(usize, Refusal)>,
    found: Option<Found>,
}

impl Search {
    /// A search up to `largest` bytes.
    pub fn new(version: Version, largest: usize) -> Search {
        let smallest = smallest(version);
        Search {
            smallest,
            passed: None,
            limit: largest.max(smallest),
            silences: 0,
            next: smallest,
            told: None,
            vanished: None,
            refused: None,
            found: None,
        }
    }

    /// The size to try next; `None` at the end.
    pub fn next_size(&self) -> Option<usize> {
        self.found.is_none().then_some(self.next)
    }

    /// The end, once it is there.
    pub fn found(&self) -> Option<&Found> {
        self.found.as_ref()
    }

    /// Ends it with what is known so far.
    pub fn stop(&mut self) {
        match self.passed {
            _ if self.found.is_some() => {}
            Some(passed) => self.end(passed),
            None => self.found = Some(Found::Unanswered),
        }
    }

    /// What became of the packet of the size that was to be tried.
    pub fn handle(&mut self, outcome: Outcome) {
        let size = self.next;
        match outcome {
            Outcome::Passed => {
                self.silences = 0;
                // The first to pass is the smallest: the largest is next, which is most often right.
                let is_first = self.passed.is_none();
                self.passed = Some(size);
                self.step(if is_first { self.limit } else { 0 });
            }
            Outcome::TooBig { by, mtu } => self.too_big(size, by, mtu),
            Outcome::Silent => {
                self.silences += 1;
                if self.silences < TRIES {
                    return;
                }
                self.silences = 0;
                if self.passed.is_none() {
                    self.found = Some(Found::Unanswered);
                    return;
                }
                let (_, largest) = self.vanished.unwrap_or((size, size));
                self.vanished = Some((size, largest.max(size)));
                self.limit = size - 1;
                self.step(0);
            }
            Outcome::Unsent(why) => self.found = Some(Found::Unsent(why)),
            Outcome::Refused(refusal) if self.passed.is_none() => {
                self.found = Some(Found::Refused(refusal));
            }
            // A smaller one passed: a firewall that looks at the length.
            Outcome::Refused(refusal) => {
                self.silences = 0;
                self.refused = Some((size, refusal));
                self.limit = size - 1;
                self.step(0);
            }
        }
    }

    fn too_big(&mut self, size: usize, by: Option<Refusal>, mtu: Option<usize>) {
        self.silences = 0;
        let Some(passed) = self.passed else {
            // The smallest must pass; whoever says otherwise cannot be believed.
            self.found = Some(Found::Unanswered);
            return;
        };
        // A router may tell nothing (RFC 1191 section 5), or something that cannot be.
        let told = mtu.filter(|&mtu| mtu < size && mtu >= passed);
        if let (Some(mtu), Some(by)) = (told, by.and_then(|refusal| refusal.by)) {
            self.told = Some((mtu, by));
        }
        self.limit = told.unwrap_or(size - 1);
        self.step(told.unwrap_or(0));
    }

    /// Goes on with `wish` if that is between what passed and the limit, otherwise with the middle.
    fn step(&mut self, wish: usize) {
        let passed = self.passed.unwrap_or(self.smallest);
        if passed >= self.limit {
            self.end(passed);
            return;
        }
        self.next = if (passed + 1..=self.limit).contains(&wish) {
            wish
        } else {
            passed + (self.limit - passed).div_ceil(2)
        };
    }

    fn end(&mut self, mtu: usize) {
        let told_by = self.told.filter(|(told, _)| *told == mtu).map(|(_, by)| by);
        let black_hole = self
            .vanished
            .filter(|_| told_by.is_none())
            .map(|(_, largest)| mtu + 1..=largest);
        let refused = self.refused.filter(|(size, _)| *size == mtu + 1);
        self.found = Some(Found::Mtu {
            mtu,
            told_by,
            black_hole,
            refused: refused.map(|(_, refusal)| refusal),
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn router() -> Refusal {
        Refusal {
            version: Version::V4,
            r#type: 3,
            code: 4,
            by: Some([10, 0, 0, 254].into()),
        }
    }

    /// Runs a search against a path; gives the end and the number of packets.
    fn search(largest: usize, path: &dyn Fn(usize) -> Outcome) -> (Found, usize) {
        let mut search = Search::new(Version::V4, largest);
        let mut packets = 0;
        while let Some(size) = search.next_size() {
            packets += 1;
            assert!(packets < 200, "it does not end: {search:?}");
            search.handle(path(size));
        }
        (search.found().unwrap().clone(), packets)
    }

    fn mtu(mtu: usize) -> Found {
        Found::Mtu {
            mtu,
            told_by: None,
            black_hole: None,
            refused: None,
        }
    }

    /// This host does not send more than that.
    fn local(mtu: usize) -> Outcome {
        Outcome::TooBig {
            by: None,
            mtu: Some(mtu),
        }
    }

    #[test]
    fn a_search_that_is_stopped_tells_what_vanished_so_far() {
        let mut search = Search::new(Version::V4, 1500);
        search.handle(Outcome::Passed);
        for _ in 0..TRIES {
            search.handle(Outcome::Silent);
        }
        search.stop();
        let found = Found::Mtu {
            mtu: 68,
            told_by: None,
            black_hole: Some(69..=1500),
            refused: None,
        };
        assert_eq!(search.found(), Some(&found));
        let mut unanswered = Search::new(Version::V4, 1500);
        unanswered.stop();
        assert_eq!(unanswered.found(), Some(&Found::Unanswered));
    }

    #[test]
    fn a_firewall_that_looks_at_the_length_is_no_refusal_of_every_size() {
        let filtered = Refusal {
            code: 13,
            ..router()
        };
        let path = |size| match size {
            ..=1000 => Outcome::Passed,
            _ => Outcome::Refused(filtered),
        };
        let (found, _) = search(1_500, &path);
        assert_eq!(
            found,
            Found::Mtu {
                mtu: 1_000,
                told_by: None,
                black_hole: None,
                refused: Some(filtered),
            }
        );
    }

    #[test]
    fn a_path_as_wide_as_our_link_takes_three_packets() {
        let path = |size| {
            if size > 1500 {
                local(1500)
            } else {
                Outcome::Passed
            }
        };
        assert_eq!(search(65_535, &path), (mtu(1500), 3));
        assert_eq!(search(65_535, &|_| Outcome::Passed), (mtu(65_535), 2));
    }

    #[test]
    fn a_router_that_tells_its_mtu_is_asked_no_more_than_once() {
        let path = |size| match size {
            1501.. => local(1500),
            1301.. => Outcome::TooBig {
                by: Some(router()),
                mtu: Some(1300),
            },
            _ => Outcome::Passed,
        };
        let found = Found::Mtu {
            mtu: 1300,
            told_by: router().by,
            black_hole: None,
            refused: None,
        };
        assert_eq!(search(65_535, &path), (found, 4));
    }

    #[test]
    fn a_black_hole_is_told_with_the_sizes_that_vanish() {
        let path = |size| match size {
            1501.. => local(1500),
            1301.. => Outcome::Silent,
            _ => Outcome::Passed,
        };
        let (found, _) = search(65_535, &path);
        let expected = Found::Mtu {
            mtu: 1300,
            told_by: None,
            black_hole: Some(1301..=1500),
            refused: None,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn one_lost_packet_makes_no_black_hole() {
        let calls = std::cell::Cell::new(0);
        let path = |size| {
            calls.set(calls.get() + 1);
            match size {
                1501.. => local(1500),
                _ if calls.get() % 2 == 0 => Outcome::Silent,
                _ => Outcome::Passed,
            }
        };
        assert_eq!(search(65_535, &path).0, mtu(1500));
    }

    #[test]
    fn a_router_that_lies_about_its_mtu_is_not_believed() {
        for told in [None, Some(0), Some(9000), Some(20)] {
            let path = move |size| match size {
                1001.. => Outcome::TooBig {
                    by: Some(router()),
                    mtu: told,
                },
                _ => Outcome::Passed,
            };
            assert_eq!(search(1500, &path).0, mtu(1000), "{told:?}");
        }
    }

    #[test]
    fn a_host_that_does_not_answer_and_one_that_refuses_are_told() {
        assert_eq!(search(1500, &|_| Outcome::Silent), (Found::Unanswered, 3));
        let refused = |_| Outcome::Refused(router());
        assert_eq!(search(1500, &refused), (Found::Refused(router()), 1));
        let unsent = |_| Outcome::Unsent(Unsent::Firewall);
        assert_eq!(search(1500, &unsent), (Found::Unsent(Unsent::Firewall), 1));
        let absurd = |_| Outcome::TooBig {
            by: Some(router()),
            mtu: Some(10),
        };
        assert_eq!(search(1500, &absurd).0, Found::Unanswered);
    }

    proptest! {
        #[test]
        fn every_path_is_found_in_few_packets(width in 68_usize..=9000, silent in any::<bool>()) {
            let path = |size| match size {
                _ if size <= width => Outcome::Passed,
                _ if silent => Outcome::Silent,
                _ => Outcome::TooBig { by: Some(router()), mtu: None },
            };
            let (found, packets) = search(9000, &path);
            let Found::Mtu { mtu, black_hole, .. } = found else {
                panic!("{found:?}");
            };
            prop_assert_eq!(mtu, width);
            prop_assert_eq!(black_hole.is_some(), silent && width < 9000);
            prop_assert!(packets <= 50, "{}", packets);
        }
    }
}

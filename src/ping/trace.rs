//! A trace that goes on: the hops of a path, round after round, and what their figures say.

use std::net::IpAddr;

use super::figures::Times;
use super::hops::{End, Hop};
use super::losses::Refusal;
use super::mpls::Labels;

/// A path ends where this many hops in a row have never answered.
pub const MOST_SILENT: u8 = 5;
/// Routers of one hop that are told apart.
const MOST_ROUTERS: usize = 16;
/// Routers in a loop that is recognized.
const LONGEST_LOOP: usize = 8;
/// Two losses or answers more or less are chance.
const CHANCE: u64 = 2;

/// The hops of a path.
///
/// The invariant: the hop at place `n` is `n + 1` hops away, and none is farther than the path is known to
/// go.
#[derive(Debug, Clone)]
pub struct Trace {
    most: u8,
    hops: Vec<Traced>,
    /// The distance to be asked next in this round.
    next: u8,
    /// Where the path ends, once that is known.
    length: Option<u8>,
    /// Rounds that are over.
    pub rounds: u64,
}

/// What came from one distance.
#[derive(Debug, Clone, Default)]
pub struct Traced {
    /// Hops away.
    pub distance: u8,
    /// Requests.
    pub sent: u64,
    /// Of them answered.
    pub answered: u64,
    /// Who answered.
    pub routers: Vec<Router>,
    /// Why the path ended here, the last time that it did.
    pub end: Option<End>,
    /// The router of the last answer.
    last: Option<IpAddr>,
}

/// A router of a hop.
#[derive(Debug, Clone, PartialEq)]
pub struct Router {
    /// Its address.
    pub address: IpAddr,
    /// Its answers.
    pub answers: u64,
    /// Their times.
    pub times: Times,
    /// The MPLS labels of the latest that had some.
    pub labels: Labels,
}

/// A hop is answered by a router that was not there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathChange {
    /// Hops away.
    pub distance: u8,
    /// Who answered before.
    pub from: IpAddr,
    /// Who does now.
    pub to: IpAddr,
}

impl Trace {
    /// A trace of at most this many hops.
    pub fn new(most: u8) -> Trace {
        Trace {
            most,
            hops: Vec::new(),
            next: 1,
            length: None,
            rounds: 0,
        }
    }

    /// What is known after each of these hops was asked once or more often.
    pub fn of(most: u8, hops: &[Hop]) -> Trace {
        let mut trace = Trace::new(most);
        for hop in hops {
            trace.handle(hop);
        }
        trace
    }

    /// The hops so far.
    pub fn hops(&self) -> &[Traced] {
        &self.hops
    }

    /// The distance to ask next; `None` at the end of a round.
    pub fn next(&self) -> Option<u8> {
        let length = self.length.unwrap_or(self.most);
        (self.next <= length).then_some(self.next)
    }

    /// Begins the next round.
    pub fn begin_round(&mut self) {
        self.rounds += 1;
        self.next = 1;
    }

    /// What came of the requests to the next hop. Gives the change of the path, if there is one.
    pub fn handle(&mut self, hop: &Hop) -> Option<PathChange> {
        let place = usize::from(self.next - 1);
        if place == self.hops.len() {
            self.hops.push(Traced {
                distance: self.next,
                ..Traced::default()
            });
        }
        self.next += 1;
        let change = self.hops[place].add(hop);
        if hop.end.is_some() {
            self.length = Some(hop.distance);
            self.hops.truncate(usize::from(hop.distance));
        } else if self.length.is_none() && self.silent_at_the_end() >= MOST_SILENT {
            self.length = Some(hop.distance);
        }
        change
    }

    /// Hops at the end that have never answered.
    pub fn silent_at_the_end(&self) -> u8 {
        let silent = self.hops.iter().rev().take_while(|hop| hop.answered == 0);
        u8::try_from(silent.count()).unwrap_or(u8::MAX)
    }

    /// Whether the target answered.
    pub fn is_reached(&self) -> bool {
        let last = self.hops.last();
        last.is_some_and(|hop| hop.end == Some(End::Reached))
    }

    /// What the figures say.
    pub fn verdict(&self) -> Verdict {
        if let Some((one, other, length)) = self.turns_back() {
            return Verdict::Loop { one, other, length };
        }
        let Some(last) = self.hops.last() else {
            return Verdict::Unknown;
        };
        match last.end {
            Some(End::Refused(refusal)) => return Verdict::Refused(refusal),
            Some(End::Unsent) => return Verdict::Unsent,
            Some(End::Reached) => {}
            None => {
                let heard = self.hops.iter().rev().find(|hop| hop.answered > 0);
                return Verdict::Silent {
                    last: heard.and_then(|hop| Some((hop.distance, hop.last?))),
                };
            }
        }
        if last.lost() == 0 {
            let limits = self
                .hops
                .iter()
                .filter(|hop| hop.answered > 0 && hop.lost() > 0);
            return match limits.max_by_key(|hop| hop.lost()) {
                Some(hop) => Verdict::Limits {
                    distance: hop.distance,
                    answered: hop.answered,
                    sent: hop.sent,
                },
                None => Verdict::Clean,
            };
        }
        // All hops from there on lose about as many as the target.
        let loses = |hop: &&Traced| hop.lost() + CHANCE >= last.lost() && hop.lost() > 0;
        let heard = self.hops.iter().rev().filter(|hop| hop.answered > 0);
        let begin = heard.take_while(loses).last().unwrap_or(last);
        Verdict::Loss {
            distance: begin.distance,
            router: begin.last,
            lost: last.lost(),
            sent: last.sent,
        }
    }

    /// Routers that send packets in a loop: each answers again at a greater distance, in the same order.
    /// Gives the first two and the length of the loop.
    fn turns_back(&self) -> Option<(IpAddr, IpAddr, usize)> {
        let only = |hop: &Traced| match &hop.routers[..] {
            [one] => Some(one.address),
            _ => None,
        };
        (2..=LONGEST_LOOP).find_map(|length| {
            self.hops.windows(2 * length).find_map(|hops| {
                let routers: Option<Vec<IpAddr>> = hops.iter().map(only).collect();
                let routers = routers?;
                let (first, again) = routers.split_at(length);
                let is_loop = first == again && first[0] != first[1];
                is_loop.then(|| (first[0], first[1], length))
            })
        })
    }
}

impl Traced {
    fn add(&mut self, hop: &Hop) -> Option<PathChange> {
        let mut change = None;
        if hop.end.is_some() {
            self.end = hop.end;
        }
        for answer in &hop.answers {
            self.sent += 1;
            let Some(answer) = answer else {
                continue;
            };
            self.answered += 1;
            let known = self.routers.iter().position(|it| it.address == answer.from);
            if known.is_none() {
                if let Some(from) = self.last {
                    change = Some(PathChange {
                        distance: self.distance,
                        from,
                        to: answer.from,
                    });
                }
                if self.routers.len() == MOST_ROUTERS {
                    continue;
                }
                self.routers.push(Router {
                    address: answer.from,
                    answers: 0,
                    times: Times::default(),
                    labels: Labels::default(),
                });
            }
            self.last = Some(answer.from);
            let at = known.unwrap_or(self.routers.len() - 1);
            let router = &mut self.routers[at];
            router.answers += 1;
            if !answer.labels.as_slice().is_empty() {
                router.labels = answer.labels;
            }
            if let Some(rtt) = answer.rtt {
                router.times.add(rtt);
            }
        }
        change
    }

    /// Requests without an answer.
    pub fn lost(&self) -> u64 {
        self.sent - self.answered
    }
}

/// What the figures of a path say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was asked.
    Unknown,
    /// Every hop that answers answers always.
    Clean,
    /// A hop does not answer every request, and the target does: nothing is lost.
    Limits {
        /// Hops away.
        distance: u8,
        /// Its answers.
        answered: u64,
        /// Requests to it.
        sent: u64,
    },
    /// Requests to the target are lost.
    Loss {
        /// The hop where it begins.
        distance: u8,
        /// Who is there.
        router: Option<IpAddr>,
        /// Requests to the target that were lost.
        lost: u64,
        /// All of them.
        sent: u64,
    },
    /// Somebody does not let it through.
    Refused(Refusal),
    /// This host does not send it.
    Unsent,
    /// Nobody answers any more.
    Silent {
        /// The last hop that answered, and who it was.
        last: Option<(u8, IpAddr)>,
    },
    /// Routers send the packets in a loop.
    Loop {
        /// The first of them.
        one: IpAddr,
        /// The next one.
        other: IpAddr,
        /// How many they are.
        length: usize,
    },
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ping::hops::Answer;

    fn router(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn hop(distance: u8, from: Option<u8>, is_target: bool) -> Hop {
        Hop {
            distance,
            answers: vec![from.map(|last| Answer {
                from: router(last),
                rtt: Some(Duration::from_millis(1)),
                labels: Labels::default(),
            })],
            end: is_target.then_some(End::Reached),
        }
    }

    /// Rounds over four hops, the last of them the target; `answers` says which does.
    fn traced(rounds: u64, answers: impl Fn(u64, u8) -> bool) -> Trace {
        let mut trace = Trace::new(30);
        for round in 0..rounds {
            while let Some(distance) = trace.next() {
                let is_there = answers(round, distance);
                let from = is_there.then_some(distance);
                trace.handle(&hop(distance, from, is_there && distance == 4));
                if distance == 4 && !is_there && round == 0 {
                    break;
                }
            }
            trace.begin_round();
        }
        trace
    }

    #[test]
    fn a_hop_that_limits_its_answers_is_no_loss() {
        let trace = traced(20, |round, distance| distance != 3 || round < 6);
        let limits = Verdict::Limits {
            distance: 3,
            answered: 6,
            sent: 20,
        };
        assert_eq!(trace.verdict(), limits);
        assert_eq!(traced(5, |_, _| true).verdict(), Verdict::Clean);
        // One that never answers is no finding either.
        assert_eq!(
            traced(5, |_, distance| distance != 2).verdict(),
            Verdict::Clean
        );
    }

    #[test]
    fn loss_begins_at_the_first_hop_from_which_on_all_lose() {
        let trace = traced(20, |round, distance| distance < 3 || round % 2 == 0);
        let loss = Verdict::Loss {
            distance: 3,
            router: Some(router(3)),
            lost: 10,
            sent: 20,
        };
        assert_eq!(trace.verdict(), loss);
    }

    #[test]
    fn five_silent_hops_end_the_path_and_the_last_one_that_answered_is_named() {
        let mut trace = Trace::new(30);
        while let Some(distance) = trace.next() {
            trace.handle(&hop(distance, (distance <= 2).then_some(distance), false));
        }
        assert_eq!(trace.hops().len(), 7);
        let last = Some((2, router(2)));
        assert_eq!(trace.verdict(), Verdict::Silent { last });
    }

    #[test]
    fn a_loop_and_a_change_of_the_path_are_told() {
        let mut trace = Trace::new(6);
        while let Some(distance) = trace.next() {
            trace.handle(&hop(distance, Some(1 + distance % 2), false));
        }
        let (one, other) = (router(2), router(1));
        let found = |length, one, other| Verdict::Loop { one, other, length };
        assert_eq!(trace.verdict(), found(2, one, other));
        let mut trace = Trace::new(8);
        while let Some(distance) = trace.next() {
            trace.handle(&hop(distance, Some(1 + distance % 3), false));
        }
        assert_eq!(trace.verdict(), found(3, router(2), router(3)));
        let mut trace = traced(2, |_, _| true);
        trace.handle(&hop(1, Some(1), false));
        let change = PathChange {
            distance: 2,
            from: router(2),
            to: router(9),
        };
        assert_eq!(trace.handle(&hop(2, Some(9), false)), Some(change));
        // Both are of the path now, each with figures of its own.
        trace.begin_round();
        trace.handle(&hop(1, Some(1), false));
        assert_eq!(trace.handle(&hop(2, Some(2), false)), None);
        let answers: Vec<u64> = trace.hops()[1]
            .routers
            .iter()
            .map(|it| it.answers)
            .collect();
        assert_eq!(answers, [3, 1]);
    }
}

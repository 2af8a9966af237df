//! The routers on the way, from what comes back for packets with a limited hop count.

use std::net::IpAddr;
use std::time::Duration;

use super::event::Event;
use super::losses::Refusal;
use super::mpls::Labels;

/// What came back from this many hops away.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hop {
    /// The hops that the requests were given.
    pub distance: u8,
    /// Each request: who answered, and how fast; `None` if unanswered.
    pub answers: Vec<Option<Answer>>,
    /// Why the way ends here, if it does.
    pub end: Option<End>,
}

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// Who.
    pub from: IpAddr,
    /// From the request to it.
    pub rtt: Option<Duration>,
    /// The MPLS labels that the request had there.
    pub labels: Labels,
}

/// Why a way ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It is the target.
    Reached,
    /// Somebody does not let it through.
    Refused(Refusal),
    /// This host does not send it.
    Unsent,
}

impl Hop {
    /// The hop, after the results of its requests.
    pub fn new(distance: u8, events: &[Event]) -> Hop {
        let mut hop = Hop {
            distance,
            ..Hop::default()
        };
        for event in events {
            hop.add(event);
        }
        hop
    }

    fn add(&mut self, event: &Event) {
        match event {
            Event::Reply(reply) if reply.counts => {
                self.end = Some(End::Reached);
                self.answers.push(Some(Answer {
                    from: reply.from,
                    rtt: reply.rtt,
                    labels: Labels::default(),
                }));
            }
            Event::Refused(refused) if !refused.refusal.is_advice() => {
                let Some(from) = refused.refusal.by else {
                    return;
                };
                self.answers.push(Some(Answer {
                    from,
                    rtt: refused.rtt,
                    labels: refused.labels,
                }));
                // One answer of the target outweighs what a router says.
                if !refused.refusal.is_hop_limit() && self.end.is_none() {
                    self.end = Some(End::Refused(refused.refusal));
                }
            }
            Event::Lost { .. } => self.answers.push(None),
            Event::Unsent { .. } => {
                self.answers.push(None);
                self.end.get_or_insert(End::Unsent);
            }
            _ => {}
        }
    }

    /// Who answered, each once, in order: a way may be split over several routers.
    pub fn routers(&self) -> Vec<IpAddr> {
        let mut all = Vec::new();
        for answer in self.answers.iter().flatten() {
            if !all.contains(&answer.from) {
                all.push(answer.from);
            }
        }
        all
    }

    /// The shortest time.
    pub fn best(&self) -> Option<Duration> {
        self.answers.iter().flatten().filter_map(|it| it.rtt).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ping::clock::Realtime;
    use crate::ping::event::{Refused, Reply, Timing, Verdict};
    use crate::ping::window::Local;
    use crate::reference::icmp::Version;

    fn refused(kind: u8, code: u8, last: u8) -> Event {
        Event::Refused(Refused {
            target: 0,
            sequence: 1,
            refusal: Refusal {
                version: Version::V4,
                r#type: kind,
                code,
                by: Some([10, 0, 0, last].into()),
            },
            detail: 0,
            rtt: Some(Duration::from_millis(u64::from(last))),
            at: Realtime(0),
            labels: Labels::default(),
        })
    }

    const LOST: Event = Event::Lost {
        target: 0,
        sequence: 2,
        damaged: false,
        sent: Realtime(0),
    };

    fn reply(verdict: Verdict) -> Event {
        Event::Reply(Reply {
            target: 0,
            sequence: 3,
            from: [10, 0, 0, 9].into(),
            bytes: 64,
            hop_limit: None,
            rtt: None,
            timing: Timing::default(),
            local: Local::default(),
            at: Realtime(0),
            verdict,
            counts: verdict == Verdict::Good,
        })
    }

    #[test]
    fn a_router_that_says_time_exceeded_is_a_hop_and_not_the_end() {
        let hop = Hop::new(
            2,
            &[
                refused(11, 0, 1),
                LOST,
                refused(11, 0, 2),
                refused(11, 0, 1),
            ],
        );
        let expected: [IpAddr; 2] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
        assert_eq!(hop.routers(), expected);
        assert_eq!((hop.answers.len(), hop.end), (4, None));
        assert_eq!(hop.best(), Some(Duration::from_millis(1)));
    }

    #[test]
    fn the_target_ends_the_way_and_so_does_a_refusal() {
        assert_eq!(
            Hop::new(3, &[LOST, reply(Verdict::Good)]).end,
            Some(End::Reached)
        );
        let hop = Hop::new(3, &[refused(3, 13, 1), reply(Verdict::Good)]);
        assert_eq!(hop.end, Some(End::Reached));
        let hop = Hop::new(3, &[refused(3, 13, 1)]);
        assert!(matches!(hop.end, Some(End::Refused(refusal)) if refusal.code == 13));
        assert_eq!(Hop::new(3, &[LOST]).routers(), [] as [IpAddr; 0]);
    }

    #[test]
    fn a_forged_reply_is_no_hop() {
        assert_eq!(Hop::new(1, &[reply(Verdict::Forged)]).answers, []);
    }
}

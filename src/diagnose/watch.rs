//! What changed from one diagnosis to the next: findings that begin, change and end.

use std::time::Duration;

use super::{Block, Case, Finding, Rule, Severity, Subject};

/// Follows findings over many diagnoses of one host.
#[derive(Debug)]
pub struct Watcher {
    known: Vec<Known>,
    begun: usize,
    patience: u8,
    /// Of each block of the last diagnosis.
    followed: Vec<Option<Followed>>,
}

/// A finding as it is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// The same from diagnosis to diagnosis, and of no other one.
    pub number: usize,
    /// When it began.
    pub began: Duration,
}

/// Findings that are followed at a time; more are not told one by one.
const MOST: usize = 1024;

/// A finding that was told.
#[derive(Debug)]
struct Known {
    number: usize,
    rule: &'static Rule,
    severity: Severity,
    count: usize,
    headline: String,
    /// What it is about: what shares one of these in the next diagnosis is the same finding.
    about: Vec<String>,
    began: Duration,
    seen: Duration,
    missed: u8,
}

/// What happened.
#[derive(Debug, PartialEq)]
pub enum Event<'a> {
    /// A finding was not there before.
    Began(&'a Block),
    /// It is worse, less bad, or about at least twice or at most half as many subjects.
    Changed(&'a Block),
    /// It is over.
    Ended {
        /// Its rule.
        rule: &'static Rule,
        /// How bad it was.
        severity: Severity,
        /// What it said when it was told last.
        headline: String,
        /// When it began.
        began: Duration,
        /// When it was there for the last time.
        seen: Duration,
    },
}

impl Watcher {
    /// `patience`: looks without it after which a finding has ended. With more than one, a finding that comes
    /// and goes is not told each time.
    pub fn new(patience: u8) -> Watcher {
        Watcher {
            known: Vec::new(),
            begun: 0,
            patience,
            followed: Vec::new(),
        }
    }

    /// What is new in a diagnosis at this time (since 1970). `blocks`: the first causes.
    pub fn look<'a>(
        &mut self,
        case: &Case<'_>,
        blocks: &'a [Block],
        at: Duration,
    ) -> Vec<Event<'a>> {
        let mut events = Vec::new();
        self.followed.clear();
        for known in &mut self.known {
            known.missed += 1;
        }
        for block in blocks {
            let finding = &block.finding;
            let about = about(case, finding);
            let same = |known: &&mut Known| {
                known.rule == finding.rule && known.about.iter().any(|it| about.contains(it))
            };
            if let Some(known) = self.known.iter_mut().find(same) {
                let (few, many) = (
                    known.count.min(finding.count),
                    known.count.max(finding.count),
                );
                if known.severity != finding.severity || many >= 2 * few {
                    known.severity = finding.severity;
                    known.count = finding.count;
                    known.headline.clone_from(&finding.headline);
                    events.push(Event::Changed(block));
                }
                (known.about, known.seen, known.missed) = (about, at, 0);
                self.followed.push(Some(Followed {
                    number: known.number,
                    began: known.began,
                }));
                continue;
            }
            if self.known.len() >= MOST {
                self.followed.push(None);
                continue;
            }
            self.begun += 1;
            self.followed.push(Some(Followed {
                number: self.begun,
                began: at,
            }));
            self.known.push(Known {
                number: self.begun,
                rule: finding.rule,
                severity: finding.severity,
                count: finding.count,
                headline: finding.headline.clone(),
                about,
                began: at,
                seen: at,
                missed: 0,
            });
            events.push(Event::Began(block));
        }
        let (over, known) = std::mem::take(&mut self.known)
            .into_iter()
            .partition(|known| known.missed >= self.patience);
        self.known = known;
        let over: Vec<Known> = over;
        events.extend(over.into_iter().map(|known| Event::Ended {
            rule: known.rule,
            severity: known.severity,
            headline: known.headline,
            began: known.began,
            seen: known.seen,
        }));
        events
    }

    /// The findings of the last diagnosis, in the order of its blocks; `None`: there are too many to follow.
    pub fn followed(&self) -> &[Option<Followed>] {
        &self.followed
    }

    /// How many findings have begun.
    pub fn begun(&self) -> usize {
        self.begun
    }

    /// How many there are.
    pub fn open(&self) -> usize {
        self.known.len()
    }
}

/// Names of what a finding is about that hold from one sample to the next: a finding of the same rule that
/// shares one of them is the same.
fn about(case: &Case<'_>, finding: &Finding) -> Vec<String> {
    let namespace = |netns: u16| {
        let namespaces = &case.sample.namespaces;
        namespaces.get(usize::from(netns)).map_or(0, |it| it.inode)
    };
    let mut about = Vec::new();
    for subject in finding.examples.iter().chain([&finding.subject]) {
        match *subject {
            Subject::Host => about.push("host".to_owned()),
            Subject::Network { netns } => about.push(format!("network {}", namespace(netns))),
            Subject::Interface { netns, index } => {
                about.push(format!("interface {} {index}", namespace(netns)));
            }
            Subject::Path { netns, to } => about.push(format!("path {} {to}", namespace(netns))),
            Subject::Process(at) => about.push(format!("pid {}", case.sample.process(at).pid)),
            Subject::Capture | Subject::Stream(_) => {}
            Subject::Socket(at) => {
                let socket = case.socket(at);
                let netns = namespace(socket.netns);
                match socket.cookie {
                    Some(cookie) => about.push(format!("cookie {cookie}")),
                    None => about.push(format!("inode {}", socket.inode)),
                }
                // Other connections of the same server, or to the same one.
                let listens = !case.index.listeners_of(at).is_empty();
                match (socket.local.port(), socket.peer.end()) {
                    (Some(port), _) if listens => about.push(format!("port {netns} {port}")),
                    (_, Some((ip, port))) => about.push(format!("peer {netns} {ip} {port}")),
                    _ => {}
                }
            }
        }
    }
    about.sort_unstable();
    about.dedup();
    about
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::diagnose;
    use crate::diagnose::testing::{figures, idle, sample, socket};
    use crate::host::{Index, Sample};
    use crate::sockets::{Socket, State, TcpFigures};

    /// CLOSE-WAIT for ten minutes.
    fn leaking(cookie: u64) -> Socket {
        let old = TcpFigures {
            last_ack_recv_ms: Some(600_000),
            ..idle()
        };
        Socket {
            cookie: Some(cookie),
            inode: u32::try_from(cookie).unwrap(),
            ..figures(socket(State::CloseWait, 1, 0), old)
        }
    }

    fn look(watcher: &mut Watcher, sockets: Vec<Socket>, second: u64) -> Vec<&'static str> {
        let sample: Sample = sample(sockets);
        let index = Index::new(&sample);
        let case = Case::new(&index);
        let blocks = diagnose(&case).all_blocks(&case, false);
        let events = watcher.look(&case, &blocks, Duration::from_secs(second));
        let word = |event: &Event<'_>| match event {
            Event::Began(_) => "began",
            Event::Changed(_) => "changed",
            Event::Ended { began, seen, .. } => {
                assert!(began <= seen);
                "ended"
            }
        };
        events.iter().map(word).collect()
    }

    #[test]
    fn a_finding_begins_once_changes_when_it_doubles_and_ends_once() {
        let mut watcher = Watcher::new(2);
        let none: [&str; 0] = [];
        assert_eq!(look(&mut watcher, vec![], 0), none);
        let some = |range: std::ops::Range<u64>| range.map(leaking).collect::<Vec<_>>();
        assert_eq!(look(&mut watcher, some(1..5), 5), ["began"]);
        assert_eq!(look(&mut watcher, some(1..6), 10), none);
        assert_eq!(look(&mut watcher, some(1..9), 15), ["changed"]);
        // Other connections of the same kind, on the same port.
        assert_eq!(look(&mut watcher, some(21..29), 20), none);
        // Not there for one look.
        assert_eq!(look(&mut watcher, vec![], 25), none);
        assert_eq!(look(&mut watcher, some(21..29), 30), none);
        assert_eq!((watcher.begun(), watcher.open()), (1, 1));
        assert_eq!(look(&mut watcher, vec![], 35), none);
        assert_eq!(look(&mut watcher, vec![], 40), ["ended"]);
        assert_eq!(look(&mut watcher, vec![], 45), none);
        assert_eq!((watcher.begun(), watcher.open()), (1, 0));
        assert_eq!(look(&mut watcher, some(1..5), 50), ["began"]);
    }
}

//! The findings of a capture: facts that say the same become one finding.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use super::rules::stream::{
    ICMP_ERROR, REFUSED, RESET, RST_IDLE, RST_INJECTED, RST_NO_SOCKET, RST_UNREAD, SYN_UNANSWERED,
};
use super::{Finding, of_fact, words};
use crate::stream::{Fact, Marks, Noted, ScanOf, StreamRef};

/// Groups of facts; of more only the number is known.
const MOST_GROUPS: usize = 1024;
/// A finding names this many of its subjects, or all, up to a limit.
const EXAMPLES: usize = 3;
const MOST_EXAMPLES: usize = 1000;

/// Gathers the findings of a capture.
///
/// The invariant: memory grows with the number of groups, of which there are at most `MOST_GROUPS`, not with
/// the number of facts.
#[derive(Debug, Default)]
pub struct Gatherer {
    groups: Vec<Group>,
    by_key: HashMap<Key, usize>,
    /// Facts that are in no group.
    untold: u64,
    /// Whether each subject is named.
    names_all: bool,
}

/// What facts have in common that become one finding.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    rule: &'static str,
    severity: u8,
    /// Where others of the rule are about something else: its headline.
    headline: Option<String>,
    ends: Option<Ends>,
}

/// The sender, the receiver, and the server's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Ends {
    source: IpAddr,
    destination: IpAddr,
    port: u16,
    from_client: bool,
}

impl Ends {
    fn of(stream: &StreamRef) -> Ends {
        Ends {
            source: stream.source.0,
            destination: stream.destination.0,
            port: if stream.from_client {
                stream.destination.1
            } else {
                stream.source.1
            },
            from_client: stream.from_client,
        }
    }

    fn client(&self) -> IpAddr {
        if self.from_client {
            self.source
        } else {
            self.destination
        }
    }

    fn server(&self) -> SocketAddr {
        let ip = if self.from_client {
            self.destination
        } else {
            self.source
        };
        SocketAddr::new(ip, self.port)
    }
}

#[derive(Debug)]
struct Group {
    key: Key,
    finding: Finding,
    times: u32,
    /// The words of the TCP analysis, each with the number of its segments.
    words: Vec<(&'static str, u32)>,
    last_stream: Option<u32>,
}

impl Gatherer {
    /// Without facts. `names_all`: findings name all their subjects, not only some.
    pub fn new(names_all: bool) -> Gatherer {
        Gatherer {
            names_all,
            ..Gatherer::default()
        }
    }

    /// Takes the next fact.
    pub fn fact(&mut self, fact: &Fact) {
        let Some(finding) = of_fact(fact) else {
            return;
        };
        if let Noted::Scan { client, of, .. } = fact.noted {
            self.remove(|group| group.is_of_scan(client, of));
        }
        if finding.rule == &RST_INJECTED {
            // It explains the reset that was reported before.
            let stream = fact.stream.map(|stream| stream.number);
            self.remove(|group| group.is_reset_of(stream));
        }
        let key = Key {
            rule: finding.rule.id,
            severity: finding.severity as u8,
            headline: match fact.noted {
                Noted::NoMessage(_) | Noted::IcmpError { .. } => Some(finding.headline.clone()),
                Noted::Gap {
                    acknowledged: true, ..
                } => Some("bytes missing from the capture that were acknowledged".to_owned()),
                _ => fact.stream.is_none().then(|| finding.headline.clone()),
            },
            ends: fact.stream.as_ref().map(Ends::of),
        };
        let stream = fact.stream.map(|stream| stream.number);
        let index = if let Some(index) = self.by_key.get(&key) {
            let most = if self.names_all {
                MOST_EXAMPLES
            } else {
                EXAMPLES
            };
            self.groups[*index].add(finding, stream, most);
            *index
        } else if self.groups.len() < MOST_GROUPS {
            self.by_key.insert(key.clone(), self.groups.len());
            self.groups.push(Group {
                key,
                finding,
                times: 1,
                words: Vec::new(),
                last_stream: stream,
            });
            self.groups.len() - 1
        } else {
            self.untold += 1;
            return;
        };
        if let Noted::Analysis { marks, .. } = fact.noted {
            self.groups[index].count_words(marks);
        }
    }

    fn remove(&mut self, is_it: impl Fn(&Group) -> bool) {
        let before = self.groups.len();
        self.groups.retain(|group| !is_it(group));
        if self.groups.len() < before {
            self.by_key.clear();
            let keys = self.groups.iter().map(|group| group.key.clone());
            self.by_key.extend(keys.zip(0..));
        }
    }

    /// How many facts were not put into a finding, because there were too many different ones.
    pub fn untold(&self) -> u64 {
        self.untold
    }

    /// The findings, the worst first, otherwise in the order in which they were noticed.
    pub fn into_findings(self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.groups.into_iter().map(Group::into_finding).collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        findings
    }
}

impl Group {
    /// Whether a scan explains it.
    fn is_of_scan(&self, client: IpAddr, of: ScanOf) -> bool {
        let failed = [REFUSED.id, SYN_UNANSWERED.id, ICMP_ERROR.id];
        let Some(ends) = self.key.ends.filter(|_| failed.contains(&self.key.rule)) else {
            return false;
        };
        let server = ends.server();
        ends.client() == client
            && match of {
                ScanOf::Ports(host) => server.ip() == host,
                ScanOf::Hosts(port) => server.port() == port,
            }
    }

    /// Whether it is about a reset of this stream, and of no other.
    fn is_reset_of(&self, stream: Option<u32>) -> bool {
        let resets = [RESET.id, RST_IDLE.id, RST_NO_SOCKET.id, RST_UNREAD.id];
        self.last_stream == stream && self.finding.count == 1 && resets.contains(&self.key.rule)
    }

    fn add(&mut self, other: Finding, stream: Option<u32>, most: usize) {
        self.times = self.times.saturating_add(1);
        for fact in other.facts {
            let known = self.finding.facts.iter_mut();
            let mut known = known.filter(|it| (it.source, it.field) == (fact.source, fact.field));
            if let Some(known) = known.next() {
                known.value = known.value.clone().and(fact.value);
            }
        }
        // The facts of a stream mostly come one after the other.
        if stream != self.last_stream {
            self.last_stream = stream;
            self.finding.count += 1;
            let examples = &mut self.finding.examples;
            if examples.len() < most && !examples.contains(&other.subject) {
                examples.push(other.subject);
            }
        }
    }

    fn count_words(&mut self, marks: Marks) {
        for words in marks.noteworthy() {
            match self.words.iter_mut().find(|(known, _)| *known == words) {
                Some((_, count)) => *count += 1,
                None => self.words.push((words, 1)),
            }
        }
    }

    fn into_finding(self) -> Finding {
        let mut finding = self.finding;
        if self.times == 1 {
            return finding;
        }
        let counted = self.words.iter();
        let counted: Vec<String> = counted.map(|(words, n)| format!("{words} ({n})")).collect();
        let title = if let Some(headline) = self.key.headline {
            headline
        } else if counted.is_empty() {
            finding.rule.title.to_owned()
        } else {
            counted.join(", ")
        };
        let times = words::count(
            self.times,
            if counted.is_empty() {
                "time"
            } else {
                "segment"
            },
        );
        let longest = finding.facts.iter().find_map(|fact| fact.value.longest());
        let longest = longest.map_or_else(String::new, |longest| {
            format!(", up to {}", words::duration(longest))
        });
        let connections = words::count(finding.count as u64, "connection");
        finding.headline = match self.key.ends.filter(|_| finding.count > 1) {
            Some(ends) => {
                let times = if finding.count == self.times as usize {
                    connections
                } else {
                    format!("{times} in {connections}")
                };
                let (client, server) = (ends.client(), ends.server());
                format!("{title}: {times} from {client} to {server}{longest}")
            }
            None if !counted.is_empty() => title,
            None => format!("{title}: {times}{longest}"),
        };
        finding
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capfile::Timestamp;
    use crate::diagnose::Value;
    use crate::stream::{Reset, ResetWhy};

    fn fact(frame: u64, stream: u32, noted: Noted) -> Fact {
        let port = u16::try_from(40_000 + stream % 1000).unwrap();
        Fact {
            frame,
            time: Timestamp::default(),
            stream: Some(StreamRef {
                number: stream,
                source: ([10, 0, 0, 2].into(), 80),
                destination: ([10, 0, 0, 1].into(), port),
                from_client: false,
            }),
            noted,
        }
    }

    fn reset() -> Noted {
        let (why, ttls) = (ResetWhy::Other, None);
        Noted::Reset(Reset { why, ttls })
    }

    #[test]
    fn facts_that_say_the_same_are_one_finding_and_a_single_one_keeps_its_words() {
        let mut gatherer = Gatherer::new(false);
        for stream in 0..10 {
            let wait = i64::from(stream + 1) * 1_000_000_000;
            gatherer.fact(&fact(u64::from(stream), stream, Noted::SlowReply(wait)));
        }
        gatherer.fact(&fact(77, 3, reset()));
        for frame in [80, 81] {
            let (marks, sequence) = (Marks::RETRANSMISSION, 9);
            gatherer.fact(&fact(frame, 4, Noted::Analysis { marks, sequence }));
        }
        let findings = gatherer.into_findings();
        let headlines: Vec<&str> = findings.iter().map(|it| it.headline.as_str()).collect();
        assert_eq!(
            headlines,
            [
                "slow server: 10 connections from 10.0.0.1 to 10.0.0.2:80, up to 10.0 s",
                "the server reset the connection (RST)",
                "TCP Retransmission (2)",
            ]
        );
        assert_eq!((findings[0].count, findings[0].examples.len()), (10, 3));
        let wait = findings[0]
            .facts
            .iter()
            .find(|it| it.field == "server_wait");
        let (low, high) = (Value::Millis(1000), Value::Millis(10_000));
        assert_eq!(wait.map(|it| it.value.clone()), Some(low.and(high)));
    }

    #[test]
    fn memory_is_bounded_and_what_is_left_out_is_counted() {
        let mut gatherer = Gatherer::new(true);
        for n in 0..5000 {
            let mut one = fact(1, n, reset());
            if let Some(stream) = &mut one.stream {
                stream.source.1 = u16::try_from(n).unwrap();
            }
            gatherer.fact(&one);
        }
        assert_eq!(gatherer.untold(), 5000 - MOST_GROUPS as u64);
        assert_eq!(gatherer.into_findings().len(), MOST_GROUPS);
    }
}

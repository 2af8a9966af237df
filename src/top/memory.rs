//! What outlives a sample: totals, history, what opened and closed lately, and since when something is wrong.
//!
//! All of it is bounded: see the constants.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::look::Look;
use super::row::{self, Mark, Subject};
use crate::diagnose::watch::Watcher;
use crate::diagnose::{Block, Case, Rule, Severity, Subject as Of};
use crate::host::{Index, Sample, SocketAt};
use crate::sockets::change::{Change, is_closed};
use crate::sockets::order::GroupBy;
use crate::sockets::{Process, Socket};

/// How long a socket that opened or closed is marked.
pub const MARKED: Duration = Duration::from_secs(3);

/// How long a finding that ended is still listed.
pub const ENDED: Duration = Duration::from_secs(30);

/// More closed connections than these are not listed; they are counted all the same.
const MOST_CLOSED: usize = 1_000;

/// The totals of no more groups than these are kept one by one: those with the most bytes.
const MOST_TOTALS: usize = 10_000;

/// The history of no more subjects than these is kept.
const MOST_HISTORIES: usize = 2_000;

/// No more findings that ended than these are listed.
const MOST_ENDED: usize = 50;

/// How many intervals a history has.
pub const HISTORY: usize = 60;

/// What is grouped, and so summed up from the beginning.
pub const GROUPS: [GroupBy; 5] = [
    GroupBy::Process,
    GroupBy::Unit,
    GroupBy::Container,
    GroupBy::Peer,
    GroupBy::Port,
];

/// Payload since the view began, or of a socket since it was connected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bytes received.
    pub in_bytes: u64,
    /// Bytes sent.
    pub out_bytes: u64,
}

impl Totals {
    /// Both directions.
    pub fn bytes(self) -> u64 {
        self.in_bytes.saturating_add(self.out_bytes)
    }

    fn add(&mut self, change: &Change) {
        let more = |of: Option<u64>| of.unwrap_or(0);
        self.in_bytes = self.in_bytes.saturating_add(more(change.in_bytes));
        self.out_bytes = self.out_bytes.saturating_add(more(change.out_bytes));
    }
}

/// The bytes a second of the last intervals, in and out, the latest last.
pub type History = VecDeque<[u64; 2]>;

/// Something that is wrong, or was until lately.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// The rule that finds it.
    pub rule: &'static Rule,
    /// How bad it is.
    pub severity: Severity,
    /// The process that it is about.
    pub process: Option<Process>,
    /// What it is, as of the last look that found it.
    pub headline: String,
    /// The look that found it first.
    pub since: Duration,
    /// The look that no longer found it.
    pub ended: Option<Duration>,
    /// Which of the watcher's it is.
    number: Option<usize>,
}

#[derive(Debug)]
struct Closed {
    at: Duration,
    socket: Socket,
    holder: Option<Process>,
}

/// See the head of this file.
#[derive(Debug)]
pub struct Memory {
    watcher: Watcher,
    /// The first look: what it found may have been wrong for long.
    pub begun: Duration,
    opened: HashMap<u64, Duration>,
    closed: VecDeque<Closed>,
    totals: HashMap<Subject, Totals>,
    histories: HashMap<Subject, History>,
    /// What is wrong now, the worst first, then what ended lately.
    pub troubles: Vec<Trouble>,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory {
            // The list shows what there is now; what ended stays in it for a while anyway.
            watcher: Watcher::new(1),
            begun: Duration::MAX,
            opened: HashMap::new(),
            closed: VecDeque::new(),
            totals: HashMap::new(),
            histories: HashMap::new(),
            troubles: Vec::new(),
        }
    }
}

impl Memory {
    /// Takes a look in.
    pub(super) fn take(&mut self, look: &Look) {
        self.begun = self.begun.min(look.at);
        self.forget(look.at);
        self.take_troubles(look);
        if look.elapsed.is_zero() {
            return;
        }
        for at in look.counted() {
            let (socket, Some(change)) = (look.sample.socket(at), look.change(at)) else {
                continue;
            };
            if is_closed(socket) {
                self.take_closed(look, socket);
            } else if change.opened > 0 {
                self.opened.insert(row::key(socket), look.at);
            }
        }
        self.take_bytes(look);
    }

    /// How a socket is marked.
    pub fn mark(&self, look: &Look, at: SocketAt) -> Mark {
        if look.is_closed(at) {
            return Mark::Closed;
        }
        let key = row::key(look.sample.socket(at));
        if self.opened.contains_key(&key) {
            Mark::New
        } else {
            Mark::None
        }
    }

    /// The process that held a socket that closed, if it was known.
    pub fn holder_of_closed(&self, socket: &Socket) -> Option<&Process> {
        let key = row::key(socket);
        let found = self.closed.iter().find(|it| row::key(&it.socket) == key)?;
        found.holder.as_ref()
    }

    /// What a group received and sent since the view began.
    pub fn totals(&self, group: &Subject) -> Totals {
        self.totals.get(group).copied().unwrap_or_default()
    }

    /// What all the groups of a kind received and sent that are not among these.
    pub fn totals_of_others(&self, by: GroupBy, shown: &HashSet<&Subject>) -> Totals {
        let mut rest = Totals::default();
        for (subject, totals) in &self.totals {
            if subject.kind() == Some(by) && !shown.contains(subject) {
                rest.in_bytes += totals.in_bytes;
                rest.out_bytes += totals.out_bytes;
            }
        }
        rest
    }

    /// The last intervals of a socket or a group.
    pub fn history(&self, subject: &Subject) -> Option<&History> {
        self.histories.get(subject)
    }

    /// The connections that closed in earlier intervals, and are still listed.
    pub(super) fn closed_before(&self, at: Duration) -> Vec<Socket> {
        let earlier = self.closed.iter().filter(|closed| closed.at < at);
        earlier.map(|closed| closed.socket.clone()).collect()
    }

    /// Whether no collection has more than its constant allows.
    #[cfg(test)]
    pub(super) fn is_within_bounds(&self) -> bool {
        self.totals.len() <= 2 * MOST_TOTALS
            && self.histories.len() <= MOST_HISTORIES
            && self.closed.len() <= MOST_CLOSED
    }

    fn forget(&mut self, now: Duration) {
        self.opened.retain(|_, at| now.saturating_sub(*at) < MARKED);
        self.closed
            .retain(|closed| now.saturating_sub(closed.at) < MARKED);
        self.troubles.retain(|trouble| {
            let ended = trouble.ended;
            ended.is_none_or(|ended| now.saturating_sub(ended) < ENDED)
        });
    }

    fn take_closed(&mut self, look: &Look, socket: &Socket) {
        if self.closed.len() == MOST_CLOSED {
            self.closed.pop_front();
        }
        let holder = look.sample.owners.processes_of(socket.inode).next();
        self.closed.push_back(Closed {
            at: look.at,
            socket: socket.clone(),
            holder: holder.cloned(),
        });
    }

    /// Adds what was received and sent to the totals and the histories.
    fn take_bytes(&mut self, look: &Look) {
        let moved: Vec<SocketAt> = look
            .counted()
            .filter(|at| {
                let change = look.change(*at);
                change.is_some_and(|it| it.in_bytes.max(it.out_bytes).unwrap_or(0) > 0)
            })
            .collect();
        let mut latest: HashMap<Subject, [u64; 2]> = HashMap::new();
        let rates = |change: &Change| {
            [change.in_bytes, change.out_bytes]
                .map(|bytes| look.whole_per_second(bytes.unwrap_or(0)))
        };
        for at in &moved {
            let (socket, Some(change)) = (look.sample.socket(*at), look.change(*at)) else {
                continue;
            };
            latest.insert(Subject::Socket(row::key(socket)), rates(change));
        }
        for by in GROUPS {
            for group in row::groups(look, &moved, by) {
                let subject = Subject::of_group(by, &group.key, &look.sample);
                let totals = self.totals.entry(subject.clone()).or_default();
                totals.add(&group.change);
                latest.insert(subject, rates(&group.change));
            }
        }
        self.push(&mut latest);
        self.bound();
    }

    /// Extends each history, with nothing where nothing was received or sent.
    fn push(&mut self, latest: &mut HashMap<Subject, [u64; 2]>) {
        self.histories.retain(|subject, history| {
            put(history, latest.remove(subject).unwrap_or_default());
            history.iter().any(|rates| *rates != [0, 0])
        });
        for (subject, rates) in latest.drain() {
            if self.histories.len() >= MOST_HISTORIES {
                break;
            }
            self.histories.insert(subject, History::from([rates]));
        }
    }

    /// Puts the smallest totals together when there are too many.
    fn bound(&mut self) {
        if self.totals.len() <= 2 * MOST_TOTALS {
            return;
        }
        let mut all: Vec<(Subject, Totals)> = self.totals.drain().collect();
        all.sort_unstable_by_key(|(_, totals)| std::cmp::Reverse(totals.bytes()));
        let rest = all.split_off(MOST_TOTALS);
        self.totals.extend(all);
        for (subject, totals) in rest {
            let Some(by) = subject.kind() else { continue };
            let others = self.totals.entry(Subject::Others(by)).or_default();
            others.in_bytes += totals.in_bytes;
            others.out_bytes += totals.out_bytes;
        }
    }

    fn take_troubles(&mut self, look: &Look) {
        let index = Index::new(&look.sample);
        let case = Case::new(&index);
        self.watcher.look(&case, &look.blocks, look.at);
        let followed = look.blocks.iter().zip(self.watcher.followed());
        let mut found: Vec<Trouble> = followed
            .map(|(block, followed)| Trouble {
                rule: block.finding.rule,
                severity: block.worst(),
                process: process(block, &look.sample),
                headline: block.finding.headline.clone(),
                since: followed.map_or(look.at, |it| it.began),
                ended: None,
                number: followed.map(|it| it.number),
            })
            .collect();
        let mut ended = std::mem::take(&mut self.troubles);
        // One that comes and goes is listed once.
        let is_back = |it: &Trouble, now: &Trouble| {
            let pid = |trouble: &Trouble| trouble.process.as_ref().map(|it| it.pid);
            it.ended.is_some() && std::ptr::eq(it.rule, now.rule) && pid(it) == pid(now)
        };
        ended.retain(|it| {
            let mut found = found.iter();
            it.number.is_some() && !found.any(|now| now.number == it.number || is_back(it, now))
        });
        for trouble in &mut ended {
            trouble.ended.get_or_insert(look.at);
        }
        ended.truncate(MOST_ENDED);
        found.sort_by_key(|trouble| std::cmp::Reverse(trouble.severity));
        found.append(&mut ended);
        self.troubles = found;
    }
}

fn put(history: &mut History, rates: [u64; 2]) {
    if history.len() == HISTORY {
        history.pop_front();
    }
    history.push_back(rates);
}

/// The process that a finding is about, or the first that holds its socket.
fn process(block: &Block, sample: &Sample) -> Option<Process> {
    match block.finding.subject {
        Of::Process(at) => Some(sample.process(at).clone()),
        Of::Socket(at) => {
            let mut holders = sample.owners.processes_of(sample.socket(at).inode);
            holders.next().cloned()
        }
        _ => None,
    }
}

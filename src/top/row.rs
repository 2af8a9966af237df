//! The rows of a look: its sockets, or its groups, filtered and sorted.

use std::cmp::Ordering;

use super::look::Look;
use super::memory::{Memory, Totals};
use super::view::{SortBy, View};
use crate::diagnose::Severity;
use crate::host::{Sample, SocketAt};
use crate::sockets::change::Change;
use crate::sockets::order::{Beside, GroupBy, GroupKey, GroupRow, group};
use crate::sockets::{Address, Proto, Socket, State};

/// What a row is about, the same in every look.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A socket: see [`key`].
    Socket(u64),
    /// A process that holds sockets.
    Process {
        /// Its id.
        pid: u32,
        /// Its name.
        comm: Box<[u8]>,
    },
    /// A unit, a container, a peer, a port.
    Group(GroupBy, GroupKey),
    /// The groups of a kind that have no sockets any more.
    Others(GroupBy),
    /// What went through the interfaces beside the payload of the sockets.
    NotAttributed,
}

/// What tells a socket from all others: its cookie, or its inode.
pub fn key(socket: &Socket) -> u64 {
    socket.cookie.unwrap_or_else(|| u64::from(socket.inode))
}

impl Subject {
    /// The subject of a group.
    pub fn of_group(by: GroupBy, key: &GroupKey, sample: &Sample) -> Subject {
        let process = match key {
            GroupKey::Process(index) => sample.owners.processes().get(*index as usize),
            _ => None,
        };
        match process {
            Some(process) => Subject::Process {
                pid: process.pid,
                comm: process.comm.clone(),
            },
            None => Subject::Group(by, key.clone()),
        }
    }

    /// By what it is grouped; `None`: it is no group.
    pub fn kind(&self) -> Option<GroupBy> {
        match self {
            Subject::Process { .. } => Some(GroupBy::Process),
            Subject::Group(by, _) | Subject::Others(by) => Some(*by),
            Subject::Socket(_) | Subject::NotAttributed => None,
        }
    }
}

/// How a row is marked for some seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Not at all.
    None,
    /// The socket is new.
    New,
    /// The socket closed.
    Closed,
}

/// A row.
#[derive(Debug, Clone)]
pub struct Row {
    /// What it is about.
    pub subject: Subject,
    /// The socket, if it is about one.
    pub socket: Option<SocketAt>,
    /// What the sockets of a group amount to, if it is about one.
    pub group: Option<GroupRow>,
    /// How far the counters went in the interval.
    pub change: Change,
    /// Of a socket since it was connected, of a group since the view began.
    pub totals: Totals,
    /// Whether it opened or closed lately.
    pub mark: Mark,
    /// How bad its worst finding is.
    pub worst: Option<Severity>,
}

/// The rows of a look.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// In their order.
    pub rows: Vec<Row>,
    /// How many open sockets matched.
    pub matched: usize,
}

/// One row for each group of some sockets of a look.
pub(super) fn groups(look: &Look, sockets: &[SocketAt], by: GroupBy) -> Vec<GroupRow> {
    let all: Vec<&Socket> = sockets.iter().map(|at| look.sample.socket(*at)).collect();
    let beside = |index: usize| Beside {
        findings: look.findings.of(sockets[index]).count(),
        change: look.change(sockets[index]).copied().unwrap_or_default(),
    };
    let owners = &look.sample.owners;
    let group_of = |socket: &Socket| {
        let holder = owners.of(socket.inode).first();
        holder.and_then(|it| owners.process(it).cgroup.as_deref())
    };
    group(&all, &look.sample.sockets, owners, &beside, &group_of, by)
}

impl Rows {
    /// The rows that a view shows.
    pub fn new(look: &Look, view: &View, memory: &Memory) -> Rows {
        let shown = view.shown(look);
        let matched = shown.iter().filter(|at| !look.is_closed(**at)).count();
        let mut rows: Vec<Row> = match view.group {
            None => shown
                .iter()
                .map(|at| Row::of_socket(look, *at, memory))
                .collect(),
            Some(by) => {
                let counted: Vec<SocketAt> = look
                    .counted()
                    .filter(|at| shown.binary_search(at).is_ok())
                    .collect();
                let groups = groups(look, &counted, by).into_iter();
                groups
                    .map(|group| Row::of_group(look, by, group, memory))
                    .collect()
            }
        };
        let order = |a: &Row, b: &Row| {
            let order = compare(a, b, view.sort, look);
            if view.reversed {
                order.reverse()
            } else {
                order
            }
        };
        rows.sort_by(|a, b| order(a, b).then_with(|| settle(a, b)));
        if view.shows_all() {
            if let Some(by) = view.group {
                rows.extend(others(by, &rows, memory));
            }
            rows.extend(not_attributed(look));
        }
        Rows { rows, matched }
    }

    /// Where the row of a subject is.
    pub fn place(&self, subject: &Subject) -> Option<usize> {
        self.rows.iter().position(|row| row.subject == *subject)
    }
}

impl Row {
    fn of_socket(look: &Look, at: SocketAt, memory: &Memory) -> Row {
        let socket = look.sample.socket(at);
        let whole = Change::between(None, socket);
        Row {
            subject: Subject::Socket(key(socket)),
            socket: Some(at),
            group: None,
            change: look.change(at).copied().unwrap_or_default(),
            totals: Totals {
                in_bytes: whole.in_bytes.unwrap_or(0),
                out_bytes: whole.out_bytes.unwrap_or(0),
            },
            mark: memory.mark(look, at),
            worst: look.findings.of(at).map(|finding| finding.severity).max(),
        }
    }

    fn of_group(look: &Look, by: GroupBy, group: GroupRow, memory: &Memory) -> Row {
        let subject = Subject::of_group(by, &group.key, &look.sample);
        Row {
            totals: memory.totals(&subject),
            subject,
            socket: None,
            change: group.change,
            mark: Mark::None,
            worst: (group.findings > 0).then_some(Severity::Warning),
            group: Some(group),
        }
    }

    fn of_rest(subject: Subject, change: Change, totals: Totals) -> Row {
        Row {
            subject,
            socket: None,
            group: None,
            change,
            totals,
            mark: Mark::None,
            worst: None,
        }
    }
}

/// The groups that are not shown any more, but whose bytes count.
fn others(by: GroupBy, rows: &[Row], memory: &Memory) -> Option<Row> {
    let shown: std::collections::HashSet<&Subject> = rows.iter().map(|row| &row.subject).collect();
    let totals = memory.totals_of_others(by, &shown);
    (totals.bytes() > 0).then(|| Row::of_rest(Subject::Others(by), Change::default(), totals))
}

/// What the interfaces carried beside the payload of all sockets: headers, datagrams, packets of the kernel
/// and of programs that send raw ones, and what is forwarded.
fn not_attributed(look: &Look) -> Option<Row> {
    if look.interfaces.is_empty() || look.elapsed.is_zero() {
        return None;
    }
    let whole = look.whole();
    let sum = |of: fn(&super::InterfaceRate) -> u64| look.interfaces.iter().map(of).sum::<u64>();
    let rest = |all: u64, payload: Option<u64>| all.saturating_sub(payload.unwrap_or(0));
    let change = Change {
        in_bytes: Some(rest(sum(|it| it.in_bytes), whole.in_bytes)),
        out_bytes: Some(rest(sum(|it| it.out_bytes), whole.out_bytes)),
        ..Change::default()
    };
    Some(Row::of_rest(
        Subject::NotAttributed,
        change,
        Totals::default(),
    ))
}

/// The greatest first, names in the order of the alphabet.
fn compare(a: &Row, b: &Row, by: SortBy, look: &Look) -> Ordering {
    let descending = |of: &dyn Fn(&Row) -> u64| of(b).cmp(&of(a));
    match by {
        SortBy::Rate => descending(&|row| {
            let (received, sent) = (row.change.in_bytes, row.change.out_bytes);
            received.unwrap_or(0).saturating_add(sent.unwrap_or(0))
        }),
        SortBy::In => descending(&|row| row.change.in_bytes.unwrap_or(0)),
        SortBy::Out => descending(&|row| row.change.out_bytes.unwrap_or(0)),
        SortBy::Total => descending(&|row| row.totals.bytes()),
        SortBy::Retransmits => descending(&|row| row.change.retransmits.unwrap_or(0)),
        SortBy::Queues => descending(&|row| queued(row, look)),
        SortBy::Problem => b.worst.cmp(&a.worst),
        SortBy::Process => name(a, look).cmp(&name(b, look)),
        SortBy::State => state(a, look).cmp(&state(b, look)),
        SortBy::Local => end(a, look, |it| &it.local).cmp(&end(b, look, |it| &it.local)),
        SortBy::Peer => end(a, look, |it| &it.peer).cmp(&end(b, look, |it| &it.peer)),
    }
}

/// What is equal keeps its place from look to look.
fn settle(a: &Row, b: &Row) -> Ordering {
    let fixed = |row: &Row| match &row.subject {
        Subject::Socket(key) => (*key, 0),
        Subject::Process { pid, .. } => (0, *pid),
        _ => (0, 0),
    };
    let key = |row: &Row| row.group.as_ref().map(|group| group.key.clone());
    (b.totals.bytes().cmp(&a.totals.bytes()))
        .then_with(|| fixed(a).cmp(&fixed(b)))
        .then_with(|| key(a).cmp(&key(b)))
}

fn queued(row: &Row, look: &Look) -> u64 {
    if let Some(group) = &row.group {
        return group.recv_bytes + group.send_bytes;
    }
    let socket = row.socket.map(|at| look.sample.socket(at));
    socket.map_or(0, |socket| match socket.state {
        State::Listen => socket.recv_q.into(),
        _ => u64::from(socket.recv_q) + u64::from(socket.send_q),
    })
}

fn name<'a>(row: &'a Row, look: &'a Look) -> (bool, &'a [u8], Option<u32>) {
    match (&row.subject, row.socket) {
        (Subject::Process { pid, comm }, _) => (false, comm, Some(*pid)),
        (_, Some(at)) => {
            let inode = look.sample.socket(at).inode;
            let first = look.sample.owners.processes_of(inode).next();
            first.map_or((true, &[][..], None), |it| (false, &it.comm, Some(it.pid)))
        }
        _ => (true, &[][..], None),
    }
}

fn state(row: &Row, look: &Look) -> Option<(bool, State)> {
    let at = row.socket?;
    Some((look.is_closed(at), look.sample.socket(at).state))
}

fn end(
    row: &Row,
    look: &Look,
    of: fn(&Socket) -> &Address,
) -> (bool, Option<(std::net::IpAddr, u16)>, Proto) {
    let socket = row.socket.map(|at| look.sample.socket(at));
    let end = socket.and_then(|socket| of(socket).end());
    let proto = socket.map_or(Proto::Tcp, |socket| socket.proto);
    (end.is_none(), end, proto)
}

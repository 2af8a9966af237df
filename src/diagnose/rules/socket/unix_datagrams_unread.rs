//! The datagrams that wait at a Unix socket are not read, and their senders cannot send any more.

use super::super::process::HELD_UP;
use super::super::{Check, Rule, diag_count, held_up_by, watch_program};
use crate::diagnose::{Case, Fact, Finding, Role, Severity, Subject, Value, words};
use crate::host::{SocketAt, Threads};
use crate::sockets::{Address, Proto, Socket};

/// The rule.
pub static RULE: Rule = Rule {
    id: "unix_datagram_queue_full",
    title: "Unix datagram queue full",
    meaning: "A program does not read the datagrams that others send to its Unix socket. Its queue \
        (net.unix.max_dgram_qlen), or the send buffer of a sender, is full: a sender's send() blocks, or fails with \
        EAGAIN if its socket is non-blocking. A program that logs to a stuck /dev/log hangs in this way.",
    proof: "In both samples the same datagram is first in the queue and what a sender has sent takes as much of its \
        send buffer; and between them either a thread of the sender was blocked in unix_wait_for_peer or \
        sock_alloc_send_pskb without ever running, or sends to Unix sockets failed with EAGAIN \
        (sock:sock_send_length) while the reader's process did not run.",
    look_alikes: "A reader that is slow but steady runs between the samples, and so do its senders. A datagram that \
        nobody reads hurts nobody as long as there is room for more.",
    next: "See what the reader does instead of recv().",
    because: HELD_UP,
    check: Check::Socket(check),
};

/// Linux's errno.
const EAGAIN: i32 = 11;

/// How often sends have to fail.
const LEAST: u64 = 2;

/// Whether a figure of a Unix socket is above 0 and the same in both samples.
fn stays(case: &Case<'_>, at: SocketAt, figure: fn(&Socket) -> u32) -> bool {
    let now = figure(case.socket(at));
    let before = case.before.and_then(|before| before.earlier(at));
    now > 0 && before.is_some_and(|before| figure(before) == now)
}

/// Those who have sent what waits: connected to the reader; otherwise those without a peer, if no other reader's
/// datagrams wait.
fn senders(case: &Case<'_>, reader: SocketAt) -> Vec<SocketAt> {
    let (netns, inode) = (case.socket(reader).netns, case.socket(reader).inode);
    let of_unix = |at: &SocketAt| {
        let socket = case.socket(*at);
        socket.proto == Proto::UnixDgr && socket.netns == netns
    };
    let all: Vec<SocketAt> = case.sample.places().filter(of_unix).collect();
    let sends = |at: &SocketAt| *at != reader && stays(case, *at, |socket| socket.send_q);
    let to_it = |at: &SocketAt| matches!(case.socket(*at).peer, Address::Unix { inode: to, .. } if to == inode);
    let connected: Vec<SocketAt> = (all.iter().copied())
        .filter(|at| to_it(at) && sends(at))
        .collect();
    if !connected.is_empty() {
        return connected;
    }
    let waiting = all.iter().filter(|at| stays(case, **at, |it| it.recv_q));
    if waiting.count() > 1 {
        return Vec::new();
    }
    let free = |at: &SocketAt| case.socket(*at).peer == Address::None && sends(at);
    all.into_iter().filter(free).collect()
}

/// What the threads of the processes of a socket did, before and now.
fn threads(case: &Case<'_>, at: SocketAt) -> Vec<(Threads, Threads)> {
    let processes = case.index.processes(&[at]).into_iter();
    let both = |at| {
        let now = case.sample.status(at)?.threads?;
        let before = super::super::process::earlier(case, at)?.threads?;
        Some((before, now))
    };
    processes.filter_map(both).collect()
}

/// Whether a thread of the sender has been blocked all the time.
fn is_blocked(case: &Case<'_>, sender: SocketAt) -> bool {
    let threads = threads(case, sender);
    let blocked = |(before, now): &(Threads, Threads)| {
        before.await_reader && now.await_reader && before.switches == now.switches
    };
    threads.iter().any(blocked)
}

/// How many sends to Unix sockets failed because there was no room, while the reader did not run.
fn refused(case: &Case<'_>, reader: SocketAt, senders: &[SocketAt]) -> u64 {
    let threads = threads(case, reader);
    let still = |(before, now): &(Threads, Threads)| before.switches == now.switches;
    if threads.is_empty() || !threads.iter().all(still) {
        return 0;
    }
    let processes = case.index.processes(senders);
    let traced = case.traced(case.socket(reader).netns).unwrap_or_default();
    let failed = traced.sends.iter().filter(|it| it.errno == EAGAIN);
    let by_them = failed.filter(|it| {
        let by = case.process_of(&it.by);
        by.is_some_and(|by| processes.contains(&by))
    });
    by_them.map(|it| it.times).sum()
}

/// Whether senders cannot send any more to a Unix socket because its datagrams are not read.
pub(in crate::diagnose::rules) fn is_full(case: &Case<'_>, at: SocketAt) -> bool {
    check(case, at).is_some()
}

fn check(case: &Case<'_>, at: SocketAt) -> Option<Finding> {
    let socket = case.socket(at);
    let unread = socket.proto == Proto::UnixDgr && stays(case, at, |socket| socket.recv_q);
    if !unread || socket.inode == 0 {
        return None;
    }
    let senders = senders(case, at);
    let blocked: Vec<SocketAt> = (senders.iter().copied())
        .filter(|at| is_blocked(case, *at))
        .collect();
    let refused = refused(case, at, &senders);
    if blocked.is_empty() && refused < LEAST {
        return None;
    }
    let mut facts = vec![diag_count("udiag_rqueue", socket.recv_q)];
    let effect = if blocked.is_empty() {
        facts.push(Fact::new(
            "sock:sock_send_length",
            "EAGAIN",
            Value::Count(refused),
        ));
        format!("{refused} sends failed with EAGAIN")
    } else {
        facts.push(Fact::new(
            "/proc/PID/task/TID/wchan",
            "senders blocked",
            Value::Count(blocked.len() as u64),
        ));
        let count = u32::try_from(blocked.len()).unwrap_or(u32::MAX);
        format!("{} blocked in send()", words::count(count, "sender"))
    };
    let mut others = held_up_by(case, &[at]);
    let role = |at: &SocketAt| (Role::Affected, Subject::Socket(*at));
    others.extend(senders.iter().map(role));
    Some(Finding {
        others,
        facts,
        ruled_out: "Not a slow reader: the same datagram is first in the queue in both samples.",
        next: watch_program(
            case,
            &[at],
            "It shows what the reader does instead of recv().",
        ),
        ..Finding::new(
            &RULE,
            Severity::Error,
            Subject::Socket(at),
            format!("Unix datagrams are not read: {effect}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::diagnose::diagnose;
    use crate::diagnose::testing::sample;
    use crate::host::{Delta, Index, ProcessAt, ProcessStatus, Sample};
    use crate::sockets::State;
    use crate::sockets::testing::{owners, unix};

    /// A reader (inode 7) and a sender to it (inode 8).
    fn host(recv_q: u32, send_q: u32, sender: Threads) -> Sample {
        let end = |name: &[u8], inode: u32, peer| Socket {
            cookie: Some(inode.into()),
            ..unix(Proto::UnixDgr, State::Unconnected, name, inode, peer)
        };
        let reader = Socket {
            recv_q,
            ..end(b"/run/log", 7, 0)
        };
        let sending = Socket {
            send_q,
            ..end(b"", 8, 7)
        };
        let status = ProcessStatus {
            process: ProcessAt(1),
            state: 'S',
            descriptors: None,
            descriptor_limit: None,
            frozen: false,
            memory: None,
            threads: Some(sender),
            adopted: false,
        };
        Sample {
            owners: owners(&[(5, "logd", None, &[7]), (6, "app", None, &[8])]),
            processes: vec![status],
            ..sample(vec![reader, sending])
        }
    }

    fn said(before: &Sample, after: &Sample) -> Vec<String> {
        let index = Index::new(after);
        let delta = Delta::new(Index::new(before), &index, Duration::from_secs(2));
        let findings = diagnose(&Case::new(&index).since(Some(&delta)));
        findings
            .all()
            .iter()
            .map(|it| it.headline.clone())
            .collect()
    }

    #[test]
    fn a_sender_that_stays_blocked_fires_and_one_that_runs_does_not() {
        let blocked = |switches| Threads {
            switches,
            await_reader: true,
            ..Threads::default()
        };
        let still = host(9, 800, blocked(40));
        assert_eq!(
            said(&still, &still),
            ["Unix datagrams are not read: 1 sender blocked in send()"]
        );
        let none: [&str; 0] = [];
        assert_eq!(said(&still, &host(9, 800, blocked(41))), none);
        assert_eq!(said(&still, &host(12, 800, blocked(40))), none);
        assert_eq!(said(&still, &host(9, 900, blocked(40))), none);
        let runs = Threads {
            await_reader: false,
            ..blocked(40)
        };
        assert_eq!(said(&host(9, 800, runs), &host(9, 800, runs)), none);
    }
}

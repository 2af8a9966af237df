use super::*;
use crate::host::Sample;
use crate::sockdiag::{SkMemInfo, TcpInfoValues};
use crate::sockets::change::Rate;
use crate::sockets::testing::{listener, owners, tcp as connection};
use crate::sockets::{Details, Owners};

/// A connection with a cookie, an inode and what it received and sent.
fn flow(cookie: u64, inode: u32, received: u64, sent: u64) -> Socket {
    let info = TcpInfoValues {
        bytes_received: Some(received),
        bytes_sent: Some(sent + 7),
        bytes_retrans: Some(7),
        segs_in: Some(4),
        segs_out: Some(5),
        total_retrans: Some(1),
        ..TcpInfoValues::default()
    };
    Socket {
        cookie: Some(cookie),
        inode,
        details: Some(Box::new(Details {
            tcp: Some(info.into()),
            ..Details::default()
        })),
        ..connection("10.0.0.1:80", &format!("10.0.0.2:{}", 40_000 + cookie))
    }
}

fn sample(sockets: Vec<Socket>) -> Sample {
    Sample {
        sockets,
        ..Sample::default()
    }
}

/// What two samples two seconds apart say.
fn between<T>(before: &Sample, after: &Sample, asked: impl FnOnce(&Delta<'_>) -> T) -> T {
    let index = Index::new(after);
    let delta = Delta::new(Index::new(before), &index, Duration::from_secs(2));
    asked(&delta)
}

#[test]
fn a_counter_is_its_growth_and_a_past_does_not_count() {
    let before = sample(vec![flow(1, 7, 1_000_000, 50), flow(2, 8, 10, 0)]);
    let after = sample(vec![flow(2, 8, 4_010, 100), flow(1, 7, 1_000_000, 50)]);
    between(&before, &after, |delta| {
        let busy = delta.change(SocketAt(0));
        assert_eq!((busy.in_bytes, busy.out_bytes), (Some(4_000), Some(100)));
        assert_eq!(busy.retransmits, Some(0));
        assert_eq!(delta.per_second(4_000), Some(2_000.0));
        let idle = delta.change(SocketAt(1));
        assert_eq!((idle.of(Rate::Bytes), idle.opened), (Some(0), 0));
        assert_eq!(idle.drops, None);
    });
}

#[test]
fn a_new_socket_counts_from_its_beginning_and_one_connected_anew_as_well() {
    let before = sample(vec![flow(1, 7, 5_000, 5_000)]);
    let after = sample(vec![flow(1, 7, 40, 9_000), flow(2, 8, 30, 20)]);
    between(&before, &after, |delta| {
        let anew = delta.change(SocketAt(0));
        assert_eq!((anew.in_bytes, anew.out_bytes), (Some(40), Some(4_000)));
        let new = delta.change(SocketAt(1));
        assert_eq!((new.in_bytes, new.out_bytes), (Some(30), Some(20)));
        assert_eq!((new.opened, new.closed), (1, 0));
    });
}

#[test]
fn a_closed_connection_counts_without_its_fin() {
    let closed = Socket {
        state: State::Unconnected,
        ..flow(1, 0, 1_001, 50)
    };
    let before = sample(vec![flow(1, 7, 400, 20)]);
    between(&before, &sample(vec![closed]), |delta| {
        let change = delta.change(SocketAt(0));
        assert_eq!((change.in_bytes, change.out_bytes), (Some(600), Some(30)));
        assert_eq!((change.opened, change.closed), (0, 1));
    });
}

#[test]
fn sums_keep_what_is_not_known_apart_from_nothing() {
    let mut all = Change::default();
    all.add(&Change {
        in_bytes: Some(3),
        opened: 1,
        ..Change::default()
    });
    all.add(&Change {
        in_bytes: Some(4),
        closed: 1,
        ..Change::default()
    });
    assert_eq!((all.in_bytes, all.out_bytes), (Some(7), None));
    assert_eq!((all.opened, all.closed), (1, 1));
}

#[test]
fn a_cookie_of_another_protocol_or_namespace_is_another_socket() {
    let before = sample(vec![flow(1, 7, 9, 9)]);
    let other = Socket {
        netns: 1,
        ..flow(1, 7, 10, 10)
    };
    let udp = Socket {
        proto: Proto::Udp,
        ..flow(1, 7, 10, 10)
    };
    between(&before, &sample(vec![other, udp]), |delta| {
        assert_eq!(delta.earlier(SocketAt(0)), None);
        assert_eq!(delta.earlier(SocketAt(1)), None);
    });
    // From /proc/net: the inode.
    let plain = |inode| Socket {
        cookie: None,
        ..flow(0, inode, 9, 9)
    };
    let before = sample(vec![plain(7)]);
    between(
        &before,
        &sample(vec![plain(7), plain(8), flow(7, 7, 1, 1)]),
        |delta| {
            let known: Vec<bool> = (0..3)
                .map(|at| delta.earlier(SocketAt(at)).is_some())
                .collect();
            assert_eq!(known, [true, false, false]);
        },
    );
}

#[test]
fn no_time_gives_no_rate() {
    let empty = sample(Vec::new());
    let index = Index::new(&empty);
    let delta = Delta::new(Index::new(&empty), &index, Duration::ZERO);
    assert_eq!(delta.per_second(5), None);
}

fn waiting(cookie: u64) -> Socket {
    flow(cookie, 0, 0, 0)
}

fn door(inode: u32, cookie: u64) -> Socket {
    Socket {
        inode,
        cookie: Some(cookie),
        ..listener("0.0.0.0:80")
    }
}

#[test]
fn accepted_are_those_that_got_an_owner_and_those_that_came_and_went() {
    let before = sample(vec![door(70, 100), flow(1, 7, 0, 0), waiting(2)]);
    let closed = |cookie| Socket {
        state: State::Unconnected,
        ..flow(cookie, 0, 1, 0)
    };
    let client = Socket {
        cookie: Some(50),
        inode: 50,
        ..connection("10.0.0.1:41000", "10.0.0.9:80")
    };
    let after = sample(vec![
        door(70, 100),
        flow(1, 7, 0, 0),
        flow(2, 9, 0, 0),
        flow(3, 10, 0, 0),
        waiting(4),
        closed(5),
        client,
    ]);
    between(&before, &after, |delta| {
        assert_eq!(delta.change(SocketAt(0)).accepts, Some(3));
        assert_eq!(delta.change(SocketAt(1)).accepts, None);
    });
}

#[test]
fn of_listeners_that_share_a_port_the_one_of_the_same_process_accepted() {
    let before = sample(vec![door(70, 100), door(71, 101)]);
    let mut after = sample(vec![door(70, 100), door(71, 101), flow(1, 9, 0, 0)]);
    after.owners = owners(&[(1, "a", None, &[70]), (2, "b", None, &[71, 9])]);
    between(&before, &after, |delta| {
        assert_eq!(delta.change(SocketAt(0)).accepts, Some(0));
        assert_eq!(delta.change(SocketAt(1)).accepts, Some(1));
    });
    after.owners = Owners::default();
    between(&before, &after, |delta| {
        assert_eq!(delta.change(SocketAt(0)).accepts, Some(1));
    });
}

#[test]
fn none_was_accepted_if_all_that_waited_wait_still() {
    let before = sample(vec![door(70, 100), waiting(1), waiting(2)]);
    let more = sample(vec![waiting(2), waiting(3), waiting(1), door(70, 100)]);
    between(&before, &more, |delta| {
        assert!(delta.none_accepted(SocketAt(3)));
    });
    let one_less = sample(vec![
        door(70, 100),
        flow(1, 5, 0, 0),
        waiting(2),
        waiting(3),
    ]);
    between(&before, &one_less, |delta| {
        assert!(!delta.none_accepted(SocketAt(0)));
    });
    let empty = sample(vec![door(70, 100)]);
    between(&empty, &before, |delta| {
        assert!(!delta.none_accepted(SocketAt(0)));
    });
}

#[test]
fn drops_are_those_of_the_time_between() {
    let dropped = |count: u32| {
        let mut bytes = Vec::new();
        for number in [0, 0, 0, 0, 0, 0, 0, 0, count] {
            bytes.extend(number.to_ne_bytes());
        }
        let memory = Some(SkMemInfo::new(&bytes));
        Socket {
            details: Some(Box::new(Details {
                memory,
                ..Details::default()
            })),
            ..door(70, 100)
        }
    };
    between(
        &sample(vec![dropped(497)]),
        &sample(vec![dropped(500)]),
        |delta| {
            assert_eq!(delta.change(SocketAt(0)).drops, Some(3));
        },
    );
}

#[test]
fn a_closed_connection_is_known_by_what_it_was() {
    let mut before = sample(vec![flow(1, 7, 400, 20), flow(2, 8, 0, 0)]);
    before.owners = owners(&[(812, "web", None, &[7, 8])]);
    let mut after = sample(vec![flow(2, 8, 0, 0)]);
    after.owners = owners(&[(812, "web", None, &[8])]);
    let closed = |cookie| Socket {
        state: State::Unconnected,
        ..flow(cookie, 0, 1_001, 50)
    };
    // One that was open in the later sample, and one that came and went.
    join_closed(&before, &mut after, vec![closed(1), closed(2), closed(3)]);
    let inodes: Vec<u32> = after.sockets.iter().map(|socket| socket.inode).collect();
    assert_eq!(inodes, [8, 7, 0]);
    let owner = after
        .owners
        .processes_of(7)
        .next()
        .map(|process| process.pid);
    assert_eq!(owner, Some(812));
    assert_eq!(after.owners.processes().len(), 1);
    between(&before, &after, |delta| {
        assert_eq!(delta.change(SocketAt(1)).in_bytes, Some(600));
        assert_eq!(delta.change(SocketAt(2)).in_bytes, Some(1_000));
    });
}

use super::*;
use crate::diagnose::testing::{sample, socket, timer};
use crate::host::{Index, Sample};
use crate::sockets::{Address, Details, TcpFigures, TimerKind};

/// A sender at the first place of a sample, and what its watcher knows.
struct Scene {
    sample: Sample,
    watched: Watched,
}

impl Scene {
    fn new(sender: &Socket) -> Scene {
        Scene {
            sample: sample(vec![sender.clone()]),
            watched: Watched {
                at: SocketAt(0),
                receiver: None,
                listener: None,
                still_ms: None,
                flow: None,
                waits: Some(Waits::default()),
                consumed: None,
                lowat: None,
            },
        }
    }

    fn with(&mut self, other: Socket) -> SocketAt {
        self.sample.sockets.push(other);
        SocketAt(u32::try_from(self.sample.sockets.len()).unwrap() - 1)
    }

    fn sender(&mut self) -> &mut Socket {
        &mut self.sample.sockets[0]
    }

    fn verdict(&self) -> Option<Finding> {
        let index = Index::new(&self.sample);
        verdict(&Case {
            sender: Some(&self.watched),
            ..Case::new(&index)
        })
    }

    fn id(&self) -> Option<&'static str> {
        self.verdict().map(|finding| finding.rule.id)
    }
}

fn with_memory(socket: &Socket, numbers: &[u32]) -> Socket {
    Socket {
        details: Some(Box::new(Details {
            memory: Some(memory(numbers)),
            ..Details::default()
        })),
        ..socket.clone()
    }
}

fn flow(busy_us: u64, rwnd_limited_us: u64, sndbuf_limited_us: u64) -> Flow {
    Flow {
        busy_us,
        rwnd_limited_us,
        sndbuf_limited_us,
    }
}

fn memory(numbers: &[u32]) -> SkMemInfo {
    let bytes: Vec<u8> = numbers.iter().flat_map(|it| it.to_ne_bytes()).collect();
    SkMemInfo::new(&bytes)
}

/// A sender of another host's, so that the network counts.
fn far(mut socket: Socket) -> Socket {
    socket.peer = Address::Ip {
        addr: [10, 9, 8, 7].into(),
        port: 80,
        scope: 0,
    };
    socket
}

/// A sender with a closed window, and this much unread itself.
fn closed(unread: u32) -> Socket {
    let mut socket = socket(State::Established, unread, 2_616_320);
    socket.timer = Some(timer(TimerKind::Persist, 0));
    socket
}

/// Watched for half a second in which nothing moved.
fn stuck(socket: &Socket) -> Scene {
    let figures = TcpFigures {
        snd_wnd: Some(0),
        last_data_sent_ms: Some(240),
        ..TcpFigures::default()
    };
    let mut scene = Scene::new(&crate::diagnose::testing::figures(socket.clone(), figures));
    scene.watched.still_ms = Some(500);
    scene.watched.flow = Some(flow(500_000, 500_000, 0));
    scene
}

#[test]
fn where_nothing_moves_the_rules_of_the_lister_speak() {
    let finding = stuck(&closed(0)).verdict().expect("a reason");
    assert_eq!(finding.rule.id, "peer_window_closed");
    assert!(
        finding
            .headline
            .starts_with("the peer does not read, or very slowly")
    );
    assert!(finding.headline.contains("for 0.5 s"), "{finding:?}");
}

#[test]
fn who_knows_that_nothing_is_read_says_so_at_once_and_who_knows_better_says_that() {
    let mut scene = stuck(&closed(0));
    scene.watched.still_ms = Some(20);
    assert_eq!(scene.id(), Some("peer_reads_slowly"), "by the account");
    scene.watched.consumed = Some(0);
    let finding = scene.verdict().expect("a reason");
    assert_eq!(finding.rule.id, "peer_window_closed");
    assert!(finding.headline.starts_with("the peer does not read: "));
    scene.watched.still_ms = Some(500);
    scene.watched.consumed = Some(38_000);
    let finding = scene.verdict().expect("a reason");
    assert_eq!(finding.rule.id, "peer_reads_slowly");
    let read = finding.facts.last().expect("facts");
    assert_eq!(read.value, Value::Bytes(38_000));
    scene.watched.consumed = Some(0);
    scene.sender().tcp = TcpFigures::default().into();
    assert_eq!(scene.id(), Some("nothing_read"));
}

#[test]
fn two_ends_that_wait_for_each_other_are_told_from_a_peer_that_has_closed() {
    let finding = stuck(&closed(70_000)).verdict().expect("a reason");
    assert_eq!(finding.rule.id, "both_wait_to_be_read");
    assert!(
        finding.headline.contains("68 KiB of the peer's"),
        "{finding:?}"
    );
    assert!(finding.facts.iter().any(|f| f.field == "idiag_rqueue"));
    // The FIN is not data.
    let ended = Socket {
        state: State::CloseWait,
        ..closed(1)
    };
    assert_eq!(stuck(&ended).id(), Some("peer_window_closed"));
    let answered = Socket {
        state: State::CloseWait,
        ..closed(2)
    };
    assert_eq!(stuck(&answered).id(), Some("both_wait_to_be_read"));
}

#[test]
fn a_connection_that_was_not_accepted_is_not_called_a_slow_reader() {
    let mut scene = stuck(&closed(0));
    scene.watched.receiver = Some(scene.with(Socket {
        inode: 0,
        ..socket(State::Established, 128_512, 0)
    }));
    scene.watched.listener = Some(scene.with(socket(State::Listen, 1, 0)));
    let finding = scene.verdict().expect("a reason");
    assert_eq!(finding.rule.id, "not_accepted");
    let listeners: Vec<_> = finding.sockets_as(Role::Listener).collect();
    assert_eq!(listeners, [SocketAt(2)]);
}

#[test]
fn where_bytes_flow_the_largest_share_of_the_time_is_the_reason() {
    let socket = far(socket(State::Established, 0, 50_000));
    for (of, reason) in [
        (flow(1_000, 800, 100), "peer_reads_slowly"),
        (flow(1_000, 100, 800), "send_buffer_too_small"),
        (flow(1_000, 100, 100), "network_is_the_limit"),
        (flow(1_000, 0, 0), "network_is_the_limit"),
    ] {
        let mut scene = Scene::new(&socket);
        scene.watched.flow = Some(of);
        assert_eq!(scene.id(), Some(reason));
    }
}

#[test]
fn the_network_is_not_blamed_where_there_is_none_or_where_an_option_bounds_the_sender() {
    let here = socket(State::Established, 0, 50_000);
    let mut scene = Scene::new(&here);
    scene.watched.flow = Some(flow(1_000, 0, 0));
    assert_eq!(scene.id(), Some("host_is_the_limit"));
    let mut bounded = Scene::new(&far(here));
    bounded.watched.flow = Some(flow(1_000, 0, 0));
    bounded.watched.lowat = Some(16_384);
    assert_eq!(bounded.id(), Some("lowat_is_the_limit"));
}

#[test]
fn a_full_buffer_that_is_all_in_flight_is_too_small_whatever_the_kernels_account_says() {
    let socket = far(socket(State::Established, 0, 8_000));
    let flight = TcpInfoValues {
        notsent_bytes: Some(0),
        unacked: Some(6),
        snd_cwnd: Some(10),
        snd_mss_bytes: Some(1_448),
        snd_wnd_bytes: Some(65_000),
        ..TcpInfoValues::default()
    };
    let looked = |info: &TcpInfoValues, queued| {
        let mut waits = Waits::default();
        waits.look(info, &memory(&[0, 131_072, 0, 8_192, 0, queued]));
        let mut scene = Scene::new(&socket);
        scene.watched.flow = Some(flow(1_000, 0, 0));
        scene.watched.waits = Some(waits);
        scene.id()
    };
    assert_eq!(looked(&flight, 8_100), Some("send_buffer_too_small"));
    let but = |change: fn(&mut TcpInfoValues)| {
        let mut info = flight.clone();
        change(&mut info);
        looked(&info, 8_100)
    };
    let other = Some("network_is_the_limit");
    assert_eq!(looked(&flight, 1_000), other, "it is not full");
    assert_eq!(but(|info| info.notsent_bytes = Some(1)), other);
    assert_eq!(but(|info| info.unacked = Some(10)), other, "cwnd");
    assert_eq!(but(|info| info.snd_wnd_bytes = Some(8_000)), other);
    assert_eq!(but(|info| info.snd_cwnd = None), other);
}

#[test]
fn nothing_is_said_without_figures_and_nothing_blamed_where_nothing_waited() {
    let mut scene = Scene::new(&socket(State::Established, 0, 50_000));
    assert_eq!(scene.id(), None);
    scene.watched.flow = Some(flow(0, 0, 0));
    assert_eq!(scene.id(), None);
    scene.watched.waits = None;
    assert_eq!(scene.id(), Some("never_blocked"));
}

#[test]
fn a_unix_sender_is_judged_by_its_memory() {
    for (proto, reason) in [
        (Proto::UnixStr, "unix_peer_not_reading"),
        (Proto::UnixDgr, "unix_datagrams_not_read"),
    ] {
        let socket = Socket {
            proto,
            ..socket(State::Established, 0, 0)
        };
        assert_eq!(Scene::new(&socket).id(), None);
        let full = with_memory(&socket, &[0, 212_992, 213_504, 212_992]);
        let finding = Scene::new(&full).verdict().expect("a verdict");
        assert_eq!(finding.rule.id, reason);
        assert!(finding.headline.contains("208 KiB"), "{finding:?}");
    }
}

#[test]
fn datagrams_that_are_dropped_are_told_although_there_is_room_for_smaller_ones() {
    let socket = Socket {
        proto: Proto::Udp,
        ..socket(State::Established, 0, 0)
    };
    let judged = |receiver: Option<[u32; 9]>| {
        let mut scene = Scene::new(&socket);
        if let Some(numbers) = receiver {
            scene.watched.receiver = Some(scene.with(with_memory(&socket, &numbers)));
        }
        scene.id()
    };
    let receiver = |used, drops| Some([used, 212_992, 0, 0, 0, 0, 0, 0, drops]);
    let full = Some("udp_receive_buffer_full");
    assert_eq!(judged(receiver(212_480, 0)), full);
    assert_eq!(judged(receiver(140_000, 2_997)), full);
    assert_eq!(judged(receiver(140_000, 0)), Some("never_blocked"));
    assert_eq!(judged(None), Some("udp_tells_nothing"));
}

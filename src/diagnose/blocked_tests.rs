use super::super::TcpEvidence;
use super::super::rules::sample::{socket, timer};
use super::*;
use crate::sockets::{Address, TimerKind};

fn watched(socket: &Socket) -> Watched<'_> {
    Watched {
        evidence: Evidence {
            socket,
            tcp: TcpEvidence::default(),
            memory: None,
        },
        flow: None,
        waits: Some(Waits::default()),
        consumed: None,
        receiver: None,
        listener: None,
        lowat: None,
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

/// A sender with a closed window, and so much unread itself.
fn closed(unread: u32) -> Socket {
    let mut socket = socket(State::Established, unread, 2_616_320);
    socket.timer = Some(timer(TimerKind::Persist, 0));
    socket
}

/// Watched for half a second in which nothing moved.
fn stuck(socket: &Socket) -> Watched<'_> {
    let mut watched = watched(socket);
    watched.evidence.tcp = TcpEvidence {
        snd_wnd: Some(0),
        last_data_sent_ms: Some(240),
        still_ms: Some(500),
        ..TcpEvidence::default()
    };
    watched.flow = Some(flow(500_000, 500_000, 0));
    watched
}

fn id(watched: &Watched<'_>) -> Option<&'static str> {
    why(watched).map(|finding| finding.id)
}

#[test]
fn where_nothing_moves_the_rules_of_the_lister_speak() {
    let socket = closed(0);
    let finding = why(&stuck(&socket)).expect("a reason");
    assert_eq!(finding.id, "peer_window_closed");
    assert!(
        finding
            .text
            .starts_with("the peer does not read, or very slowly")
    );
    assert!(finding.text.contains("for 0.5 s"), "{finding:?}");
}

#[test]
fn who_knows_that_nothing_is_read_says_so_at_once_and_who_knows_better_says_that() {
    let socket = closed(0);
    let mut watched = stuck(&socket);
    watched.evidence.tcp.still_ms = Some(20);
    assert_eq!(id(&watched), Some("peer_reads_slowly"), "by the account");
    watched.consumed = Some(0);
    let open = TcpEvidence::default();
    let in_flight = Evidence {
        tcp: open,
        ..watched.evidence
    };
    let early = Watched {
        evidence: in_flight,
        ..watched
    };
    assert_eq!(id(&early), Some("nothing_read"));
    let finding = why(&watched).expect("a reason");
    assert_eq!(finding.id, "peer_window_closed");
    assert!(finding.text.starts_with("the peer does not read: "));
    watched.evidence.tcp.still_ms = Some(500);
    watched.consumed = Some(38_000);
    let finding = why(&watched).expect("a reason");
    assert_eq!(finding.id, "peer_reads_slowly");
    assert!(
        finding
            .evidence
            .iter()
            .any(|fact| fact.value.starts_with("38000 bytes"))
    );
}

#[test]
fn two_ends_that_wait_for_each_other_are_told_from_a_peer_that_has_closed() {
    let socket = closed(70_000);
    let finding = why(&stuck(&socket)).expect("a reason");
    assert_eq!(finding.id, "both_wait_to_be_read");
    assert!(finding.text.contains("68 KiB of the peer's"), "{finding:?}");
    assert!(finding.evidence.iter().any(|f| f.field == "idiag_rqueue"));
    // The FIN is no data.
    let ended = Socket {
        state: State::CloseWait,
        ..closed(1)
    };
    assert_eq!(id(&stuck(&ended)), Some("peer_window_closed"));
    let answered = Socket {
        state: State::CloseWait,
        ..closed(2)
    };
    assert_eq!(id(&stuck(&answered)), Some("both_wait_to_be_read"));
}

#[test]
fn a_connection_that_nobody_accepted_is_not_called_a_slow_reader() {
    let sender = closed(0);
    let waiting = Socket {
        inode: 0,
        ..socket(State::Established, 128_512, 0)
    };
    let listener = socket(State::Listen, 1, 0);
    let mut watched = stuck(&sender);
    watched.receiver = Some(&waiting);
    watched.listener = Some(&listener);
    let finding = why(&watched).expect("a reason");
    assert_eq!(finding.id, "not_accepted");
    assert!(
        finding
            .evidence
            .iter()
            .any(|fact| fact.field == "listener_inode")
    );
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
        let mut watched = watched(&socket);
        watched.flow = Some(of);
        assert_eq!(id(&watched), Some(reason));
    }
}

#[test]
fn the_network_is_not_blamed_where_there_is_none_or_where_an_option_bounds_the_sender() {
    let here = socket(State::Established, 0, 50_000);
    let mut watched_here = watched(&here);
    watched_here.flow = Some(flow(1_000, 0, 0));
    assert_eq!(id(&watched_here), Some("host_is_the_limit"));
    let far = far(here.clone());
    let mut bounded = watched(&far);
    bounded.flow = Some(flow(1_000, 0, 0));
    bounded.lowat = Some(16_384);
    assert_eq!(id(&bounded), Some("lowat_is_the_limit"));
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
        let mut watched = watched(&socket);
        watched.flow = Some(flow(1_000, 0, 0));
        watched.waits = Some(waits);
        id(&watched)
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
fn nothing_is_said_without_figures_and_nothing_blamed_where_nobody_waited() {
    let socket = socket(State::Established, 0, 50_000);
    assert_eq!(id(&watched(&socket)), None);
    let mut idle = watched(&socket);
    idle.flow = Some(flow(0, 0, 0));
    assert_eq!(id(&idle), None);
    idle.waits = None;
    assert_eq!(id(&idle), Some("never_blocked"));
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
        let mut full = watched(&socket);
        assert_eq!(id(&full), None);
        full.evidence.memory = Some(memory(&[0, 212_992, 213_504, 212_992]));
        let finding = why(&full).expect("why");
        assert_eq!(finding.id, reason);
        assert!(finding.text.contains("208 KiB"), "{finding:?}");
    }
}

#[test]
fn datagrams_that_are_dropped_are_told_although_there_is_room_for_smaller_ones() {
    let socket = Socket {
        proto: Proto::Udp,
        ..socket(State::Established, 0, 0)
    };
    let judged = |memory| {
        let mut sender = watched(&socket);
        sender.evidence.memory = memory;
        id(&sender)
    };
    let receiver = |used, drops| Some(memory(&[used, 212_992, 0, 0, 0, 0, 0, 0, drops]));
    let full = Some("udp_receive_buffer_full");
    assert_eq!(judged(receiver(212_480, 0)), full);
    assert_eq!(judged(receiver(140_000, 2_997)), full);
    assert_eq!(judged(receiver(140_000, 0)), Some("never_blocked"));
    assert_eq!(judged(None), Some("udp_tells_nothing"));
}

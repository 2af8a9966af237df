use proptest::prelude::*;

use super::*;
use crate::sockdiag::{KeptTcpInfo, TcpInfoValues};
use crate::sockets::change::Change;
use crate::sockets::testing::{listener, owners, socket, tcp, unix};
use crate::sockets::{Details, Proto, State};

fn order(sockets: &[Socket], orders: &[&str]) -> Vec<usize> {
    order_with(sockets, &Owners::default(), orders)
}

fn order_with(sockets: &[Socket], owners: &Owners, orders: &[&str]) -> Vec<usize> {
    let orders: Vec<SortOrder> = orders.iter().map(|word| by(word)).collect();
    let all = (0..sockets.len()).collect();
    sorted(sockets, all, owners, &|_, _| None, &orders)
}

fn by(word: &str) -> SortOrder {
    let bare = word.trim_start_matches('-');
    let key = match bare {
        "local" => SortKey::Address(|socket| &socket.local),
        "peer" => SortKey::Address(|socket| &socket.peer),
        "local-port" => SortKey::Number(|socket, _| socket.local.port().map(u64::from)),
        "recv-q" => SortKey::Number(|socket, _| Some(socket.recv_q.into())),
        "send-q" => SortKey::Number(|socket, _| Some(socket.send_q.into())),
        "rtt" => SortKey::Number(|socket, _| {
            let tcp = socket.details.as_ref()?.tcp.as_ref()?;
            tcp.rtt_us().map(u64::from)
        }),
        "pid" => SortKey::Number(|socket, owners| {
            let processes = owners.of(socket.inode).iter();
            processes.map(|it| owners.process(it).pid.into()).min()
        }),
        "process" => SortKey::Process,
        _ => SortKey::Problem,
    };
    let descending = bare != word;
    SortOrder { key, descending }
}

fn held(inode: u32, socket: Socket) -> Socket {
    Socket { inode, ..socket }
}

#[test]
fn addresses_are_sorted_as_numbers_and_not_as_text() {
    let sockets = [
        listener("10.0.0.1:80"),
        listener("[::1]:80"),
        listener("9.0.0.1:8080"),
        listener("9.0.0.1:443"),
        tcp("[::ffff:9.0.0.1]:500", "[::ffff:9.0.0.2]:1"),
        listener("0.0.0.0:22"),
        unix(Proto::UnixStr, State::Listen, b"/a/long/name/of/b", 1, 0),
        unix(Proto::UnixStr, State::Listen, b"/a/long/name/of/a", 2, 0),
        unix(Proto::UnixStr, State::Established, b"", 3, 0),
    ];
    assert_eq!(order(&sockets, &["local"]), [5, 3, 4, 2, 0, 1, 7, 6, 8]);
    assert_eq!(
        order(&sockets, &["local-port"]),
        [5, 0, 1, 3, 4, 2, 6, 7, 8]
    );
}

#[test]
fn what_is_not_known_comes_last_in_both_directions() {
    let with_rtt = |rtt_us| Socket {
        details: Some(Box::new(Details {
            tcp: Some(KeptTcpInfo::from(TcpInfoValues {
                rtt_us,
                ..TcpInfoValues::default()
            })),
            ..Details::default()
        })),
        ..tcp("10.0.0.1:80", "10.0.0.2:5000")
    };
    let sockets = [
        listener("0.0.0.0:80"),
        with_rtt(Some(900)),
        with_rtt(None),
        with_rtt(Some(50)),
    ];
    assert_eq!(order(&sockets, &["rtt"]), [3, 1, 0, 2]);
    assert_eq!(order(&sockets, &["-rtt"]), [1, 3, 0, 2]);
    assert_eq!(order(&sockets, &["peer"])[3], 0, "a listener has no peer");
}

#[test]
fn equal_sockets_keep_their_places_and_the_first_key_counts_most() {
    let with = |recv_q, send_q| Socket {
        recv_q,
        send_q,
        ..tcp("10.0.0.1:80", "10.0.0.2:5000")
    };
    let sockets = [with(1, 5), with(2, 5), with(1, 9), with(2, 9)];
    assert_eq!(order(&sockets, &["recv-q"]), [0, 2, 1, 3]);
    assert_eq!(order(&sockets, &["-recv-q"]), [1, 3, 0, 2]);
    assert_eq!(order(&sockets, &["recv-q", "-send-q"]), [2, 0, 3, 1]);
    assert_eq!(order(&sockets, &[]), [0, 1, 2, 3]);
}

#[test]
fn processes_are_sorted_by_name_and_then_by_number() {
    let all = owners(&[
        (300, "nginx", None, &[1]),
        (20, "nginx", None, &[2]),
        (100, "Apache", None, &[3]),
    ]);
    let of = |inode| held(inode, listener("0.0.0.0:80"));
    let sockets = [of(1), of(9), of(2), of(3)];
    assert_eq!(order_with(&sockets, &all, &["process"]), [3, 2, 0, 1]);
    assert_eq!(order_with(&sockets, &all, &["pid"]), [2, 3, 0, 1]);
    assert_eq!(order_with(&sockets, &all, &["-pid"]), [0, 3, 2, 1]);
}

#[test]
fn a_wrong_group_lists_the_right_ones() {
    let error = "bogus".parse::<GroupBy>().unwrap_err().to_string();
    assert!(
        error.ends_with("by: process, peer, port, state, user, netns, unit, container"),
        "{error}"
    );
    for (by, name) in GroupBy::ALL {
        assert_eq!(name.parse(), Ok(by));
        assert_eq!(by.name(), name);
    }
}

#[test]
fn a_process_has_a_row_with_what_its_sockets_amount_to() {
    let all = owners(&[(1, "web", None, &[1, 2, 3]), (2, "child", None, &[3, 3])]);
    let leak = held(
        3,
        socket(Proto::Tcp, State::CloseWait, "10.0.0.1:80", "10.0.0.2:9"),
    );
    let listener = Socket {
        recv_q: 7,
        send_q: 128,
        ..held(1, listener("0.0.0.0:80"))
    };
    let connection = Socket {
        recv_q: 100,
        send_q: 30,
        ..held(2, tcp("10.0.0.1:80", "10.0.0.2:8"))
    };
    let old = socket(Proto::Tcp, State::TimeWait, "10.0.0.1:80", "10.0.0.2:7");
    let sockets = [&listener, &connection, &leak, &old];
    let findings = |index: usize| usize::from(index == 2);
    let rows = group(&sockets, &[], &all, &findings, &|_| None, GroupBy::Process);
    let web = GroupRow {
        change: Change::default(),
        key: GroupKey::Process(0),
        sockets: 3,
        listeners: 1,
        established: 1,
        close_wait: 1,
        recv_bytes: 100,
        send_bytes: 30,
        findings: 1,
    };
    assert_eq!(rows[0], web);
    let others: Vec<_> = rows[1..]
        .iter()
        .map(|row| (&row.key, row.sockets))
        .collect();
    assert_eq!(
        others,
        [(&GroupKey::Process(1), 1), (&GroupKey::Nothing, 1)]
    );
}

#[test]
fn a_port_is_that_of_the_service_on_whichever_end_it_is() {
    let sockets = [
        listener("0.0.0.0:80"),
        tcp("10.0.0.1:80", "10.0.0.2:5000"),
        tcp("10.0.0.1:5001", "10.0.0.3:443"),
        tcp("127.0.0.1:5002", "127.0.0.1:80"),
        socket(Proto::Udp, State::Unconnected, "0.0.0.0:80", "0.0.0.0:0"),
        socket(Proto::Tcp, State::BoundInactive, "0.0.0.0:90", "0.0.0.0:0"),
        socket(Proto::Raw, State::Unconnected, "0.0.0.0:1", "0.0.0.0:0"),
    ];
    let all = &sockets;
    let sockets: Vec<&Socket> = all.iter().collect();
    let rows = group(
        &sockets,
        all,
        &Owners::default(),
        &|_| 0usize,
        &|_| None,
        GroupBy::Port,
    );
    let counts: Vec<_> = rows
        .iter()
        .map(|row| (row.key.clone(), row.sockets))
        .collect();
    assert_eq!(
        counts,
        [
            (GroupKey::Port(Proto::Tcp, 80), 3),
            (GroupKey::Port(Proto::Tcp, 90), 1),
            (GroupKey::Port(Proto::Tcp, 443), 1),
            (GroupKey::Port(Proto::Udp, 80), 1),
            (GroupKey::Nothing, 1),
        ]
    );
}

#[test]
fn connections_of_a_server_are_under_its_port_although_the_listener_is_not_shown_or_gone() {
    let mut all: Vec<Socket> = (0..20)
        .map(|client| tcp("127.0.0.1:7602", &format!("127.0.0.1:{}", 40_000 + client)))
        .collect();
    let ports = |all: &[Socket], shown: usize| -> Vec<(GroupKey, usize)> {
        let shown: Vec<&Socket> = all.iter().take(shown).collect();
        let rows = group(
            &shown,
            all,
            &Owners::default(),
            &|_| 0,
            &|_| None,
            GroupBy::Port,
        );
        rows.into_iter().map(|row| (row.key, row.sockets)).collect()
    };
    assert_eq!(ports(&all, 20), [(GroupKey::Port(Proto::Tcp, 7602), 20)]);
    // One connection alone tells nothing; the lower port is more likely the server's.
    assert_eq!(ports(&all, 1), [(GroupKey::Port(Proto::Tcp, 7602), 1)]);
    all.push(listener("0.0.0.0:40000"));
    assert_eq!(ports(&all, 1), [(GroupKey::Port(Proto::Tcp, 40_000), 1)]);
}

#[test]
fn a_peer_is_one_host_whatever_its_ports_and_its_way_of_writing() {
    let sockets = [
        tcp("10.0.0.1:80", "10.0.0.2:5000"),
        tcp("[::ffff:10.0.0.1]:80", "[::ffff:10.0.0.2]:5001"),
        listener("0.0.0.0:80"),
    ];
    let sockets: Vec<&Socket> = sockets.iter().collect();
    let rows = group(
        &sockets,
        &[],
        &Owners::default(),
        &|_| 0usize,
        &|_| None,
        GroupBy::Peer,
    );
    assert_eq!(rows[0].key, GroupKey::Peer("10.0.0.2".parse().unwrap()));
    assert_eq!((rows[0].sockets, rows.len()), (2, 2));
    assert_eq!(rows[1].key, GroupKey::Nothing);
}

#[test]
fn a_summary_counts_states_processes_and_time_wait() {
    let all = owners(&[
        (1, "a", None, &[1, 2]),
        (2, "b", None, &[2]),
        (3, "c", None, &[99]),
    ]);
    let wait = |peer| socket(Proto::Tcp, State::TimeWait, "10.0.0.1:80", peer);
    let sick = held(1, tcp("10.0.0.1:80", "10.0.0.2:1"));
    let ill = held(2, tcp("[::1]:80", "[::1]:1"));
    let request = socket(Proto::Tcp, State::NewSynRecv, "10.0.0.1:80", "10.0.0.4:1");
    let sockets = [
        sick,
        ill,
        request,
        wait("10.0.0.3:1"),
        wait("10.0.0.9:1"),
        wait("10.0.0.9:2"),
        unix(Proto::UnixStr, State::Listen, b"/x", 9, 0),
    ];
    let sockets: Vec<&Socket> = sockets.iter().collect();
    let summary = Summary::new(&sockets, &all);
    assert_eq!(
        (summary.sockets, summary.processes, summary.time_wait),
        (7, 2, 3)
    );
    let peers: Vec<_> = summary
        .time_wait_peers
        .iter()
        .map(|(ip, n)| (ip.to_string(), *n))
        .collect();
    assert_eq!(
        peers,
        [("10.0.0.9".to_owned(), 2), ("10.0.0.3".to_owned(), 1)]
    );
    let tcp = &summary.protos[0];
    assert_eq!(
        (tcp.proto, tcp.sockets, tcp.ipv4, tcp.ipv6),
        (Proto::Tcp, 6, 5, 1)
    );
    let states = [
        (State::Established, 2),
        (State::SynRecv, 1),
        (State::TimeWait, 3),
    ];
    assert_eq!(tcp.states, states);
    assert_eq!((summary.protos.len(), summary.protos[1].ipv6), (2, 0));
    assert_eq!(Summary::new(&[], &Owners::default()), Summary::default());
}

proptest! {
    #[test]
    fn every_order_has_each_socket_once_and_its_known_values_in_order(
        ends in proptest::collection::vec((any::<[u8; 4]>(), any::<u16>()), 0..50),
        word in proptest::sample::select(&["local", "-local", "peer", "recv-q", "-pid", "process"][..]),
    ) {
        let sockets: Vec<Socket> = ends
            .iter()
            .map(|(addr, port)| {
                let end = std::net::SocketAddr::from((*addr, *port)).to_string();
                tcp(&end, &end)
            })
            .collect();
        let order = by(word);
        let every = (0..sockets.len()).collect();
        let indices = sorted(&sockets, every, &Owners::default(), &|_, _| None, &[order]);
        let mut all = indices.clone();
        all.sort_unstable();
        prop_assert_eq!(all, (0..sockets.len()).collect::<Vec<_>>());
        if word == "local" {
            let known: Vec<_> = indices.iter().map(|&i| ends[i]).filter(|end| *end != ([0; 4], 0)).collect();
            prop_assert!(known.is_sorted());
        }
    }
}

#[test]
fn a_group_sums_what_changed_and_counts_no_closed_connection_as_a_socket() {
    let open = socket(
        Proto::Tcp,
        State::Established,
        "10.0.0.1:80",
        "10.0.0.2:40000",
    );
    let closed = Socket {
        state: State::Unconnected,
        ..open.clone()
    };
    let beside = |index: usize| Beside {
        findings: 0,
        change: Change {
            in_bytes: Some(100),
            closed: u64::from(index == 1),
            ..Change::default()
        },
    };
    let rows = group(
        &[&open, &closed],
        &[],
        &Owners::default(),
        &beside,
        &|_| None,
        GroupBy::Peer,
    );
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].sockets, rows[0].change.closed), (1, 1));
    assert_eq!(rows[0].change.in_bytes, Some(200));
}

#[test]
fn a_unit_and_a_container_are_those_of_the_control_group() {
    let id = "3f4e8a90c1d2b3a4".repeat(4);
    let docker = format!("/system.slice/docker-{id}.scope");
    let mut all = vec![
        listener("0.0.0.0:80"),
        listener("0.0.0.0:81"),
        listener("0.0.0.0:82"),
    ];
    (0..)
        .zip(&mut all)
        .for_each(|(inode, socket)| socket.inode = inode);
    let shown: Vec<&Socket> = all.iter().collect();
    let path = |socket: &Socket| match socket.inode {
        0 => Some("/system.slice/nginx.service"),
        1 => Some(&*docker),
        _ => None,
    };
    let keys = |by| -> Vec<GroupKey> {
        let rows = group(&shown, &[], &Owners::default(), &|_| 0usize, &path, by);
        rows.into_iter().map(|row| row.key).collect()
    };
    let scope = format!("docker-{id}.scope");
    let units = keys(GroupBy::Unit);
    assert!(units.contains(&GroupKey::Unit("nginx.service".into())));
    assert!(units.contains(&GroupKey::Unit(scope.into())) && units.len() == 3);
    let container = GroupKey::Container("docker", id.into());
    assert_eq!(keys(GroupBy::Container), [GroupKey::Nothing, container]);
}

use proptest::prelude::*;

use super::*;
use crate::sockets::testing::{ip, listener, owners, socket, tcp, unix};

fn words(words: &[&str]) -> Filter {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    read(&words, super::language_tests::NOTHING).unwrap()
}

fn address(text: &str) -> AddressMatch {
    AddressMatch::parse(text).unwrap()
}

/// Whether an address that is asked for as `wanted` is at this end.
fn is_at(wanted: &str, end: &str) -> bool {
    address(wanted).matches(&ip(end), 0)
}

#[test]
fn what_is_empty_or_would_be_its_opposite_is_refused() {
    assert!(AddressMatch::parse("").is_err());
    assert!(ProcessMatch::pattern("").is_err());
    for list in ["!listen", "~listen", "listen!", "established,!listen", ""] {
        assert!(StateSet::parse(list).is_err(), "{list}");
    }
}

#[test]
fn each_form_of_a_word_is_told_by_its_looks() {
    for port in [":8080", "8080", ":8000-8010", "0", "65535"] {
        assert!(matches!(Word::parse(port), Ok(Word::Ports(_))), "{port}");
    }
    let addresses = [
        "10.0.0.1",
        "10.0.0.0/8",
        "10.0.0.1:80",
        "10.0.0.0/8:80",
        "10.0.0.1:80-90",
        "10.0.0.1:*",
        "::",
        "::1",
        "fe80::/10",
        "[::1]:80",
        "[::1]",
        "fe80::1%eth0",
        "[fe80::1%2]:80",
        "127.0.0.53%lo:53",
        "*",
        "*:80",
        "localhost",
        "localhost:80",
        "/run/x.sock",
        "@x",
        "@",
    ];
    for address in addresses {
        assert!(
            matches!(Word::parse(address), Ok(Word::Address(_))),
            "{address}"
        );
    }
    let processes = [
        "nginx",
        "python3.11",
        "3proxy",
        "dead:beef",
        "a.b.c.d",
        "7.sh",
        "sshd:",
        "kworker/0:1",
        "nginx: worker",
        "x::y",
    ];
    for process in processes {
        assert!(
            matches!(Word::parse(process), Ok(Word::Process(_))),
            "{process}"
        );
    }
}

#[test]
fn what_looks_like_an_address_but_is_none_is_an_error_with_its_place() {
    let wrong = [
        ("10.0.0.300", "300", "at most 255"),
        ("10.0.0", "10.0.0", "four numbers"),
        ("10/8", "10", "four numbers"),
        ("10.0.0.01", "01", "no 0 in front"),
        ("10..0.1", "", "missing"),
        ("1.2.3.4/40", "40", "up to 32"),
        ("1.2.3.4/", "", "up to 32"),
        ("fe80::/129", "129", "up to 128"),
        (":99999", "99999", "65535"),
        ("70000", "70000", "65535"),
        (":90-80", "90-80", "above"),
        ("80-", "", "missing"),
        (":", "", "missing"),
        (":http", "http", "number"),
        ("10.0.0.1:http", "http", "number"),
        ("[::1", "[", "]"),
        ("[::1]80", "80", "may follow the ]"),
        (":::80", ":::80", "[::]:80"),
        ("fe80:::1", "fe80:::1", "no IPv6"),
        ("00:11:22:33:44:55", "00:11:22:33:44:55", "no IPv6"),
        ("::1%", "", "interface"),
        ("*/8", "8", "prefix"),
        ("example.com:80", "example.com", "not looked up"),
        ("", "", "empty"),
    ];
    for (word, part, what) in wrong {
        let error = Word::parse(word).expect_err(word);
        assert_eq!(error.part(), part, "{word}");
        assert!(error.to_string().contains(what), "{error}");
    }
    assert_eq!(
        Word::parse("10.0.0.300").unwrap_err().to_string(),
        "\"10.0.0.300\", at character 8, \"300\": a part of an IPv4 address is at most 255"
    );
}

#[test]
fn words_of_one_kind_are_alternatives_and_kinds_are_anded() {
    let filter = words(&[":80", "443", "10.0.0.0/8", "nginx", "php"]);
    let processes = owners(&[(1, "nginx", None, &[7]), (2, "sshd", None, &[8])]);
    let with = |local, inode| Socket {
        inode,
        ..tcp(local, "10.9.9.9:5000")
    };
    assert!(filter.matches(&with("192.0.2.1:80", 7), &processes));
    assert!(filter.matches(&with("192.0.2.1:443", 7), &processes));
    assert!(!filter.matches(&with("192.0.2.1:8080", 7), &processes));
    assert!(!filter.matches(&with("192.0.2.1:80", 8), &processes));
    assert!(!filter.matches(&with("192.0.2.1:80", 0), &processes));
    let elsewhere = Socket {
        inode: 7,
        ..tcp("192.0.2.1:80", "192.0.2.2:5000")
    };
    assert!(!filter.matches(&elsewhere, &processes));
}

#[test]
fn an_address_matches_itself_its_network_and_its_mapped_form_and_no_look_alike() {
    assert!(is_at("127.0.0.1", "127.0.0.1:80"));
    assert!(is_at("127.0.0.0/8", "127.200.0.1:80"));
    assert!(is_at("127.0.0.1/8", "127.200.0.1:80"));
    assert!(is_at("127.0.0.0/8", "[::ffff:127.0.0.1]:80"));
    assert!(is_at("::ffff:127.0.0.1", "127.0.0.1:80"));
    assert!(is_at("::ffff:10.0.0.0/104", "10.1.2.3:80"));
    assert!(is_at("::ffff:0:0/96", "[::ffff:10.0.0.1]:80"));
    assert!(is_at("fe80::/10", "[fe80::1]:80"));
    assert!(is_at("localhost:80", "[::1]:80"));
    assert!(is_at("localhost:80", "[::ffff:127.0.0.1]:80"));
    assert!(is_at("*:80", "[::1]:80"));
    assert!(is_at("0.0.0.0/0", "10.0.0.1:80"));

    assert!(!is_at("127.0.0.1", "127.0.0.10:80"));
    assert!(!is_at("10.0.0.0/8", "11.0.0.0:80"));
    assert!(!is_at("10.0.0.1:80", "10.0.0.1:8080"));
    assert!(!is_at("::1", "127.0.0.1:80"));
    assert!(!is_at("::7f00:1", "127.0.0.1:80"));
    assert!(!is_at("::/0", "127.0.0.1:80"));
    assert!(!is_at("::ffff:0:0/96", "127.0.0.1:80"));
    assert!(!is_at("0.0.0.0/0", "[::1]:80"));
    assert!(!is_at("localhost", "128.0.0.1:80"));
}

#[test]
fn the_unspecified_address_is_matched_by_itself_alone_and_by_the_network_of_all() {
    assert!(is_at("0.0.0.0", "0.0.0.0:80"));
    assert!(is_at("[::]:80", "[::]:80"));
    assert!(is_at("0.0.0.0/0", "0.0.0.0:80"));
    assert!(!is_at("0.0.0.0/0", "0.0.0.0:0"), "the peer of a listener");
    assert!(!is_at("127.0.0.1:80", "0.0.0.0:80"));
    assert!(!is_at("0.0.0.0/8", "0.0.0.0:80"));
    assert!(!is_at("0.0.0.0:80", "[::]:80"));
    assert!(!is_at("::1", "[::]:80"));
    assert!(!is_at("localhost", "0.0.0.0:80"));
}

#[test]
fn a_host_with_a_port_is_also_at_what_listens_there_on_all_addresses() {
    let v4 = listener("0.0.0.0:80");
    let dual = listener("[::]:80");
    let v6_only = Socket {
        v6_only: Some(true),
        ..dual.clone()
    };
    let udp = socket(Proto::Udp, State::Unconnected, "0.0.0.0:80", "0.0.0.0:0");
    for (word, takes) in [
        ("127.0.0.1:80", [true, true, false, true]),
        ("10.0.0.1:79-81", [true, true, false, true]),
        ("[::1]:80", [false, true, true, false]),
        ("localhost:80", [true, true, true, true]),
        ("127.0.0.1:81", [false; 4]),
        ("127.0.0.1", [false; 4]),
        ("127.0.0.1:*", [false; 4]),
        ("::1", [false; 4]),
        ("localhost", [false; 4]),
        ("10.0.0.0/8:80", [false; 4]),
        ("0.0.0.0:80", [true, false, false, true]),
        ("[::]:80", [false, true, true, false]),
    ] {
        let local = Filter {
            local: vec![address(word)],
            ..Filter::default()
        };
        let peer = Filter {
            peer: vec![address(word)],
            ..Filter::default()
        };
        for filter in [words(&[word]), local] {
            let found = [&v4, &dual, &v6_only, &udp].map(|socket| filter.matches_socket(socket));
            assert_eq!(found, takes, "{word}");
        }
        assert!(!peer.matches_socket(&v4), "{word}");
    }
    let wanted = words(&["127.0.0.1:80"]);
    let bound = socket(Proto::Tcp, State::BoundInactive, "0.0.0.0:80", "0.0.0.0:0");
    assert!(!wanted.matches_socket(&bound), "nothing listens");
    let elsewhere = Socket {
        interface: 3,
        ..v4.clone()
    };
    assert!(!words(&["127.0.0.1%2:80"]).matches_socket(&elsewhere));
    assert!(words(&["127.0.0.1%2:80"]).matches_socket(&v4));
}

#[test]
fn an_interface_is_matched_by_its_index_once_its_name_is_resolved() {
    let mut filter = words(&["fe80::1%eth0"]);
    let there = tcp("[fe80::1%2]:80", "[fe80::2%2]:5000");
    assert!(!filter.matches_socket(&there));
    assert_eq!(filter.resolve_scopes(|_| None), Err("eth0".to_owned()));
    filter
        .resolve_scopes(|name| (name == "eth0").then_some(2))
        .unwrap();
    assert!(filter.matches_socket(&there));
    assert!(!filter.matches_socket(&tcp("[fe80::1%3]:80", "[fe80::2%3]:5000")));
    let bound = Socket {
        interface: 7,
        ..listener("127.0.0.53:53")
    };
    assert!(words(&["127.0.0.53%7:53"]).matches_socket(&bound));
    assert!(!words(&["127.0.0.53%1:53"]).matches_socket(&bound));
}

#[test]
fn local_and_peer_look_at_one_end_only() {
    let connection = tcp("10.0.0.1:5000", "10.0.0.2:80");
    let local = |text| Filter {
        local: vec![address(text)],
        ..Filter::default()
    };
    assert!(local(":5000").matches_socket(&connection));
    assert!(!local(":80").matches_socket(&connection));
    assert!(!local("10.0.0.2").matches_socket(&connection));
    let peer = Filter {
        peer: vec![address("10.0.0.2:80")],
        ..Filter::default()
    };
    assert!(peer.matches_socket(&connection));
    assert!(!peer.matches_socket(&listener("10.0.0.2:80")));
}

#[test]
fn a_unix_name_matches_itself_a_directory_above_and_a_front_with_a_star() {
    let is_named = |wanted: &str, name: &[u8]| {
        let socket = unix(Proto::UnixStr, State::Listen, name, 1, 0);
        words(&[wanted]).matches_socket(&socket)
    };
    assert!(is_named("/run/x", b"/run/x"));
    assert!(is_named("/run", b"/run/x"));
    assert!(is_named("/", b"/run/x"));
    assert!(is_named("/tmp/.X11-unix/X*", b"/tmp/.X11-unix/X10"));
    assert!(is_named("@abs", b"\0abs\0\0\0"));
    assert!(is_named("@a@b", b"\0a\0b"));
    assert!(is_named("@", b"\0anything"));
    assert!(is_named("@/tmp/dbus*", b"\0/tmp/dbus-x"));

    assert!(!is_named("/tmp/.X11-unix/X1", b"/tmp/.X11-unix/X10"));
    assert!(!is_named("/run/x", b"/run"));
    assert!(!is_named("@abs", b"@abs"), "a path that begins with an @");
    assert!(!is_named("@", b"/run/x"));
    assert!(!is_named("/", b"\0/x"));
    assert!(!is_named("/run", b""));
    assert!(!is_named(":80", b"/run/x"));
    assert!(words(&["/run"]).names_unix());
    assert!(!words(&["nginx"]).names_unix());
}

#[test]
fn a_unix_name_is_understood_as_it_is_shown_and_as_it_is() {
    let is_named = |wanted: &[u8], name: &[u8]| {
        let filter = read(&[wanted], super::language_tests::NOTHING).unwrap();
        let socket = unix(Proto::UnixStr, State::Listen, name, 1, 0);
        filter.names_unix() && filter.matches_socket(&socket)
    };
    assert!(is_named(
        br"/tmp/rv/non\xff\xfeutf8",
        b"/tmp/rv/non\xff\xfeutf8"
    ));
    assert!(is_named(
        b"/tmp/rv/non\xff\xfeutf8",
        b"/tmp/rv/non\xff\xfeutf8"
    ));
    assert!(is_named(br"@abstr\x00inner", b"\0abstr\0inner"));
    assert!(is_named(
        br"@abstr\x00inner\x00\x00",
        b"\0abstr\0inner\0\0\0"
    ));
    assert!(is_named(br"@\x00", b"\0"));
    assert!(is_named(br"\x40path", b"@path"));
    assert!(is_named(br"/a\n\x1b[31m\x20b", b"/a\n\x1b[31m b"));
    assert!(is_named(br"/a\u{202e}b", "/a\u{202e}b".as_bytes()));
    assert!(is_named(br"/run/dev-disk\x2d1", br"/run/dev-disk\x2d1"));
    assert!(is_named(br"/run/dev-disk\x2d1", b"/run/dev-disk-1"));
    assert!(is_named(br"/run/a\q\x2", br"/run/a\q\x2"));
    assert!(is_named(br"/run/a\xff*", b"/run/a\xffbc"));
    assert!(!is_named(br"/run/a\xff", b"/run/a\xfe"));
    assert!(!is_named(br"\x40path", b"\0path"));
    assert!(!is_named(br"@a\x00b", b"\0a"));
    let error = AddressMatch::of_bytes(b"ngi\xff").unwrap_err();
    assert!(error.to_string().contains("not UTF-8"), "{error}");
}

#[test]
fn ports_are_those_of_protocols_that_have_ports() {
    let raw = socket(Proto::Raw, State::Unconnected, "0.0.0.0:1", "0.0.0.0:0");
    let ping = socket(Proto::Ping, State::Unconnected, "0.0.0.0:77", "0.0.0.0:0");
    assert!(!words(&["1"]).matches_socket(&raw));
    assert!(!words(&[":77"]).matches_socket(&ping));
    assert!(
        words(&["0.0.0.0:77"]).matches_socket(&ping),
        "as the column shows it"
    );
    assert!(words(&["5000-5010"]).matches_socket(&tcp("10.0.0.1:80", "10.0.0.2:5005")));
}

#[test]
fn time_wait_is_collapsed_unless_it_is_asked_for() {
    let old = socket(Proto::Tcp, State::TimeWait, "10.0.0.1:80", "10.0.0.2:5000");
    let none = Owners::default();
    let filter = words(&["80"]);
    assert!(filter.collapses(&old) && filter.matches_socket(&old));
    assert!(!filter.matches(&old, &none));
    assert!(!filter.collapses(&tcp("10.0.0.1:80", "10.0.0.2:5000")));
    let all = Filter {
        show_time_wait: true,
        ..words(&["80"])
    };
    assert!(all.matches(&old, &none));
    let named = Filter {
        states: StateSet::parse("time-wait,LISTEN").unwrap(),
        ..Filter::default()
    };
    assert!(named.matches(&old, &none));
}

#[test]
fn listening_is_what_waits_for_somebody() {
    let udp = |state, local, peer| socket(Proto::Udp, state, local, peer);
    let dgram = |name| unix(Proto::UnixDgr, State::Unconnected, name, 1, 0);
    assert!(is_listening(&listener("0.0.0.0:80")));
    assert!(is_listening(&udp(
        State::Unconnected,
        "0.0.0.0:53",
        "0.0.0.0:0"
    )));
    assert!(is_listening(&dgram(b"/dev/log")));
    assert!(is_listening(&unix(
        Proto::UnixStr,
        State::Listen,
        b"/x",
        1,
        0
    )));

    assert!(!is_listening(&udp(
        State::Established,
        "10.0.0.1:53",
        "10.0.0.2:5"
    )));
    assert!(!is_listening(&udp(
        State::Unconnected,
        "0.0.0.0:0",
        "0.0.0.0:0"
    )));
    assert!(!is_listening(&socket(
        Proto::Tcp,
        State::BoundInactive,
        "0.0.0.0:80",
        "0.0.0.0:0"
    )));
    assert!(!is_listening(&dgram(b"")));
    assert!(!is_listening(&unix(
        Proto::UnixStr,
        State::Unconnected,
        b"/x",
        1,
        0
    )));
}

#[test]
fn an_ipv6_socket_with_a_mapped_address_is_ipv4_too() {
    let of = |families: &[Family]| Filter {
        families: families.to_vec(),
        ..Filter::default()
    };
    let mapped = tcp("[::ffff:10.0.0.1]:80", "[::ffff:10.0.0.2]:5000");
    let v6 = tcp("[::1]:80", "[::1]:5000");
    assert!(of(&[Family::Inet]).matches_socket(&mapped));
    assert!(of(&[Family::Inet6]).matches_socket(&mapped));
    assert!(!of(&[Family::Inet]).matches_socket(&v6));
    assert!(!of(&[Family::Inet]).matches_socket(&listener("[::]:80")));
    assert!(!of(&[Family::Inet6]).matches_socket(&tcp("10.0.0.1:80", "10.0.0.2:5000")));
    let named = unix(Proto::UnixStr, State::Listen, b"/x", 1, 0);
    assert!(!of(&[Family::Inet]).matches_socket(&named));
    let both = Filter {
        protos: vec![Proto::Tcp, Proto::UnixStr],
        ..of(&[Family::Inet])
    };
    assert!(both.matches_socket(&named));
    assert!(!both.matches_socket(&v6));
}

#[test]
fn a_process_is_found_by_its_name_its_pattern_and_its_number() {
    let long = "/usr/lib/systemd/systemd-resolved\0--x";
    let all = owners(&[
        (10, "Nginx", Some("nginx: master\0/etc/ssh"), &[1]),
        (20, "systemd-resolve", Some(long), &[2]),
        (30, "systemd-network", None, &[3, 1]),
    ]);
    let held = |filter: &Filter| -> Vec<u32> {
        let fast = filter.for_owners(&all);
        (1..=4u32)
            .filter(|&inode| {
                let socket = Socket {
                    inode,
                    ..listener("0.0.0.0:80")
                };
                assert_eq!(fast.matches(&socket), filter.matches_owners(&socket, &all));
                fast.matches(&socket)
            })
            .collect()
    };
    let pattern = |text| Filter {
        processes: vec![ProcessMatch::pattern(text).unwrap()],
        ..Filter::default()
    };
    assert_eq!(held(&words(&["NGIN"])), [1]);
    assert_eq!(
        held(&words(&["ETC/ssh"])),
        [1],
        "the command line counts too"
    );
    assert_eq!(held(&words(&["systemd-resolved"])), [2]);
    assert_eq!(held(&words(&["systemd-networkd"])), [1, 3]);
    assert_eq!(held(&words(&["systemd-networx"])), [] as [u32; 0]);
    assert_eq!(held(&pattern("^nginx: master /etc/ssh$")), [1]);
    assert_eq!(held(&pattern("^Ng")), [1]);
    assert_eq!(held(&pattern("^ng.*x$")), [] as [u32; 0]);
    let mut pid = words(&["systemd"]);
    pid.pids.push(30);
    assert_eq!(held(&pid), [1, 3]);
    assert_eq!(held(&Filter::default()), [1, 2, 3, 4]);
    assert!(pattern("x").needs_command_lines() && pid.needs_command_lines());
    assert!(!words(&["pid:7"]).needs_command_lines());
    assert!(pid.needs_owners() && !Filter::default().needs_owners());
    assert!(ProcessMatch::pattern("(").is_err());
}

#[test]
fn users_are_asked_for() {
    let mut socket = listener("0.0.0.0:80");
    let user = Filter {
        uids: vec![0],
        ..Filter::default()
    };
    assert!(!user.matches_socket(&socket), "nobody's is not root's");
    socket.uid = Some(0);
    assert!(user.matches_socket(&socket));
}

#[test]
fn states_are_read_with_sss_groups() {
    let set = |list| StateSet::parse(list).unwrap();
    assert!(set("syn-recv").contains(State::NewSynRecv));
    assert!(set("connected").contains(State::CloseWait));
    assert!(!set("connected").contains(State::Listen));
    assert!(!set("synchronized").contains(State::SynSent));
    assert!(set("bucket").names(State::TimeWait));
    assert!(!set("big").names(State::TimeWait));
    assert_eq!(set("all").mask(), StateSet::default().mask());
    let error = StateSet::parse("listen,nonsense").unwrap_err();
    assert_eq!(error.part(), "nonsense");
}

#[test]
fn the_kernel_is_asked_for_no_less_than_is_wanted() {
    let listening = Filter {
        listening: true,
        ..words(&["80"])
    };
    assert_eq!(listening.state_mask_for(Proto::Tcp), State::Listen.bit());
    assert_ne!(
        listening.state_mask_for(Proto::Udp) & State::Unconnected.bit(),
        0
    );
    assert_eq!(listening.only_port(), Some(80));
    assert_eq!(words(&["80", "443"]).only_port(), None);
    assert_eq!(words(&["80-81"]).only_port(), None);
    assert_eq!(words(&["10.0.0.1:80", "10.0.0.2:80"]).only_port(), Some(80));
    assert_eq!(words(&["10.0.0.1:80", "10.0.0.2"]).only_port(), None);
    assert_eq!(words(&["10.0.0.1:80", "/run/x"]).only_port(), Some(80));
    assert_eq!(Filter::default().kernel_hint().port, None);
    assert_eq!(Filter::default().state_mask(), 0x3ffe);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(word: Vec<u8>, tail in r"[/@]?(\\[xu0n{}a-f]{0,4}){0,6}") {
        let _ = read(&[&word], super::language_tests::NOTHING);
        let _ = read(&[&[tail.as_bytes(), &word].concat()], super::language_tests::NOTHING);
    }

    #[test]
    fn any_word_is_read_without_a_panic_and_an_error_has_a_place(word: String) {
        if let Err(error) = Word::parse(&word) {
            prop_assert!(word.get(error.at.clone()).is_some());
            let _ = error.to_string();
        }
        let _ = AddressMatch::parse(&word);
        let _ = StateSet::parse(&word);
    }

    #[test]
    fn words_that_are_nearly_addresses_are_read_without_a_panic(word in r"[\[\]0-9a-f:./%*-]{0,20}") {
        if let Err(error) = Word::parse(&word) {
            prop_assert!(word.get(error.at.clone()).is_some());
            let _ = error.to_string();
        }
        let _ = AddressMatch::parse(&word);
    }

    #[test]
    fn every_address_asks_for_itself_however_it_is_written(addr: std::net::IpAddr, port in 1u16..) {
        let end = Address::Ip { addr, port, scope: 0 };
        prop_assume!(!addr.to_canonical().is_unspecified());
        let whole = std::net::SocketAddr::new(addr, port).to_string();
        for text in [addr.to_string(), whole, format!(":{port}"), format!("{addr}/9")] {
            prop_assert!(address(&text).matches(&end, 0), "{}", text);
        }
    }

    #[test]
    fn the_port_of_the_hint_is_at_one_end_of_whatever_matches(
        wanted in proptest::collection::vec(
            proptest::sample::select(&["1", "2", ":1-2", "10.0.0.1:1", "10.0.0.2", ":2"][..]), 0..4),
        local in 1u16..4, peer in 1u16..4,
    ) {
        let filter = words(&wanted);
        let socket = tcp(&format!("10.0.0.1:{local}"), &format!("10.0.0.2:{peer}"));
        if let Some(port) = filter.only_port() && filter.matches_socket(&socket) {
            prop_assert!(port == local || port == peer);
        }
    }
}

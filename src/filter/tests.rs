//! The language: what is understood, what is refused and where. What filters match is compared with
//! tcpdump in `tests/interop`.

use proptest::prelude::*;

use super::*;

fn services() -> Services {
    Services::parse("http 80/tcp\ndomain 53/tcp\ndomain 53/udp\nbootps 67/udp\n")
}

fn parse(text: &str) -> Result<Filter, FilterError> {
    Filter::parse(text, &services())
}

/// An Ethernet frame with TCP over IPv4, from 10.0.0.1 to 10.0.0.2.
fn tcp(source: u16, destination: u16) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend([
        0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ]);
    frame.extend(source.to_be_bytes());
    frame.extend(destination.to_be_bytes());
    frame.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x12, 1, 0, 0, 0, 0, 0]);
    frame
}

#[track_caller]
fn matches_subject(text: &str, subject: &Subject<'_>) -> bool {
    let filter = parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    let program = filter.compile(LinkType::ETHERNET).unwrap();
    program.matches(subject)
}

#[track_caller]
fn matches(text: &str, frame: &[u8]) -> bool {
    let len = u32::try_from(frame.len()).unwrap();
    matches_subject(text, &Subject::new(frame, len))
}

#[test]
fn and_and_or_bind_alike_from_left_to_right_and_not_binds_tighter() {
    let frame = tcp(22, 1024);
    // (port 22 or port 80) and host 9.9.9.9
    assert!(!matches("port 22 or port 80 and host 9.9.9.9", &frame));
    assert!(matches("port 22 or (port 80 and host 9.9.9.9)", &frame));
    assert!(matches("host 9.9.9.9 and port 80 or port 22", &frame));
    assert!(matches("not port 80 and port 22", &frame));
    assert!(!matches("not (port 80 or port 22)", &frame));
    assert!(matches("not not tcp && !udp", &frame));
}

#[test]
fn a_value_alone_repeats_what_stands_to_its_left() {
    let frame = tcp(443, 1024);
    assert!(matches("port 80 or 443", &frame));
    assert!(matches("src port 80 or 443", &frame));
    assert!(!matches("dst port 80 or 443", &frame));
    assert!(matches("tcp src port (80 or 443) and not 22", &frame));
    assert!(matches(
        "host 1.2.3.4 or 10.0.0.1 and port 443 or 80",
        &frame
    ));
    assert!(matches("port 80 or (host 10.0.0.9) or 443", &frame));
}

#[test]
fn what_is_asked_of_the_bytes_is_computed_in_32_bits_without_a_sign() {
    let frame = tcp(443, 1024);
    for text in [
        "tcp[tcpflags] & (tcp-syn|tcp-ack) == (tcp-syn|tcp-ack)",
        "tcp[0:2] = 443",
        "ip[2:2] = len - 14",
        "tcp[(tcp[12] >> 2) - 1] = 0",
        "1 - 2 > 5",
        "ip[0] & 0xf * 4 = 4",
        "(2 * 7) % 4 = 2",
        "-1 = 0xffffffff",
        "tcp[-4] = 10",
    ] {
        assert!(matches(text, &frame), "{text}");
    }
}

#[test]
fn a_test_beyond_the_captured_bytes_ends_the_filter_also_under_a_not() {
    let frame = &tcp(443, 1024)[..36];
    assert!(matches("tcp and src port 443", frame));
    assert!(!matches("dst port 80", frame));
    assert!(!matches("not dst port 80", frame));
    assert!(!matches("tcp[100] = 1 or not tcp[100] = 1", frame));
    assert!(matches("tcp or dst port 80", frame));
    assert!(!matches(
        "ip[0] / (ip[0] - 69) = 1 or not ip[0] / (ip[0] - 69) = 1",
        frame
    ));
}

#[test]
fn our_own_words_look_at_what_is_told_with_the_frame() {
    let frame = tcp(443, 1024);
    let subject = Subject {
        stream: Some(5),
        app: true,
        ..Subject::new(&frame, 54)
    };
    for (text, expected) in [
        ("stream 5", true),
        ("stream 6", false),
        ("stream 6 or stream 5", true),
        ("app", true),
        ("not app", false),
        ("expert", false),
        ("tcp and (stream 5 and app) and not expert", true),
    ] {
        assert_eq!(matches_subject(text, &subject), expected, "{text}");
        assert!(parse(text).unwrap().needs_analysis());
    }
    assert!(!matches("stream 0", &frame));
    assert!(!parse("tcp or port 80").unwrap().needs_analysis());
}

#[test]
fn after_a_header_that_packs_another_packet_the_filter_is_about_that_packet() {
    let (mut outer, inner) = (tcp(50_000, 4789), tcp(443, 1024));
    // The protocol of IPv4.
    outer[23] = 17;
    let subject = Subject {
        packed: &[("vxlan", 100), ("ethernet", 0)],
        unpacked: &inner,
        ..Subject::new(&outer, 100)
    };
    for (text, expected) in [
        ("vxlan", true),
        ("vxlan 100", true),
        ("vxlan 101", false),
        ("geneve", false),
        ("vxlan and tcp port 443", true),
        ("vxlan and udp", false),
        ("udp port 4789 and vxlan and tcp", true),
        ("tcp and vxlan", false),
        ("not geneve or tcp", true),
        ("mpls or pppoes or vxlan 100", true),
    ] {
        assert_eq!(matches_subject(text, &subject), expected, "{text}");
        assert!(parse(text).unwrap().needs_analysis(), "{text}");
    }
    assert!(!parse("pppoed").unwrap().needs_analysis());
}

#[test]
fn a_host_name_is_that_of_the_host_or_of_a_domain_above_it() {
    let frame = tcp(443, 1024);
    let subject = Subject {
        host: Some("WWW.Example.com"),
        is_sni: true,
        ..Subject::new(&frame, 54)
    };
    for (text, expected) in [
        ("host-name www.example.com", true),
        ("host-name example.com", true),
        ("sni EXAMPLE.com.", true),
        ("host-name ample.com", false),
        ("host-name a.www.example.com", false),
        ("tcp and not sni com", false),
    ] {
        assert_eq!(matches_subject(text, &subject), expected, "{text}");
        assert!(parse(text).unwrap().needs_analysis());
    }
    let plain = Subject {
        is_sni: false,
        ..subject
    };
    assert!(!matches_subject("sni example.com", &plain));
    assert!(matches_subject("host-name example.com", &plain));
    assert!(!matches("host-name example.com", &frame));
    assert!(parse("host-name 80").is_err());
}

#[test]
fn an_empty_filter_matches_everything_of_every_link_type() {
    for text in ["", "  \t\n"] {
        let filter = parse(text).unwrap();
        assert!(filter.is_empty());
        let program = filter.compile(LinkType(147)).unwrap();
        assert!(program.matches(&Subject::new(b"", 0)));
    }
}

/// Wrong filters, the wrong word, and why.
#[rustfmt::skip]
const MISTAKES: &[(&str, usize, &str, &str)] = &[
    ("tcp and gateway x", 9, "gateway", "tcpdump's 'gateway' is not supported"),
    ("atalk", 1, "atalk", "is not supported"),
    ("ip protochain 6", 4, "protochain", "is not supported"),
    ("port 80 port 90", 9, "port", "expected 'and' or 'or' before this"),
    ("tcp or 80", 8, "80", "expected a keyword before this"),
    ("tcp.port == 80", 1, "tcp.port", "a Wireshark display filter"),
    ("1.2.3.4", 1, "1.2.3.4", "expected a keyword before this"),
    ("host example.com", 6, "example.com", "host names are not resolved"),
    ("net loopback", 5, "loopback", "network names are not resolved"),
    ("port telnet", 6, "telnet", "unknown service name: 'telnet'"),
    ("udp port http", 10, "http", "not a port of udp"),
    ("port 70000", 6, "70000", "a port number is at most 65535"),
    ("host 1.2.3.400", 6, "1.2.3.400", "a decimal number up to 255"),
    ("net 10.1.2.3/16", 5, "10.1.2.3", "the net is 10.1.0.0"),
    ("net fe80::1/64", 5, "fe80::1", "the net is fe80::"),
    ("net 1.2.3.4/40", 13, "40", "from 0 to 32"),
    ("ip host ::1", 9, "::1", "'ip' has no IPv6 addresses"),
    ("icmp port 5", 11, "5", "'icmp' has no ports"),
    ("proto tcp", 7, "tcp", "write \\tcp for the protocol name"),
    ("ip[0:3] = 1", 6, "3", "1, 2 or 4 bytes"),
    ("ip[0] / 0 = 1", 9, "0", "division by zero"),
    ("ip[0] << 32 = 1", 10, "32", "at most 31 bits"),
    ("len % 4 + 1 = 2", 5, "%", "use parentheses"),
    ("ip[0] = 089", 9, "089", "octal"),
    ("len > 4294967296", 7, "4294967296", "32 bits"),
    ("esp[0] = 1", 1, "esp", "the bytes of 'esp' cannot be tested"),
    ("ether", 1, "ether", "'ether' is not a test"),
    ("vlan 5000", 6, "5000", "0 to 4095"),
    ("tcp)", 4, ")", "unmatched ')'"),
    ("stream x", 8, "x", "expected a stream number"),
    ("tcp # x", 5, "#", "unexpected character"),
    ("host ä", 6, "ä", "unexpected character"),
    ("ää tcp", 1, "ä", "unexpected character"),
    ("host 1:2:3:4:5:6", 6, "1:2:3:4:5:6", "with 'ether host'"),
    ("src proto 6", 5, "proto", "a protocol has no direction"),
    ("port 80 or (443 and tcp)", 21, "tcp", "expected a value for 'port'"),
];

#[test]
fn a_mistake_is_told_with_its_place() {
    for &(text, position, word, what) in MISTAKES {
        let error = parse(text).expect_err(text);
        assert_eq!(
            (error.position(), error.word()),
            (position, word),
            "{text:?}: {error}"
        );
        assert!(error.what.contains(what), "{text:?}: {error}");
        assert_eq!(
            error.to_string(),
            format!("position {position}: {}", error.what)
        );
    }
    for (text, what) in [
        ("tcp and", "expected a test"),
        ("port", "expected a value after 'port'"),
        ("(tcp", "expected ')'"),
        ("len >", "expected a number"),
        ("len", "expected a comparison"),
        ("net 10.0.0.0 mask", "expected a mask such as 255.255.0.0"),
        ("less", "expected a length in bytes"),
    ] {
        let error = parse(text).expect_err(text);
        assert_eq!(error.to_string(), format!("at the end: {}", error.what));
        assert!(error.what.contains(what), "{text:?}: {error}");
    }
}

#[test]
fn what_a_link_does_not_have_is_told_when_the_filter_meets_it() {
    let refused = |text: &str, link| {
        let error = parse(text).unwrap().compile(link).expect_err(text);
        (error.position(), error.to_string())
    };
    assert_eq!(
        refused("tcp and ether host 1:2:3:4:5:6", LinkType::RAW),
        (
            20,
            "position 20: RAW frames have no hardware addresses".to_owned()
        )
    );
    assert_eq!(
        refused("vlan", LinkType::LINUX_SLL),
        (
            1,
            "position 1: LINUX_SLL frames have no VLAN tags".to_owned()
        )
    );
    assert_eq!(
        refused("inbound", LinkType::ETHERNET).1,
        "position 1: EN10MB frames do not record a direction"
    );
    assert_eq!(
        refused("ifindex 2", LinkType::ETHERNET).1,
        "position 1: EN10MB frames do not record the index of their interface"
    );
    assert!(
        refused("tcp", LinkType(147))
            .1
            .contains("link type 147 frames cannot be filtered")
    );
    assert!(
        refused("ether proto 0xe0", LinkType::ETHERNET)
            .1
            .contains("by its number alone")
    );
}

#[test]
fn how_deep_a_filter_may_be_has_a_limit() {
    for (open, close) in [
        ("(", ")"),
        ("not ", ""),
        ("len > (", ")"),
        ("port (", ")"),
        ("-", ""),
    ] {
        let text = |depth: usize| {
            let (first, repeated) = match open {
                "len > (" => ("len > ", "("),
                "port (" => ("port ", "("),
                "-" => ("len > ", "-"),
                other => ("", other),
            };
            let inside = if first.is_empty() { "tcp" } else { "1" };
            format!(
                "{first}{}{inside}{}",
                repeated.repeat(depth),
                close.repeat(depth)
            )
        };
        assert!(parse(&text(150)).is_ok(), "{open}");
        let error = parse(&text(10_000)).expect_err(open);
        assert!(error.what.contains("levels"), "{open}: {error}");
    }
    let turns = "port (".to_owned() + &["80 and 81 or "; 1_000].concat() + "5)";
    assert!(parse(&turns).expect_err("turns").what.contains("alternate"));
    let nested = (0..150).fold("tcp".to_owned(), |inner, _| {
        format!("({inner} and ip or udp)")
    });
    assert!(parse(&nested).is_ok());
    let many = vec!["port 80"; 5_000].join(" or ");
    assert!(parse(&many).is_ok());
    let turns = ["tcp and udp or "; 1_000].concat() + "ip";
    assert!(parse(&turns).expect_err("turns").what.contains("alternate"));
    assert!(parse(&"x".repeat(100_000)).is_err());
}

proptest! {
    #[test]
    fn any_text_is_understood_or_refused_with_a_place_inside_of_it(text: String) {
        if let Err(error) = parse(&text) {
            prop_assert!(error.at.start <= error.at.end && error.at.end <= text.len());
            prop_assert!(text.get(error.at).is_some());
        }
    }

    #[test]
    fn words_in_any_order_are_understood_or_refused_and_run_on_any_bytes(
        words in proptest::collection::vec(prop::sample::select(vec![
            "and", "or", "not", "(", ")", "tcp", "udp", "ip", "ip6", "port", "host", "net", "src", "dst",
            "80", "10.0.0.1", "::1", "[", "]", ":", "2", "&", "=", ">", "len", "vlan", "ether", "proto",
            "/", "8", "-", "%", "1:2:3:4:5:6", "http", "portrange", "1-5", "stream", "app", "broadcast",
        ]), 0..14),
        data in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let text = words.join(" ");
        match parse(&text) {
            Err(error) => prop_assert!(text.get(error.at).is_some()),
            Ok(filter) => for link in [LinkType::ETHERNET, LinkType::RAW, LinkType::LINUX_SLL2] {
                if let Ok(program) = filter.compile(link) {
                    program.matches(&Subject::new(&data, 1_000));
                }
            },
        }
    }
}

#[test]
fn a_filter_whose_parts_exclude_each_other_rejects_every_frame() {
    let rejects =
        |text: &str, link: LinkType| parse(text).unwrap().compile(link).unwrap().rejects_all();
    for (text, expected) in [
        ("ip6 and udp[2:2] = 53", true),
        ("tcp and udp", true),
        ("ip and not ip", true),
        ("arp and (port 80 or icmp)", true),
        ("src port 80 and src port 443", true),
        ("not (tcp or not tcp)", true),
        ("1 = 2", true),
        ("port 80 and port 443", false),
        ("ip or arp and tcp", false),
        ("src host 10.0.0.1 and dst host 10.0.0.2", false),
        ("vlan and ip", false),
        ("tcp and not port 80", false),
        ("stream 1 and expert", false),
        ("", false),
    ] {
        assert_eq!(rejects(text, LinkType::ETHERNET), expected, "{text}");
    }
    assert!(rejects("arp", LinkType::RAW));
    // More than is gone through counts as possible, and does not take long.
    let long = vec!["(port 1 or port 2 or port 3)"; 300].join(" and ");
    assert!(!rejects(&long, LinkType::ETHERNET));
    let long = format!("not ({})", vec!["port 1"; 5000].join(" or "));
    assert!(!rejects(&long, LinkType::ETHERNET));
}

#[test]
fn inside_the_tags_of_a_frame_are_asked_for_one_after_the_other() {
    let frame = tcp(443, 1024);
    let matches = |text: &str, tags: &[u16]| {
        let subject = Subject {
            tags,
            ..Subject::new(&frame, 54)
        };
        parse(text)
            .unwrap()
            .compile_inside()
            .unwrap()
            .matches(&subject)
    };
    assert!(matches("port 443", &[]));
    assert!(matches("vlan and port 443", &[0x6005]));
    assert!(!matches("vlan and port 443", &[]));
    assert!(matches("vlan 5 and vlan 7 and port 443", &[0x6005, 7]));
    assert!(!matches("vlan 5 and vlan 7", &[5]));
    for text in ["outbound", "ifindex 2"] {
        assert!(parse(text).unwrap().compile_inside().is_err(), "{text}");
    }
}

#[test]
fn the_index_of_an_interface_is_in_the_second_cooked_header() {
    let mut frame = [0_u8; 20];
    frame[4..8].copy_from_slice(&258_u32.to_be_bytes());
    let matches = |text: &str| {
        let program = parse(text).unwrap().compile(LinkType::LINUX_SLL2).unwrap();
        program.matches(&Subject::new(&frame, 20))
    };
    assert!(matches("ifindex 258"));
    assert!(!matches("ifindex 2") && !matches("not ifindex 258"));
    assert!(parse("ifindex").is_err() && parse("ifindex eth0").is_err());
}

//! The routed path: its MTU, a black hole for large packets, the routers on the way.

use crate::namespace::Namespace;
use crate::ping_rows::address;
use crate::pinging::Run;
use crate::responder::{Answer, Responder};
use crate::routed::{Path, ROUTER, SERVER};
use crate::support::{program, skip};

/// The MTU of the second link; that of the first is 1,500.
const NARROW: u32 = 1300;

fn narrow(test: &str) -> Option<Path> {
    let path = Path::new(test)?;
    path.narrow(NARROW);
    Some(path)
}

/// What the router says of packets that are too large is lost.
fn black_hole(test: &str) -> Option<Path> {
    if program("nft").is_none() {
        skip(test, "nft is not installed");
        return None;
    }
    let path = narrow(test)?;
    path.router.firewall_at(
        "output",
        "icmp type destination-unreachable drop\n  icmpv6 type packet-too-big drop",
    );
    Some(path)
}

#[test]
fn a_packet_that_must_not_be_cut_comes_back_with_the_mtu() {
    let Some(path) = narrow("-M do") else {
        return;
    };
    let words = [
        format!("icmp_seq=1 Frag needed and DF set (mtu = {NARROW})"),
        format!("icmp_seq=1 Packet too big: mtu={NARROW}"),
    ];
    for ((target, router), words) in SERVER.into_iter().zip(ROUTER).zip(words) {
        let command = format!("-M do -s 1400 -c 3 -i 0.05 -W 0.5 {target}");
        let run = Run::words(&path.client, &command);
        assert_eq!(run.status, Some(1), "{run}");
        assert!(run.says(&format!("From {router} {words}")), "{run}");
        // What was learned lets the next ones not even leave.
        let local = format!("local error: message too long, mtu={NARROW}");
        let all = format!("{}{}", run.text, run.errors);
        assert!(all.contains(&local), "{run}");
        let counts = run.counts();
        assert_eq!((counts.sent, counts.received), (3, 0), "{run}");
        assert_eq!(counts.errors, 3, "{run}");
        let fits = if target.contains(':') { 48 } else { 28 };
        let run = Run::words(
            &path.client,
            &format!("-M do -s {} -c 1 -W 1 {target}", NARROW - fits),
        );
        assert_eq!(run.status, Some(0), "{run}");
    }
}

#[test]
fn the_mtu_of_a_working_path_is_found() {
    let Some(path) = narrow("--mtu") else {
        return;
    };
    for target in SERVER {
        let run = Run::words(&path.client, &format!("--mtu -W 0.5 {target}"));
        assert_eq!(run.status, Some(0), "{run}");
        assert!(run.says(&NARROW.to_string()), "{run}");
        assert!(!run.says("black hole"), "{run}");
    }
}

#[test]
fn a_path_that_swallows_large_packets_is_told_from_one_that_works() {
    let Some(path) = black_hole("--mtu and a black hole") else {
        return;
    };
    let look = |target: &str| {
        let run = Run::words(&path.client, &format!("--mtu -W 0.2 {target}"));
        assert_eq!(run.status, Some(1), "{run}");
        assert!(run.says("black hole"), "{run}");
        assert!(run.says(&NARROW.to_string()), "{run}");
    };
    std::thread::scope(|scope| {
        for target in SERVER {
            scope.spawn(|| look(target));
        }
    });
}

#[test]
fn the_mtu_of_a_host_that_does_not_answer_is_not_called_a_black_hole() {
    let test = "--mtu and silence";
    if program("nft").is_none() {
        return skip(test, "nft is not installed");
    }
    let Some(path) = Path::new(test) else {
        return;
    };
    path.server.firewall("drop");
    let run = Run::words(&path.client, &format!("--mtu -W 0.2 {}", SERVER[0]));
    assert_eq!(run.status, Some(1), "{run}");
    assert!(!run.says("black hole"), "{run}");
}

#[test]
fn the_mtu_is_found_also_where_the_router_does_not_know_it_or_lies() {
    /// Larger packets do not pass.
    const MTU: usize = 900;
    let test = "--mtu and a lie";
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    // What the router says: nothing, more than the packet has, more than the path has, less than
    // every host must take.
    let claims = [0, 9000, 1400, 20];
    let host = Responder::start(test, &namespace, move |echo| {
        if echo.packet.len() <= MTU {
            return vec![Answer::right()];
        }
        let kind = if echo.destination.is_ipv6() {
            (2, 0)
        } else {
            (3, 4)
        };
        let claim = claims[usize::from(echo.house()) - 10];
        vec![Answer::error(kind.0, kind.1).about(claim)]
    });
    let Some(_host) = host else {
        return;
    };
    for (claim, house) in claims.iter().zip(10..) {
        let target = address(false, house);
        let run = Run::words(&namespace, &format!("--mtu -W 0.2 {target}"));
        let last = run.text.lines().last().unwrap_or_default();
        assert!(last.contains(&format!("{MTU} bytes")), "mtu={claim}: {run}");
    }
}

#[test]
fn the_routers_on_the_way_are_listed_with_their_times() {
    let Some(path) = Path::new("--hops") else {
        return;
    };
    for (target, router) in SERVER.into_iter().zip(ROUTER) {
        let run = Run::words(&path.client, &format!("--hops -n -W 0.5 {target}"));
        assert_eq!(run.status, Some(0), "{run}");
        let place = |address: &str| {
            let at = run.text.lines().position(|line| {
                let mut words = line.split_whitespace();
                words.any(|word| word == address) && line.contains(" ms")
            });
            at.unwrap_or_else(|| panic!("no line of {address}: {run}"))
        };
        assert!(place(router) < place(target), "{run}");
    }
}

#[test]
fn a_router_that_is_silent_leaves_its_hop_and_not_the_rest() {
    let test = "--hops and silence";
    if program("nft").is_none() {
        return skip(test, "nft is not installed");
    }
    let Some(path) = Path::new(test) else {
        return;
    };
    path.router.firewall_at(
        "output",
        "icmp type time-exceeded drop\n  icmpv6 type time-exceeded drop",
    );
    for (target, router) in SERVER.into_iter().zip(ROUTER) {
        let run = Run::words(&path.client, &format!("--hops -n -W 0.2 {target}"));
        assert_eq!(run.status, Some(0), "{run}");
        assert!(run.says(target) && !run.says(router), "{run}");
        assert!(run.says("*"), "{run}");
    }
}

#[test]
fn a_trace_that_goes_on_reports_each_hop_by_every_kind_of_probe() {
    let Some(path) = Path::new("--hops --watch") else {
        return;
    };
    for (target, router) in SERVER.into_iter().zip(ROUTER) {
        for kind in ["", "--udp 33434", "--tcp 7001"] {
            let words = format!("--hops {kind} --watch -c 3 -i 0.05 -W 1 {target}");
            let run = Run::words(&path.client, &words);
            assert_eq!(run.status, Some(0), "{kind}: {run}");
            assert!(
                run.says("reached in 2 hops, nothing is lost"),
                "{kind}: {run}"
            );
            let hop = run.line_with(router);
            let fields: Vec<&str> = hop.split_whitespace().take(5).collect();
            assert_eq!(fields, ["1", router, "3", "0%", "3"], "{kind}: {run}");
        }
    }
}

#[test]
fn a_router_that_limits_its_answers_is_no_loss_and_one_that_drops_is() {
    let test = "--hops --watch, loss";
    if program("nft").is_none() {
        skip(test, "nft is not installed");
        return;
    }
    let Some(path) = Path::new(test) else {
        return;
    };
    path.router.sysctl(&["net.ipv4.icmp_ratelimit=1000"]);
    let words = format!("--json --hops --watch -c 12 -i 0.02 -W 0.2 {}", SERVER[0]);
    let run = Run::words(&path.client, &words);
    let end = run.summary();
    let verdict = end["verdict"].as_str().unwrap_or_default();
    assert!(verdict.starts_with("hop 1 answers "), "{run}");
    assert!(
        verdict.ends_with("hop 1 limits its answers, nothing is lost"),
        "{run}"
    );
    assert_eq!(end["findings"][0]["id"], "router_limits_answers", "{run}");
    path.router.sysctl(&["net.ipv4.icmp_ratelimit=0"]);
    path.router.firewall_at(
        "forward",
        "icmp type echo-request numgen inc mod 2 == 1 drop",
    );
    let run = Run::words(&path.client, &words);
    let end = run.summary();
    assert_eq!(end["findings"][0]["id"], "path_loss", "{run}");
    let verdict = end["verdict"].as_str().unwrap_or_default();
    assert!(verdict.contains(": the loss begins at hop 2"), "{run}");
}

#[test]
fn a_trace_is_one_flow_for_routers_that_balance() {
    let test = "--hops, one flow";
    if program("nft").is_none() {
        return skip(test, "nft is not installed");
    }
    let Some(path) = Path::new(test) else {
        return;
    };
    let table = "table inet flows {
      set ports { type inet_service; flags dynamic; size 99; }
      set labels { typeof ip6 flowlabel; flags dynamic; size 99; }
      set echoes { typeof icmp checksum . icmp id; flags dynamic; size 99; }
      set echoes6 { typeof icmpv6 checksum . icmpv6 id; flags dynamic; size 99; }
      chain in {
        type filter hook prerouting priority 0;
        iifname near1 meta l4proto { tcp, udp, icmp, icmpv6 } counter
        iifname near1 th dport 7001 update @ports { th sport }
        iifname near1 icmp type echo-request update @echoes { icmp checksum . icmp id }
        iifname near1 icmpv6 type echo-request update @echoes6 { icmpv6 checksum . icmpv6 id }
        iifname near1 ip6 nexthdr { tcp, udp } update @labels { ip6 flowlabel }
        iifname near1 icmpv6 type echo-request update @labels { ip6 flowlabel }
      }
    }";
    let elements = |set: &str| {
        let shown = ["list", "set", "inet", "flows", set];
        let shown = path.router.run("nft", &shown);
        let inside = shown.split("elements = {").nth(1).unwrap_or_default();
        let inside = inside.split('}').next().unwrap_or_default();
        inside.split(',').filter(|it| !it.trim().is_empty()).count()
    };
    for target in SERVER {
        for kind in ["--udp 7001", "--tcp 7001", ""] {
            path.router.fed("nft", &["-f", "-"], table);
            let words = format!("--hops {kind} --watch -c 8 -i 0.02 -W 1 {target}");
            let run = Run::words(&path.client, &words);
            assert_eq!(run.status, Some(0), "{kind}: {run}");
            assert!(path.router.counted_by_the_firewall() >= 16, "{run}");
            let is_v6 = target.contains(':');
            let flows = match kind {
                "" if is_v6 => "echoes6",
                "" => "echoes",
                _ => "ports",
            };
            assert_eq!(elements(flows), 1, "{kind} to {target}");
            assert_eq!(elements("labels"), usize::from(is_v6), "{kind} to {target}");
            path.router
                .run("nft", &["delete", "table", "inet", "flows"]);
        }
    }
}

#[test]
fn a_trace_that_is_over_at_once_names_what_it_found() {
    let test = "--hops, findings";
    if program("nft").is_none() {
        return skip(test, "nft is not installed");
    }
    let Some(path) = Path::new(test) else {
        return;
    };
    let dropped = "icmp type echo-request reject with icmp type admin-prohibited";
    path.router.firewall_at("forward", dropped);
    let run = Run::words(&path.client, &format!("--hops -W 1 {}", SERVER[0]));
    assert_eq!(run.status, Some(1), "{run}");
    let headline = format!(
        "ERROR {} does not let it through: Packet filtered",
        ROUTER[0]
    );
    assert!(run.says(&headline), "{run}");
    let run = Run::words(&path.client, &format!("--json --hops -W 1 {}", SERVER[0]));
    assert_eq!(run.summary()["findings"][0]["id"], "path_filtered", "{run}");
}

#[test]
fn the_labels_that_a_router_quotes_are_shown_and_damaged_ones_are_not() {
    let test = "MPLS labels";
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    // Labels 16004 and 24015, the second at the bottom; both with one hop left.
    let stack = [
        0x20, 0, 0, 0, 0, 12, 1, 1, 0x03, 0xe8, 0x40, 1, 0x05, 0xdc, 0xf1, 1,
    ];
    let host = Responder::start(test, &namespace, move |echo| {
        let is_v6 = echo.destination.is_ipv6();
        let hops = echo.packet[if is_v6 { 7 } else { 8 }];
        let (kind, router) = if is_v6 {
            (3, "fd99::ee")
        } else {
            (11, "10.99.0.254")
        };
        let error = Answer::error(kind, 0).sent_by(router);
        let mut damaged = stack;
        damaged[4] = 0xff;
        match hops {
            1 => vec![error.extended(&stack)],
            2 => vec![error.extended(&damaged)],
            _ => vec![Answer::right()],
        }
    });
    let Some(_host) = host else {
        return;
    };
    for is_v6 in [false, true] {
        let target = address(is_v6, 7);
        for words in ["--hops -c 1", "--hops --watch -c 2 -i 0.05"] {
            let run = Run::words(&namespace, &format!("{words} -W 5 {target}"));
            assert_eq!(run.status, Some(0), "{run}");
            run.line_with(" MPLS label 16004 TC 0 S 0 TTL 1");
            run.line_with(" MPLS label 24015 TC 0 S 1 TTL 1");
        }
        let run = Run::words(&namespace, &format!("--json --hops -c 1 -W 5 {target}"));
        let hops = run.objects();
        let labels = |hop: usize| hops[hop]["answers"][0]["mpls"].as_array().map(Vec::len);
        assert_eq!(
            [labels(0), labels(1), labels(2)],
            [Some(2), Some(0), Some(0)],
            "{run}"
        );
        assert_eq!(hops[0]["answers"][0]["mpls"][1]["bottom"], true, "{run}");
    }
}

#[test]
fn a_trace_as_csv_has_a_line_for_each_request_and_each_interval() {
    let Some(path) = Path::new("--hops, csv") else {
        return;
    };
    path.router.sysctl(&["net.ipv4.icmp_ratelimit=0"]);
    let rows = |words: &str| -> Vec<Vec<String>> {
        let run = Run::words(&path.client, &format!("{words} {}", SERVER[0]));
        assert_eq!(run.status, Some(0), "{run}");
        let lines = run.text.lines();
        let rows = lines.map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        let rows: Vec<_> = rows.collect();
        assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{run}");
        rows
    };
    let short = |rows: &[Vec<String>]| -> Vec<String> {
        let fields = |row: &Vec<String>| row[3..7].join(" ");
        rows.iter().map(fields).collect()
    };
    let (router, server) = (ROUTER[0], SERVER[0]);
    let expected = [
        "event hop seq router".to_owned(),
        format!("reply 1 1 {router}"),
        format!("reply 1 2 {router}"),
        format!("reached 2 1 {server}"),
        format!("reached 2 2 {server}"),
    ];
    assert_eq!(short(&rows("--hops --csv -c 2 -W 5")), expected);
    // Each round is an interval of its own.
    let all = rows("--hops --watch --csv -c 2 -i 0.2 -W 5 --summary-every 0.000001");
    let expected = [
        "event hop seq router".to_owned(),
        format!("reply 1 1 {router}"),
        format!("reached 2 1 {server}"),
        format!("interval 1  {router}"),
        format!("interval 2  {server}"),
        format!("reply 1 2 {router}"),
        format!("reached 2 2 {server}"),
        format!("interval 1  {router}"),
        format!("interval 2  {server}"),
    ];
    assert_eq!(short(&all), expected);
    let column = |name| all[0].iter().position(|it| it == name).expect("a column");
    for row in all.iter().filter(|row| row[3] == "interval") {
        let counts = ["sent", "answered", "loss_percent"].map(|name| row[column(name)].as_str());
        assert_eq!(counts, ["1", "1", "0"]);
        assert!(!row[column("rtt_avg_us")].is_empty(), "{row:?}");
    }
}

#[test]
fn a_trace_prints_the_time_of_each_line_and_the_table_of_each_interval() {
    let Some(path) = Path::new("--hops, -D") else {
        return;
    };
    path.router.sysctl(&["net.ipv4.icmp_ratelimit=0"]);
    let run = Run::words(
        &path.client,
        &format!("--hops --time iso -c 1 -W 5 {}", SERVER[0]),
    );
    let hops: Vec<&str> = run
        .text
        .lines()
        .filter(|line| line.starts_with("[20"))
        .collect();
    assert_eq!(hops.len(), 2, "{run}");
    assert!(hops[1].contains(&format!("Z]  2  {}", SERVER[0])), "{run}");
    let words = "--hops --watch -D -c 2 -i 0.2 -W 5 --summary-every 0.000001";
    let run = Run::words(&path.client, &format!("{words} {}", SERVER[0]));
    let verdicts = run
        .text
        .matches("] reached in 2 hops, nothing is lost\nHOP ");
    assert_eq!(verdicts.count(), 2, "{run}");
    let run = Run::words(&path.client, &format!("{words} --json {}", SERVER[0]));
    let events = run
        .objects()
        .into_iter()
        .filter(|it| it["event"] == "interval");
    for event in events {
        assert!(event["time"].is_f64(), "{run}");
        assert_eq!(event["hops"][1]["answered"], 1, "{run}");
    }
    let run = Run::words(
        &path.client,
        &format!("--hops --summary-every 1 {}", SERVER[0]),
    );
    assert_eq!(run.status, Some(2), "{run}");
}

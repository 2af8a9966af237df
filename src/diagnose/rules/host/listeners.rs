//! SYNs that reached this host and were not answered, counted for all listeners together.

use std::net::IpAddr;

use super::{Check, Growth, Rule, growth, seconds};
use crate::diagnose::rules::affected;
use crate::diagnose::rules::socket::dropped;
use crate::diagnose::{Case, Command, Fact, Finding, Severity, Subject, Value};
use crate::host::{Network, SocketAt};
use crate::sockets::State;

/// SYN queue.
pub static SYN_QUEUE_FULL: Rule = Rule::new(
    "syn_queue_full",
    "SYN queue full",
    [
        "More handshakes are begun than are completed: the queue of half-open connections of a listener is full. \
         Either many clients come at once, or forged SYNs flood the host. With SYN cookies connections still \
         succeed, but without some TCP options; without them SYNs are dropped.",
        "TcpExtTCPReqQFullDoCookies or TcpExtTCPReqQFullDrop grew between two samples. Or net.ipv4.tcp_syncookies is 0, \
         the handshakes fill three quarters of net.ipv4.tcp_max_syn_backlog, and TcpExtListenDrops grew, \
         TcpExtListenOverflows not.",
        "A full accept queue is something else: there handshakes are completed and the program does not accept().",
        "Look where the SYNs come from: sockdoc sockets --state syn-recv. If they are wanted, raise the listen() \
         backlog and net.ipv4.tcp_max_syn_backlog.",
    ],
    Check::Host(syn_queue),
);

fn syn_queue(case: &Case<'_>) -> Vec<Finding> {
    let growth = Growth {
        rule: &SYN_QUEUE_FULL,
        severity: Severity::Error,
        counters: &["TcpExtTCPReqQFullDoCookies", "TcpExtTCPReqQFullDrop"],
        least: 1,
        headline: |count, time| format!("SYN queue full: {count} times in {time}"),
        next: || {
            vec![
                Command::of("sockdoc sockets --state syn-recv --group peer").into(),
                "It shows who begins the handshakes.".into(),
            ]
        },
    };
    let mut found = growth.found(case);
    for (netns, network) in case.networks() {
        let subject = Subject::Network { netns };
        match found.iter_mut().find(|it| it.subject == subject) {
            Some(finding) => finding.others = affected(&dropping_listeners(case, netns)),
            None => found.extend(no_room_for_handshakes(case, netns, network)),
        }
    }
    found
}

/// Without cookies the kernel drops SYNs of peers that it does not know when three quarters of the backlog are taken, and
/// counts them as drops of the listener alone (`tcp_conn_request()` of `net/ipv4/tcp_input.c`).
fn no_room_for_handshakes(case: &Case<'_>, netns: u16, network: &Network) -> Option<Finding> {
    let setting = |name| network.settings.number(name);
    let most = setting("net.ipv4.tcp_max_syn_backlog").filter(|most| *most > 0)?;
    let sockets = case.sample.sockets.iter();
    let open = sockets.filter(|it| it.netns == netns && it.state == State::SynRecv);
    let open = open.count() as u64;
    let drops = growth(case, netns, &["TcpExtListenDrops"]);
    let overflows = growth(case, netns, &["TcpExtListenOverflows"]);
    let without_route = growth(case, netns, &["IpOutNoRoutes", "Ip6OutNoRoutes"]);
    let is_full = setting("net.ipv4.tcp_syncookies") == Some(0) && open * 4 >= most * 3;
    if !is_full || drops.is_empty() || !overflows.is_empty() || !without_route.is_empty() {
        return None;
    }
    let dropped: u64 = drops.iter().map(|(grown, _)| grown).sum();
    let mut facts = vec![
        Fact::new("sock_diag", "SYN-RECV", Value::Share(open, most)),
        Fact::new("sysctl", "net.ipv4.tcp_syncookies", Value::Count(0)),
    ];
    facts.extend(drops.into_iter().map(|(_, fact)| fact));
    Some(Finding {
        others: affected(&dropping_listeners(case, netns)),
        facts,
        ruled_out: "Not a full accept queue: TcpExtListenOverflows did not grow.",
        next: vec![
            Command::of("sockdoc sockets --state syn-recv --group peer").into(),
            "It shows who begins the handshakes.".into(),
            Command::of("sysctl -w net.ipv4.tcp_syncookies=1").into(),
        ],
        ..Finding::new(
            &SYN_QUEUE_FULL,
            Severity::Error,
            Subject::Network { netns },
            format!(
                "SYN queue full: {open} handshakes of at most {most} (tcp_max_syn_backlog), no SYN cookies; {dropped} \
                 SYNs dropped in {}",
                seconds(case)
            ),
        )
    })
}

/// The listeners of a namespace whose own count of drops rose.
fn dropping_listeners(case: &Case<'_>, netns: u16) -> Vec<SocketAt> {
    let is_one = |at: &SocketAt| {
        let socket = case.socket(*at);
        socket.state == State::Listen && socket.netns == netns && dropped(case, *at).is_some()
    };
    case.sample.places().filter(is_one).collect()
}

/// The clients to which the kernel looked for a route in vain, as far as it was traced.
fn clients_without_route(case: &Case<'_>, netns: u16) -> Vec<IpAddr> {
    let traced = case.traced(netns).unwrap_or_default();
    let answers = traced.lookups.iter().filter(|it| it.from.is_some());
    let mut clients: Vec<IpAddr> = answers.map(|it| it.to).collect();
    clients.sort_unstable();
    clients.dedup();
    clients
}

/// No way back.
pub static NO_RETURN_ROUTE: Rule = Rule::new(
    "no_return_route",
    "no route back to clients",
    [
        "SYNs arrive at a listener, and this host has no route back to their senders: it cannot answer, and the \
         clients time out.",
        "TcpExtListenDrops grew between two samples as IpOutNoRoutes or Ip6OutNoRoutes did, and \
         TcpExtListenOverflows did not.",
        "A full accept queue also counts ListenDrops, and ListenOverflows with it.",
        "Add the route back: a default route, or one to the network of the clients.",
    ],
    Check::Host(no_return),
);

fn no_return(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, _) in case.networks() {
        let sum = |names: &[&'static str]| -> u64 {
            growth(case, netns, names)
                .iter()
                .map(|(grown, _)| grown)
                .sum()
        };
        let drops = sum(&["TcpExtListenDrops"]);
        let without_route = sum(&["IpOutNoRoutes", "Ip6OutNoRoutes"]);
        if drops == 0 || without_route == 0 || sum(&["TcpExtListenOverflows"]) > 0 {
            continue;
        }
        let clients = clients_without_route(case, netns);
        let to = match &clients[..] {
            [] => "clients".to_owned(),
            [one] => one.to_string(),
            [first, others @ ..] => format!("{first} and {} other clients", others.len()),
        };
        let headline = format!(
            "no route back to {to}: {drops} SYNs could not be answered in {}",
            seconds(case)
        );
        let dropping = dropping_listeners(case, netns);
        let counters = &["TcpExtListenDrops", "IpOutNoRoutes", "Ip6OutNoRoutes"];
        let facts = growth(case, netns, counters);
        let subject = match &clients[..] {
            [to] => Subject::Path { netns, to: *to },
            _ => Subject::Network { netns },
        };
        found.push(Finding {
            others: affected(&dropping),
            facts: facts.into_iter().map(|(_, fact)| fact).collect(),
            ruled_out: "Not a full accept queue: TcpExtListenOverflows did not grow.",
            next: vec![
                Command::of("ip route").into(),
                "There is no default route, or none that leads back to the clients.".into(),
                Command::of("tcpdump -ni any -c 5")
                    .with("tcp[tcpflags] == tcp-syn")
                    .into(),
                "It shows the addresses of the clients.".into(),
            ],
            ..Finding::new(&NO_RETURN_ROUTE, Severity::Error, subject, headline)
        });
    }
    found
}

//! SYNs that reached this host and were not answered, counted for all listeners together.

use std::net::IpAddr;

use super::{Check, Growth, Rule, growth, seconds};
use crate::diagnose::rules::affected;
use crate::diagnose::rules::socket::dropped;
use crate::diagnose::{Case, Command, Finding, Severity, Subject};
use crate::host::SocketAt;
use crate::sockets::State;

/// SYN queue.
pub static SYN_QUEUE_FULL: Rule = Rule::new(
    "syn_queue_full",
    "SYN queue full",
    [
        "More handshakes are begun than are completed: the queue of half-open connections of a listener is full. \
         Either many clients come at once, or forged SYNs flood the host. With SYN cookies connections still \
         succeed, but without some TCP options; without them SYNs are dropped.",
        "TcpExtTCPReqQFullDoCookies or TcpExtTCPReqQFullDrop grew between two samples.",
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
    growth.found(case)
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

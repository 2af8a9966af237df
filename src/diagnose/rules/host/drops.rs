//! Packets that this host received or wanted to send, and dropped.

use super::resolver::{is_question, name_server_is_missing};
use super::{Check, Growth, Rule, counted, seconds};
use crate::diagnose::{Case, Command, Finding, Severity, Subject};

/// The backlog of a CPU.
pub static BACKLOG_DROPS: Rule = Rule::new(
    "backlog_drops",
    "receive backlog full",
    [
        "Packets arrive faster than a CPU processes them. Its backlog (net.core.netdev_max_backlog) is full, so \
         the kernel drops packets before any socket sees them.",
        "The second column of /proc/net/softnet_stat grew by at least 20 between two samples.",
        "A few packets of a burst. Packets dropped by the network card do not count here: ethtool -S shows those. The \
         third column (squeezed) only means that a CPU used its whole budget.",
        "Spread the load over the CPUs (RSS, RPS), find what makes each packet expensive (firewall rules), or \
         raise net.core.netdev_max_backlog.",
    ],
    Check::Host(backlog),
);

fn backlog(case: &Case<'_>) -> Vec<Finding> {
    const NAME: &str = "softnet.dropped";
    // A burst may lose a few on a healthy host.
    const LEAST: u64 = 20;
    let grown = case.machine_grown(NAME).filter(|grown| *grown >= LEAST);
    let machine = case.sample.machine.as_ref();
    let Some((grown, now)) = grown.zip(machine.and_then(|machine| machine.counters.get(NAME)))
    else {
        return Vec::new();
    };
    let headline = format!(
        "receive backlog full (softnet): {grown} packets dropped in {}",
        seconds(case)
    );
    vec![Finding {
        facts: vec![counted(
            "/proc/net/softnet_stat",
            "dropped",
            now - grown,
            now,
        )],
        ruled_out: "Not the network card: these packets reached the kernel.",
        next: vec![
            Command::of("cat /proc/net/softnet_stat").into(),
            "One line for each CPU; the second column counts its drops.".into(),
            Command::of("sysctl net.core.netdev_max_backlog").into(),
        ],
        ..Finding::new(&BACKLOG_DROPS, Severity::Error, Subject::Host, headline)
    }]
}

/// `rp_filter`.
pub static REVERSE_PATH_FILTER: Rule = Rule::new(
    "reverse_path_filter",
    "dropped by reverse path filter",
    [
        "Packets arrived on an interface that is not on the route back to their source address. With rp_filter \
         the kernel takes the source for forged and drops them.",
        "TcpExtIPReversePathFilter grew by at least 3 between two samples.",
        "A single packet with an odd source is everyday on a shared network.",
        "If the way there and back really differ (asymmetric routing), set rp_filter to 2 (loose); else mend \
         the route to that source.",
    ],
    Check::Host(reverse_path),
);

fn reverse_path(case: &Case<'_>) -> Vec<Finding> {
    let growth = Growth {
        rule: &REVERSE_PATH_FILTER,
        severity: Severity::Warning,
        counters: &["TcpExtIPReversePathFilter"],
        least: 3,
        headline: |count, time| {
            format!("reverse path filter: {count} packets dropped in {time} (rp_filter)")
        },
        next: || {
            vec![
                Command::of("sysctl -ar net\\.ipv4\\.conf\\..*\\.rp_filter").into(),
                "The larger of all and the interface's own value applies: 1 strict, 2 loose."
                    .into(),
                Command::of("ip route").into(),
                "The route back to the source leads to another interface.".into(),
            ]
        },
    };
    let mut found = growth.found(case);
    for finding in &mut found {
        let Subject::Network { netns } = finding.subject else {
            continue;
        };
        let traced = case.traced(netns).unwrap_or_default();
        let most = traced
            .flows
            .iter()
            .filter(|flow| &*flow.reason == "IP_RPFILTER");
        if let Some(flow) = most.max_by_key(|flow| flow.packets) {
            let network = case.sample.networks.get(usize::from(netns));
            let link = network.and_then(|it| it.link(flow.interface));
            let by = link.map_or("?", |link| &link.name);
            let such = format!(", most from {} by {by}", flow.source);
            finding.headline.push_str(&such);
        }
    }
    found
}

/// Checksums.
pub static CHECKSUM_ERRORS: Rule = Rule::new(
    "checksum_errors",
    "damaged packets",
    [
        "Packets arrive with a wrong checksum. They were damaged on the way, or an offload of a network card or \
         of a virtual switch does not work. The kernel drops them, and TCP has to send them again.",
        "The InCsumErrors counters of TCP, UDP or ICMP grew by at least 3 between two samples.",
        "A capture on the sending host shows wrong checksums where the card fills them in: those are healthy \
         and are not counted here.",
        "Look at the error counters of the interfaces, try with checksum offload switched off, and test the \
         cable and the card.",
    ],
    Check::Host(checksums),
);

fn checksums(case: &Case<'_>) -> Vec<Finding> {
    let growth = Growth {
        rule: &CHECKSUM_ERRORS,
        severity: Severity::Warning,
        counters: &[
            "TcpInCsumErrors",
            "UdpInCsumErrors",
            "IcmpInCsumErrors",
            "Udp6InCsumErrors",
        ],
        least: 3,
        headline: |count, time| format!("damaged packets: {count} with a wrong checksum in {time}"),
        next: || {
            vec![
                Command::of("ip -s -s link").into(),
                "The error counters of the interfaces.".into(),
                "Then switch checksum offload off to see whether it is the cause: ethtool -K IF rx off"
                    .into(),
            ]
        },
    };
    growth.found(case)
}

/// Fragments.
pub static FRAGMENTS_LOST: Rule = Rule::new(
    "fragments_lost",
    "datagrams with missing fragments",
    [
        "Datagrams arrive in fragments, and some fragments never come. Often a firewall on the way drops \
         fragments, or one of many is lost. The datagram is given up after 30 seconds.",
        "IpReasmFails or Ip6ReasmFails grew by at least 2 between two samples.",
        "Fragments that are put together (ReasmOKs) are healthy.",
        "Send datagrams that fit the path's MTU, or let the firewall pass fragments.",
    ],
    Check::Host(fragments),
);

fn fragments(case: &Case<'_>) -> Vec<Finding> {
    let growth = Growth {
        rule: &FRAGMENTS_LOST,
        severity: Severity::Warning,
        counters: &["IpReasmFails", "Ip6ReasmFails"],
        least: 2,
        headline: |count, time| format!("datagrams with missing fragments: {count} in {time}"),
        next: Vec::new,
    };
    growth.found(case)
}

/// UDP without a listener.
pub static UDP_PORT_CLOSED: Rule = Rule::new(
    "udp_port_closed",
    "UDP to a closed port",
    [
        "Datagrams arrive at a UDP port where no program listens. The kernel answers with ICMP port unreachable.",
        "UdpNoPorts or Udp6NoPorts grew by at least 5 between two samples.",
        "A late answer to a program that has ended also comes to a closed port: one or two are everyday.",
        "Start the service, or find out who sends, with a capture: tcpdump -n 'icmp[0] == 3 and icmp[1] == 3'.",
    ],
    Check::Host(udp_closed),
);

fn udp_closed(case: &Case<'_>) -> Vec<Finding> {
    let growth = Growth {
        rule: &UDP_PORT_CLOSED,
        severity: Severity::Warning,
        counters: &["UdpNoPorts", "Udp6NoPorts"],
        least: 5,
        headline: |count, time| format!("UDP to a closed port: {count} datagrams in {time}"),
        next: || {
            vec![
                Command::of("sockdoc sockets -ul").into(),
                "It lists the UDP ports that are open.".into(),
                Command::of("tcpdump -ni any -c 5")
                    .with("icmp[0] == 3 and icmp[1] == 3")
                    .into(),
                "It shows the destination port and the sender.".into(),
            ]
        },
    };
    let mut found = growth.found(case);
    // Questions to a name server that does not run have a finding of their own.
    found.retain(|it| it.subject != Subject::Network { netns: 0 } || !only_questions(case));
    for finding in &mut found {
        let Subject::Network { netns } = finding.subject else {
            continue;
        };
        let traced = case.traced(netns).unwrap_or_default();
        let closed = traced
            .flows
            .iter()
            .filter(|flow| &*flow.reason == "NO_SOCKET");
        let most = closed
            .filter(|flow| flow.protocol == 17)
            .max_by_key(|flow| flow.packets);
        if let Some(flow) = most {
            let to = std::net::SocketAddr::from(flow.destination);
            let such = format!(", most to {to} from {}", flow.source);
            finding.headline.push_str(&such);
        }
    }
    found
}

/// Whether all that came to a closed port are questions to a name server of this host that does not run.
fn only_questions(case: &Case<'_>) -> bool {
    let traced = case.traced(0).unwrap_or_default();
    let mut closed = traced
        .flows
        .iter()
        .filter(|flow| &*flow.reason == "NO_SOCKET" && flow.protocol == 17);
    name_server_is_missing(case) && closed.clone().next().is_some() && closed.all(is_question)
}

/// UDP send buffer.
pub static UDP_SEND_ERRORS: Rule = Rule::new(
    "udp_send_errors",
    "UDP datagrams not sent",
    [
        "Programs send UDP faster than the host can pass it on, and datagrams are dropped before they leave.",
        "UdpSndbufErrors or Udp6SndbufErrors grew by at least 3 between two samples.",
        "A blocking sender with room in its buffer waits instead; that is not counted.",
        "Pace the sender, raise SO_SNDBUF, or look at the queue of the interface: tc -s qdisc.",
    ],
    Check::Host(udp_send),
);

fn udp_send(case: &Case<'_>) -> Vec<Finding> {
    let growth = Growth {
        rule: &UDP_SEND_ERRORS,
        severity: Severity::Warning,
        counters: &["UdpSndbufErrors", "Udp6SndbufErrors"],
        least: 3,
        headline: |count, time| format!("UDP datagrams not sent: {count} in {time}"),
        next: Vec::new,
    };
    growth.found(case)
}

//! The memory of all sockets together.

use super::{Check, Growth, Rule, growth, seconds};
use crate::diagnose::rules::affected;
use crate::diagnose::rules::socket::dropped;
use crate::diagnose::{Case, Command, Fact, Finding, Severity, Subject, Value};
use crate::host::SocketAt;
use crate::sockets::Proto;

/// `tcp_mem`.
pub static TCP_MEMORY_PRESSURE: Rule = Rule::new(
    "tcp_memory_pressure",
    "TCP memory pressure",
    [
        "The sockets of all programs together hold more memory than the second figure of net.ipv4.tcp_mem. The \
         kernel shrinks windows and buffers, so all connections slow down; above the third figure it drops data.",
        "The column `press` of /proc/net/protocols says yes for TCP.",
        "Much memory in use, but less than the second figure, is normal.",
        "Find the sockets with full buffers; raise net.ipv4.tcp_mem if the host has the memory.",
    ],
    Check::Host(pressure),
);

fn pressure(case: &Case<'_>) -> Vec<Finding> {
    let pressed = |(_, network): &(u16, &crate::host::Network)| {
        network.pressed.iter().any(|name| name.starts_with("TCP"))
    };
    // All namespaces share it.
    let Some((_, network)) = case.networks().find(pressed) else {
        return Vec::new();
    };
    let mut facts = vec![Fact::new(
        "/proc/net/protocols",
        "press",
        Value::Word("yes".into()),
    )];
    let pages = network.counters.get("TCP.mem");
    let limits = network.settings.numbers("net.ipv4.tcp_mem");
    let mut headline = "TCP memory pressure".to_owned();
    if let (Some(pages), Some(&[_, pressure, limit])) = (pages, limits.as_deref()) {
        headline = format!(
            "TCP memory pressure: {pages} pages in use, pressure from {pressure}, limit {limit} (tcp_mem)"
        );
        facts.push(Fact::new("/proc/net/sockstat", "mem", Value::Count(pages)));
    }
    vec![Finding {
        facts,
        next: vec![
            Command::of("sockdoc sockets -m --sort -recv-q,-send-q").into(),
            "The sockets with the fullest buffers come first.".into(),
            Command::of("sysctl net.ipv4.tcp_mem").into(),
        ],
        ..Finding::new(
            &TCP_MEMORY_PRESSURE,
            Severity::Error,
            Subject::Host,
            headline,
        )
    }]
}

/// `udp_mem`.
pub static UDP_MEMORY_USED_UP: Rule = Rule::new(
    "udp_memory_used_up",
    "UDP memory used up",
    [
        "The UDP sockets of all programs together hold as much memory as the third figure of net.ipv4.udp_mem allows, \
         or a control group as much as its limit. The kernel drops datagrams, also for sockets with room in their \
         own buffer.",
        "UdpMemErrors or Udp6MemErrors grew by at least 2 between two samples; or the kernel dropped at least 2 packets \
         for want of memory of their protocol (drop reason PROTO_MEM) while drops of UDP sockets rose and TCP was not \
         under pressure.",
        "A socket whose own buffer is full counts UdpRcvbufErrors alone.",
        "Find the sockets with full receive buffers, whose programs do not read; raise net.ipv4.udp_mem if the host \
         has the memory.",
    ],
    Check::Host(udp_memory),
);

fn udp_memory(case: &Case<'_>) -> Vec<Finding> {
    let growth = Growth {
        rule: &UDP_MEMORY_USED_UP,
        severity: Severity::Error,
        counters: &["UdpMemErrors", "Udp6MemErrors"],
        least: 2,
        headline: |count, time| {
            format!("UDP memory used up (udp_mem): {count} datagrams dropped in {time}")
        },
        next: || {
            vec![
                Command::of("sockdoc sockets -um --sort -recv-q").into(),
                "The sockets with the fullest buffers come first.".into(),
                Command::of("sysctl net.ipv4.udp_mem").into(),
            ]
        },
    };
    let mut found = growth.found(case);
    for (netns, _) in case.networks() {
        let subject = Subject::Network { netns };
        if found.iter().any(|it| it.subject == subject) {
            continue;
        }
        if let Some(packets) = uncounted(case, netns) {
            found.push(Finding {
                facts: vec![Fact::new("skb:kfree_skb", NO_MEMORY, Value::Count(packets))],
                next: (growth.next)(),
                ..Finding::new(
                    growth.rule,
                    growth.severity,
                    subject,
                    (growth.headline)(packets, &seconds(case)),
                )
            });
        }
    }
    for finding in &mut found {
        if let Subject::Network { netns } = finding.subject {
            finding.others = affected(&lost_datagrams(case, netns));
        }
    }
    found
}

/// The kernel's drop reason for want of memory of the protocol.
const NO_MEMORY: &str = "PROTO_MEM";

/// The UDP sockets of a namespace whose drops rose.
fn lost_datagrams(case: &Case<'_>, netns: u16) -> Vec<SocketAt> {
    let lost_some = |at: &SocketAt| {
        let socket = case.socket(*at);
        socket.netns == netns
            && matches!(socket.proto, Proto::Udp | Proto::Udplite)
            && dropped(case, *at).is_some()
    };
    case.sample.places().filter(lost_some).collect()
}

/// How many datagrams were dropped for want of memory, where the kernel does not count them in `UdpMemErrors` (6.18): the
/// reason is that of TCP too, whose pressure shows elsewhere.
pub(super) fn uncounted(case: &Case<'_>, netns: u16) -> Option<u64> {
    let network = case.sample.networks.get(usize::from(netns))?;
    let packets = case.traced(netns)?.dropped(NO_MEMORY);
    let is_tcp = network.pressed.iter().any(|name| name.starts_with("TCP"));
    (packets >= 2 && !is_tcp && !lost_datagrams(case, netns).is_empty()).then_some(packets)
}

/// Orphans.
pub static ORPHANS_AT_LIMIT: Rule = Rule::new(
    "orphans_at_limit",
    "too many orphaned connections",
    [
        "Connections that their programs have closed, and whose data the peers have not taken, reached the limit. \
         The kernel resets further ones: their peers lose the end of the data.",
        "TcpExtTCPAbortOnMemory grew between two samples, or the orphans of /proc/net/sockstat are at \
         net.ipv4.tcp_max_orphans.",
        "Orphans below the limit end by themselves.",
        "Find peers that do not read; raise net.ipv4.tcp_max_orphans if the host has the memory (64 KB each).",
    ],
    Check::Host(orphans),
);

fn orphans(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, network) in case.networks() {
        let orphans = network.counters.get("TCP.orphan").unwrap_or(0);
        let limit = network.settings.number("net.ipv4.tcp_max_orphans");
        let aborted = growth(case, netns, &["TcpExtTCPAbortOnMemory"]);
        let full = limit.is_some_and(|limit| limit > 0 && orphans >= limit);
        if !full && aborted.is_empty() {
            continue;
        }
        let of = limit.map_or_else(String::new, |limit| format!(", limit {limit}"));
        let headline = format!("too many orphaned connections: {orphans}{of}");
        let mut facts = vec![Fact::new(
            "/proc/net/sockstat",
            "orphan",
            Value::Count(orphans),
        )];
        facts.extend(aborted.into_iter().map(|(_, fact)| fact));
        found.push(Finding {
            facts,
            next: vec![
                Command::of("sockdoc sockets --state fin-wait-1,last-ack,closing --group peer")
                    .into(),
                "It shows whose peers do not take the data.".into(),
            ],
            ..Finding::new(
                &ORPHANS_AT_LIMIT,
                Severity::Error,
                Subject::Network { netns },
                headline,
            )
        });
    }
    found
}

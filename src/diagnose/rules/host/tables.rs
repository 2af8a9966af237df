//! Tables of the kernel that have a limit.

use super::{Check, Growth, Rule, counted, growth, seconds};
use crate::diagnose::{Case, Command, Fact, Finding, Severity, Subject, Value};

/// conntrack.
pub static CONNTRACK_TABLE_FULL: Rule = Rule::new(
    "conntrack_table_full",
    "connection tracking table full",
    [
        "The firewall's table of connections is full, so packets of new connections are dropped, whatever the \
         rules say.",
        "`drop` of /proc/net/stat/nf_conntrack grew between two samples, or nf_conntrack_count is at \
         nf_conntrack_max.",
        "A table that is half full is healthy: its entries expire.",
        "Raise net.netfilter.nf_conntrack_max, or find who opens that many connections; ones that need no \
         tracking can be exempted (notrack).",
    ],
    Check::Host(conntrack),
);

fn conntrack(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (netns, network) in case.networks() {
        let setting = |name| network.settings.number(name);
        let count = setting("net.netfilter.nf_conntrack_count");
        let limit = setting("net.netfilter.nf_conntrack_max");
        let full = limit.is_some_and(|limit| limit > 0 && count >= Some(limit));
        let dropped = growth(
            case,
            netns,
            &["nf_conntrack.drop", "nf_conntrack.early_drop"],
        );
        if !full && dropped.is_empty() {
            continue;
        }
        let [count, limit] = [count, limit].map(Option::unwrap_or_default);
        let drops: u64 = dropped.iter().map(|(grown, _)| grown).sum();
        let headline = format!(
            "connection tracking table full: {count} entries, limit {limit}; {drops} packets dropped in {}",
            seconds(case)
        );
        let mut facts = vec![
            Fact::new(
                "sysctl",
                "net.netfilter.nf_conntrack_count",
                Value::Count(count),
            ),
            Fact::new(
                "sysctl",
                "net.netfilter.nf_conntrack_max",
                Value::Count(limit),
            ),
        ];
        facts.extend(dropped.into_iter().map(|(_, fact)| fact));
        found.push(Finding {
            facts,
            next: vec![
                Command::of("sysctl net.netfilter.nf_conntrack_max").into(),
                Command::of("conntrack -L").into(),
                "It lists the entries; many of one address show who opens them.".into(),
            ],
            ..Finding::new(
                &CONNTRACK_TABLE_FULL,
                Severity::Error,
                Subject::Network { netns },
                headline,
            )
        });
    }
    found
}

/// Neighbours.
pub static NEIGHBOUR_TABLE_FULL: Rule = Rule::new(
    "neighbour_table_full",
    "neighbour table full",
    [
        "The table of link-layer addresses (ARP, neighbour discovery) is full, so sending to a new neighbour \
         fails. The limit is for all network namespaces together.",
        "table_fulls of /proc/net/stat/arp_cache or ndisc_cache grew between two samples, or the entries are at \
         net.ipv4.neigh.default.gc_thresh3 (net.ipv6...). Only the initial network namespace has these files: in \
         another one the kernel dropped at least 2 packets for this reason (NEIGH_CREATEFAIL).",
        "Entries above gc_thresh1 or gc_thresh2 are only cleaned up sooner.",
        "Raise gc_thresh3 (and gc_thresh1, gc_thresh2), or find out why the host has that many neighbours: a \
         route without a router, or a scan.",
    ],
    Check::Host(neighbours),
);

fn neighbours(case: &Case<'_>) -> Vec<Finding> {
    let found = neighbours_of_the_machine(case);
    if found.is_empty() {
        return neighbours_not_made(case);
    }
    found
}

fn neighbours_of_the_machine(case: &Case<'_>) -> Vec<Finding> {
    let Some(machine) = &case.sample.machine else {
        return Vec::new();
    };
    let tables = [
        (
            "arp_cache",
            "arp_cache.entries",
            "arp_cache.table_fulls",
            "net.ipv4.neigh.default.gc_thresh3",
        ),
        (
            "ndisc_cache",
            "ndisc_cache.entries",
            "ndisc_cache.table_fulls",
            "net.ipv6.neigh.default.gc_thresh3",
        ),
    ];
    let mut found = Vec::new();
    for (table, entries, fulls, threshold) in tables {
        let entries = machine.counters.get(entries).unwrap_or(0);
        let mut networks = case.networks();
        let limit = networks.find_map(|(_, network)| network.settings.number(threshold));
        let refused = case.machine_grown(fulls).unwrap_or(0);
        let full = limit.is_some_and(|limit| limit > 0 && entries >= limit);
        if refused == 0 && !full {
            continue;
        }
        let of = limit.map_or_else(String::new, |limit| format!(", limit {limit} (gc_thresh3)"));
        let headline = format!(
            "neighbour table full ({table}): {entries} entries{of}; {refused} refused in {}",
            seconds(case)
        );
        let now = machine.counters.get(fulls).unwrap_or(0);
        found.push(Finding {
            facts: vec![
                Fact::new("/proc/net/stat", "entries", Value::Count(entries)),
                counted(
                    "/proc/net/stat",
                    "table_fulls",
                    now.saturating_sub(refused),
                    now,
                ),
            ],
            next: vec![
                Command::of("ip -s neigh").into(),
                "It lists the neighbours of this network namespace.".into(),
                Command::of("sysctl").with(threshold).into(),
            ],
            ..Finding::new(
                &NEIGHBOUR_TABLE_FULL,
                Severity::Error,
                Subject::Host,
                headline,
            )
        });
    }
    found
}

/// Packets that were dropped because the table had no room for their next hop: seen from a network namespace that does
/// not have the files of the tables.
fn neighbours_not_made(case: &Case<'_>) -> Vec<Finding> {
    const REASON: &str = "NEIGH_CREATEFAIL";
    let mut found = Vec::new();
    for (netns, network) in case.networks() {
        let Some(traced) = case.traced(netns) else {
            continue;
        };
        let packets = traced.dropped(REASON);
        if packets < 2 {
            continue;
        }
        // What is dropped of IPv4 fails with another error than what is dropped of IPv6.
        let errors = [(22, "ndisc_cache", 6), (105, "arp_cache", 4)];
        let failed = |errno: i32| traced.sends.iter().any(|it| it.errno == errno);
        let table = errors.iter().find(|(errno, ..)| failed(*errno));
        let (name, version) = table.map_or(("", 4), |(_, table, version)| (*table, *version));
        let name = if name.is_empty() {
            String::new()
        } else {
            format!(" ({name})")
        };
        let own = network.neighbours.len();
        found.push(Finding {
            facts: vec![
                Fact::new("skb:kfree_skb", REASON, Value::Count(packets)),
                Fact::new("rtnetlink", "neighbours here", Value::Count(own as u64)),
            ],
            ruled_out: "Not a next hop that does not answer: the kernel had no room to look for it.",
            next: vec![
                Command::of("ip -s neigh").into(),
                "It lists the neighbours of this network namespace; the limit is for all of them together.".into(),
                Command::of("sysctl")
                    .with(format!("net.ipv{version}.neigh.default.gc_thresh3"))
                    .into(),
                "Run it in the initial network namespace.".into(),
            ],
            ..Finding::new(
                &NEIGHBOUR_TABLE_FULL,
                Severity::Error,
                Subject::Network { netns },
                format!(
                    "neighbour table full{name}: {packets} packets dropped in {}; {own} of the entries are of this \
                     network namespace",
                    seconds(case)
                ),
            )
        });
    }
    found
}

/// `TIME_WAIT`.
pub static TIME_WAIT_TABLE_FULL: Rule = Rule::new(
    "time_wait_table_full",
    "too many connections in TIME-WAIT",
    [
        "The limit of connections in TIME-WAIT is reached. The kernel forgets further ones at once: late segments \
         of an old connection may then disturb a new one, and peers may get an RST.",
        "TcpExtTCPTimeWaitOverflow grew between two samples.",
        "Thousands of connections in TIME-WAIT below the limit are healthy.",
        "Keep connections open for several requests; raise net.ipv4.tcp_max_tw_buckets.",
    ],
    Check::Host(time_wait),
);

fn time_wait(case: &Case<'_>) -> Vec<Finding> {
    let growth = Growth {
        rule: &TIME_WAIT_TABLE_FULL,
        severity: Severity::Warning,
        counters: &["TcpExtTCPTimeWaitOverflow"],
        least: 1,
        headline: |count, time| {
            format!("too many connections in TIME-WAIT: {count} not kept in {time}")
        },
        next: || {
            vec![
                Command::of("sysctl net.ipv4.tcp_max_tw_buckets").into(),
                Command::of("sockdoc sockets -a --state time-wait --group peer").into(),
                "It shows to which peers the connections went.".into(),
            ]
        },
    };
    growth.found(case)
}

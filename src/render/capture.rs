//! What `sockdoc capture` says besides the frames: on what it captures, what was received and lost, what is odd.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::json;

use super::drops::Blind;
use super::json::line;
use super::{counted, escape, thousands};
use crate::capfile::{Count, Interface, LinkType, Tally};
use crate::dissect::Totals;
use crate::drops::tally;
use crate::host::Network;
use crate::rtnetlink::Link;

/// On what it captures.
pub fn listening<'a>(interfaces: impl Iterator<Item = &'a Interface>, filter: &str) -> String {
    let names: Vec<&str> = interfaces.filter_map(|it| it.name.as_deref()).collect();
    let names = names.join(", ");
    if filter.is_empty() {
        return format!("capturing on {names}");
    }
    format!("capturing on {names}: {filter}")
}

/// The end of a capture into a file.
pub fn written(name: &str, packets: u64, counts: &[Count]) -> Vec<String> {
    let mut lines = vec![format!("{} written to {name}", counted(packets, "packet"))];
    lines.extend(received(counts));
    lines
}

/// The end of a capture that was shown: what it was, what the kernel counted, what is wrong. `told`: the findings
/// are in the output.
pub fn summary(totals: &Totals, counts: &[Count], time: Duration, told: bool) -> Vec<String> {
    let mut what = vec![format!(
        "{} in {:.1} s",
        counted(totals.selected, "packet"),
        time.as_secs_f64()
    )];
    for (count, name) in [
        (totals.streams, "TCP stream"),
        (totals.messages, "application message"),
    ] {
        if count > 0 {
            what.push(counted(count, name));
        }
    }
    let mut lines = vec![what.join(", ")];
    lines.extend(received(counts));
    if totals.selected > 0 {
        lines.push(match totals.facts {
            0 => "no problems found in these packets".to_owned(),
            facts if told => counted(facts, "finding"),
            facts => format!(
                "{}; to see them: capture with --expert, or with -w and decode the file with --expert",
                counted(facts, "finding")
            ),
        });
    }
    lines
}

/// How the processes at the ends of flows were found, in a line; none if there were no flows of this host.
pub fn processes(found: &Tally, processes_hidden: usize) -> Option<String> {
    let ways = [
        (found.bpf, "by BPF"),
        (found.lookup, "by their socket"),
        (found.listener, "by the listener"),
        (found.snapshot, "by an earlier listing"),
        (found.closed, "not found: the socket was closed"),
        (found.hidden, "not found: no visible process has the socket"),
        (found.busy, "not looked up: too many new flows"),
    ];
    let all: u64 = ways.iter().map(|(count, _)| count).sum();
    let ways: Vec<String> = ways
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{} {words}", thousands(*count)))
        .collect();
    let unseen = if found.hidden > 0 && processes_hidden > 0 {
        format!(
            "; {} could not be looked at (needs CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH)",
            counted(processes_hidden as u64, "process")
        )
    } else {
        String::new()
    };
    let ends = counted(all, "flow end");
    let ways = ways.join(", ");
    (all > 0).then(|| format!("processes of {ends} on this host: {ways}{unseen}"))
}

/// Of a capture of some processes: what was of others.
pub fn others(own: u64, others: u64) -> String {
    format!(
        "{} of these processes, {} of others or of none",
        counted(own, "packet"),
        thousands(others)
    )
}

/// What the network stack dropped. `is_selective`: only what was asked for; `unrecorded` were counted, but not seen one
/// by one.
pub fn dropped(
    tally: &tally::Tally,
    is_selective: bool,
    unrecorded: u64,
    blind: &Blind,
) -> Vec<String> {
    let reasons = tally.by_reason();
    let all: u64 = reasons.iter().map(|(_, packets)| packets).sum();
    let mut head = format!("{} dropped by the network stack", counted(all, "packet"));
    if is_selective {
        head.push_str(" of those that were asked for");
    }
    if let Some((first, _)) = reasons.first() {
        let reasons = reasons
            .iter()
            .map(|(reason, packets)| format!("{} {reason}", thousands(*packets)));
        let reasons: Vec<String> = reasons.collect();
        let reasons = reasons.join(", ");
        head = format!("{head}: {reasons}; what to do: sockdoc explain {first}");
    }
    let mut lines = vec![head];
    if unrecorded > 0 {
        lines.push(format!(
            "{} dropped too fast to be recorded one by one{}",
            counted(unrecorded, "packet"),
            if is_selective {
                ", of which some may be of those that were asked for"
            } else {
                ", and not shown"
            }
        ));
    }
    if tally.elsewhere() > 0 {
        lines.push(format!(
            "{} dropped in other network namespaces: sockdoc drops --all-netns",
            counted(tally.elsewhere(), "packet")
        ));
    }
    lines.extend(
        blind
            .lines()
            .map(|(count, text)| format!("without a DROP line, from counters: {count} {text}")),
    );
    lines
}

/// What the kernel counted on each interface.
pub fn received(counts: &[Count]) -> Vec<String> {
    let all = counts.iter().map(|count| {
        let lost = match count.dropped {
            0 => "0 dropped by the kernel".to_owned(),
            dropped => format!(
                "{} dropped by the kernel for want of room (a larger buffer: -B)",
                thousands(dropped)
            ),
        };
        format!(
            "{}: {} received by the filter, {lost}",
            count.name,
            counted(count.received, "packet")
        )
    });
    all.collect()
}

/// What this process may capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// Packets.
    pub packets: bool,
    /// The processes of other users.
    pub processes: bool,
    /// With the help of BPF programs.
    pub bpf: bool,
    /// The file of the program.
    pub program: String,
}

impl Rights {
    /// In a line: what can be captured, or what would allow it.
    fn line(&self) -> String {
        if !self.packets {
            let program = escape::text(&self.program);
            return format!(
                "packets cannot be captured without CAP_NET_RAW: as root, or: sudo setcap cap_net_raw+ep {program}"
            );
        }
        let processes = match (self.processes, self.bpf) {
            (_, true) => "with their processes",
            (true, false) => {
                "with their processes by look-up, which misses short connections (BPF needs CAP_BPF, CAP_PERFMON)"
            }
            (false, false) => {
                "with the processes of this user (of others: CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH)"
            }
        };
        format!("packets can be captured, {processes}")
    }
}

/// The interfaces of a host, how their frames are captured, and what is known of them.
pub fn write_interfaces(
    out: &mut impl Write,
    network: &Network,
    frames: &[Option<LinkType>],
    rights: &Rights,
    is_json: bool,
) -> io::Result<()> {
    let addresses = |link: &Link| -> Vec<String> {
        let of = network
            .addresses
            .iter()
            .filter(|address| address.interface == link.index);
        of.map(|address| format!("{}/{}", address.address, address.prefix))
            .collect()
    };
    if is_json {
        let interfaces: Vec<_> = network
            .links
            .iter()
            .zip(frames)
            .map(|(link, frames)| {
                json!({
                    "name": link.name,
                    "index": link.index,
                    "kind": link.kind,
                    "state": state(link),
                    "mtu_bytes": link.mtu_bytes,
                    "link_type": frames.map(|frames| frames.to_string()),
                    "addresses": addresses(link),
                })
            })
            .collect();
        return line(
            out,
            &json!({
                "schema": "sockdoc.capture.interfaces/1",
                "interfaces": interfaces,
                "packets": rights.packets,
                "processes_of_others": rights.processes,
                "bpf": rights.bpf,
            }),
        );
    }
    let width = network.links.iter().map(|link| link.name.chars().count());
    let width = width.max().unwrap_or(0).max(3);
    for (link, frames) in network.links.iter().zip(frames) {
        let name = escape::text(&link.name);
        let kind = escape::text(link.kind.as_deref().unwrap_or(if link.loopback {
            "loopback"
        } else {
            "device"
        }));
        let addresses = addresses(link).join(" ");
        let text = format!(
            "{name:<width$}  {:<10}  {kind:<8}  {:<12}  MTU {:<5}  {addresses}",
            state(link),
            words_of(*frames),
            link.mtu_bytes
        );
        writeln!(out, "{}", text.trim_end())?;
    }
    writeln!(
        out,
        "{:<width$}  all of them; packets of the loopback interface are shown once",
        "any"
    )?;
    writeln!(out, "{}", rights.line())
}

/// What the frames of an interface are.
fn words_of(frames: Option<LinkType>) -> &'static str {
    match frames {
        Some(LinkType::ETHERNET) => "Ethernet",
        Some(LinkType::RAW) => "IP",
        Some(_) => "cooked",
        None => "-",
    }
}

fn state(link: &Link) -> &'static str {
    match (link.up, link.carrier) {
        (false, _) => "down",
        (true, false) => "no carrier",
        (true, true) => "up",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_says_what_came_what_was_lost_and_what_is_wrong() {
        let totals = Totals {
            selected: 12,
            streams: 1,
            facts: 2,
            ..Totals::default()
        };
        let count = |dropped| Count {
            name: "lo".into(),
            received: 1_200,
            dropped,
        };
        let lines = summary(&totals, &[count(0)], Duration::from_millis(1_200), false);
        assert_eq!(lines[0], "12 packets in 1.2 s, 1 TCP stream");
        assert_eq!(
            lines[1],
            "lo: 1,200 packets received by the filter, 0 dropped by the kernel"
        );
        assert!(lines[2].starts_with("2 findings; "), "{}", lines[2]);
        let found = Tally {
            bpf: 1_200,
            hidden: 1,
            ..Tally::default()
        };
        assert_eq!(
            processes(&found, 3).unwrap(),
            "processes of 1,201 flow ends on this host: 1,200 by BPF, 1 not found: no visible process has the \
             socket; 3 processes could not be looked at (needs CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH)"
        );
        assert_eq!(processes(&Tally::default(), 3), None);
        let lines = written("a.pcap", 1, &[count(7)]);
        assert_eq!(lines[0], "1 packet written to a.pcap");
        assert!(lines[1].contains("7 dropped by the kernel for want of room"));
    }
}

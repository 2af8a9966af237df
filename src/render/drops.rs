//! Packets that the kernel dropped: a line for each, a table, JSON.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

use super::decode::Buffer;
use super::decode::line::outline;
use super::json::line as json_line;
use super::table::Table;
use super::{Paint, Style, counted, date, escape, thousands, wrap};
use crate::capfile::{Ends, Timestamp};
use crate::diagnose::{Command, NextStep};
use crate::dissect::Frame;
use crate::drops::Dropped;
use crate::drops::tally::{Row, Tally};
use crate::host::Namespace;
use crate::host::traced::Process;
use crate::packet::record::{Network, Transport};
use crate::ping::clock::Realtime;
use crate::reference::drop_reason::{self, DropReason};

/// Reasons that are explained below the table.
const EXPLAINED: usize = 12;

/// ` 10.0.0.1 → 10.0.0.2 TCP 54 40000 → 80 [SYN] by NETFILTER_DROP in nft_do_chain (input) on eth0: a firewall rule of
/// this host  psql(991)`.
pub fn write_packet(out: &mut Buffer, dropped: &Dropped) {
    let decoded = dropped.decoded();
    outline(
        out,
        &Frame {
            number: 0,
            time: dropped.time,
            has_time: true,
            length: dropped.length,
            captured: &dropped.frame,
            bytes: &dropped.frame,
            decoded: &decoded,
            segment: None,
            quoted: None,
            request: None,
            said: None,
            wrong_checksum: None,
            contested: None,
            ends: Ends::default(),
            record: &[],
            messages: 0,
            facts: 0,
            is_selected: true,
        },
    );
    out.text(" by ");
    out.text(&why(dropped));
    if let Some(process) = &dropped.process {
        out.text("  ");
        out.text(&holder(process));
    }
}

/// `NETFILTER_DROP in nft_do_chain (input) on eth0: a firewall rule of this host`.
pub fn why(dropped: &Dropped) -> String {
    let mut text = dropped.place();
    if let Some(reason) = drop_reason::by_name(&dropped.reason) {
        text.push_str(": ");
        text.push_str(reason.words);
    }
    escape::text(&text).into_owned()
}

/// `psql(991)`.
fn holder(process: &Process) -> String {
    let name = String::from_utf8_lossy(&process.comm);
    let name = escape::text(&name);
    match process.pid {
        Some(pid) => format!("{name}({pid})"),
        None => name.into_owned(),
    }
}

/// A line with the time of day.
pub fn write_line(out: &mut Buffer, dropped: &Dropped) {
    out.text(&date::time_of_day(Realtime(nanos(dropped.time))));
    write_packet(out, dropped);
    out.byte(b'\n');
}

fn nanos(time: Timestamp) -> u64 {
    let seconds = u64::try_from(time.seconds).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000) + u64::from(time.nanoseconds)
}

/// The object of a packet.
///
/// # Errors
/// Those of `out`.
pub fn write_json(out: &mut (impl Write + ?Sized), dropped: &Dropped) -> io::Result<()> {
    let decoded = dropped.decoded();
    let layers = decoded.innermost();
    let (source, destination, protocol) = match &layers.network {
        Network::Ip(ip) => (
            Some(ip.source.to_string()),
            Some(ip.destination.to_string()),
            Some(ip.protocol),
        ),
        _ => (None, None, None),
    };
    let ports = match &layers.transport {
        Transport::Tcp(tcp) => Some((tcp.source, tcp.destination)),
        Transport::Udp(udp) => Some((udp.source, udp.destination)),
        _ => None,
    };
    let flags = decoded.tcp().map(|tcp| tcp.flags);
    json_line(
        out,
        &json!({
            "schema": "sockdoc.drops/1",
            "event": "drop",
            "time_unix_ns": nanos(dropped.time),
            "reason": &*dropped.reason,
            "words": words(&dropped.reason),
            "function": dropped.function.as_deref(),
            "hook": dropped.hook.map(crate::drops::hook::Hook::name),
            "interface": dropped.interface.as_deref(),
            "netns": dropped.netns,
            "length_bytes": dropped.length,
            "ethertype": decoded.ethertype,
            "source": source,
            "destination": destination,
            "ip_protocol": protocol,
            "source_port": ports.map(|it| it.0),
            "destination_port": ports.map(|it| it.1),
            "tcp_flags": flags,
            "process": dropped.process.as_ref().map(process),
        }),
    )
}

fn words(reason: &str) -> Option<&'static str> {
    drop_reason::by_name(reason).map(|it| it.words)
}

fn process(process: &Process) -> Value {
    json!({"pid": process.pid, "name": String::from_utf8_lossy(&process.comm)})
}

/// What became of a time in which drops were watched.
#[derive(Debug)]
pub struct Summary<'a> {
    /// The drops.
    pub tally: &'a Tally,
    /// How long.
    pub time: Duration,
    /// The network namespace that was watched; `None`: several.
    pub namespace: Option<&'a Namespace>,
    /// More reasons and places came than could be told apart.
    pub is_full: bool,
    /// Lines that the reader of standard output did not take.
    pub unwritten: u64,
    /// What is lost without a trace at the place that is watched; `None`: the counter could not be read.
    pub blind: Blind,
}

/// Losses that the kernel only counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Blind {
    /// Connections that found the accept queue full.
    pub accept_overflows: Option<u64>,
    /// Packets of this host without a route.
    pub no_route: Option<u64>,
    /// Packets that arrived faster than a processor took them, of the whole host.
    pub backlog: Option<u64>,
}

impl Blind {
    /// Those that are not 0, and what they count.
    pub fn lines(&self) -> impl Iterator<Item = (String, &'static str)> {
        let all = [
            (
                self.accept_overflows,
                "dropped because an accept queue was full (TcpExtListenOverflows): sockdoc sockets --problems",
            ),
            (
                self.no_route,
                "not sent for lack of a route (IpOutNoRoutes): sockdoc diagnose",
            ),
            (
                self.backlog,
                "lost before the network stack, on a busy processor (softnet_stat): sockdoc diagnose",
            ),
        ];
        all.into_iter().filter_map(|(count, text)| {
            let count = count.filter(|count| *count > 0)?;
            Some((thousands(count), text))
        })
    }
}

impl Summary<'_> {
    /// What to do, in the namespace that was watched.
    fn there(&self, step: NextStep) -> String {
        match self.namespace {
            Some(namespace) => step.inside(namespace).to_string(),
            None => step.to_string(),
        }
    }

    fn rate(&self, packets: u64) -> f64 {
        packets as f64 / self.time.as_secs_f64().max(0.001)
    }

    /// The table, what the reasons mean, and what it does not have.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn Write, style: Style, width: Option<u16>) -> io::Result<()> {
        let packets = self.tally.packets();
        let place = if self.namespace.is_some() {
            "in this network namespace"
        } else {
            "in these network namespaces"
        };
        let blind = &self.blind;
        let only_counted = [blind.accept_overflows, blind.no_route, blind.backlog];
        let head = match packets {
            0 if only_counted.iter().flatten().any(|count| *count > 0) => format!(
                "no drop with a reason {place} in {:.1} s; the drops below were only counted",
                self.time.as_secs_f64()
            ),
            0 => format!(
                "no packets dropped {place} in {:.1} s",
                self.time.as_secs_f64()
            ),
            _ => format!(
                "{} dropped {place} in {:.1} s ({:.1}/s)",
                counted(packets, "packet"),
                self.time.as_secs_f64(),
                self.rate(packets)
            ),
        };
        for line in wrap::lines(&head, width, 0) {
            writeln!(out, "{}", style.paint(Paint::Bold, line))?;
        }
        let rows = self.tally.rows();
        if !rows.is_empty() {
            writeln!(out)?;
            let table = self.table(&rows);
            if table.fits(width) {
                table.write(out, width)?;
            } else {
                self.list(out, &rows, width)?;
            }
            self.explain(out, &rows, width)?;
        }
        let notes = self.notes();
        if !notes.is_empty() {
            writeln!(out)?;
        }
        for note in notes {
            for (index, line) in wrap::lines(&note, width, 2).iter().enumerate() {
                let indent = if index == 0 { "" } else { "  " };
                writeln!(out, "{indent}{}", line.trim_start())?;
            }
        }
        Ok(())
    }

    fn table(&self, rows: &[Row]) -> Table {
        let titles = ["REASON", "PACKETS", "RATE", "WHERE", "TO", "PROCESS"];
        let mut table = Table::new().header(&titles).right(1).right(2);
        for row in rows {
            table.row(&[
                &*row.reason,
                &thousands(row.packets),
                &format!("{:.1}/s", self.rate(row.packets)),
                &place(row),
                destination(row),
                &row.process.as_ref().map_or("-".to_owned(), holder),
            ]);
        }
        table
    }

    /// The rows where the table is too wide, with the place, the destination and the process in a line of their own.
    fn list(&self, out: &mut dyn Write, rows: &[Row], width: Option<u16>) -> io::Result<()> {
        for row in rows {
            let packets = counted(row.packets, "packet");
            let reason = escape::text(&row.reason);
            writeln!(out, "{reason}  {packets}, {:.1}/s", self.rate(row.packets))?;
            let mut parts = vec![format!("in {}", place(row))];
            parts.push(format!("to {}", destination(row)));
            parts.extend(row.process.as_ref().map(holder));
            let text = parts.join(", ");
            for line in wrap::lines(&escape::text(&text), width, 2) {
                writeln!(out, "  {}", line.trim_start())?;
            }
        }
        Ok(())
    }

    /// What the reasons mean and what to do, once for each.
    fn explain(&self, out: &mut dyn Write, rows: &[Row], width: Option<u16>) -> io::Result<()> {
        let mut told: Vec<&str> = Vec::new();
        for row in rows {
            if told.contains(&&*row.reason) || told.len() >= EXPLAINED {
                continue;
            }
            told.push(&row.reason);
            let Some(reason) = drop_reason::by_name(&row.reason) else {
                continue;
            };
            writeln!(out)?;
            let words = format!("{}: {}", reason.name, reason.words);
            for line in wrap::lines(&words, width, 0) {
                writeln!(out, "{line}")?;
            }
            let mut table = Table::new().indent(2);
            table.row(&["next:", &self.there(reason.next.into())]);
            let command = command(reason, row);
            if !command.is_empty() {
                table.row(&["run:", &self.there(Command::of(&command).into())]);
            }
            table.write(out, width)?;
        }
        Ok(())
    }

    /// What else there was, and what cannot be seen in this way.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let unseen = self.tally.unseen();
        if unseen > 0 {
            notes.push(format!(
                "{} were counted, but came too fast to be recorded one by one",
                counted(unseen, "packet")
            ));
        }
        if self.unwritten > 0 {
            notes.push(format!(
                "{} were not printed: the reader of standard output is too slow",
                counted(self.unwritten, "line")
            ));
        }
        if self.is_full {
            notes
                .push("more reasons and places than can be counted: some drops are missing".into());
        }
        if self.tally.elsewhere() > 0 {
            let place = if self.namespace.is_some() {
                "in other network namespaces (--all-netns)"
            } else {
                "in a network namespace that is not known"
            };
            let packets = counted(self.tally.elsewhere(), "packet");
            notes.push(format!("{packets} dropped {place}"));
        }
        if self.tally.everyday() > 0 {
            notes.push(format!(
                "{} not shown, since every host drops such packets (queues of closed sockets, frames for other \
                 hosts): --all",
                counted(self.tally.everyday(), "packet")
            ));
        }
        let blind = self.blind.lines();
        let blind = blind.map(|(count, text)| format!("{count} {}", self.there(text.into())));
        notes.extend(blind.map(|line| format!("not in the table, from counters: {line}")));
        notes
    }

    /// The object of the end.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_json(&self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        let rows = self.tally.rows();
        let rows: Vec<Value> = rows
            .iter()
            .map(|row| {
                json!({
                    "reason": &*row.reason,
                    "words": words(&row.reason),
                    "function": row.function.as_deref(),
                    "hook": row.hook.map(crate::drops::hook::Hook::name),
                    "to": row.destination.as_deref().filter(|it| !it.is_empty()),
                    "is_recorded": row.destination.is_some(),
                    "process": row.process.as_ref().map(process),
                    "packets": row.packets,
                    "rate_per_s": self.rate(row.packets),
                })
            })
            .collect();
        json_line(
            out,
            &json!({
                "schema": "sockdoc.drops/1",
                "event": "end",
                "seconds": self.time.as_secs_f64(),
                "packets": self.tally.packets(),
                "drops": rows,
                "not_recorded_packets": self.tally.unseen(),
                "not_printed": self.unwritten,
                "is_incomplete": self.is_full,
                "other_namespaces_packets": self.tally.elsewhere(),
                "everyday_packets": self.tally.everyday(),
                "counters": {
                    "accept_queue_overflows": self.blind.accept_overflows,
                    "out_no_routes": self.blind.no_route,
                    "softnet_dropped": self.blind.backlog,
                },
            }),
        )
    }
}

/// Where packets of a row were dropped.
fn place(row: &Row) -> String {
    match (&row.function, row.hook) {
        (Some(function), Some(hook)) => format!("{function} ({hook})"),
        (Some(function), None) => function.to_string(),
        (None, Some(hook)) => hook.to_string(),
        (None, None) => "-".to_owned(),
    }
}

/// What they were for.
fn destination(row: &Row) -> &str {
    match row.destination.as_deref() {
        Some("") => "-",
        Some(to) => to,
        None => "(not recorded)",
    }
}

/// The command of a reason, with the port of a packet if it takes one.
fn command(reason: &DropReason, row: &Row) -> String {
    let port = row.destination.as_deref().and_then(|it| it.split_once(' '));
    match port {
        Some((_, port)) => reason.run.replace("PORT", port),
        None => reason.run.replace(" :PORT", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drops::testing::syn;

    fn line(dropped: &Dropped) -> String {
        let mut out = Buffer::default();
        write_line(&mut out, dropped);
        String::from_utf8(out.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_line_has_the_packet_the_reason_in_words_and_the_process() {
        let mut dropped = syn("NETFILTER_DROP", 80);
        dropped.process = Some(Process {
            pid: Some(991),
            comm: b"psql\x1b[2J"[..].into(),
        });
        let text = line(&dropped);
        assert_eq!(
            text,
            "22:13:20.000Z     10.0.0.1 → 10.0.0.2     TCP 54 40000 → 80 [SYN] by NETFILTER_DROP in nft_do_chain \
             (input) on eth0: a firewall rule of this host  psql\\x1b[2J(991)\n"
        );
        let unknown = Dropped {
            hook: None,
            function: None,
            interface: None,
            ..syn("SOMETHING_NEW", 80)
        };
        assert!(line(&unknown).ends_with(" by SOMETHING_NEW\n"));
        let mut object = Vec::new();
        write_json(&mut object, &dropped).unwrap();
        let object: Value = serde_json::from_slice(&object).unwrap();
        assert_eq!(object["destination_port"], 80);
        assert_eq!(object["hook"], "input");
        assert_eq!(object["process"]["pid"], 991);
    }

    #[test]
    fn the_end_has_a_table_the_next_step_and_what_is_not_in_it() {
        let mut tally = Tally::default();
        for _ in 0..2 {
            tally.see(&syn("NO_SOCKET", 8080));
        }
        let reasons = ["NO_SOCKET".into(), "QUEUE_PURGE".into(), "XDP".into()];
        let function = "nft_do_chain".into();
        let counts = [
            (&reasons[0], Some(&function), true, 1_002),
            (&reasons[1], None, true, 4),
            (&reasons[2], None, false, 3),
        ];
        tally.count(counts.into_iter(), false);
        let here = Namespace::new(1, "blue");
        let summary = Summary {
            tally: &tally,
            time: Duration::from_secs(2),
            namespace: Some(&here),
            is_full: false,
            unwritten: 0,
            blind: Blind {
                accept_overflows: Some(5),
                no_route: Some(0),
                backlog: None,
            },
        };
        for width in [40, 60] {
            let mut out = Vec::new();
            let style = Style::new(false);
            summary.write(&mut out, style, Some(width)).unwrap();
            let text = String::from_utf8(out).unwrap();
            let rows = "NO_SOCKET  1,000 packets, 500.0/s\n  in nft_do_chain, to (not recorded)\n\
                        NO_SOCKET  2 packets, 1.0/s\n  in nft_do_chain (input), to tcp 8080\n";
            assert!(text.contains(rows), "{text}");
            let is_short = |line: &str| line.chars().count() <= width.into();
            assert!(text.lines().all(is_short), "{text}");
        }
        let mut out = Vec::new();
        summary.write(&mut out, Style::new(false), None).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "1,002 packets dropped in this network namespace in 2.0 s (501.0/s)"
        );
        assert!(
            lines[3].starts_with("NO_SOCKET    1,000  500.0/s  nft_do_chain"),
            "{text}"
        );
        assert!(lines[3].contains("(not recorded)"), "{text}");
        assert!(lines[4].contains("tcp 8080"), "{text}");
        assert!(
            text.contains("\nNO_SOCKET: no program listens on that port"),
            "{text}"
        );
        assert!(
            text.contains("1,000 packets were counted, but came too fast"),
            "{text}"
        );
        assert!(
            text.contains("3 packets dropped in other network namespaces"),
            "{text}"
        );
        assert!(text.contains("4 packets not shown"), "{text}");
        assert!(
            text.contains("run:   sockdoc sockets --netns blue -l\n"),
            "{text}"
        );
        assert!(
            text.contains("5 dropped because an accept queue was full"),
            "{text}"
        );
        assert!(!text.contains("route"), "{text}");
        let mut out = Vec::new();
        summary.write_json(&mut out).unwrap();
        let object: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(object["packets"], 1_002);
        assert_eq!(object["drops"][0]["to"], Value::Null);
        assert_eq!(object["counters"]["accept_queue_overflows"], 5);
    }
}

//! What a capture holds, in numbers.

use std::collections::BTreeMap;
use std::io;

use super::buffer::Buffer;
use super::json::{Totals, string};
use super::other::protocol_name;
use super::words::milliseconds;
use crate::capfile::Timestamp;
use crate::packet::Decoded;
use crate::packet::record::{Network, Transport};
use crate::render::table::Table;
use crate::render::thousands;
use crate::stream::{Marks, Seen};

/// Counts frames.
#[derive(Debug, Default)]
pub struct Stats {
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    malformed: u64,
    cut: u64,
    protocols: BTreeMap<String, (u64, u64)>,
    marks: [u64; Marks::WORDS.len()],
}

impl Stats {
    /// Counts a frame.
    pub fn frame(
        &mut self,
        time: Timestamp,
        frame: &[u8],
        length: u32,
        decoded: &Decoded,
        seen: Option<&Seen>,
    ) {
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
        self.malformed += u64::from(decoded.malformed.is_some());
        self.cut += u64::from(frame.len() < length as usize);
        let name = protocol(decoded);
        let count = match self.protocols.get_mut(name.as_ref()) {
            Some(count) => count,
            None => self.protocols.entry(name.into_owned()).or_default(),
        };
        count.0 += 1;
        count.1 += u64::from(length);
        if let Some(seen) = seen.filter(|seen| !seen.analysis.marks.is_empty()) {
            for (count, (mark, _)) in self.marks.iter_mut().zip(Marks::WORDS) {
                *count += u64::from(seen.analysis.marks.has(mark));
            }
        }
    }

    /// Writes the numbers as one JSON object.
    pub fn write_json(&self, out: &mut Buffer) {
        out.text("{\"schema\":\"sockdoc.decode/1\",\"event\":\"stats\",\"cut_frames\":");
        out.number(self.cut);
        out.text(",\"malformed_frames\":");
        out.number(self.malformed);
        out.text(",\"protocols\":[");
        let mut separator = "";
        for (name, (frames, bytes)) in &self.protocols {
            out.text(separator);
            out.text("{\"protocol\":");
            string(out, name);
            out.text(",\"frames\":");
            out.number(*frames);
            out.text(",\"bytes\":");
            out.number(*bytes);
            out.byte(b'}');
            separator = ",";
        }
        out.text("],\"tcp_analysis\":{");
        let mut separator = "";
        for (count, (_, words)) in self.marks.iter().zip(Marks::WORDS) {
            if *count > 0 {
                out.text(separator);
                string(out, words);
                out.byte(b':');
                out.number(*count);
                separator = ",";
            }
        }
        out.text("}}\n");
    }

    /// Writes the numbers.
    pub fn write(&self, out: &mut dyn io::Write, totals: &Totals) -> io::Result<()> {
        let duration = match (self.first, self.last) {
            (Some(first), Some(last)) => last.as_nanos() - first.as_nanos(),
            _ => 0,
        };
        let mut time = Buffer::default();
        milliseconds(&mut time, i64::try_from(duration).unwrap_or(i64::MAX));
        let mut table = Table::new().right(1);
        for (name, number) in [
            ("frames", totals.shown),
            ("bytes", totals.bytes),
            ("cut by the snap length", self.cut),
            ("malformed", self.malformed),
            ("TCP streams", totals.streams),
            ("application messages", totals.messages),
        ] {
            table.row(&[name, &thousands(number)]);
        }
        table.row(&["duration", &String::from_utf8_lossy(time.as_bytes())]);
        table.write(out, None)?;
        writeln!(out)?;
        let mut table = Table::new()
            .header(&["PROTOCOL", "FRAMES", "BYTES"])
            .right(1)
            .right(2);
        for (name, (frames, bytes)) in &self.protocols {
            table.row(&[name, &thousands(*frames), &thousands(*bytes)]);
        }
        table.write(out, None)?;
        if self.marks.iter().all(|count| *count == 0) {
            return Ok(());
        }
        writeln!(out)?;
        let mut table = Table::new().header(&["TCP ANALYSIS", "FRAMES"]).right(1);
        for (count, (_, words)) in self
            .marks
            .iter()
            .zip(Marks::WORDS)
            .filter(|(count, _)| **count > 0)
        {
            table.row(&[words, &thousands(*count)]);
        }
        table.write(out, None)
    }
}

/// What a frame carries, by its innermost layer that is known.
fn protocol(decoded: &Decoded) -> std::borrow::Cow<'static, str> {
    let layers = decoded.innermost();
    match (&layers.network, &layers.transport) {
        (_, Transport::Tcp(_)) => "TCP".into(),
        (_, Transport::Udp(_)) => "UDP".into(),
        (Network::Ip(ip), Transport::Icmp(_)) if ip.is_v6 => "ICMPv6".into(),
        (_, Transport::Icmp(_)) => "ICMP".into(),
        (Network::Arp(_), _) => "ARP".into(),
        (Network::Ip(ip), _) => match protocol_name(ip.protocol) {
            Some(name) => name.into(),
            None => format!("IP protocol {}", ip.protocol).into(),
        },
        (Network::Other { .. }, _) if decoded.ethertype != 0 => {
            format!("EtherType 0x{:04x}", decoded.ethertype).into()
        }
        _ => "other".into(),
    }
}

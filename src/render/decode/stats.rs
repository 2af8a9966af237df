//! What a capture holds, in numbers.

use std::collections::BTreeMap;
use std::io;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::buffer::Buffer;
use super::numbers::protocol_name;
use super::view::EventWriter;
use super::words::milliseconds;
use crate::capfile::Timestamp;
use crate::dissect::{Frame, Totals};
use crate::packet::Decoded;
use crate::packet::record::{Network, Transport};
use crate::render::table::Table;
use crate::render::thousands;
use crate::stream::{Event, Marks};

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
    pub(in crate::render) fn count(&mut self, frame: &Frame<'_>) {
        let Frame {
            time,
            captured,
            length,
            decoded,
            ..
        } = *frame;
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
        self.malformed += u64::from(decoded.malformed.is_some());
        self.cut += u64::from(captured.len() < length as usize);
        let name = protocol(decoded);
        let count = match self.protocols.get_mut(name.as_ref()) {
            Some(count) => count,
            None => self.protocols.entry(name.into_owned()).or_default(),
        };
        count.0 += 1;
        count.1 += u64::from(length);
        if let Some(seen) = frame.segment.filter(|seen| !seen.analysis.marks.is_empty()) {
            for (count, (mark, _)) in self.marks.iter_mut().zip(Marks::WORDS) {
                *count += u64::from(seen.analysis.marks.has(mark));
            }
        }
    }

    /// What the frames carry, with their number and their bytes.
    pub(in crate::render) fn protocols(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        let protocols = self.protocols.iter();
        protocols.map(|(name, (frames, bytes))| (name.as_str(), *frames, *bytes))
    }

    /// Writes the numbers.
    fn write(&self, out: &mut dyn io::Write, totals: &Totals) -> io::Result<()> {
        let duration = match (self.first, self.last) {
            (Some(first), Some(last)) => last.nanos_since(first),
            _ => 0,
        };
        let mut time = Buffer::default();
        milliseconds(&mut time, duration);
        let mut table = Table::new().right(1);
        for (name, number) in [
            ("frames", totals.selected),
            ("bytes", totals.bytes),
            ("truncated by snap length", self.cut),
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

impl EventWriter for Stats {
    fn stream(&mut self, _out: &mut Buffer, _event: &Event<'_>) {}

    fn frame(&mut self, _out: &mut Buffer, frame: &Frame<'_>, _pending: &[u8]) {
        self.count(frame);
    }

    fn end(&mut self, out: &mut Buffer, totals: &Totals, _flush: &mut dyn FnMut(&mut Buffer)) {
        // Writing to memory does not fail.
        let _ = self.write(out, totals);
    }
}

/// As one JSON object.
impl Serialize for Stats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[allow(clippy::struct_field_names)] // the keys of the object
        struct Protocol<'a> {
            protocol: &'a str,
            frames: u64,
            bytes: u64,
        }
        struct Analysis<'a>(&'a [u64]);
        impl Serialize for Analysis<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let counts = self.0.iter().zip(Marks::WORDS);
                let counts = counts.filter(|(count, _)| **count > 0);
                serializer.collect_map(counts.map(|(count, (_, words))| (words, count)))
            }
        }
        let protocols = self.protocols.iter();
        let protocols = protocols.map(|(protocol, &(frames, bytes))| Protocol {
            protocol,
            frames,
            bytes,
        });
        let mut object = serializer.serialize_struct("Stats", 6)?;
        object.serialize_field("schema", "sockdoc.decode/1")?;
        object.serialize_field("event", "stats")?;
        object.serialize_field("cut_frames", &self.cut)?;
        object.serialize_field("malformed_frames", &self.malformed)?;
        object.serialize_field("protocols", &protocols.collect::<Vec<_>>())?;
        object.serialize_field("tcp_analysis", &Analysis(&self.marks))?;
        object.end()
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

//! Frames as CSV (RFC 4180): a header, then a row each. Cells are numbers, addresses and our own words
//! without commas, but for the flags and the analysis, which are quoted.

use super::buffer::Buffer;
use super::json::seconds;
use super::line::flags;
use super::numbers::protocol_name;
use super::view::EventWriter;
use crate::dissect::Frame;
use crate::packet::record::{Network, Transport};
use crate::packet::tcp::flag;
use crate::stream::{Event, Marks};

/// Writes a row for each frame.
#[derive(Debug)]
pub struct Csv;

impl EventWriter for Csv {
    fn begin(&mut self, out: &mut Buffer) {
        header(out);
    }

    fn stream(&mut self, _out: &mut Buffer, _event: &Event<'_>) {}

    fn frame(&mut self, out: &mut Buffer, frame: &Frame<'_>, _pending: &[u8]) {
        row(out, frame);
    }

    fn split(&mut self) -> Option<Box<dyn EventWriter>> {
        Some(Box::new(Csv))
    }
}

/// The names of the columns.
fn header(out: &mut Buffer) {
    out.text(
        "frame,time_s,source,source_port,destination,destination_port,protocol,length_bytes,\
         captured_bytes,stream,flags,seq,ack,window_bytes,data_bytes,analysis\n",
    );
}

/// A frame.
fn row(out: &mut Buffer, frame: &Frame<'_>) {
    out.number(frame.number);
    out.byte(b',');
    if frame.has_time {
        seconds(out, frame.time);
    }
    out.byte(b',');
    let layers = frame.decoded.innermost();
    let ports = match &layers.transport {
        Transport::Tcp(tcp) => Some((tcp.source, tcp.destination)),
        Transport::Udp(udp) => Some((udp.source, udp.destination)),
        _ => None,
    };
    match &layers.network {
        Network::Ip(ip) => {
            out.format(format_args!("{},", ip.source));
            maybe(out, ports.map(|(from, _)| u64::from(from)));
            out.format(format_args!(",{},", ip.destination));
            maybe(out, ports.map(|(_, to)| u64::from(to)));
            let name = protocol_name(ip.protocol);
            out.format(format_args!(",{},", name.unwrap_or("")));
        }
        Network::Arp(_) => out.text(",,,,ARP,"),
        Network::Other { .. } | Network::None => out.text(",,,,,"),
    }
    out.number(u64::from(frame.length));
    out.byte(b',');
    out.number(frame.captured.len() as u64);
    out.byte(b',');
    match (&layers.transport, frame.segment) {
        (Transport::Tcp(tcp), Some(seen)) => {
            out.number(u64::from(seen.stream));
            out.text(",\"");
            flags(out, tcp.flags);
            out.text("\",");
            out.number(u64::from(seen.analysis.sequence));
            out.byte(b',');
            maybe(
                out,
                tcp.has(flag::ACK)
                    .then(|| u64::from(seen.analysis.acknowledgment)),
            );
            out.byte(b',');
            out.number(u64::from(seen.analysis.window));
            out.byte(b',');
            out.number(u64::from(tcp.payload.length));
            out.byte(b',');
            analysis(out, seen.analysis.marks);
        }
        (Transport::Udp(udp), _) => {
            out.text(",,,,,");
            out.number(u64::from(udp.payload.length));
            out.byte(b',');
        }
        _ => out.text(",,,,,,"),
    }
    out.byte(b'\n');
}

fn maybe(out: &mut Buffer, number: Option<u64>) {
    if let Some(number) = number {
        out.number(number);
    }
}

fn analysis(out: &mut Buffer, marks: Marks) {
    if marks.is_empty() {
        return;
    }
    let mut separator = "\"";
    for words in marks.words() {
        out.text(separator);
        out.text(words);
        separator = ", ";
    }
    out.byte(b'"');
}

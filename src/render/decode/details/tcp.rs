//! TCP and its options.

use std::fmt::Write as _;

use super::Walk;
use super::tree::{Part, Tree, hex, plural};
use crate::packet::checksum::Wrong;
use crate::packet::tcp::flag;
use crate::render::decode::buffer::Buffer;
use crate::render::decode::line::flags;
use crate::stream::{Marks, SegmentInfo};

/// Bytes of a header without options.
const HEADER: usize = 20;
/// The flags, from the highest bit on.
const FLAGS: [(u16, &str); 9] = [
    (flag::AE, "Accurate ECN"),
    (flag::CWR, "Congestion Window Reduced"),
    (flag::ECE, "ECN-Echo"),
    (flag::URG, "Urgent"),
    (flag::ACK, "Acknowledgment"),
    (flag::PSH, "Push"),
    (flag::RST, "Reset"),
    (flag::SYN, "Syn"),
    (flag::FIN, "Fin"),
];

impl<'a> Walk<'a, '_> {
    /// RFC 9293 section 3.1.
    pub(super) fn tcp(&mut self, part: Part<'a>) {
        let (Some(from), Some(to)) = (part.u16(0), part.u16(2)) else {
            return self.tree.data(part);
        };
        let title = format!("Transmission Control Protocol, Src Port: {from}, Dst Port: {to}");
        let Some(word) = part.u16(12).filter(|_| part.bytes.len() >= HEADER) else {
            return self.cut(&title, part);
        };
        let seen = self.frame.segment.filter(|_| !self.is_quoted).copied();
        let header = usize::from(word >> 12) * 4;
        let payload = part.after(header.max(HEADER));
        let is_ack = word & flag::ACK != 0;
        let sequence = part.u32(4).unwrap_or_default();
        let acknowledgment = part.u32(8).unwrap_or_default();
        let numbers = match &seen {
            Some(seen) => (seen.analysis.sequence, seen.analysis.acknowledgment),
            None => (sequence, acknowledgment),
        };
        let ack = if is_ack {
            format!(", Ack: {}", numbers.1)
        } else {
            String::new()
        };
        self.tree.line(format_args!(
            "{title}, Seq: {}{ack}, Len: {}",
            numbers.0, payload.length
        ));
        let is_wrong = self.is_wrong(Wrong::Tcp);
        self.tree.inside(|tree| {
            tree.line(format_args!("Source Port: {from}"));
            tree.line(format_args!("Destination Port: {to}"));
            if let Some(seen) = &seen {
                tree.line(format_args!("[Stream index: {}]", seen.stream));
            }
            tree.line(format_args!("[TCP Segment Len: {}]", payload.length));
            sequence_lines(tree, part, numbers, seen.is_some(), is_ack);
            let bogus = if header < HEADER {
                format!(" (bogus, must be at least {HEADER})")
            } else {
                String::new()
            };
            tree.bits(
                u32::from(word >> 8),
                8,
                0xf0,
                format_args!("Header Length: {header} bytes ({}){bogus}", word >> 12),
            );
            if header < HEADER {
                return;
            }
            flag_lines(tree, word);
            tree.line(format_args!("Window: {}", part.u16(14).unwrap_or_default()));
            if let Some(seen) = &seen {
                tree.line(format_args!(
                    "[Calculated window size: {}]",
                    seen.analysis.window
                ));
            }
            let sum = part.u16(16).unwrap_or_default();
            let said = if is_wrong { "incorrect" } else { "unverified" };
            tree.line(format_args!("Checksum: 0x{sum:04x} [{said}]"));
            tree.line(format_args!(
                "Urgent Pointer: {}",
                part.u16(18).unwrap_or_default()
            ));
            let options = part.bytes.get(HEADER..header.min(part.bytes.len()));
            let base = acknowledgment.wrapping_sub(numbers.1);
            options_lines(tree, options.unwrap_or_default(), header - HEADER, base);
            if let Some(seen) = &seen {
                analysis(tree, seen);
            }
            let length = payload.bytes.len();
            if length > 0 && !self.is_quoted {
                tree.line(format_args!(
                    "TCP payload ({length} byte{})",
                    plural(length)
                ));
                let again = Marks::ANY_RETRANSMISSION;
                if seen.is_some_and(|seen| seen.analysis.marks.has(again)) {
                    tree.line(format_args!(
                        "Retransmitted TCP segment data ({length} byte{})",
                        plural(length)
                    ));
                }
            }
        });
        if header >= HEADER {
            self.tree.data(payload);
        }
    }

    /// The first bytes of a header, as ICMP errors quote them.
    fn cut(&mut self, title: &str, part: Part<'a>) {
        if !self.is_quoted {
            return self.tree.data(part);
        }
        self.tree.line(format_args!("{title}"));
        self.tree.inside(|tree| {
            tree.line(format_args!(
                "Source Port: {}",
                part.u16(0).unwrap_or_default()
            ));
            tree.line(format_args!(
                "Destination Port: {}",
                part.u16(2).unwrap_or_default()
            ));
            if let Some(sequence) = part.u32(4) {
                tree.line(format_args!("Sequence Number: {sequence}"));
            }
            if let Some(acknowledgment) = part.u32(8) {
                tree.line(format_args!("Acknowledgment Number: {acknowledgment}"));
            }
        });
    }
}

/// The numbers as they are counted in the stream, and as they stand on the wire.
fn sequence_lines(
    tree: &mut Tree<'_>,
    part: Part<'_>,
    numbers: (u32, u32),
    is_relative: bool,
    is_ack: bool,
) {
    let sequence = part.u32(4).unwrap_or_default();
    let acknowledgment = part.u32(8).unwrap_or_default();
    let (relative, relative_ack) = if is_relative {
        (
            "    (relative sequence number)",
            "    (relative ack number)",
        )
    } else {
        ("", "")
    };
    tree.line(format_args!("Sequence Number: {}{relative}", numbers.0));
    tree.line(format_args!("Sequence Number (raw): {sequence}"));
    if is_ack {
        tree.line(format_args!(
            "Acknowledgment Number: {}{relative_ack}",
            numbers.1
        ));
    } else {
        tree.line(format_args!("Acknowledgment Number: {acknowledgment}"));
    }
    tree.line(format_args!(
        "Acknowledgment number (raw): {acknowledgment}"
    ));
}

fn flag_lines(tree: &mut Tree<'_>, word: u16) {
    let set = word & 0x0fff;
    let mut names = Buffer::default();
    flags(&mut names, set);
    tree.line(format_args!(
        "Flags: 0x{set:03x} ({})",
        String::from_utf8_lossy(names.as_bytes())
    ));
    tree.inside(|tree| {
        tree.flag(set.into(), 12, 0xe00, "Reserved");
        for (flag, name) in FLAGS {
            tree.flag(set.into(), 12, flag.into(), name);
        }
    });
}

/// The words of the analysis, which are not in the frame.
fn analysis(tree: &mut Tree<'_>, seen: &SegmentInfo) {
    for words in seen.analysis.marks.words() {
        tree.line(format_args!("[{words}]"));
    }
}

/// An option: its kind and its data.
struct Found<'a> {
    kind: u8,
    data: &'a [u8],
}

/// The options one after the other; the end of the list ends them, and so does a length that cannot be.
fn found(mut bytes: &[u8]) -> Vec<Found<'_>> {
    let mut all = Vec::new();
    while let Some(&kind) = bytes.first() {
        let length = match kind {
            0 | 1 => 1,
            _ => bytes.get(1).copied().map_or(0, usize::from),
        };
        if kind > 1 && length < 2 || length > bytes.len() {
            break;
        }
        let data = bytes.get(2..length).unwrap_or_default();
        all.push(Found { kind, data });
        if kind == 0 {
            break;
        }
        bytes = &bytes[length..];
    }
    all
}

fn options_lines(tree: &mut Tree<'_>, bytes: &[u8], length: usize, base: u32) {
    if length == 0 {
        return;
    }
    let options = found(bytes);
    let mut names = String::new();
    for option in &options {
        names.push_str(", ");
        names.push_str(&name(option).0);
    }
    tree.line(format_args!("Options: ({length} bytes){names}"));
    tree.inside(|tree| {
        for found in &options {
            option(tree, found, base);
        }
    });
}

/// The name of an option in the list, and the name of its kind (IANA, "TCP Option Kind Numbers").
fn name(option: &Found<'_>) -> (String, String) {
    let (name, kind) = match option.kind {
        0 => ("End of Option List (EOL)", "End of Option List"),
        1 => ("No-Operation (NOP)", "No-Operation"),
        2 => ("Maximum segment size", "Maximum Segment Size"),
        3 => ("Window scale", "Window Scale"),
        4 => ("SACK permitted", "SACK Permitted"),
        5 => ("SACK", "SACK"),
        8 => ("Timestamps", "Time Stamp Option"),
        19 => ("TCP MD5 signature", "MD5 Signature Option"),
        28 => ("User Timeout", "User Timeout Option"),
        29 => ("TCP-AO", "TCP Authentication Option"),
        30 => ("MPTCP", "Multipath TCP"),
        34 => ("TCP Fast Open", "TCP Fast Open Cookie"),
        253 => ("Experimental", "RFC3692-style Experiment 1"),
        254 => ("Experimental", "RFC3692-style Experiment 2"),
        other => {
            let name = format!("Unknown (0x{other:02x})");
            return (name.clone(), name);
        }
    };
    (name.to_owned(), kind.to_owned())
}

fn option(tree: &mut Tree<'_>, option: &Found<'_>, base: u32) {
    let (name, kind) = name(option);
    let data = Part {
        bytes: option.data,
        length: option.data.len(),
        at: 0,
    };
    let more = match option.kind {
        2 => data.u16(0).map(|size| format!(": {size} bytes")),
        3 => data
            .byte(0)
            .map(|shift| format!(": {shift} (multiply by {})", 1_u32 << shift.min(14))),
        5 => Some(blocks(option.data, base)),
        8 => data
            .u32(0)
            .zip(data.u32(4))
            .map(|(value, echo)| format!(": TSval {value}, TSecr {echo}")),
        _ => None,
    };
    tree.line(format_args!(
        "TCP Option - {name}{}",
        more.unwrap_or_default()
    ));
    tree.inside(|tree| {
        tree.line(format_args!("Kind: {kind} ({})", option.kind));
        if option.kind < 2 {
            return;
        }
        tree.line(format_args!("Length: {}", option.data.len() + 2));
        match option.kind {
            2 => {
                if let Some(size) = data.u16(0) {
                    tree.line(format_args!("MSS Value: {size}"));
                }
            }
            3 => {
                if let Some(shift) = data.byte(0) {
                    tree.line(format_args!("Shift count: {shift}"));
                    tree.line(format_args!("[Multiplier: {}]", 1_u32 << shift.min(14)));
                }
            }
            5 => {
                for edges in option.data.chunks_exact(8) {
                    let (left, right) = edge(edges, base);
                    tree.line(format_args!("left edge = {left} (relative)"));
                    tree.line(format_args!("right edge = {right} (relative)"));
                }
            }
            8 => {
                if let Some((value, echo)) = data.u32(0).zip(data.u32(4)) {
                    tree.line(format_args!("Timestamp value: {value}"));
                    tree.line(format_args!("Timestamp echo reply: {echo}"));
                }
            }
            _ if !option.data.is_empty() => {
                tree.line(format_args!("Data: {}", hex(option.data)));
            }
            _ => {}
        }
    });
}

/// The edges of the blocks of a selective acknowledgment.
fn blocks(data: &[u8], base: u32) -> String {
    let mut text = String::new();
    for (left, right) in data.chunks_exact(8).map(|edges| edge(edges, base)) {
        // Writing to memory does not fail.
        let _ = write!(text, " {left}-{right}");
    }
    text
}

fn edge(edges: &[u8], base: u32) -> (u32, u32) {
    let part = Part {
        bytes: edges,
        length: edges.len(),
        at: 0,
    };
    let number = |at| part.u32(at).unwrap_or_default().wrapping_sub(base);
    (number(0), number(4))
}

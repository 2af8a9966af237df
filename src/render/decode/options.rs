//! The options of a TCP segment at the end of its line.

use super::buffer::Buffer;
use crate::packet::tcp::Opt;

/// Kinds (IANA, "TCP Option Kind Numbers") that have words and no view of their own.
pub(super) mod kind {
    /// Echo and its reply (RFC 1072).
    pub(in crate::render::decode) const ECHO: u8 = 6;
    pub(in crate::render::decode) const ECHO_REPLY: u8 = 7;
    /// Connection counts (RFC 1644).
    pub(in crate::render::decode) const COUNT: u8 = 11;
    pub(in crate::render::decode) const COUNT_NEW: u8 = 12;
    pub(in crate::render::decode) const COUNT_ECHO: u8 = 13;
    /// A signature (RFC 2385).
    pub(in crate::render::decode) const MD5: u8 = 19;
    /// Capabilities of SCPS (CCSDS 714.0-B-2 section 3.2.3).
    pub(in crate::render::decode) const SCPS: u8 = 20;
    /// Quick-Start response (RFC 4782).
    pub(in crate::render::decode) const QUICK_START: u8 = 27;
    /// User timeout (RFC 5482).
    pub(in crate::render::decode) const USER_TIMEOUT: u8 = 28;
    /// Authentication (RFC 5925).
    pub(in crate::render::decode) const AUTHENTICATION: u8 = 29;
    /// Multipath TCP (RFC 8684).
    pub(in crate::render::decode) const MULTIPATH: u8 = 30;
    /// Fast Open (RFC 7413).
    pub(in crate::render::decode) const FAST_OPEN: u8 = 34;
    /// Accurate ECN (RFC 9768).
    pub(in crate::render::decode) const ACCURATE_ECN_0: u8 = 172;
    pub(in crate::render::decode) const ACCURATE_ECN_1: u8 = 174;
    /// Experiments; the first two bytes say which (RFC 6994).
    pub(in crate::render::decode) const EXPERIMENT_1: u8 = 253;
    pub(in crate::render::decode) const EXPERIMENT_2: u8 = 254;
}

/// ` TSval=7 TSecr=8`
#[inline]
pub(super) fn timestamps(out: &mut Buffer, value: u32, echo: u32) {
    out.text(" TSval=");
    out.number(u64::from(value));
    out.text(" TSecr=");
    out.number(u64::from(echo));
}

/// Writes an option, if it has words; selective acknowledgments count from `base`.
pub(super) fn write(out: &mut Buffer, option: Opt<'_>, base: u32) {
    match option {
        Opt::MaxSegment(size) => {
            out.text(" MSS=");
            out.number(u64::from(size));
        }
        Opt::WindowScale(shift) => {
            out.text(" WS=");
            // RFC 7323 section 2.3: a larger shift counts as 14.
            out.number(1 << shift.min(14));
        }
        Opt::SackPermitted => out.text(" SACK_PERM"),
        Opt::Timestamps(value, echo) => timestamps(out, value, echo),
        Opt::Sack(blocks) => {
            for edges in blocks.chunks_exact(4).enumerate() {
                let (index, edge) = edges;
                out.text(if index % 2 == 0 { " SLE=" } else { " SRE=" });
                let edge = u32::from_be_bytes([edge[0], edge[1], edge[2], edge[3]]);
                out.number(u64::from(edge.wrapping_sub(base)));
            }
        }
        Opt::Other(kind, data) => other(out, kind, data),
        Opt::Malformed => {}
    }
}

/// A rare option, as tshark writes it: that of authentication without a blank in front.
#[cold]
fn other(out: &mut Buffer, kind: u8, data: &[u8]) {
    match (kind, data) {
        (kind::ECHO | kind::ECHO_REPLY, &[a, b, c, d]) => {
            out.format(format_args!(" ECHO={}", u32::from_be_bytes([a, b, c, d])));
        }
        (kind::COUNT | kind::COUNT_NEW | kind::COUNT_ECHO, &[a, b, c, d]) => {
            out.format(format_args!(" CC={}", u32::from_be_bytes([a, b, c, d])));
        }
        (kind::MD5, _) => out.text(" MD5"),
        (kind::SCPS, &[capabilities, connection]) => scps(out, capabilities, connection),
        (kind::QUICK_START, &[rate, ..]) if data.len() == 6 => {
            out.text(" QSresp=");
            out.text(RATES[usize::from(rate & 0x0f)]);
        }
        (kind::USER_TIMEOUT, &[high, low]) => {
            let time = u16::from_be_bytes([high & 0x7f, low]);
            out.format(format_args!(" USER_TO={time}"));
        }
        (kind::AUTHENTICATION, _) => out.text("TCP AO"),
        (kind::FAST_OPEN, cookie) => fast_open(out, cookie),
        (kind::ACCURATE_ECN_0, counters) => accurate_ecn(out, counters, ["EE0B", "EE1B"]),
        (kind::ACCURATE_ECN_1, counters) => accurate_ecn(out, counters, ["EE1B", "EE0B"]),
        (kind::EXPERIMENT_1 | kind::EXPERIMENT_2, &[high, low, ref data @ ..]) => {
            experiment(out, u16::from_be_bytes([high, low]), data);
        }
        _ => {}
    }
}

/// An experiment by its number (IANA, "TCP Experimental Option Experiment Identifiers").
fn experiment(out: &mut Buffer, number: u16, data: &[u8]) {
    const RATE_REQUEST: u16 = 0x00ac;
    const FAST_OPEN: u16 = 0xf989;
    const ACCURATE_ECN_0: u16 = 0xacc0;
    const ACCURATE_ECN_1: u16 = 0xacc1;
    match (number, data) {
        (RATE_REQUEST, []) => out.text(" TARR"),
        (RATE_REQUEST, &[rate]) => out.format(format_args!(" TARR={}", rate >> 1)),
        (RATE_REQUEST, _) => {}
        (FAST_OPEN, cookie) => fast_open(out, cookie),
        (ACCURATE_ECN_0, counters) => accurate_ecn(out, counters, ["EE0B", "EE1B"]),
        (ACCURATE_ECN_1, counters) => accurate_ecn(out, counters, ["EE1B", "EE0B"]),
        (number, _) => out.format(format_args!(" ExID={number:X}")),
    }
}

/// A request for a cookie, or a cookie.
fn fast_open(out: &mut Buffer, cookie: &[u8]) {
    out.text(if cookie.is_empty() {
        " TFO=R"
    } else {
        " TFO=C"
    });
}

/// Up to three counters of 24 bits; the names are those of the first and the last.
fn accurate_ecn(out: &mut Buffer, counters: &[u8], [first, last]: [&str; 2]) {
    if counters.is_empty() {
        return out.text(" AccECN");
    }
    if !counters.len().is_multiple_of(3) || counters.len() > 9 {
        return;
    }
    for (counter, name) in counters.chunks_exact(3).zip([first, "ECEB", last]) {
        let counter = u32::from_be_bytes([0, counter[0], counter[1], counter[2]]);
        out.format(format_args!(" {name}={counter}"));
    }
}

fn scps(out: &mut Buffer, capabilities: u8, connection: u8) {
    const NAMES: [(u8, &str); 6] = [
        (0x80, "BETS"),
        (0x40, "SNACK1"),
        (0x20, "SNACK2"),
        (0x10, "COMP"),
        (0x08, "NLTS"),
        (0x07, "RESERVED"),
    ];
    if capabilities != 0 {
        let set = NAMES.iter().filter(|(bits, _)| capabilities & bits != 0);
        let set: Vec<&str> = set.map(|(_, name)| *name).collect();
        out.format(format_args!(" SCPS[{}]", set.join(", ")));
    }
    if connection != 0 {
        out.format(format_args!(" Connection ID={connection}"));
    }
}

/// Rates of Quick-Start (RFC 4782 section 3.1).
const RATES: [&str; 16] = [
    "0 bit/s",
    "80 Kbit/s",
    "160 Kbit/s",
    "320 Kbit/s",
    "640 Kbit/s",
    "1.28 Mbit/s",
    "2.56 Mbit/s",
    "5.12 Mbit/s",
    "10.24 Mbit/s",
    "20.48 Mbit/s",
    "40.96 Mbit/s",
    "81.92 Mbit/s",
    "163.84 Mbit/s",
    "327.68 Mbit/s",
    "655.36 Mbit/s",
    "1.31072 Gbit/s",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_options_have_the_words_of_tshark() {
        for (kind, data, words) in [
            (kind::ECHO, &[0, 0, 0, 7][..], " ECHO=7"),
            (kind::COUNT_NEW, &[0, 0, 1, 0], " CC=256"),
            (kind::COUNT, &[0], ""),
            (kind::MD5, &[9; 16], " MD5"),
            (
                kind::SCPS,
                &[0xc8, 3],
                " SCPS[BETS, SNACK1, NLTS] Connection ID=3",
            ),
            (
                kind::QUICK_START,
                &[5, 0, 0, 0, 0, 0],
                " QSresp=1.28 Mbit/s",
            ),
            (kind::USER_TIMEOUT, &[0x80, 9], " USER_TO=9"),
            (kind::AUTHENTICATION, &[1, 2], "TCP AO"),
            (kind::FAST_OPEN, &[], " TFO=R"),
            (kind::FAST_OPEN, &[1, 2, 3, 4], " TFO=C"),
            (
                kind::ACCURATE_ECN_0,
                &[0, 0, 1, 0, 0, 2, 0, 0, 3],
                " EE0B=1 ECEB=2 EE1B=3",
            ),
            (kind::ACCURATE_ECN_1, &[0, 0, 1], " EE1B=1"),
            (kind::ACCURATE_ECN_1, &[0, 0], ""),
            (kind::EXPERIMENT_1, &[0xf9, 0x89], " TFO=R"),
            (kind::EXPERIMENT_2, &[0, 0xac, 7], " TARR=3"),
            (kind::EXPERIMENT_2, &[0x12, 0x34, 7], " ExID=1234"),
            (kind::EXPERIMENT_2, &[0x12], ""),
            (99, &[], ""),
        ] {
            let mut out = Buffer::default();
            write(&mut out, Opt::Other(kind, data), 0);
            assert_eq!(String::from_utf8_lossy(out.as_bytes()), words, "{kind}");
        }
    }
}

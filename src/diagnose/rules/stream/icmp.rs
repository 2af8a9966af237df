//! What ICMP errors say of the stream that they quote, and what goes wrong without them.

use super::super::path::MTU_BLACK_HOLE;
use super::{Rule, found, rule};
use crate::diagnose::{Fact, Severity, Value};
use crate::reference::icmp::{Version, describe};
use crate::stream::Noted;

/// A router or host rejected a packet.
pub static ICMP_ERROR: Rule = rule(
    "icmp_error",
    "rejected with an ICMP error",
    [
        "A host or a router on the path did not deliver a packet and sent an ICMP error that quotes it.",
        "The ICMP error, and the packet in it.",
        "A packet that is dropped without a word.",
        "Look at the firewall and the routes of the host that sent the error.",
    ],
    |fact| match fact.noted {
        Noted::IcmpError {
            by,
            is_v6,
            r#type,
            code,
            mtu: None,
            to: (ip, port),
        } => {
            let version = if is_v6 { Version::V6 } else { Version::V4 };
            let entry = describe(version, r#type, code);
            let name = entry.map_or_else(
                || format!("type {type}, code {code}"),
                |it| it.message.to_owned(),
            );
            let what = if port == 0 {
                format!("packets to {ip}")
            } else {
                format!("packets to {ip} port {port}")
            };
            let headline = format!("{by} rejected {what}: ICMP {name}");
            let mut finding = found(&ICMP_ERROR, Severity::Warning, fact, headline);
            finding.facts.push(Fact::new(
                "capture",
                "icmp_code",
                Value::Word(format!("{type}/{code}").into()),
            ));
            Some(finding)
        }
        _ => None,
    },
);

/// A packet was larger than a link on the path.
pub static PATH_MTU: Rule = rule(
    "path_mtu",
    "packet too big for the path",
    [
        "A router could not forward a packet because the next link takes smaller ones only, and said so. A \
         healthy sender then sends smaller packets.",
        "ICMP fragmentation needed, or packet too big, with the MTU of the next link.",
        "A black hole: there the packet is dropped without an ICMP error.",
        "Nothing to do if the sender goes on with smaller packets.",
    ],
    |fact| match fact.noted {
        Noted::IcmpError {
            by, mtu: Some(mtu), ..
        } => {
            let headline = if mtu == 0 {
                format!("{by} sent: packet too big, without the MTU of the next link")
            } else {
                format!("{by} sent: packet too big, MTU of the next link {mtu}")
            };
            let mut finding = found(&PATH_MTU, Severity::Notice, fact, headline);
            finding.facts.push(mtu_fact(mtu));
            Some(finding)
        }
        _ => None,
    },
);

/// The sender did not heed it.
pub static MTU_IGNORED: Rule = rule(
    "mtu_ignored",
    "path MTU ignored",
    [
        "The sender goes on with packets that are larger than the MTU that a router reported: it did not get \
         the ICMP error, or a firewall in front of it drops it. These packets never arrive.",
        "Packets larger than the reported MTU, sent after the ICMP error.",
        "A sender that lowers its packet size: one such error is ordinary.",
        "Let ICMP type 3 code 4 (ICMPv6 type 2) through to the sender. Workaround: clamp the TCP MSS.",
    ],
    |fact| match fact.noted {
        Noted::MtuIgnored { mtu, times } => {
            let headline = format!(
                "{times} packets larger than the path MTU of {mtu} were sent after the ICMP error"
            );
            let mut finding = found(&MTU_IGNORED, Severity::Error, fact, headline);
            finding.facts.push(mtu_fact(mtu));
            Some(finding)
        }
        // The same without the ICMP error.
        Noted::BlackHole { length, times } => {
            let headline = format!(
                "possible MTU black hole: a segment of {length} bytes was sent {times} times and never \
                 acknowledged, smaller ones were"
            );
            Some(found(&MTU_BLACK_HOLE, Severity::Warning, fact, headline))
        }
        _ => None,
    },
);

fn mtu_fact(mtu: u32) -> Fact {
    Fact::new("ICMP", "mtu", Value::Bytes(mtu.into()))
}

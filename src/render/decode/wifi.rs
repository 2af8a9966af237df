//! Lines about IEEE 802.11 frames that carry no packet.

use super::buffer::Buffer;
use super::line::{columns as two_columns, head, incomplete};
use super::other::mac;
use crate::capfile::LinkType;
use crate::dissect::Frame;
use crate::packet::wifi::{HEADER, Header, Radiotap, flag, kind};
use crate::render::escape;

/// Source and destination; those of control frames say which address it is.
pub(super) fn columns(out: &mut Buffer, bytes: &[u8], header: u32, source: u32, destination: u32) {
    let is_control = bytes
        .get(header as usize)
        .is_some_and(|first| first >> 2 & 3 == kind::CONTROL);
    let text = |at: u32, role: &str| {
        let address = bytes.get(at as usize..).and_then(<[u8]>::first_chunk::<6>);
        match address.filter(|_| at != 0) {
            Some(address) if is_control => format!("{} ({role})", mac(address)),
            Some(address) => mac(address),
            None => String::new(),
        }
    };
    two_columns(out, &text(source, "TA"), &text(destination, "RA"));
}

/// `802.11 50 Beacon frame, SN=0, FN=0, Flags=........, BI=100, SSID="test"`; the header begins at `start`.
pub(super) fn write(out: &mut Buffer, frame: &Frame<'_>, start: usize) {
    head(out, "802.11", frame.length);
    let Ok(header) = Header::read(frame.bytes, start) else {
        return;
    };
    out.text(name(header.kind, header.subtype));
    if let Some(sequence) = header.sequence {
        out.format(format_args!(", SN={}, FN={}", sequence >> 4, sequence & 15));
    }
    out.text(", Flags=");
    let letters = "opmPRMFT".bytes();
    for (place, letter) in letters.enumerate() {
        let is_set = header.flags & 0x80 >> place != 0;
        out.byte(if is_set { letter } else { b'.' });
    }
    let has_checksum = frame.decoded.link_type == LinkType::IEEE802_11_RADIOTAP
        && Radiotap::read(frame.bytes)
            .is_ok_and(|radiotap| radiotap.flags & Radiotap::HAS_CHECKSUM != 0);
    if has_checksum {
        out.byte(b'C');
    }
    if header.kind == kind::MANAGEMENT && header.flags & flag::PROTECTED == 0 {
        let was_cut = frame.captured.len() < frame.length as usize;
        // The checksum is at the end of what was on the wire.
        let end = frame.bytes.len() - if has_checksum && !was_cut { 4 } else { 0 };
        let body = frame.bytes.get(start + HEADER..end).unwrap_or_default();
        if header.subtype == subtype::ACTION {
            action(out, body);
        } else if elements(out, header.subtype, body).is_none() {
            incomplete(out, was_cut);
        }
    }
}

/// The token of a dialog, where it comes after the category and the action (IEEE 802.11 clause 9.6).
fn action(out: &mut Buffer, body: &[u8]) {
    const SPECTRUM: u8 = 0;
    const QOS: u8 = 1;
    const BLOCK_ACK: u8 = 3;
    let &[category, action, token, ..] = body else {
        return;
    };
    let has_token = match category & 0x7f {
        SPECTRUM => action <= 3,
        QOS => action <= 1,
        // With or without NDP or BAT: request and response, but not the end.
        BLOCK_ACK => matches!(action, 0 | 1 | 128 | 129 | 132 | 133),
        _ => false,
    };
    if has_token {
        out.format(format_args!(", Dialog Token={token}"));
    }
}

/// Subtypes of management frames.
mod subtype {
    pub(super) const ASSOCIATION_REQUEST: u8 = 0;
    pub(super) const ASSOCIATION_RESPONSE: u8 = 1;
    pub(super) const REASSOCIATION_RESPONSE: u8 = 3;
    pub(super) const REASSOCIATION_REQUEST: u8 = 2;
    pub(super) const PROBE_REQUEST: u8 = 4;
    pub(super) const PROBE_RESPONSE: u8 = 5;
    pub(super) const BEACON: u8 = 8;
    pub(super) const ACTION: u8 = 13;
}

/// The beacon interval and the name of the network. `None` if an element goes on after the end of the frame.
fn elements(out: &mut Buffer, subtype: u8, body: &[u8]) -> Option<()> {
    // What stands in front of the elements (IEEE 802.11 clause 9.3.3).
    let fixed = match subtype {
        subtype::ASSOCIATION_REQUEST => 4,
        subtype::ASSOCIATION_RESPONSE | subtype::REASSOCIATION_RESPONSE => 6,
        subtype::REASSOCIATION_REQUEST => 10,
        subtype::PROBE_REQUEST => 0,
        subtype::PROBE_RESPONSE | subtype::BEACON => 12,
        _ => return Some(()),
    };
    if fixed == 12
        && let Some(&[low, high]) = body.get(8..10)
    {
        out.format(format_args!(", BI={}", u16::from_le_bytes([low, high])));
    }
    let mut rest = body.get(fixed..)?;
    let mut is_named = false;
    while let &[id, ref after @ ..] = rest {
        let (length, after) = after.split_first()?;
        let (value, after) = after.split_at_checked(usize::from(*length))?;
        if id == 0 && !is_named {
            is_named = true;
            if value.is_empty() {
                out.text(", SSID=Wildcard (Broadcast)");
            } else {
                let name = String::from_utf8_lossy(value);
                out.format(format_args!(", SSID=\"{}\"", escape::text(&name)));
            }
        }
        rest = after;
    }
    Some(())
}

/// The name of a frame (IEEE 802.11 clause 9.2.4.1.3).
fn name(kind: u8, subtype: u8) -> &'static str {
    match (kind, subtype) {
        (0, 0) => "Association Request",
        (0, 1) => "Association Response",
        (0, 2) => "Reassociation Request",
        (0, 3) => "Reassociation Response",
        (0, 4) => "Probe Request",
        (0, 5) => "Probe Response",
        (0, 6) => "Measurement Pilot",
        (0, 8) => "Beacon frame",
        (0, 9) => "ATIM",
        (0, 10) => "Disassociate",
        (0, 11) => "Authentication",
        (0, 12) => "Deauthentication",
        (0, 13) => "Action",
        (0, 14) => "Action No Ack",
        (1, 2) => "Trigger",
        (1, 4) => "Beamforming Report Poll",
        (1, 5) => "VHT/HE/EHT/RANGING NDP Announcement",
        (1, 7) => "Control Wrapper",
        (1, 8) => "802.11 Block Ack Req",
        (1, 9) => "802.11 Block Ack",
        (1, 10) => "Power-Save poll",
        (1, 11) => "Request-to-send",
        (1, 12) => "Clear-to-send",
        (1, 13) => "Acknowledgement",
        (1, 14) => "CF-End (Control-frame)",
        (1, 15) => "CF-End + CF-Ack (Control-frame)",
        (2, 0) => "Data",
        (2, 1) => "Data + CF-Ack",
        (2, 2) => "Data + CF-Poll",
        (2, 3) => "Data + CF-Ack + CF-Poll",
        (2, 4) => "Null function (No data)",
        (2, 5) => "Acknowledgement (No data)",
        (2, 6) => "CF-Poll (No data)",
        (2, 7) => "CF-Ack/CF-Poll (No data)",
        (2, 8) => "QoS Data",
        (2, 9) => "QoS Data + CF-Acknowledgment",
        (2, 10) => "QoS Data + CF-Poll",
        (2, 11) => "QoS Data + CF-Ack + CF-Poll",
        (2, 12) => "QoS Null function (No data)",
        (2, 14) => "QoS CF-Poll (No Data)",
        (2, 15) => "QoS CF-Ack + CF-Poll (No data)",
        _ => "Unrecognized (Reserved frame)",
    }
}

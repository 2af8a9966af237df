//! Lines about IEEE 802.2 frames and Cisco HDLC that carry nothing that is decoded.

use super::buffer::Buffer;
use super::line::head;
use crate::packet::llc::{Header, UNNUMBERED};

/// `LLC 60 U, func=UI; DSAP ISO Network Layer Individual, SSAP ISO Network Layer Command`. False if the bytes are too few.
pub(super) fn write(out: &mut Buffer, length: u32, bytes: &[u8]) -> bool {
    let Some(header) = Header::read(bytes) else {
        return false;
    };
    head(out, "LLC", length);
    control(out, bytes, header.control);
    if let Some((organisation, protocol)) = header.snap {
        let name = match organisation {
            0x0000_000c | 0x0000_00f8 => " (Cisco Systems, Inc)",
            0x0008_0007 => " (Apple, Inc.)",
            _ => "",
        };
        out.format(format_args!(
            "; SNAP, OUI 0x{organisation:06X}{name}, PID 0x{protocol:04X}"
        ));
        return true;
    }
    let is_group = header.destination & 1 == 1;
    let is_response = header.source & 1 == 1;
    out.text("; DSAP ");
    access_point(out, header.destination & 0xfe);
    out.text(if is_group { " Group" } else { " Individual" });
    out.text(", SSAP ");
    access_point(out, header.source & 0xfe);
    out.text(if is_response { " Response" } else { " Command" });
    true
}

/// The control field (IEEE 802.2 clause 5.3): information, supervisory or unnumbered.
fn control(out: &mut Buffer, bytes: &[u8], control: u8) {
    let second = bytes.get(3).copied().unwrap_or(0);
    match control & 3 {
        0 | 2 => out.format(format_args!(
            "I, N(R)={}, N(S)={}",
            second >> 1,
            control >> 1
        )),
        1 => {
            let name = ["RR", "RNR", "REJ", "SREJ"][usize::from(control >> 2 & 3)];
            out.format(format_args!("S, func={name}, N(R)={}", second >> 1));
        }
        _ if control == UNNUMBERED => out.text("U, func=UI"),
        _ => {
            let name = match control & 0xec {
                0x00 => "UI",
                0x0c => "DM",
                0x20 => "UP",
                0x40 => "DISC",
                0x60 => "UA",
                0x6c => "SABME",
                0x84 => "FRMR",
                0xac => "XID",
                0xe0 => "TEST",
                _ => "Unknown",
            };
            out.format(format_args!("U, func={name}"));
        }
    }
}

/// The name of a service access point (IEEE 802.2, assigned numbers).
fn access_point(out: &mut Buffer, number: u8) {
    out.text(match number {
        0x00 => "NULL LSAP",
        0x02 | 0x03 => "LLC Sub-Layer Management",
        0x04 | 0x05 => "SNA Path Control",
        0x06 => "TCP/IP",
        0x08 | 0x0c => "SNA",
        0x0e => "PROWAY (IEC955) Network Management and Initialization",
        0x10 => "NetWare (unofficial?)",
        0x14 => "ISO Network Layer (OSLAN 1)",
        0x18 => "Texas Instruments",
        0x20 | 0x34 => "ISO Network Layer (unofficial?)",
        0x42 => "Spanning Tree BPDU",
        0x4e => "EIA RS-511 Manufacturing Message Service",
        0x54 => "ISO Network Layer (OSLAN 2)",
        0x7e => "ISO 8208 (X.25 over 802.2)",
        0x80 => "XNS",
        0x82 => "BACnet",
        0x86 => "Nestar",
        0x8e => "PROWAY (IEC955) Active Station List Maintenance",
        0x98 => "ARP",
        0xaa => "SNAP",
        0xb4 => "HP JetDirect Printer",
        0xba | 0xbc => "Banyan Vines",
        0xe0 => "NetWare",
        0xf0 => "NetBIOS",
        0xf4 => "IBM Net Management",
        0xf8 => "HP Extended LLC",
        0xfa => "Ungermann-Bass",
        0xfc => "Remote Program Load",
        0xfe => "ISO Network Layer",
        0xff => "Global LSAP",
        other => return out.format(format_args!("0x{other:02x}")),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_field_and_both_ends_are_named() {
        let line = |bytes: &[u8]| {
            let mut out = Buffer::default();
            assert!(write(&mut out, 60, bytes));
            String::from_utf8_lossy(out.as_bytes()).into_owned()
        };
        let tree = "LLC 60 U, func=UI; DSAP Spanning Tree BPDU Individual, SSAP Spanning Tree BPDU Command";
        assert_eq!(line(&[0x42, 0x42, 3]), tree);
        let cisco = "LLC 60 U, func=UI; SNAP, OUI 0x00000C (Cisco Systems, Inc), PID 0x2000";
        assert_eq!(line(&[0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 0]), cisco);
        let information = "LLC 60 I, N(R)=26, N(S)=0; DSAP 0x44 Individual, SSAP NetWare Response";
        assert_eq!(line(&[0x44, 0xe1, 0, 52]), information);
        assert!(!write(&mut Buffer::default(), 60, &[0x42]));
    }
}

//! Lines about ARP and its relatives.

use super::buffer::Buffer;
use super::line::head;
use super::other::{link_columns, mac};
use crate::dissect::Frame;
use crate::packet::record::Arp;

/// Operations (IANA, "Address Resolution Protocol Parameters").
mod operation {
    pub(super) const REQUEST: u16 = 1;
    pub(super) const REPLY: u16 = 2;
    /// RARP (RFC 903).
    pub(super) const REVERSE_REQUEST: u16 = 3;
    pub(super) const REVERSE_REPLY: u16 = 4;
    /// Dynamic RARP (RFC 1931).
    pub(super) const DYNAMIC_REQUEST: u16 = 5;
    pub(super) const DYNAMIC_REPLY: u16 = 6;
    pub(super) const DYNAMIC_ERROR: u16 = 7;
    /// Inverse ARP (RFC 2390).
    pub(super) const INVERSE_REQUEST: u16 = 8;
    pub(super) const INVERSE_REPLY: u16 = 9;
    /// An answer in ATM networks: there is no such address (RFC 2225).
    pub(super) const NAK: u16 = 10;
    /// Experiments (RFC 5494).
    pub(super) const EXPERIMENT_1: u16 = 24;
    pub(super) const EXPERIMENT_2: u16 = 25;
}

/// The addresses of a message, of whatever kind they are.
struct Addresses<'a> {
    sender: &'a [u8],
    sender_protocol: &'a [u8],
    target: &'a [u8],
    target_protocol: &'a [u8],
}

impl<'a> Addresses<'a> {
    /// All that the message says it has are there: that was checked when it was read.
    fn of(message: &'a [u8]) -> Option<Addresses<'a>> {
        const LENGTHS: std::ops::Range<usize> = 4..6;
        const FIXED: usize = 8;
        let &[hardware, protocol] = message.get(LENGTHS)? else {
            return None;
        };
        let (hardware, protocol) = (usize::from(hardware), usize::from(protocol));
        let rest = message.get(FIXED..)?;
        let (sender, rest) = rest.split_at_checked(hardware)?;
        let (sender_protocol, rest) = rest.split_at_checked(protocol)?;
        let (target, rest) = rest.split_at_checked(hardware)?;
        Some(Addresses {
            sender,
            sender_protocol,
            target,
            target_protocol: rest.get(..protocol)?,
        })
    }
}

/// Writes the line of a message.
pub(super) fn write(out: &mut Buffer, frame: &Frame<'_>, arp: &Arp) {
    link_columns(out, frame);
    let protocol = match arp.operation {
        operation::REVERSE_REQUEST | operation::REVERSE_REPLY => "RARP",
        operation::DYNAMIC_REQUEST..=operation::DYNAMIC_ERROR => "DRARP",
        operation::INVERSE_REQUEST | operation::INVERSE_REPLY => "Inverse ARP",
        _ => "ARP",
    };
    head(out, protocol, frame.length);
    let message = frame.bytes.get(arp.offset as usize..).unwrap_or_default();
    if let Some(addresses) = Addresses::of(message) {
        words(out, arp, message, &addresses);
    }
    if let Some(address) = frame.contested
        && protocol == "ARP"
    {
        let address = std::net::Ipv4Addr::from(address);
        out.format(format_args!(" (duplicate use of {address} detected!)"));
    }
}

fn words(out: &mut Buffer, arp: &Arp, message: &[u8], addresses: &Addresses<'_>) {
    let Addresses {
        sender,
        sender_protocol,
        target,
        target_protocol,
    } = addresses;
    let is_usual = arp.addresses.is_some();
    let is_ipv4 = message.get(2..4) == Some(&[8, 0]);
    let ip = |bytes: &[u8]| match <[u8; 4]>::try_from(bytes) {
        // The length of the hardware's addresses does not matter.
        Ok(bytes) if is_ipv4 => std::net::Ipv4Addr::from(bytes).to_string(),
        _ => plain(bytes),
    };
    let hardware = |bytes: &[u8]| {
        if is_usual || bytes.len() == 6 {
            mac(bytes)
        } else {
            plain(bytes)
        }
    };
    let (from, to) = (ip(sender_protocol), ip(target_protocol));
    let is_gratuitous = sender_protocol == target_protocol;
    let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    match arp.operation {
        operation::REQUEST if is_gratuitous && is_zero(target) => {
            out.format(format_args!("ARP Announcement for {from}"));
        }
        operation::REQUEST if is_gratuitous => {
            out.format(format_args!("Gratuitous ARP for {from} (Request)"));
        }
        operation::REQUEST if is_usual && is_zero(sender_protocol) => {
            out.format(format_args!("Who has {to}? (ARP Probe)"));
        }
        operation::REQUEST => out.format(format_args!("Who has {to}? Tell {from}")),
        operation::REPLY if is_gratuitous => {
            out.format(format_args!("Gratuitous ARP for {from} (Reply)"));
        }
        operation::REPLY => out.format(format_args!("{from} is at {}", hardware(sender))),
        operation::REVERSE_REQUEST | operation::DYNAMIC_REQUEST | operation::INVERSE_REQUEST => out
            .format(format_args!(
                "Who is {}? Tell {}",
                hardware(target),
                hardware(sender)
            )),
        operation::REVERSE_REPLY | operation::DYNAMIC_REPLY => {
            out.format(format_args!("{} is at {to}", hardware(target)));
        }
        operation::DYNAMIC_ERROR => out.text("DRARP Error"),
        operation::INVERSE_REPLY => out.format(format_args!("{} is at {from}", hardware(sender))),
        operation::NAK => out.text("ARP NAK"),
        operation::EXPERIMENT_1 => out.text("Experimental 1 ( opcode 24 )"),
        operation::EXPERIMENT_2 => out.text("Experimental 2 ( opcode 25 )"),
        other @ (0 | 0xffff) => out.format(format_args!("Reserved opcode {other}")),
        other => out.format(format_args!("Unknown ARP opcode 0x{other:04x}")),
    }
}

/// An address of another kind, in hexadecimal.
fn plain(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "<No address>".to_owned();
    }
    crate::render::json::hex(bytes)
}

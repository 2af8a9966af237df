//! DHCP: the kind of a message and the client's name (RFC 2131, RFC 2132).

use super::{Said, add, lossy};

/// The ports.
pub(super) const SERVER_PORT: u16 = 67;
pub(super) const CLIENT_PORT: u16 = 68;

/// The fixed fields of BOOTP, then what says that options follow (RFC 2131 section 3).
const FIXED: usize = 236;
const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// Options (RFC 2132).
mod option {
    pub(super) const PAD: u8 = 0;
    pub(super) const HOST_NAME: u8 = 12;
    pub(super) const REQUESTED_ADDRESS: u8 = 50;
    pub(super) const KIND: u8 = 53;
    pub(super) const END: u8 = 255;
}

/// Reads a message.
pub(super) fn read(message: &[u8]) -> Option<Said> {
    let mut rest = message.get(FIXED..)?.strip_prefix(&COOKIE)?;
    let (mut kind, mut name, mut wanted) = (None, None, None);
    while let [number, after @ ..] = rest {
        if *number == option::PAD {
            rest = after;
            continue;
        }
        let Some((length, after)) = after.split_first().filter(|_| *number != option::END) else {
            break;
        };
        let Some((value, after)) = after.split_at_checked(usize::from(*length)) else {
            break;
        };
        match (*number, value) {
            (option::KIND, [number]) => kind = Some(*number),
            (option::HOST_NAME, value) => name = Some(lossy(value)),
            (option::REQUESTED_ADDRESS, [a, b, c, d]) => wanted = Some([*a, *b, *c, *d]),
            _ => {}
        }
        rest = after;
    }
    let kind = kind_name(kind?)?;
    let mut words = kind.to_owned();
    let mut said = Said::new("DHCP").with("type", kind);
    // What the server gives, or what the client asks for.
    let given = <[u8; 4]>::try_from(message.get(16..20)?).ok();
    let address = given.filter(|given| *given != [0; 4]).or(wanted);
    if let Some(address) = address {
        let address = std::net::Ipv4Addr::from(address).to_string();
        add(&mut words, format_args!(" {address}"));
        said = said.with("address", address);
    }
    if let Some(name) = name {
        add(&mut words, format_args!(" (host {name})"));
        said = said.naming(name);
    }
    Some(said.saying(words))
}

/// RFC 2132 section 9.6 and those who extend it.
fn kind_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        1 => "Discover",
        2 => "Offer",
        3 => "Request",
        4 => "Decline",
        5 => "ACK",
        6 => "NAK",
        7 => "Release",
        8 => "Inform",
        9 => "Force Renew",
        10 => "Lease Query",
        11 => "Lease Unassigned",
        12 => "Lease Unknown",
        13 => "Lease Active",
        _ => return None,
    })
}

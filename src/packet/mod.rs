//! The layers of packets, read and written over pnet's packet views.
//!
//! | file | what it holds |
//! |---|---|
//! | [`ip`] | the head of an IPv4 or IPv6 packet: options and extension headers are walked over |
//! | [`icmp`] | both versions of ICMP: echo, errors, the packet that an error quotes |
//!
//! Every reader here checks the length once and then makes a view: no accessor of a view is called on
//! bytes that are not there. What cannot be read is told as [`Malformed`], and never panics.

pub mod icmp;
pub mod ip;

use std::fmt;

/// Where reading stopped: the first layer that is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// The layer.
    pub layer: Layer,
    /// Where it begins, in bytes from the start of what was read.
    pub offset: usize,
    /// So many bytes it needs, or says that it has.
    pub need: usize,
    /// So many are there.
    pub have: usize,
}

/// A layer of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// The header of IPv4 with its options (RFC 791).
    Ipv4,
    /// The header of IPv6 (RFC 8200).
    Ipv6,
    /// An extension header of IPv6 (RFC 8200 section 4).
    Ipv6Extension,
    /// ICMP of either version (RFC 792, RFC 4443).
    Icmp,
}

impl Layer {
    /// How people call it.
    pub fn name(self) -> &'static str {
        match self {
            Layer::Ipv4 => "IPv4",
            Layer::Ipv6 => "IPv6",
            Layer::Ipv6Extension => "IPv6 extension header",
            Layer::Icmp => "ICMP",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Malformed {
            layer,
            offset,
            need,
            have,
        } = self;
        let layer = layer.name();
        write!(
            f,
            "{layer} at byte {offset} needs {need} bytes and has {have}"
        )
    }
}

/// The bytes of a layer, if there are as many as it needs at least.
fn at_least(bytes: &[u8], offset: usize, need: usize, layer: Layer) -> Result<&[u8], Malformed> {
    let rest = bytes.get(offset..).unwrap_or_default();
    if rest.len() < need {
        return Err(Malformed {
            layer,
            offset,
            need,
            have: rest.len(),
        });
    }
    Ok(rest)
}

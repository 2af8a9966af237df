//! What a closer look at a name found, beside the look-up itself.

use std::net::IpAddr;
use std::time::Duration;

use super::{Name, ServerAnswers};

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Closer {
    /// The sources of nsswitch.conf(5) that are modules, and whether the C library has them here.
    pub modules: Vec<(String, bool)>,
    /// How each name server takes a query with EDNS.
    pub edns: Vec<(IpAddr, Edns)>,
    /// The names of the addresses.
    pub back: Vec<Back>,
    /// The servers that systemd-resolved asks, where its own address is in resolv.conf(5).
    pub behind: Vec<ServerAnswers>,
}

/// How a server takes a query with EDNS (RFC 6891).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edns {
    /// It speaks it, and takes datagrams of up to this size.
    Size(u16),
    /// It answers without it.
    Ignored,
    /// It answers with this response code.
    Failure(u8),
    /// It does not answer this kind of query.
    Silent,
}

/// The name of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Back {
    /// The address.
    pub address: IpAddr,
    /// What the server says.
    pub answer: BackAnswer,
    /// How long that took.
    pub time: Duration,
}

/// What a server says to the query for the name of an address (PTR).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackAnswer {
    /// Its names.
    Names(Vec<Name>),
    /// It has none.
    None,
    /// A response code.
    Failure(u8),
    /// No answer.
    Silent,
}

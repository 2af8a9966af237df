//! The layers of a connection, from the name to the program at the other end.

use crate::diagnose::Rule;
use crate::diagnose::rules::{Check, attempt, host, name, path, protocol, reach};

/// A layer. The order is that in which a client needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// The name becomes addresses.
    Name,
    /// This host has a route.
    Route,
    /// The link is up, and the next hop answers.
    Neighbour,
    /// This host's own firewall lets the packets pass.
    Firewall,
    /// The packets reach the host, and those of the host come back.
    Path,
    /// Something accepts the connection.
    Connect,
    /// A proxy opens the way to the target.
    Proxy,
    /// Packets of full size arrive.
    Mtu,
    /// TLS.
    Tls,
    /// What is spoken.
    Protocol,
    /// The program at the other end, where that is on this host too.
    Server,
    /// The connection lasts while nothing is sent.
    Idle,
}

impl Layer {
    /// All of them.
    pub const ALL: [Layer; 12] = [
        Layer::Name,
        Layer::Route,
        Layer::Neighbour,
        Layer::Firewall,
        Layer::Path,
        Layer::Connect,
        Layer::Proxy,
        Layer::Mtu,
        Layer::Tls,
        Layer::Protocol,
        Layer::Server,
        Layer::Idle,
    ];

    /// The word for people and programs.
    pub fn word(self) -> &'static str {
        match self {
            Layer::Name => "name",
            Layer::Route => "route",
            Layer::Neighbour => "neighbour",
            Layer::Firewall => "firewall",
            Layer::Path => "path",
            Layer::Connect => "connect",
            Layer::Proxy => "proxy",
            Layer::Mtu => "mtu",
            Layer::Tls => "tls",
            Layer::Protocol => "protocol",
            Layer::Server => "server",
            Layer::Idle => "idle",
        }
    }

    /// The layer that a rule is about.
    pub fn of(rule: &'static Rule) -> Layer {
        let is_one = |rules: &[&Rule]| rules.contains(&rule);
        if is_one(&[&name::FAMILY_MISMATCH]) {
            Layer::Connect
        } else if matches!(rule.check, Check::Name) || is_one(&[&host::NO_NAMESERVER]) {
            Layer::Name
        } else if is_one(&[&reach::NO_ROUTE, &host::REVERSE_PATH_FILTER]) {
            Layer::Route
        } else if is_one(&[&reach::LINK_DOWN, &reach::NEIGHBOUR_FAILED]) {
            Layer::Neighbour
        } else if is_one(&[
            &reach::OWN_FIREWALL_DROPS,
            &reach::OUTPUT_STOPPED,
            &reach::LISTENER_FIREWALLED,
            &attempt::ANSWER_DROPPED,
        ]) {
            Layer::Firewall
        } else if matches!(rule.check, Check::Tls) {
            Layer::Tls
        } else if is_one(&[
            &protocol::NOT_A_PROXY,
            &protocol::PROXY_CANNOT_CONNECT,
            &protocol::PROXY_REFUSES,
        ]) {
            Layer::Proxy
        } else if is_one(&[&protocol::IDLE_DROPPED]) {
            Layer::Idle
        } else if matches!(rule.check, Check::Protocol) {
            Layer::Protocol
        } else if is_one(&[&path::MTU_BLACK_HOLE]) {
            Layer::Mtu
        } else if matches!(rule.check, Check::Path)
            || is_one(&[&attempt::UDP_NO_ANSWER])
            || is_one(&[
                &attempt::HOST_UNREACHABLE,
                &attempt::PORT_FILTERED,
                &attempt::NO_ANSWER,
            ])
        {
            Layer::Path
        } else if is_one(&[&attempt::PUBLISHED_NOWHERE, &attempt::UDP_UNREAD]) {
            Layer::Server
        } else if matches!(rule.check, Check::Attempt) {
            Layer::Connect
        } else {
            Layer::Server
        }
    }
}

/// What is said of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Passed,
    /// It works, and something about it is wrong.
    Doubtful,
    /// It does not.
    Failed,
    /// It was not tried, or cannot be seen.
    Unknown,
}

impl Verdict {
    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Doubtful => "doubtful",
            Verdict::Failed => "failed",
            Verdict::Unknown => "unknown",
        }
    }
}

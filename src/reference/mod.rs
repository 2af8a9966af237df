//! Tables of error codes and states, with cause and next step.
//!
//! Use [`look_up`] for pasted text. Use the table of a kind if the
//! number is known: [`errno::by_number`], [`resolver::by_number`], [`icmp::describe`],
//! [`tcp_state::by_number`].
//!
//! Every entry has the same parts, available through [`Entry`]: a name, a message (the
//! text of the C library or of ping), a cause and a next step.

mod browser;
mod circumstance;
pub mod condition;
pub mod drop_reason;
pub mod errno;
pub mod icmp;
mod lookup;
pub mod no_room;
mod phrase;
mod place;
pub mod python;
pub mod remedy;
pub mod resolver;
pub mod spelling;
mod system;
mod system_advice;
pub mod tcp_state;
pub mod winsock;

pub use circumstance::{Advice, Circumstance};
pub use lookup::{Lookup, Meaning, UnknownCode, look_up};
pub use place::Place;
pub use system::System;

use condition::Condition;
use errno::Errno;
use icmp::{Icmp, Version};
use remedy::Remedy;
use resolver::ResolverCode;
use tcp_state::TcpState;

/// An entry of any of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// An error of a system call.
    Errno(&'static Errno),
    /// An error of `getaddrinfo(3)`.
    Resolver(&'static ResolverCode),
    /// A state of a TCP connection.
    TcpState(&'static TcpState),
    /// An ICMP message of a router or the other host.
    Icmp(&'static Icmp),
    /// What has no errno: the end of a connection, TLS, certificates, proxies.
    Condition(&'static Condition),
}

/// Every entry of every table, kind by kind.
pub fn all() -> impl Iterator<Item = Entry> {
    let errnos = errno::all().map(Entry::Errno);
    let codes = resolver::all().map(Entry::Resolver);
    let states = tcp_state::all().map(Entry::TcpState);
    let messages = icmp::all().map(Entry::Icmp);
    let conditions = condition::all().map(Entry::Condition);
    let numbered = errnos.chain(codes).chain(states).chain(messages);
    numbered.chain(conditions)
}

impl Entry {
    /// `errno`, `resolver`, `tcp_state`, `icmp` or `condition`.
    pub fn kind(self) -> &'static str {
        match self {
            Entry::Errno(_) => "errno",
            Entry::Resolver(_) => "resolver",
            Entry::TcpState(_) => "tcp_state",
            Entry::Icmp(_) => "icmp",
            Entry::Condition(_) => "condition",
        }
    }

    /// `ECONNREFUSED`, `CLOSE_WAIT`, `ICMP_PORT_UNREACH`.
    pub fn name(self) -> &'static str {
        match self {
            Entry::Errno(entry) => entry.name,
            Entry::Resolver(entry) => entry.name,
            Entry::TcpState(entry) => entry.name,
            Entry::Icmp(entry) => entry.name,
            Entry::Condition(entry) => entry.name,
        }
    }

    /// The number as usually written: `111`, `-2`, and `3/3` for type and code of ICMP.
    pub fn number(self) -> String {
        match self {
            Entry::Errno(entry) => entry.number.to_string(),
            Entry::Resolver(entry) => entry.number.to_string(),
            Entry::TcpState(entry) => entry.number.to_string(),
            Entry::Icmp(entry) => match entry.code {
                Some(code) => format!("{}/{code}", entry.r#type),
                None => entry.r#type.to_string(),
            },
            Entry::Condition(_) => "-".to_owned(),
        }
    }

    /// A short description: `Connection refused`.
    pub fn message(self) -> &'static str {
        match self {
            Entry::Errno(entry) => entry.message,
            Entry::Resolver(entry) => entry.message,
            Entry::TcpState(entry) => entry.message,
            Entry::Icmp(entry) => entry.message,
            Entry::Condition(entry) => entry.message,
        }
    }

    /// Cause and next step, specific to the circumstance if the entry has such texts: errnos
    /// only ([`Errno::on`]).
    pub fn advice(self, circumstance: Option<Circumstance>) -> Advice {
        match (self, circumstance) {
            (Entry::Errno(entry), Some(circumstance)) => entry.on(circumstance),
            _ => Advice {
                cause: self.cause(),
                next: self.next(),
            },
        }
    }

    /// The texts of an errno for specific circumstances.
    pub fn variants(self) -> &'static [(Circumstance, Advice)] {
        match self {
            Entry::Errno(entry) => entry.variants,
            _ => &[],
        }
    }

    /// Why it happens.
    pub fn cause(self) -> &'static str {
        match self {
            Entry::Errno(entry) => entry.cause,
            Entry::Resolver(entry) => entry.cause,
            Entry::TcpState(entry) => entry.cause,
            Entry::Icmp(entry) => entry.cause,
            Entry::Condition(entry) => entry.cause,
        }
    }

    /// The next thing to try.
    pub fn next(self) -> &'static str {
        match self {
            Entry::Errno(entry) => entry.next,
            Entry::Resolver(entry) => entry.next,
            Entry::TcpState(entry) => entry.next,
            Entry::Icmp(entry) => entry.next,
            Entry::Condition(entry) => entry.next,
        }
    }

    /// How to tell its causes apart.
    pub fn details(self) -> &'static [&'static str] {
        match self {
            Entry::Errno(entry) => entry.details,
            Entry::Resolver(entry) => entry.details,
            Entry::TcpState(entry) => entry.details,
            Entry::Icmp(_) => &[],
            Entry::Condition(entry) => entry.details,
        }
    }

    /// Other names for it on Linux: `EWOULDBLOCK`, `ESTAB`.
    pub fn aliases(self) -> &'static [&'static str] {
        match self {
            Entry::Errno(entry) => entry.aliases,
            Entry::TcpState(entry) => entry.aliases,
            Entry::Resolver(_) | Entry::Icmp(_) | Entry::Condition(_) => &[],
        }
    }

    /// At which end it happened, what to run, which findings prove it.
    pub fn remedy(self) -> Option<&'static Remedy> {
        match self {
            Entry::Condition(entry) => Some(&entry.remedy),
            _ => remedy::of(self.name()),
        }
    }

    /// The ICMP messages that become this errno on a socket.
    pub fn caused_by_icmp(self) -> impl Iterator<Item = &'static Icmp> {
        let name = self.name();
        icmp::all().filter(move |m| m.on_socket.is_some_and(|it| it.errno == name))
    }
}

impl Version {
    /// As usually written: `icmp` and `icmp6`.
    pub fn word(self) -> &'static str {
        match self {
            Version::V4 => "icmp",
            Version::V6 => "icmp6",
        }
    }
}

//! A name as programs get it, beside what the hosts file and each name server say of it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::config::ResolverConfig;
use super::hosts::HostsEntry;
use super::message::{QueryType, Reply, Timed};
use super::name::Name;

/// What is known of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The name as it was typed.
    pub name: String,
    /// What programs get.
    pub system: SystemAnswer,
    /// How that was found out.
    pub resolver: Resolver,
    /// How long that took, or was waited for.
    pub time: Duration,
    /// The sources of nsswitch.conf(5); `None`: the file has none, and the C library's default holds.
    pub sources: Option<Vec<String>>,
    /// The entries of hosts(5).
    pub hosts: Vec<HostsEntry>,
    /// resolv.conf(5).
    pub config: ResolverConfig,
    /// Each name server that the C library uses.
    pub servers: Vec<ServerAnswers>,
    /// Why no name server was asked.
    pub not_asked: Option<&'static str>,
}

/// How it was found out what programs get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resolver {
    /// getaddrinfo(3) of the C library was called, as by any program.
    #[default]
    CLibrary,
    /// This build is static and has another resolver than the programs of this host: getent(1) was asked.
    Getent,
    /// The same, where getent(1) is not installed: the resolver of this build.
    Static,
    /// It was worked out from the files and the name servers of another namespace: its C library is not called.
    WorkedOut,
}

impl Resolver {
    /// What was asked, in words.
    pub fn words(self) -> &'static str {
        match self {
            Resolver::CLibrary => "getaddrinfo(3)",
            Resolver::Getent => "getent ahosts",
            Resolver::Static => "the resolver of this static build",
            Resolver::WorkedOut => "the files and name servers of that namespace",
        }
    }
}

/// What programs get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SystemAnswer {
    /// Addresses, in the order in which programs try them.
    Addresses {
        /// The addresses; the zone of a link-local one is in them.
        addresses: Vec<SocketAddr>,
        /// The name that has them, where it is another one.
        canonical: Option<String>,
    },
    /// A failure.
    Failed {
        /// Its name: `EAI_AGAIN`.
        code: &'static str,
        /// What it means.
        cause: String,
        /// What to try.
        next: Option<String>,
    },
    /// It was given up on.
    Pending,
}

impl Lookup {
    /// The addresses that programs get.
    pub fn addresses(&self) -> &[SocketAddr] {
        match &self.system {
            SystemAnswer::Addresses { addresses, .. } => addresses,
            _ => &[],
        }
    }

    /// Whether a source of nsswitch.conf(5) is in use: `dns`, `files`.
    pub fn uses(&self, source: &str) -> bool {
        match &self.sources {
            None => ["files", "dns"].contains(&source),
            Some(sources) => sources.iter().any(|it| it == source),
        }
    }
}

/// What one name server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAnswers {
    /// Its address.
    pub address: SocketAddr,
    /// The queries to it, with their answers.
    pub asked: Vec<Asked>,
}

impl ServerAnswers {
    /// The addresses that it knows.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let all = self.asked.iter().flat_map(|asked| match asked.outcome() {
            Outcome::Addresses(addresses) => addresses,
            _ => Vec::new(),
        });
        all.map(|(address, _)| address).collect()
    }

    /// Whether it answered any query, and be it with a failure.
    pub fn is_alive(&self) -> bool {
        self.asked.iter().any(|asked| !asked.is_dead())
    }

    /// Whether every query was without an answer and without an ICMP error.
    pub fn is_silent(&self) -> bool {
        let mut asked = self.asked.iter();
        !self.asked.is_empty() && asked.all(|asked| asked.answer == Answer::Silent)
    }

    /// The errno of a server that cannot be reached.
    pub fn errno(&self) -> Option<i32> {
        self.asked.iter().find_map(|asked| match asked.answer {
            Answer::Failed(errno) if !self.is_alive() => Some(errno),
            _ => None,
        })
    }
}

/// A query and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The name that was asked for.
    pub name: Name,
    /// What was asked for.
    pub kind: QueryType,
    /// The answer by UDP.
    pub answer: Answer,
    /// How long it took, or was waited for.
    pub time: Duration,
    /// How many times the query was sent.
    pub sent: u32,
    /// Datagrams that were not the reply.
    pub ignored: u32,
    /// The time of the same query once more, after a slow answer.
    pub again: Option<Duration>,
    /// The answer by TCP, after a truncated one, and its time.
    pub over_tcp: Option<(Answer, Duration)>,
    /// The response code without the check by DNSSEC, after SERVFAIL.
    pub unchecked: Option<u8>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A reply.
    Reply(Reply),
    /// Nothing.
    Silent,
    /// The socket reported an error: of ICMP, or of this host.
    Failed(i32),
    /// By TCP: bytes that are not the reply.
    Unusable,
}

/// What an answer comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Addresses with their TTL in seconds.
    Addresses(Vec<Timed>),
    /// The name exists and has no such record.
    NoData,
    /// The name does not exist (NXDOMAIN).
    NoSuchName,
    /// Another response code.
    Failure(u8),
    /// Aliases that go in a circle, or are too many.
    AliasLoop,
    /// A reply that cannot be read.
    Damaged,
    /// No answer.
    Silent,
    /// An error of the socket.
    Failed(i32),
    /// The reply was truncated, and TCP did not give the whole.
    NotByTcp,
}

impl Asked {
    /// The reply that counts: by TCP if the one by UDP was truncated.
    pub fn reply(&self) -> Option<&Reply> {
        match (&self.over_tcp, &self.answer) {
            (Some((Answer::Reply(reply), _)), _) | (None, Answer::Reply(reply)) => Some(reply),
            _ => None,
        }
    }

    /// Whether nothing came back.
    pub fn is_dead(&self) -> bool {
        matches!(self.answer, Answer::Silent | Answer::Failed(_))
    }

    /// What the answer comes to.
    pub fn outcome(&self) -> Outcome {
        let Some(reply) = self.reply() else {
            return match self.answer {
                Answer::Reply(_) | Answer::Unusable => Outcome::NotByTcp,
                Answer::Silent => Outcome::Silent,
                Answer::Failed(errno) => Outcome::Failed(errno),
            };
        };
        match reply.rcode {
            3 => return Outcome::NoSuchName,
            0 if reply.truncated => return Outcome::NotByTcp,
            0 => {}
            rcode => return Outcome::Failure(rcode),
        }
        match reply.follow(&self.name) {
            None => Outcome::AliasLoop,
            Some((_, addresses)) if addresses.is_empty() && reply.is_damaged => Outcome::Damaged,
            Some((_, addresses)) if addresses.is_empty() => Outcome::NoData,
            Some((_, addresses)) => Outcome::Addresses(addresses),
        }
    }

    /// The shortest time in which it was answered.
    pub fn best_time(&self) -> Duration {
        self.again.map_or(self.time, |again| again.min(self.time))
    }
}

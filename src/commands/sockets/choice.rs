//! The flags and words that choose among sockets, and the filter that they make.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use crate::error::{Error, Kind, Result};
use crate::sockets::filter::{
    self, AddressMatch, Filter, LookUp, PortRange, ProcessMatch, StateSet, WordError,
};
use crate::sockets::{Family, Proto};
use crate::sys::{services, users};

use super::Args;
use super::groups::Version;

/// Told of a flag: whether it is given, how it is typed, and how it is taken out again.
type Tell<'a> = dyn FnMut(bool, String, &dyn Fn(&mut Args)) + 'a;

/// Flags for the kinds of sockets.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "What")]
pub(super) struct WhatArgs {
    /// TCP sockets.
    #[arg(short = 't', long)]
    tcp: bool,
    /// UDP sockets.
    #[arg(short = 'u', long)]
    udp: bool,
    /// Unix domain sockets.
    #[arg(short = 'x', long)]
    unix: bool,
    /// Raw IP sockets.
    #[arg(short = 'w', long)]
    raw: bool,
    /// Only these: tcp, udp, udplite, ping, raw, mptcp, sctp, unix, packet, netlink, vsock.
    #[arg(
        short = 'A',
        long,
        value_name = "LIST",
        value_delimiter = ',',
        alias = "query"
    )]
    proto: Vec<String>,
    /// IPv4 only.
    #[arg(short = '4', long = "ipv4")]
    ipv4: bool,
    /// IPv6 only.
    #[arg(short = '6', long = "ipv6")]
    ipv6: bool,
    /// Only listening sockets.
    #[arg(short = 'l', long)]
    listening: bool,
    /// Include TIME-WAIT, and without -t, -u, -x every socket family.
    #[arg(short = 'a', long)]
    all: bool,
    /// Use this network namespace: an ip-netns(8) name, a path, an inode number, or pid:N.
    #[arg(long, value_name = "NS", conflicts_with = "all_netns")]
    pub(super) netns: Option<String>,
    /// Use every network namespace.
    #[arg(long)]
    pub(super) all_netns: bool,
    /// List the sockets in this file, which sockdoc top (key w) or diagnose --save wrote.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["netns", "all_netns", "seconds", "groups"])]
    pub(super) from: Option<PathBuf>,
}

impl WhatArgs {
    /// Whether -4 or -6 leaves this version in.
    pub(super) fn allows(&self, version: Version) -> bool {
        match version {
            Version::V4 => self.ipv4 || !self.ipv6,
            Version::V6 => self.ipv6 || !self.ipv4,
        }
    }

    /// Whether only listeners are asked for.
    pub(super) fn listens(&self) -> bool {
        self.listening
    }

    /// Whether nothing is left out that is only counted otherwise.
    pub(super) fn shows_all(&self) -> bool {
        self.all
    }

    /// Tells of each flag that narrows the answer.
    pub(super) fn without_each(&self, tell: &mut Tell<'_>) {
        tell(self.listening, "-l".to_owned(), &|args| {
            args.what.listening = false;
        });
        let mut protos: Vec<String> = [
            (self.tcp, "-t"),
            (self.udp, "-u"),
            (self.unix, "-x"),
            (self.raw, "-w"),
        ]
        .into_iter()
        .filter(|(is_given, _)| *is_given)
        .map(|(_, flag)| flag.to_owned())
        .collect();
        if !self.proto.is_empty() {
            protos.push(format!("--proto {}", self.proto.join(",")));
        }
        tell(!protos.is_empty(), protos.join(" "), &|args| {
            let what = &mut args.what;
            (what.tcp, what.udp, what.unix, what.raw) = (false, false, false, false);
            what.proto.clear();
        });
        let versions = [(self.ipv4, "-4"), (self.ipv6, "-6")];
        let versions: Vec<&str> = (versions.into_iter())
            .filter_map(|(is_given, flag)| is_given.then_some(flag))
            .collect();
        tell(!versions.is_empty(), versions.join(" "), &|args| {
            (args.what.ipv4, args.what.ipv6) = (false, false);
        });
    }
}

/// Filter flags.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Which")]
pub(super) struct WhichArgs {
    /// Only in these states, comma-separated: estab, listen, close-wait, or a group of ss.
    #[arg(long, value_name = "LIST")]
    state: Option<String>,
    /// Only with one of these ports at either end: numbers, ranges, services, comma-separated.
    #[arg(short = 'p', long, value_name = "PORT", value_parser = Ports::parse)]
    port: Vec<Ports>,
    /// Only with this local address, network or port.
    #[arg(long, value_name = "ADDR[/N][:PORT]")]
    local: Vec<OsString>,
    /// Only with this peer address, network or port.
    #[arg(long, value_name = "ADDR[/N][:PORT]")]
    peer: Vec<OsString>,
    /// Only of processes whose name or command line matches this regular expression.
    #[arg(long, value_name = "RE")]
    process: Option<String>,
    /// Only of these processes, comma-separated; every socket that they hold is listed or counted.
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pid: Vec<u32>,
    /// Only created by these users, by name or number, comma-separated.
    #[arg(long, value_name = "U", value_delimiter = ',')]
    user: Vec<String>,
    /// Only sockets that have a problem, with evidence and next step.
    #[arg(long)]
    pub(super) problems: bool,
}

impl WhichArgs {
    /// As for the kinds of sockets.
    pub(super) fn without_each(&self, tell: &mut Tell<'_>) {
        tell(self.state.is_some(), "--state".to_owned(), &|args| {
            args.which.state = None;
        });
        tell(!self.port.is_empty(), "-p".to_owned(), &|args| {
            args.which.port.clear();
        });
        tell(!self.local.is_empty(), "--local".to_owned(), &|args| {
            args.which.local.clear();
        });
        tell(!self.peer.is_empty(), "--peer".to_owned(), &|args| {
            args.which.peer.clear();
        });
        tell(self.process.is_some(), "--process".to_owned(), &|args| {
            args.which.process = None;
        });
        tell(!self.pid.is_empty(), "--pid".to_owned(), &|args| {
            args.which.pid.clear();
        });
        tell(!self.user.is_empty(), "--user".to_owned(), &|args| {
            args.which.user.clear();
        });
    }
}

/// Ports, as one value.
#[derive(Debug, Clone)]
pub(super) struct Ports(Vec<PortRange>);

impl Ports {
    fn parse(text: &str) -> std::result::Result<Ports, WordError> {
        filter::ports(text, &services::port_of).map(Ports)
    }
}

/// What the flags and the words ask for; protocols only where they are named.
pub(super) fn filter_of(args: &Args) -> Result<Filter> {
    let which = &args.which;
    let mut filter = Filter {
        listening: args.what.listening,
        ports: which.port.iter().flat_map(|list| list.0.clone()).collect(),
        pids: which.pid.clone(),
        show_time_wait: args.what.all,
        protos: named_protos(args)?,
        ..Filter::default()
    };
    if args.what.ipv4 {
        filter.families.push(Family::Inet);
    }
    if args.what.ipv6 {
        filter.families.push(Family::Inet6);
    }
    if let Some(states) = &which.state {
        filter.states = StateSet::parse(states).map_err(|error| {
            bad_word(error).next(
                "states: listen, syn-sent, syn-recv, established, fin-wait-1, fin-wait-2, close-wait, \
                 closing, last-ack, time-wait, bound-inactive, unconnected; all, connected, synchronized",
            )
        })?;
    }
    for (list, words) in [
        (&mut filter.local, &which.local),
        (&mut filter.peer, &which.peer),
    ] {
        for word in words {
            list.push(AddressMatch::of_bytes(word.as_bytes()).map_err(bad_word)?);
        }
    }
    if let Some(pattern) = &which.process {
        filter
            .processes
            .push(ProcessMatch::pattern(pattern).map_err(|error| {
                bad_word(error)
                    .next("it is matched against names and command lines: --process '^nginx'")
            })?);
    }
    for word in &which.user {
        let uid = users::number(word).ok_or_else(|| {
            Error::new(Kind::CannotRun, "look up the user", "no user has that name")
                .on(word.clone())
                .next("list them: getent passwd")
        })?;
        filter.uids.push(uid);
    }
    filter.merge(filter_of_words(&args.words)?);
    filter.show_time_wait |= filter.asks_for_time_wait();
    Ok(filter)
}

/// What words without a flag ask for.
pub(in crate::commands) fn filter_of_words(words: &[OsString]) -> Result<Filter> {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let look_up = LookUp {
        service: &services::port_of,
        user: &users::number,
    };
    filter::read(&words, look_up).map_err(bad_word)
}

// By value, for `map_err`.
#[allow(clippy::needless_pass_by_value)]
fn bad_word(error: WordError) -> Error {
    Error::new(Kind::CannotRun, "read the filter", error.to_string()).next(
        "a filter is :PORT, ADDR, ADDR/N, ADDR:PORT, the path of a Unix socket, a state, a protocol, \
         user:, pid:, unit:, container:, or a part of a process name; see sockdoc sockets --help",
    )
}

/// The protocols that flags name.
fn named_protos(args: &Args) -> Result<Vec<Proto>> {
    let what = &args.what;
    let mut protos = Vec::new();
    if what.tcp {
        protos.push(Proto::Tcp);
    }
    if what.udp {
        protos.extend([Proto::Udp, Proto::Udplite]);
    }
    if what.unix {
        protos.extend(Proto::ALL.into_iter().filter(|proto| proto.is_unix()));
    }
    if what.raw {
        protos.push(Proto::Raw);
    }
    for word in &what.proto {
        match &*word.to_ascii_lowercase() {
            "all" => protos.extend(Proto::ALL),
            "inet" => protos.extend(Proto::ALL.into_iter().filter(|proto| proto.is_internet())),
            word => {
                let (named, _) = filter::protocols(word).ok_or_else(|| {
                    let known: Vec<&str> = Proto::ALL.iter().map(|proto| proto.name()).collect();
                    let cause = format!("'{}' is not a protocol", word.escape_debug());
                    Error::new(Kind::CannotRun, "read --proto", cause)
                        .next(format!("choose from unix, {}", known.join(", ")))
                })?;
                protos.extend(named);
            }
        }
    }
    Ok(protos)
}

/// The protocols that are named, or otherwise the internet ones, or with `-a` all.
pub(super) fn protos_of(args: &Args, filter: &Filter) -> Vec<Proto> {
    let what = &args.what;
    let mut protos = filter.protos.clone();
    if protos.is_empty() {
        let internet_only = !what.all && !filter.names_unix();
        let versions = what.ipv4 || what.ipv6;
        // Their backlogs fill up too.
        if args.which.problems && internet_only && !versions {
            protos.extend([Proto::UnixStr, Proto::UnixSeq]);
        }
        protos.extend(
            Proto::ALL
                .into_iter()
                .filter(|proto| proto.is_internet() || !(internet_only || versions)),
        );
        protos.extend(filter.protos_of_tests());
    }
    protos.sort_unstable();
    protos.dedup();
    protos
}

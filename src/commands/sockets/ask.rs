//! From flags to a filter and a query.

use crate::commands::Context;
use crate::error::{Error, Kind, Result};
use crate::render::sockets::column::Column;
use crate::sockdiag::bytecode::PortTest;
use crate::sockdiag::{Bytecode, Filter as KernelFilter};
use crate::sockets::filter::{AddressMatch, Filter, PortRange, ProcessMatch, StateSet, Word, WordError};
use crate::sockets::{Family, Proto, Socket, State};
use crate::sys::sockets::Query;
use crate::sys::sockets::namespaces::{self, Place};
use crate::sys::sockets::processes::Depth;
use crate::sys::users;

use super::Args;

/// What kinds of sockets.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "What")]
pub struct WhatArgs {
    /// TCP.
    #[arg(short = 't', long)]
    tcp: bool,
    /// UDP.
    #[arg(short = 'u', long)]
    udp: bool,
    /// Unix-domain.
    #[arg(short = 'x', long)]
    unix: bool,
    /// Raw IP.
    #[arg(long)]
    raw: bool,
    /// These protocols: tcp, udp, udplite, ping, raw, mptcp, sctp, unix, packet, netlink, vsock.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    proto: Vec<String>,
    /// IPv4 only.
    #[arg(short = '4', long = "ipv4")]
    ipv4: bool,
    /// IPv6 only.
    #[arg(short = '6', long = "ipv6")]
    ipv6: bool,
    /// Only what listens.
    #[arg(short = 'l', long)]
    listening: bool,
    /// Show TIME-WAIT row by row, and every family when none is named.
    #[arg(short = 'a', long)]
    all: bool,
    /// Look into this network namespace: a name of ip-netns(8), or the id of a process.
    #[arg(long, value_name = "NAME|PID", conflicts_with = "all_netns")]
    netns: Option<String>,
    /// Look into every network namespace.
    #[arg(long)]
    all_netns: bool,
}

/// Which of them.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Which")]
pub struct WhichArgs {
    /// In these states, with commas: estab, listen, close-wait ...; ss's groups too.
    #[arg(long, value_name = "LIST")]
    state: Option<String>,
    /// With this port at either end.
    #[arg(short = 'p', long, value_name = "PORT")]
    port: Vec<u16>,
    /// With this address, network or port at our end.
    #[arg(long, value_name = "ADDR[/N][:PORT]")]
    local: Vec<String>,
    /// With this address, network or port at the other end.
    #[arg(long, value_name = "ADDR[/N][:PORT]")]
    peer: Vec<String>,
    /// Of processes whose name or command line matches this regular expression.
    #[arg(long, value_name = "RE")]
    process: Option<String>,
    /// Of this process.
    #[arg(long, value_name = "N")]
    pid: Vec<u32>,
    /// Made by this user, by name or number.
    #[arg(long, value_name = "U")]
    user: Vec<String>,
    /// Only sockets with which something is wrong, with the proof and the next step.
    #[arg(long)]
    problems: bool,
}

/// What was asked for.
pub struct Asked {
    /// Which sockets.
    pub filter: Filter,
    protos: Vec<Proto>,
    details: bool,
    findings: bool,
    owners: Option<Depth>,
    places: std::cell::RefCell<Vec<Place>>,
    /// Processes that hid their namespace.
    pub hidden_namespaces: usize,
}

/// Reads the flags.
pub fn understand(args: &Args, context: &Context) -> Result<Asked> {
    let mut filter = filter_of(args)?;
    let protos = protos_of(args, &filter)?;
    filter.protos.clone_from(&protos);
    let interfaces = namespaces::interfaces();
    let index = |name: &str| {
        interfaces.iter().find(|(_, known)| *known == name).map(|(index, _)| *index)
    };
    filter.resolve_scopes(index).map_err(|cause| {
        Error::new(Kind::CannotRun, "read the filter", cause).next("list them: ip link show")
    })?;
    let how = &args.how;
    let columns: &[Column] = how.cols.as_ref().map_or(Column::DEFAULT, |columns| &columns.0);
    let sorts = &how.sort;
    let plain = !context.json && how.like.is_none() && how.group.is_none() && !how.summary;
    let shown = |wanted: fn(Column) -> bool| columns.iter().any(|column| wanted(*column));
    let owners = context.json
        || how.like.is_some()
        || how.summary
        || how.group.is_some_and(|group| group.needs_owners())
        || filter.needs_owners()
        || sorts.iter().any(|sort| sort.key.needs_owners())
        || (how.group.is_none() && shown(Column::needs_owners));
    let deep = context.json || filter.needs_command_lines() || shown(Column::needs_command_lines);
    let details = context.json
        || how.csv
        || how.info
        || how.memory
        || sorts.iter().any(|sort| sort.key.needs_details())
        || (plain && shown(Column::needs_details));
    let findings = context.json
        || filter.problems
        || how.group.is_some()
        || how.summary
        || (how.like.is_none() && columns.contains(&Column::Why));
    let (places, hidden_namespaces) = places_of(args)?;
    let depth = if deep { Depth::Everything } else { Depth::Names };
    Ok(Asked {
        filter,
        protos,
        details,
        findings,
        owners: owners.then_some(depth),
        places: std::cell::RefCell::new(places),
        hidden_namespaces,
    })
}

impl Asked {
    /// Whether owners are looked for.
    pub fn owners_sought(&self) -> bool {
        self.owners.is_some()
    }

    /// Whether a socket is worth keeping before its owners are known.
    pub fn keeps(&self, socket: &Socket) -> bool {
        self.filter.matches_socket(socket) && self.filter.matches_findings(socket)
    }

    /// The query for the kernel. The namespaces go with it: it is made once.
    pub fn query<'a>(&self, keep: &'a (dyn Fn(&Socket) -> bool + Sync)) -> Query<'a> {
        let hint = self.filter.kernel_hint();
        let time_wait = if self.filter.show_time_wait { 0 } else { State::TimeWait.bit() };
        Query {
            protos: self.protos.clone(),
            states: hint.states & !time_wait,
            tcp_states: self.filter.state_mask_for(Proto::Tcp) & !time_wait,
            bytecode: hint.port.and_then(port_bytecode),
            details: self.details,
            findings: self.findings,
            owners: self.owners,
            places: self.places.take(),
            keep,
        }
    }
}

/// A filter for one port at either end, which saves the kernel the filling of all other sockets.
fn port_bytecode(port: u16) -> Option<Bytecode> {
    let range = port..=port;
    let filter =
        KernelFilter::Any(vec![KernelFilter::LocalPort(range.clone()), KernelFilter::PeerPort(range)]);
    filter.compile(PortTest::Range).ok()
}

fn filter_of(args: &Args) -> Result<Filter> {
    let which = &args.which;
    let mut filter = Filter {
        listening: args.what.listening,
        ports: which.port.iter().map(|&port| PortRange::one(port)).collect(),
        pids: which.pid.clone(),
        problems: which.problems,
        show_time_wait: args.what.all,
        ..Filter::default()
    };
    if args.what.ipv4 {
        filter.families.push(Family::Inet);
    }
    if args.what.ipv6 {
        filter.families.push(Family::Inet6);
    }
    if let Some(states) = &which.state {
        filter.states = StateSet::parse(states).map_err(bad_word)?;
    }
    for word in &which.local {
        filter.local.push(AddressMatch::parse(word).map_err(bad_word)?);
    }
    for word in &which.peer {
        filter.peer.push(AddressMatch::parse(word).map_err(bad_word)?);
    }
    if let Some(pattern) = &which.process {
        filter.processes.push(ProcessMatch::pattern(pattern).map_err(bad_word)?);
    }
    for word in &which.user {
        let uid = users::number(word).ok_or_else(|| {
            Error::new(Kind::CannotRun, "look up the user", "there is no user of that name")
                .on(word.clone())
                .next("list them: getent passwd")
        })?;
        filter.uids.push(uid);
    }
    for word in &args.words {
        filter.add_word(Word::parse(word).map_err(bad_word)?);
    }
    if filter.states.names(State::TimeWait) {
        filter.show_time_wait = true;
    }
    Ok(filter)
}

// By value, for `map_err`.
#[allow(clippy::needless_pass_by_value)]
fn bad_word(error: WordError) -> Error {
    Error::new(Kind::CannotRun, "read the filter", error.to_string())
        .next("a filter is :PORT, ADDR, ADDR/N, ADDR:PORT, a unix path or a part of a process's name")
}

const UNIX: [Proto; 3] = [Proto::UnixStream, Proto::UnixDatagram, Proto::UnixSeqpacket];

/// The protocols that are named, or else the internet ones, or with `-a` all.
fn protos_of(args: &Args, filter: &Filter) -> Result<Vec<Proto>> {
    let what = &args.what;
    let mut protos = Vec::new();
    if what.tcp {
        protos.extend([Proto::Tcp, Proto::Mptcp]);
    }
    if what.udp {
        protos.extend([Proto::Udp, Proto::Udplite]);
    }
    if what.unix {
        protos.extend(UNIX);
    }
    if what.raw {
        protos.push(Proto::Raw);
    }
    for word in &what.proto {
        match word.to_ascii_lowercase().as_str() {
            "unix" => protos.extend(UNIX),
            "icmp" => protos.push(Proto::Ping),
            name => protos.push(Proto::ALL.into_iter().find(|proto| proto.name() == name).ok_or_else(
                || {
                    let known: Vec<&str> = Proto::ALL.iter().map(|proto| proto.name()).collect();
                    Error::new(Kind::CannotRun, "read --proto", format!("'{word}' is no protocol"))
                        .next(format!("choose from unix, {}", known.join(", ")))
                },
            )?),
        }
    }
    if protos.is_empty() {
        let internet_only = !what.all && !filter.names_unix();
        let versions = what.ipv4 || what.ipv6;
        protos.extend(
            Proto::ALL.into_iter().filter(|proto| proto.is_internet() || !(internet_only || versions)),
        );
    }
    protos.sort_unstable();
    protos.dedup();
    Ok(protos)
}

fn places_of(args: &Args) -> Result<(Vec<Place>, usize)> {
    match &args.what.netns {
        Some(word) => Ok((vec![Place::named(word)?], 0)),
        None if args.what.all_netns => Ok(Place::all()),
        None => Ok((vec![Place::own()], 0)),
    }
}

//! From flags to a filter and a query.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::commands::Context;
use crate::error::{Error, Kind, Result};
use crate::host::answers_about_others;
use crate::render::sockets::column::{Column, Need};
use crate::render::sockets::summary;
use crate::sockdiag::bytecode::PortTest;
use crate::sockdiag::{Bytecode, Filter as KernelFilter};
use crate::sockets::filter::{
    AddressMatch, Filter, PortRange, ProcessMatch, StateSet, Word, WordError,
};
use crate::sockets::order::{GroupBy, SortOrder};
use crate::sockets::{Family, Proto, Socket, State, TimerKind};
use crate::sys::sockets::Query;
use crate::sys::sockets::namespaces::{Place, Unseen};
use crate::sys::sockets::processes::Depth;
use crate::sys::users;

use super::{Args, Like};

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
    #[arg(long)]
    raw: bool,
    /// Only these: tcp, udp, udplite, ping, raw, mptcp, sctp, unix, packet, netlink, vsock.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
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
    netns: Option<String>,
    /// Use every network namespace.
    #[arg(long)]
    all_netns: bool,
}

impl WhatArgs {
    /// Whether only listeners are asked for.
    pub(super) fn listens(&self) -> bool {
        self.listening
    }
}

/// Filter flags.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Which")]
pub(super) struct WhichArgs {
    /// Only in these states, comma-separated: estab, listen, close-wait, or a group of ss.
    #[arg(long, value_name = "LIST")]
    state: Option<String>,
    /// Only with this port, or one of a range PORT-PORT, at either end.
    #[arg(short = 'p', long, value_name = "PORT", value_parser = PortRange::parse)]
    port: Vec<PortRange>,
    /// Only with this local address, network or port.
    #[arg(long, value_name = "ADDR[/N][:PORT]")]
    local: Vec<OsString>,
    /// Only with this peer address, network or port.
    #[arg(long, value_name = "ADDR[/N][:PORT]")]
    peer: Vec<OsString>,
    /// Only of processes whose name or command line matches this regular expression.
    #[arg(long, value_name = "RE")]
    process: Option<String>,
    /// Only of this process.
    #[arg(long, value_name = "N")]
    pid: Vec<u32>,
    /// Only created by this user, by name or number.
    #[arg(long, value_name = "U")]
    user: Vec<String>,
    /// Only sockets that have a problem, with evidence and next step.
    #[arg(long)]
    pub(super) problems: bool,
}

/// What was asked for.
pub(super) struct Asked {
    /// Which sockets.
    pub(super) filter: Filter,
    /// What they are sorted by.
    pub(super) order: Vec<SortOrder>,
    /// Whether only sockets with findings are shown.
    pub(super) problems: bool,
    /// Whether the rules are asked.
    pub(super) findings: bool,
    /// Whether the names of users are shown.
    pub(super) shows_users: bool,
    /// Whether it is shown who is at the other end.
    shows_other_ends: bool,
    /// How long to measure.
    pub(super) seconds: Option<Duration>,
    /// Namespaces that are not looked at.
    pub(super) unseen: Unseen,
    /// Sockets in TIME-WAIT that are what was asked for, and are only counted.
    collapsed: AtomicU64,
    /// Sockets in FIN-WAIT-2 that the kernel counts as if they were in TIME-WAIT.
    fin_wait_2: AtomicU64,
    /// Whether the kernel's own count of them says the same.
    kernel_counts: bool,
}

/// Reads the flags; gives the query for the kernel without what it keeps, which only the filter knows.
pub(super) fn understand(args: &Args, context: &Context) -> Result<(Asked, Query)> {
    let how = &args.how;
    let mut filter = filter_of(args)?;
    let (places, unseen) = places_of(args)?;
    resolve_scopes(&mut filter, &places)?;
    let protos = protos_of(args, &filter)?;
    filter.protos.clone_from(&protos);
    // A summary without TIME-WAIT would not add up.
    filter.show_time_wait |= how.summary || how.group == Some(GroupBy::State);
    // So do the tools, as they are called.
    filter.show_time_wait |= matches!(how.like, Some(Like::Netstat | Like::Ss));
    let columns = columns(args);
    let is_table = !context.json && how.like.is_none() && how.group.is_none() && !how.summary;
    let order = order_of(args)?;
    let shows = |need| is_table && columns.iter().any(|column| column.needs(need));
    let sorts = |need| order.iter().any(|(column, _)| column.needs(need));
    let whole = context.json && how.group.is_none() && !how.summary;
    let owners = whole
        || how.like.is_some()
        || how.csv
        || how.summary
        || args.which.problems
        || how.group.is_some_and(GroupBy::needs_owners)
        || filter.needs_owners()
        || sorts(Need::Owners)
        || shows(Need::Owners);
    let deep = whole
        || how.like == Some(Like::Netstat)
        || filter.needs_command_lines()
        || shows(Need::CommandLines);
    let depth = if deep {
        Depth::Everything
    } else {
        Depth::Names
    };
    let details =
        whole || how.csv || how.info || how.memory || sorts(Need::Details) || shows(Need::Details);
    let findings = whole
        || args.which.problems
        || how.group.is_some()
        || how.summary
        || sorts(Need::Findings)
        || shows(Need::Findings);
    let kernel_counts = counts_all(&filter) && !args.which.problems && !filter.show_time_wait;
    let hint = filter.kernel_hint();
    let unwanted = if kernel_counts {
        State::TimeWait.bit()
    } else {
        0
    };
    // A first cause may be at a socket that the filter leaves out.
    let asked_of_tcp = if args.which.problems {
        u32::MAX
    } else if findings {
        filter.state_mask_for(Proto::Tcp) | State::Listen.bit()
    } else {
        filter.state_mask_for(Proto::Tcp)
    };
    let query = Query {
        protos,
        states: hint.states,
        tcp_states: asked_of_tcp & !unwanted,
        bytecode: hint
            .port
            .filter(|_| !args.which.problems)
            .and_then(port_bytecode),
        details,
        evidence: findings,
        drops: args.which.problems,
        owners: owners.then_some(depth),
        places,
    };
    let asked = Asked {
        filter,
        order: order.into_iter().map(|(_, order)| order).collect(),
        problems: args.which.problems,
        findings,
        shows_users: whole
            || how.like == Some(Like::Lsof)
            || how.group == Some(GroupBy::User)
            || shows(Need::Users),
        shows_other_ends: owners && (whole || shows(Need::OtherEnds)),
        seconds: None,
        unseen,
        collapsed: AtomicU64::new(0),
        fin_wait_2: AtomicU64::new(0),
        kernel_counts,
    };
    Ok((asked, query))
}

/// What sockets are sorted by; of groups, only whether there are such columns.
fn order_of(args: &Args) -> Result<Vec<(Column, SortOrder)>> {
    let refuse =
        |cause| Error::new(Kind::CannotRun, "read --sort", cause).next("sockdoc sockets --help");
    let words = args.how.sort.iter();
    match args.how.group {
        None => words
            .map(|word| Column::sort(word).map_err(refuse))
            .collect(),
        Some(by) => {
            summary::sort(&mut [], by, &args.how.sort).map_err(refuse)?;
            Ok(Vec::new())
        }
    }
}

/// The columns of a table.
pub(super) fn columns(args: &Args) -> &[Column] {
    match &args.how.cols {
        Some(columns) => &columns.0,
        None if args.what.all_netns => Column::DEFAULT_OF_ALL_NETNS,
        None => Column::DEFAULT,
    }
}

impl Asked {
    /// Whether a socket is worth keeping before its owners are known.
    pub(super) fn keeps(&self, socket: &Socket) -> bool {
        if !self.filter.matches_socket(socket) {
            return self.asks_about_others() && answers_about_others(socket, self.shows_other_ends);
        }
        if self.kernel_counts && counts_as_time_wait(socket) {
            self.fin_wait_2.fetch_add(1, Ordering::Relaxed);
        }
        if self.filter.collapses(socket) {
            self.collapsed.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        true
    }

    /// Forgets what was counted, for another sample.
    pub(super) fn look_again(&self) {
        self.collapsed.store(0, Ordering::Relaxed);
        self.fin_wait_2.store(0, Ordering::Relaxed);
    }

    /// Whether sockets are kept that the query does not select.
    pub(super) fn asks_about_others(&self) -> bool {
        self.findings || self.shows_other_ends
    }

    /// Whether the filter matched connections in TIME-WAIT that are counted instead of shown.
    pub(super) fn left_time_wait_out(&self) -> bool {
        !self.filter.needs_owners() && self.collapsed.load(Ordering::Relaxed) > 0
    }

    /// How many connections in TIME-WAIT there are beside what is shown; `counted` is the kernel's
    /// own count of all.
    pub(super) fn time_wait(&self, counted: u64) -> u64 {
        if self.problems || self.filter.needs_owners() {
            // They have neither findings nor owners.
            0
        } else if self.kernel_counts {
            counted.saturating_sub(self.fin_wait_2.load(Ordering::Relaxed))
        } else {
            self.collapsed.load(Ordering::Relaxed)
        }
    }
}

/// Puts indices for the interfaces that are asked for by name, as the namespace in question has them.
fn resolve_scopes(filter: &mut Filter, places: &[Place]) -> Result<()> {
    let index = |name: &str| {
        let interfaces = places.first()?.interfaces().ok()?;
        interfaces
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(index, _)| *index)
    };
    filter.resolve_scopes(index).map_err(|name| {
        let cause = format!("no interface is named '{name}'");
        Error::new(Kind::CannotRun, "read the filter", cause).next("list them: ip link show")
    })
}

/// Whether every TCP connection is what the filter asks for: then the kernel's count of those in
/// TIME-WAIT is ours, and none of them has to be dumped.
fn counts_all(filter: &Filter) -> bool {
    filter.protos.contains(&Proto::Tcp)
        && !filter.listening
        && filter.families.is_empty()
        && filter.ports.is_empty()
        && filter.local.is_empty()
        && filter.peer.is_empty()
        && filter.either.is_empty()
        && filter.processes.is_empty()
        && filter.pids.is_empty()
        && filter.uids.is_empty()
        && filter.states.contains(State::TimeWait)
        && filter.states.contains(State::FinWait2)
}

/// Whether the kernel has it among those in TIME-WAIT by its own count: what a program closed before
/// its peer did waits in FIN-WAIT-2 in the same small form (`tcp_time_wait()` of the kernel).
fn counts_as_time_wait(socket: &Socket) -> bool {
    socket.state == State::FinWait2
        && socket.proto == Proto::Tcp
        && (socket.timer).is_some_and(|timer| timer.kind == TimerKind::TimeWait)
}

/// A filter for one port at either end, which saves the kernel the filling of all other sockets.
fn port_bytecode(port: u16) -> Option<Bytecode> {
    let range = port..=port;
    let filter = KernelFilter::Any(vec![
        KernelFilter::LocalPort(range.clone()),
        KernelFilter::PeerPort(range),
    ]);
    filter.compile(PortTest::Range).ok()
}

fn filter_of(args: &Args) -> Result<Filter> {
    let which = &args.which;
    let mut filter = Filter {
        listening: args.what.listening,
        ports: which.port.clone(),
        pids: which.pid.clone(),
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
        filter.states = StateSet::parse(states).map_err(|error| {
            bad_word(error).next(
                "states: listen, syn-sent, syn-recv, established, fin-wait-1, fin-wait-2, close-wait, \
                 closing, last-ack, time-wait, bound-inactive, unconnected; all, connected, synchronized",
            )
        })?;
    }
    for word in &which.local {
        filter
            .local
            .push(AddressMatch::of_bytes(word.as_bytes()).map_err(bad_word)?);
    }
    for word in &which.peer {
        filter
            .peer
            .push(AddressMatch::of_bytes(word.as_bytes()).map_err(bad_word)?);
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
    for word in &args.words {
        filter.add_word(Word::of_bytes(word.as_bytes()).map_err(bad_word)?);
    }
    if filter.states.names(State::TimeWait) {
        filter.show_time_wait = true;
    }
    Ok(filter)
}

// By value, for `map_err`.
#[allow(clippy::needless_pass_by_value)]
fn bad_word(error: WordError) -> Error {
    Error::new(Kind::CannotRun, "read the filter", error.to_string()).next(
        "a filter is :PORT, ADDR, ADDR/N, ADDR:PORT, the path of a Unix socket or a part of a process name",
    )
}

const UNIX: [Proto; 3] = [Proto::UnixStr, Proto::UnixDgr, Proto::UnixSeq];

/// The protocols that are named, or otherwise the internet ones, or with `-a` all.
fn protos_of(args: &Args, filter: &Filter) -> Result<Vec<Proto>> {
    let what = &args.what;
    let mut protos = Vec::new();
    if what.tcp {
        protos.push(Proto::Tcp);
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
            name => protos.push(
                Proto::ALL
                    .into_iter()
                    .find(|proto| proto.name() == name)
                    .ok_or_else(|| {
                        let known: Vec<&str> =
                            Proto::ALL.iter().map(|proto| proto.name()).collect();
                        Error::new(
                            Kind::CannotRun,
                            "read --proto",
                            format!("'{word}' is not a protocol"),
                        )
                        .next(format!("choose from unix, {}", known.join(", ")))
                    })?,
            ),
        }
    }
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
    }
    protos.sort_unstable();
    protos.dedup();
    Ok(protos)
}

fn places_of(args: &Args) -> Result<(Vec<Place>, Unseen)> {
    let one = |place| (vec![place], Unseen::default());
    match &args.what.netns {
        Some(word) => Ok(one(Place::named(word)?)),
        None if args.what.all_netns => Ok(Place::all()),
        None => Ok(one(Place::own())),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ArgAction, Args as _, FromArgMatches as _};

    use super::*;
    use crate::render::Style;

    fn asked(line: &str) -> (Asked, Query) {
        let json = Arg::new("json").long("json").action(ArgAction::SetTrue);
        let parser = Args::augment_args(clap::Command::new("sockets").arg(json));
        let words = std::iter::once("sockets").chain(line.split_whitespace());
        let found = parser.get_matches_from(words);
        let context = Context {
            json: found.get_flag("json"),
            verbose: false,
            style: Style::new(false),
            width: None,
        };
        let args = Args::from_arg_matches(&found).expect("the flags");
        understand(&args, &context).expect("a query")
    }

    #[test]
    fn users_are_looked_up_only_where_they_are_shown() {
        for (line, shown) in [
            ("", false),
            ("-l", false),
            ("--csv", false),
            ("--like ss", false),
            ("--group state", false),
            ("--json -s", false),
            ("--json", true),
            ("--cols user,local", true),
            ("--csv --cols user", true),
            ("--like lsof", true),
            ("--group user", true),
            ("--json --group user", true),
        ] {
            assert_eq!(asked(line).0.shows_users, shown, "{line}");
        }
    }

    #[test]
    fn what_an_output_shows_is_asked_for() {
        assert_eq!(asked("--csv --cols local").1.owners, Some(Depth::Names));
        assert_eq!(asked("--cols local").1.owners, None);
        assert_eq!(asked("--like netstat").1.owners, Some(Depth::Everything));
        assert!(asked("--csv").1.details && !asked("--like netstat").1.details);
    }

    #[test]
    fn time_wait_is_shown_as_the_tools_do_or_counted() {
        for (line, shown) in [
            ("", false),
            ("--json", false),
            ("--csv", false),
            ("-a", true),
            ("-s", true),
            ("--like ss", true),
            ("--like netstat", true),
        ] {
            assert_eq!(asked(line).0.filter.show_time_wait, shown, "{line}");
        }
        for (line, count) in [
            ("--json", 20),
            ("-a", 0),
            ("nginx", 0),
            ("--pid 1", 0),
            ("--problems", 0),
            ("--like ss", 0),
            (":80", 0),
        ] {
            assert_eq!(asked(line).0.time_wait(20), count, "{line}");
        }
    }
}

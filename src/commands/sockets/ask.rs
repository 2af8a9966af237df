//! From flags to a filter and a query.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::commands::Context;
use crate::diagnose::Command;
use crate::error::{Error, Kind, Result};
use crate::host::{Sample, SocketAt, answers_about_others};
use crate::render::sockets::column::{Column, Need};
use crate::render::sockets::summary;
use crate::sockdiag::bytecode::PortTest;
use crate::sockdiag::{Bytecode, Filter as KernelFilter};
use crate::sockets::change::was_refused;
use crate::sockets::filter::Filter;
use crate::sockets::order::{GroupBy, SortOrder};
use crate::sockets::{Proto, Socket, State, TimerKind};
use crate::sys::sockets::namespaces::{Place, Unseen};
use crate::sys::sockets::processes::Depth;
use crate::sys::sockets::{Query, Taken, cgroups};

use super::choice::{filter_of, protos_of};
use super::{Args, Like, measuring};

/// What was asked for.
pub(super) struct Asked {
    /// Which sockets.
    pub(super) filter: Filter,
    /// The same in words.
    pub(super) read_as: String,
    /// Whether `TIME_WAIT` is shown only because a port is asked for.
    pub(super) time_wait_of_port: bool,
    /// What they are sorted by.
    pub(super) order: Vec<SortOrder>,
    /// Whether only sockets with findings are shown.
    pub(super) problems: bool,
    /// Whether the rules are asked.
    pub(super) findings: bool,
    /// Whether the names of users are shown.
    pub(super) shows_users: bool,
    /// Whether the paths of control groups are shown.
    pub(super) shows_groups: bool,
    /// Whether it is shown whose each socket is, below its row.
    pub(super) extended: bool,
    /// Whether it is shown who is at the other end.
    shows_other_ends: bool,
    /// Whether connections that closed meanwhile are among what is shown.
    pub(super) shows_closed: bool,
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
    let read_as = filter.to_string();
    let (places, unseen) = Place::chosen(args.what.netns.as_deref(), args.what.all_netns)?;
    resolve_names(&mut filter, &places)?;
    let protos = protos_of(args, &filter);
    filter.protos.clone_from(&protos);
    // A summary without TIME-WAIT would not add up.
    filter.show_time_wait |= how.summary || how.group == Some(GroupBy::State);
    // So do the tools, as they are called.
    filter.show_time_wait |= matches!(how.like, Some(Like::Netstat | Like::Ss));
    let time_wait_of_port = !filter.show_time_wait
        && !filter.listening
        && how.group.is_none()
        && !args.which.problems
        && filter.asks_for_port();
    filter.show_time_wait |= time_wait_of_port;
    let columns = columns(args, context);
    let is_table = !context.json && how.like.is_none() && how.group.is_none() && !how.summary;
    let order = order_of(args)?;
    measuring::check(columns, &order, how.seconds)?;
    let extended = is_table && (how.extended || context.verbose) && !args.which.problems;
    let below = [Column::User, Column::Unit];
    let shows = |need| {
        let has_column = is_table && columns.iter().any(|column| column.needs(need));
        has_column || (extended && below.iter().any(|column| column.needs(need)))
    };
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
        || args.what.all_netns
        || filter.needs_command_lines()
        || how.group.is_some_and(GroupBy::needs_groups)
        || shows(Need::CommandLines);
    let details = whole
        || filter.needs_groups()
        || how.group.is_some_and(GroupBy::needs_groups)
        || how.csv
        || how.info
        || how.memory
        || how.seconds.is_some()
        || sorts(Need::Details)
        || shows(Need::Details);
    let findings = whole
        || args.which.problems
        || how.group.is_some()
        || how.summary
        || sorts(Need::Findings)
        || shows(Need::Findings);
    let kernel_counts = counts_all(&filter)
        && !args.which.problems
        && !filter.show_time_wait
        && args.what.from.is_none();
    let hint = filter.kernel_hint();
    let query = Query {
        protos,
        states: hint.states,
        tcp_states: tcp_states(args, &filter, findings, kernel_counts),
        bytecode: hint
            .port
            .filter(|_| !args.which.problems && how.seconds.is_none())
            .and_then(port_bytecode),
        details,
        evidence: findings,
        drops: args.which.problems || how.seconds.is_some(),
        owners: owners.then_some(depth(deep)),
        pids: filter.pids.clone(),
        places,
    };
    let asked = Asked {
        filter,
        read_as,
        time_wait_of_port,
        order: measuring::order_or_rates(order, how.seconds),
        problems: args.which.problems,
        findings,
        shows_users: whole
            || how.like == Some(Like::Lsof)
            || how.group == Some(GroupBy::User)
            || shows(Need::Users),
        shows_groups: whole || how.group.is_some_and(GroupBy::needs_groups) || shows(Need::Groups),
        extended,
        shows_other_ends: owners && (whole || shows(Need::OtherEnds)),
        seconds: how.seconds,
        shows_closed: args.what.shows_all() || how.group.is_some(),
        unseen,
        collapsed: AtomicU64::new(0),
        fin_wait_2: AtomicU64::new(0),
        kernel_counts,
    };
    Ok((asked, query))
}

/// How much is read about processes; `deep`: command lines and control groups too.
fn depth(deep: bool) -> Depth {
    if deep {
        Depth::Everything
    } else {
        Depth::Names
    }
}

/// The states of TCP that the kernel is asked for.
fn tcp_states(args: &Args, filter: &Filter, findings: bool, kernel_counts: bool) -> u32 {
    let unwanted = u32::from(kernel_counts) * State::TimeWait.bit();
    // A first cause may be at a socket that the filter leaves out.
    let asked_of_tcp = if args.which.problems || args.how.seconds.is_some() {
        // Also those that a listener accepts are looked at.
        u32::MAX
    } else if findings {
        filter.state_mask_for(Proto::Tcp) | State::Listen.bit()
    } else {
        filter.state_mask_for(Proto::Tcp)
    };
    asked_of_tcp & !unwanted
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
pub(super) fn columns<'a>(args: &'a Args, context: &Context) -> &'a [Column] {
    let on_terminal = context.width.is_some() && !args.how.csv;
    match &args.how.cols {
        Some(columns) => &columns.0,
        None if args.how.seconds.is_some() => Column::DEFAULT_OF_RATES,
        None if args.what.all_netns && on_terminal => Column::ON_TERMINAL_OF_ALL_NETNS,
        None if on_terminal => Column::ON_TERMINAL,
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

    /// Whether a connection that closed between two samples is worth keeping: as what was asked for,
    /// because a listener accepted it, or because a port that is held refused it.
    pub(super) fn keeps_closed(&self, socket: &Socket) -> bool {
        if self.seconds.is_none() {
            return was_refused(socket);
        }
        self.filter.matches_socket(socket) || self.asks_about_others()
    }

    /// Forgets what was counted, for another sample.
    pub(super) fn look_again(&self) {
        self.collapsed.store(0, Ordering::Relaxed);
        self.fin_wait_2.store(0, Ordering::Relaxed);
    }

    /// Whether people read the answer, in rows.
    pub(super) fn is_answered_in_words(&self, args: &Args, context: &Context) -> bool {
        let how = &args.how;
        !(context.json || how.csv || how.like.is_some() || self.problems)
    }

    /// Takes many connections in TIME-WAIT out again that are shown only because a port is asked for. Gives
    /// how many.
    pub(super) fn drop_flood(&self, shown: &mut Vec<SocketAt>, sample: &Sample) -> u64 {
        let waits = |at: &SocketAt| sample.socket(*at).state == State::TimeWait;
        let count = shown.iter().filter(|at| waits(at)).count();
        if !self.time_wait_of_port || count <= FLOOD || count == shown.len() {
            return 0;
        }
        shown.retain(|at| !waits(at));
        count as u64
    }

    /// Whether no socket matches.
    pub(super) fn is_empty(&self, taken: &Taken) -> bool {
        let owners = &taken.sample.owners;
        let mut sockets = taken.sample.sockets.iter();
        !sockets.any(|socket| self.filter.matches(socket, owners))
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

/// More connections in TIME-WAIT than this are not listed beside others unless they are asked for.
const FLOOD: usize = 50;

/// Puts indices for the interfaces that are asked for by name, as the namespace in question has them, and
/// finds the control groups of units and containers.
fn resolve_names(filter: &mut Filter, places: &[Place]) -> Result<()> {
    if filter.needs_groups() {
        filter.resolve_groups(&cgroups::paths());
    }
    let index = |name: &str| {
        let interfaces = places.first()?.interfaces().ok()?;
        interfaces
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(index, _)| *index)
    };
    filter.resolve_scopes(index).map_err(|name| {
        let cause = format!("no interface is named '{name}'");
        let list = Command::of("ip link show");
        let list = (places.first()).map_or(list.clone(), |place| list.inside(&place.namespace));
        Error::new(Kind::CannotRun, "read the filter", cause).next(format!("list them: {list}"))
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
        && filter.or_socket.is_empty()
        && filter.groups.is_empty()
        && filter.tests.is_empty()
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

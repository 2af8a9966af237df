//! `sockdoc sockets`.

mod ask;
mod choice;
mod elsewhere;
mod groups;
mod habits;
mod look;
mod measuring;
pub mod plain_p;
mod saved;
mod show;

use std::ffi::OsString;
use std::time::Duration;

use crate::commands::{Context, Status};
use crate::error::Result;
use crate::render::sockets::column::Column;
use crate::sockets::order::GroupBy;
use crate::sys::privilege;
use crate::sys::sockets::notes;

pub(in crate::commands) use choice::filter_of_words;
pub use habits::answer;

/// List sockets with their processes, and find connections with a problem.
///
/// Shows connected, listening and bound internet sockets. Connections in TIME-WAIT are counted in the
/// footer (--json: not_shown; --csv: on standard error), and listed with -a or if a port is given. The WHY
/// column names a problem if a single sample proves it. --problems shows only those sockets, with evidence
/// and next step, and includes the listeners of Unix sockets; if something waits, was dropped, or holds a port,
/// it takes a second sample 1.5 s later.
///
/// A FILTER is a port (:8080, 80,443, 8000-8010), an address (10.0.0.0/8, [::1]:80), the path of a Unix
/// socket, a state (close-wait), a protocol (udp), a service (http), user:NAME, pid:N, unit:NAME,
/// container:NAME, or a part of the name or command line of a process. Filters of one kind are
/// alternatives; different kinds are combined: ':80 :443 nginx' matches sockets of nginx on either port.
/// The expressions of ss work too: 'sport = :22', 'dst 10.0.0.0/8', 'state established', 'dport > 1024',
/// with and, or, not and parentheses. If nothing matches, or a word has two meanings, the footer says how
/// the filter was read.
///
/// --seconds takes two samples and shows what happened in between, a second: payload received and sent
/// (IN/S, OUT/S: bytes), segments, retransmissions, drops, and connections that a listener accepted; the
/// busiest first. Connections that closed in between are counted with their last figures, which the kernel
/// announces: in the groups, in the footer, and as rows with -a. UDP has no counters but drops.
///
/// An address and port also match wildcard listeners: 127.0.0.1:80 matches 0.0.0.0:80.
///
/// Processes are always shown. A -p without a port, as in -tulpn, is accepted and ignored. Ports and
/// addresses are always numeric unless -r is given; -n affects only user names. -t includes the
/// subflows of MPTCP; its own sockets are --proto mptcp.
///
/// --from FILE lists what sockdoc top (key w) or diagnose --save wrote, with the processes of that moment.
///
/// The footer (--json: notes) names what could not be seen, and how to see it. The exit status is 1
/// if no socket matches; with --problems, if there is a warning or an error.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
    sockdoc sockets                    connected, listening and bound internet sockets\n  \
    sockdoc sockets -l                 listening sockets\n  \
    sockdoc sockets :8080              sockets on port 8080\n  \
    sockdoc sockets --problems         what is wrong, and what to do\n  \
    sockdoc sockets --seconds 2        who sends and receives how much now\n  \
    sockdoc sockets -a --json          all sockets, as JSON\n  \
    sockdoc sockets --from host.json   those that were saved in a file\n  \
    sockdoc sockets --group process    number of sockets per process")]
pub struct Args {
    /// A port, an address, a state, a protocol, a part of a process name, or an expression of ss.
    #[arg(value_name = "FILTER")]
    words: Vec<OsString>,
    #[command(flatten)]
    what: choice::WhatArgs,
    #[command(flatten)]
    which: choice::WhichArgs,
    #[command(flatten)]
    how: HowArgs,
}

/// Output flags.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct HowArgs {
    /// Show TCP details of each connection (tcp_info).
    #[arg(short = 'i', long)]
    info: bool,
    /// Show memory use of each socket.
    #[arg(short = 'm', long)]
    memory: bool,
    /// Show timers.
    #[arg(short = 'o', long = "timers")]
    timers: bool,
    /// Show numeric users; addresses and ports are numeric by default.
    #[arg(short = 'n', long, conflicts_with = "resolve")]
    numeric: bool,
    /// Resolve host and service names; this may query DNS servers.
    #[arg(short = 'r', long)]
    resolve: bool,
    /// Measure for this long and show rates: 2, 500ms, 1m; a number alone is seconds.
    #[arg(long, value_name = "S", value_parser = crate::commands::values::positive_duration,
          conflicts_with_all = ["like", "summary"])]
    seconds: Option<Duration>,
    // The list of columns is the one that is read.
    #[arg(long, value_name = "COL", value_delimiter = ',', allow_hyphen_values = true,
          help = format!("Sort by these columns, comma-separated; a leading - sorts in descending \
                          order, as do rates: {}; with --group by a column of its table", Column::sort_names()))]
    sort: Vec<String>,
    #[arg(long, value_name = "LIST", value_parser = |text: &str| Column::list(text).map(Columns),
          help = format!("Show these columns, comma-separated: {}", Column::names()))]
    cols: Option<Columns>,
    /// Count by process, peer, port, state, user, netns, unit or container.
    #[arg(long, value_name = "BY", conflicts_with_all = ["summary", "like", "csv"])]
    group: Option<GroupBy>,
    /// Count by protocol and state.
    #[arg(short = 's', long, conflicts_with_all = ["like", "csv"])]
    summary: bool,
    /// List multicast memberships; the kernel does not tell which sockets joined.
    #[arg(short = 'g', long, conflicts_with_all = ["words", "listening", "problems", "seconds", "group",
          "summary", "like", "csv", "cols", "sort", "port", "pid", "process", "state"])]
    groups: bool,
    /// Print the columns of netstat -antup, lsof -i -n -P or ss -tunap.
    #[arg(long, value_name = "TOOL", conflicts_with_all = ["json", "csv", "cols"])]
    like: Option<Like>,
    /// Print comma-separated values.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print rows alone: no column headings and no summary; notes go to standard error.
    #[arg(short = 'H', long)]
    no_header: bool,
    /// Print one line per socket whatever the width of the terminal, and shorten nothing.
    #[arg(short = 'W', long, short_alias = 'O')]
    wide: bool,
    /// Show user, inode, cookie, unit and container of each socket.
    #[arg(short = 'e', long)]
    extended: bool,
    // Of lsof, whose -n and -P both make numbers; ports are numbers anyway.
    #[arg(short = 'P', hide = true)]
    port_numbers: bool,
}

/// Columns, as one value.
#[derive(Debug, Clone)]
struct Columns(Vec<Column>);

/// A tool whose output format is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Like {
    Netstat,
    Lsof,
    Ss,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<Status> {
    if args.how.groups {
        return groups::run(args, context);
    }
    let (asked, query) = ask::understand(args, context)?;
    if let Some(path) = &args.what.from {
        privilege::drop_all()?;
        let looked = saved::look(path, &asked)?;
        return show::show(args, &asked, looked, &[], context);
    }
    privilege::keep(&query.needs())?;
    let mut looked = look::look(&asked, &query)?;
    notes::add_unseen(&mut looked.taken.sample.notes, &asked.unseen);
    let elsewhere = if asked.is_answered_in_words(args, context) && asked.is_empty(&looked.taken) {
        elsewhere::look(args, query)?
    } else {
        Vec::new()
    };
    privilege::drop_all()?;
    show::show(args, &asked, looked, &elsewhere, context)
}

//! `sockdoc sockets`.

mod ask;
pub mod plain_p;
mod show;

use std::ffi::OsString;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::commands::{Context, Status};
use crate::error::Result;
use crate::render::sockets::column::Column;
use crate::sockets::order::{GroupBy, SortOrder};
use crate::sys::sockets::snapshot;

/// List sockets: who talks to whom, which process, and what is wrong.
///
/// Shows connected, listening and bound internet sockets with their processes; connections in
/// TIME-WAIT are counted in the footer (--json: not_shown; --csv: on standard error). The WHY column says what is wrong with a socket, where one
/// sample proves it; --problems shows only those, with the proof and the next step.
///
/// A FILTER without a flag is a port (:8080), an address (10.0.0.0/8, [::1]:80), a unix path, or a
/// part of a process's name. Filters of one kind are alternatives, kinds are combined:
/// ':80 :443 nginx' is nginx on one of two ports.
///
/// An address with a port is also at what listens on that port of all addresses: 127.0.0.1:80 finds
/// 0.0.0.0:80.
///
/// Everything that could not be seen is named in the footer (and in the notes of --json), with what
/// would show it. The exit status is 1 where nothing matched, with --problems instead if one is
/// a warning or an error.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    sockdoc sockets                    connected, listening and bound internet sockets\n  \
    sockdoc sockets -l                 who listens\n  \
    sockdoc sockets :8080              who has to do with port 8080\n  \
    sockdoc sockets --problems         what is wrong, and what to do\n  \
    sockdoc sockets -a --json          everything, for programs\n  \
    sockdoc sockets --group process    how many each process has")]
pub struct Args {
    /// A port, an address, a unix path, or a part of a process's name.
    #[arg(value_name = "FILTER")]
    words: Vec<OsString>,
    #[command(flatten)]
    what: ask::WhatArgs,
    #[command(flatten)]
    which: ask::WhichArgs,
    #[command(flatten)]
    how: HowArgs,
}

/// How it is shown.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct HowArgs {
    /// Show what TCP knows of each connection (tcp_info).
    #[arg(short = 'i', long)]
    info: bool,
    /// Show the memory of each socket.
    #[arg(short = 'm', long)]
    memory: bool,
    /// Show timers.
    #[arg(short = 'o', long = "timers")]
    timers: bool,
    /// Leave addresses, ports and users as numbers. It is the default but for users.
    #[arg(short = 'n', long, conflicts_with = "resolve")]
    numeric: bool,
    /// Look up the names of hosts and services; this may ask the DNS.
    #[arg(short = 'r', long)]
    resolve: bool,
    /// Sort by this column, a leading - for descending; several with commas.
    #[arg(
        long,
        value_name = "COL",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    sort: Vec<SortOrder>,
    /// Show these columns, with commas.
    #[arg(long, value_name = "LIST", value_parser = |text: &str| Column::list(text).map(Columns))]
    cols: Option<Columns>,
    /// Count by process, peer, port, state, user or netns.
    #[arg(long, value_name = "BY", conflicts_with_all = ["summary", "like", "csv"])]
    group: Option<GroupBy>,
    /// Count by protocol and state.
    #[arg(short = 's', long, conflicts_with_all = ["like", "csv"])]
    summary: bool,
    /// Print the columns of netstat -antup, lsof -i -n -P or ss -tunap, and TIME-WAIT where they do.
    #[arg(long, value_name = "TOOL", conflicts_with_all = ["json", "csv", "cols"])]
    like: Option<Like>,
    /// Print comma-separated values.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// Columns, as one value.
#[derive(Debug, Clone)]
struct Columns(Vec<Column>);

/// A tool whose output is imitated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Like {
    Netstat,
    Lsof,
    Ss,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<Status> {
    let (asked, query) = ask::understand(args, context)?;
    let taken = snapshot(&query, &|socket| asked.keeps(socket))?;
    let time = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    show::show(args, &asked, taken, time, context)
}

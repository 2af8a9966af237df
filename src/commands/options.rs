//! Groups of flags that several commands share.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;

use crate::commands::values;
use crate::load::Plan;
use crate::sys::exchange::{Manner, Pieces};
use crate::sys::limits;
use crate::sys::resolve::Family;
use crate::sys::server::Config;
use crate::sys::socket::{Keepalive, Options};

/// Options of the sockets.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Socket options")]
pub struct SocketArgs {
    /// Set the send buffer (SO_SNDBUF); the kernel doubles it.
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    sndbuf: Option<usize>,
    /// Set the receive buffer (SO_RCVBUF); the kernel doubles it.
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    rcvbuf: Option<usize>,
    /// Send small segments immediately (TCP_NODELAY).
    #[arg(long)]
    nodelay: bool,
    /// Probe idle connections (SO_KEEPALIVE), first after IDLE (1s to 32767s).
    #[arg(long, value_name = "IDLE", num_args = 0..=1, require_equals = true,
          value_parser = values::keepalive)]
    keepalive: Option<Option<Duration>>,
}

impl SocketArgs {
    /// The options; `nodelay` turns TCP_NODELAY on whatever the flags say.
    pub fn options(&self, nodelay: bool) -> Options {
        Options {
            sndbuf: self.sndbuf,
            rcvbuf: self.rcvbuf,
            nodelay: self.nodelay || nodelay,
            keepalive: self
                .keepalive
                .map(|idle| idle.map_or(Keepalive::System, Keepalive::After)),
            ..Options::default()
        }
    }
}

/// Limits of a server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct ServerArgs {
    /// Close a connection that was idle for this long; 0 disables it.
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = values::duration)]
    idle_timeout: Duration,
    /// Accept at most N connections at once [default: the descriptor limit].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_conns: Option<u64>,
    /// Memory for the unfinished messages of all connections; beyond it the largest is closed.
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = values::size)]
    max_buffered: usize,
    /// Request an accept queue of this length; limited by net.core.somaxconn.
    #[arg(long, value_name = "N", default_value_t = 1024,
          value_parser = clap::value_parser!(i32).range(0..))]
    pub backlog: i32,
    /// Finish requests for this long after SIGTERM or SIGINT; a second signal exits.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = values::duration)]
    drain: Duration,
    /// Serve from this many threads, which share one listener.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
}

impl ServerArgs {
    /// The limits as the event loop wants them. Raises the descriptor limit of this process.
    pub fn config(&self, request_timeout: Duration, once: bool) -> Config {
        limits::raise_descriptor_limit();
        // Unset, the descriptors are the limit: then accept(2) itself says when it is reached,
        // which is what a user who lowered it wants to see.
        let max_conns = self.max_conns.unwrap_or(u64::MAX);
        Config {
            request_timeout: none_if_zero(request_timeout),
            idle_timeout: none_if_zero(self.idle_timeout),
            max_conns: usize::try_from(max_conns).unwrap_or(usize::MAX),
            max_buffered: self.max_buffered,
            drain: self.drain,
            once,
            threads: if once { 1 } else { usize::from(self.threads) },
        }
    }
}

fn none_if_zero(duration: Duration) -> Option<Duration> {
    (!duration.is_zero()).then_some(duration)
}

/// Address family and timeout.
#[derive(Debug, Clone, Args)]
pub struct ReachArgs {
    /// Use IPv4 only.
    #[arg(short = '4', long = "ipv4", conflicts_with = "ipv6")]
    ipv4: bool,
    /// Use IPv6 only.
    #[arg(short = '6', long = "ipv6")]
    ipv6: bool,
    /// Timeout for connecting and for each reply; when streaming, for the next byte.
    #[arg(long, value_name = "TIME", default_value = "10s",
          value_parser = values::positive_duration)]
    pub timeout: Duration,
}

impl ReachArgs {
    /// The family asked for.
    pub fn family(&self) -> Family {
        match (self.ipv4, self.ipv6) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            _ => Family::Any,
        }
    }
}

/// The heading of [`SendingArgs`] in a command's help.
pub const CARELESS: &str = "Misbehave on purpose";

/// How a client sends, to test how a server finds the messages in what it receives.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = CARELESS)]
pub struct SendingArgs {
    /// Send N bytes at a time, with a pause between [default: 100ms].
    #[arg(long, value_name = "N[,DELAY]", value_parser = values::split)]
    split: Option<(NonZeroUsize, Duration)>,
    /// Send this many bytes per second, one by one.
    #[arg(long, value_name = "RATE", value_parser = values::rate, conflicts_with = "split")]
    dribble: Option<f64>,
    /// Send only the first N bytes, then close.
    #[arg(long, value_name = "N")]
    cut_after: Option<u64>,
    /// Shut down the sending side after the last byte.
    #[arg(long, conflicts_with = "cut_after")]
    pub half_close: bool,
    /// Reset the connection (RST) after the last byte, without reading the reply.
    #[arg(long, conflicts_with = "half_close")]
    pub rst: bool,
}

impl SendingArgs {
    /// Whether anything was asked for.
    pub fn wanted(&self) -> bool {
        self.split.is_some()
            || self.dribble.is_some()
            || self.cut_after.is_some()
            || self.half_close
            || self.rst
    }

    /// How to send this many bytes; `ends` are the sends that they are divided into otherwise.
    pub fn manner(&self, total: Option<usize>, ends: Vec<usize>) -> Manner {
        let pieces = match (self.split, self.dribble) {
            (Some((size, pause)), _) => Pieces::Each(size, pause),
            (None, Some(rate)) => {
                Pieces::Each(NonZeroUsize::MIN, Duration::from_secs_f64(1.0 / rate))
            }
            (None, None) if !ends.is_empty() => Pieces::Ends(ends),
            (None, None) => Pieces::Whole,
        };
        let total = total.map(|total| total as u64);
        let all = total.filter(|_| self.rst);
        Manner {
            pieces,
            cut_after: match (self.cut_after, total) {
                (Some(most), Some(total)) => Some(most.min(total)),
                (most, _) => most.or(all),
            },
        }
    }
}

/// Flags that turn a client into a load generator.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Load")]
pub struct LoadArgs {
    /// Keep this many connections busy at once.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    conns: Option<u32>,
    /// Send this many requests in all [default: one per connection].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Send this many requests per second, even if replies are slow.
    #[arg(long, value_name = "R", value_parser = values::rate)]
    rate: Option<f64>,
    /// Start no request after this time.
    #[arg(long, value_name = "TIME", value_parser = values::positive_duration)]
    duration: Option<Duration>,
}

impl LoadArgs {
    /// Whether a load run was asked for.
    pub fn wanted(&self) -> bool {
        self.conns.is_some()
            || self.count.is_some()
            || self.rate.is_some()
            || self.duration.is_some()
    }

    /// Whether the number of connections is all that bounds the run.
    pub fn only_conns(&self) -> bool {
        self.count.is_none() && self.duration.is_none()
    }

    /// The plan of the run. Raises the descriptor limit of this process.
    pub fn plan(&self, pipeline: usize, keep_open: bool, timeout: Duration) -> Plan {
        limits::raise_descriptor_limit();
        let conns = self.conns.unwrap_or(1);
        let bounded = self.count.is_some() || self.duration.is_some();
        Plan {
            conns: conns as usize,
            count: if bounded {
                self.count
            } else {
                Some(u64::from(conns))
            },
            each: None,
            rate: self.rate,
            pipeline,
            duration: self.duration,
            keep_open,
            timeout,
        }
    }
}

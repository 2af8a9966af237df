//! `sockdoc fill-buffers`.

mod judge;
mod run;
mod serve;

use std::time::Duration;

use clap::ValueEnum;

use crate::commands::endpoint::Endpoint;
use crate::commands::options::ReachArgs;
use crate::commands::{Context, Status, values};
use crate::error::{Error, Kind, Result};
use crate::fill::report::CloseKind;
use crate::fill::{Mode, Plan, Variant};
use crate::sys::socket::Options;

/// Fill the buffers of a connection until send() fails, and report the cause.
///
/// Without HOST and PORT both ends are in this process, on the loopback interface: a client sends to a
/// server that does not read, until a non-blocking send() fails with EWOULDBLOCK (Python's
/// BlockingIOError). Then it reports where the bytes are, why there is no room, and the evidence;
/// finally the server reads, and the bytes of both ends are compared. It takes about a second.
///
/// With HOST and PORT it fills a connection to any server. --server is such a server: it accepts and
/// does not read.
///
/// How to read it. Sends: like sends are one line; a partial one was given more than there was room for.
/// Room comes back after the first EWOULDBLOCK, because bytes move on to the receiver, so the
/// steady state is reached only when no bytes were accepted for a while (--settle).
///
/// Queues: Send-Q is what was accepted here and not yet acknowledged by the other host, Recv-Q what
/// arrived there and was not read. A program that does not read shows as a full Recv-Q on its own side,
/// a closed window in between and a full Send-Q here; send() fails only when both are full. So a send()
/// that succeeds says nothing about the other program. Of Unix sockets Send-Q is memory (truesize), and
/// so is Recv-Q of UDP.
///
/// Windows and timers: a window of 0 bytes stops the sender, and the kernel probes it by the persist
/// timer, each time after twice as long (--hold).
///
/// Verdict: the peer does not read, or slowly; both ends wait for each other; the send buffer is too
/// small for the path; or the network is the limit. It is found by the same rules as those of sockdoc
/// sockets --problems, with what proves it.
///
/// Drain: writing is possible again, for poll(), when a third of the send buffer is free.
///
/// The exit status is 1 if the bytes do not add up, that is if accepted = Send-Q + Recv-Q + read does
/// not hold once it has settled, or if what was read is not what was sent; if it was interrupted before
/// that was known (against a server it is known at any time); and if the connection was refused, reset
/// or not answered. Of datagrams those that the receiver's socket dropped are accounted for too.
#[derive(Debug, clap::Args)]
#[command(override_usage = "sockdoc fill-buffers [OPTIONS] [HOST PORT]\n       \
    sockdoc fill-buffers --server [--read-rate RATE] [HOST] [PORT]")]
#[command(after_help = "Examples:\n  \
    sockdoc fill-buffers                        demonstrate it locally, end to end\n  \
    sockdoc fill-buffers --hold 10              watch the persist timer back off\n  \
    sockdoc fill-buffers --sndbuf 4K --chunk 1  small buffers, a byte at a time\n  \
    sockdoc fill-buffers --close linger0        what a reset does to queued data\n  \
    sockdoc fill-buffers --udp                  no error, but most datagrams are dropped\n  \
    sockdoc fill-buffers --server               a server that never reads, for any client\n  \
    sockdoc fill-buffers 127.0.0.1 65432        fill a connection to it")]
pub struct Args {
    /// Server to send to, as HOST PORT or HOST:PORT; with --server the address to listen on
    /// [default port: 65432].
    #[arg(value_name = "HOST PORT", num_args = 0..=2)]
    endpoint: Vec<String>,
    /// Run a server that accepts connections and does not read.
    #[arg(long, conflicts_with_all = ["udp", "unix", "chunk", "mode", "max_bytes", "duration", "settle",
        "sndbuf", "lowat", "congestion", "user_timeout", "hold", "no_drain", "close", "timeout",
        "ipv4", "ipv6"])]
    server: bool,
    /// With --server: read this many bytes per second from each connection; 0 reads nothing.
    #[arg(long, value_name = "RATE", default_value = "0", value_parser = values::size,
          requires = "server")]
    read_rate: usize,
    /// Send datagrams.
    #[arg(long, conflicts_with_all = ["unix", "mode", "lowat", "congestion", "user_timeout", "close"])]
    udp: bool,
    /// Fill a pair of Unix sockets: stream or dgram.
    #[arg(long, value_name = "KIND", num_args = 0..=1, default_missing_value = "stream",
          conflicts_with_all = ["endpoint", "lowat", "congestion", "user_timeout", "ipv4", "ipv6"])]
    unix: Option<UnixKind>,
    #[command(flatten)]
    how: HowArgs,
    #[command(flatten)]
    sockets: BufferArgs,
    #[command(flatten)]
    then: ThenArgs,
    #[command(flatten)]
    reach: ReachArgs,
}

/// How it is filled.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Filling")]
struct HowArgs {
    /// Pass this many bytes to each send() [default: 64K; 512 for datagrams].
    #[arg(long, value_name = "SIZE", value_parser = chunk)]
    chunk: Option<usize>,
    /// Wait for room this way: nonblock tries again, block uses SO_SNDTIMEO, poll asks for POLLOUT
    /// before each send().
    #[arg(long, value_name = "MODE", default_value = "nonblock")]
    mode: ModeWord,
    /// Steady state: no bytes accepted for this long; below 300ms is often too early
    /// [default: 500ms, or half of --user-timeout].
    #[arg(long, value_name = "TIME", value_parser = values::positive_duration)]
    settle: Option<Duration>,
    /// Stop after this many bytes if the receiver keeps reading [default: 256M; 3000 datagrams].
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    max_bytes: Option<usize>,
    /// Stop after this time if the receiver keeps reading.
    #[arg(long, value_name = "TIME", default_value = "10s",
          value_parser = values::positive_duration)]
    duration: Duration,
}

/// What the sockets are asked for.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Socket options")]
struct BufferArgs {
    /// Request this send buffer size (SO_SNDBUF); the kernel doubles it.
    #[arg(long, value_name = "SIZE", value_parser = values::buffer)]
    sndbuf: Option<usize>,
    /// Request this receive buffer size (SO_RCVBUF) for the local receiver; the kernel doubles it.
    #[arg(long, value_name = "SIZE", value_parser = values::buffer)]
    rcvbuf: Option<usize>,
    /// Limit of unsent bytes: send() stops at it, poll() at half of it (TCP_NOTSENT_LOWAT).
    #[arg(long, value_name = "SIZE", value_parser = values::buffer)]
    lowat: Option<usize>,
    /// Use this congestion control: cubic, reno, bbr ... (TCP_CONGESTION).
    #[arg(long, value_name = "NAME")]
    congestion: Option<String>,
    /// End the connection when the receiver accepts nothing for this long (TCP_USER_TIMEOUT).
    #[arg(long, value_name = "TIME", value_parser = values::positive_duration)]
    user_timeout: Option<Duration>,
}

/// What comes after it has settled.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "After the buffers are full")]
struct ThenArgs {
    /// Keep the queues full for this long, watching the persist timer.
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = values::duration)]
    hold: Duration,
    /// Do not read the data at the end.
    #[arg(long)]
    no_drain: bool,
    /// Close before anything is read: normal and linger0 at the sender, unread at the receiver.
    #[arg(long, value_name = "HOW")]
    close: Option<CloseWord>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum UnixKind {
    Stream,
    #[value(alias = "datagram")]
    Dgram,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModeWord {
    Nonblock,
    Block,
    Poll,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CloseWord {
    Normal,
    Linger0,
    Unread,
}

/// More than this in one `send()` shows nothing new, and takes memory.
const MOST_CHUNK: usize = 64 << 20;

/// 65,535 of an IPv4 packet without its header and that of UDP (RFC 768).
const MOST_UDP: usize = 65_507;

fn chunk(text: &str) -> std::result::Result<usize, String> {
    match values::size(text)? {
        size @ 1..=MOST_CHUNK => Ok(size),
        _ => Err("must be from 1 to 64M".to_owned()),
    }
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<Status> {
    if args.server {
        return serve::run(args, context);
    }
    let remote = match &args.endpoint[..] {
        [] => None,
        words => Some(Endpoint::parse_remote(words)?),
    };
    check(args, remote.is_some())?;
    run::run(args, remote.as_ref(), context)
}

/// What clap cannot see.
fn check(args: &Args, is_remote: bool) -> Result<()> {
    let refuse = |cause: &str, next: &str| {
        Err(Error::new(Kind::CannotRun, "read the command line", cause).next(next))
    };
    if args.settle() >= args.how.duration {
        return refuse(
            "--settle is not shorter than --duration, so the steady state is never reached",
            "use a shorter --settle or a longer --duration",
        );
    }
    if is_remote && args.sockets.rcvbuf.is_some() {
        return refuse(
            "--rcvbuf sets the buffer of the receiver, which here is the server",
            "omit HOST and PORT, or start the server with it: fill-buffers --server --rcvbuf",
        );
    }
    if args.udp && args.plan().chunk > MOST_UDP {
        return refuse(
            "a UDP datagram carries at most 65507 bytes",
            "use a --chunk of 65507 or less",
        );
    }
    match args.then.close {
        Some(CloseWord::Unread) if is_remote => refuse(
            "--close unread closes the receiver, which here is the server",
            "omit HOST and PORT, so that both ends are local",
        ),
        Some(CloseWord::Linger0) if args.unix.is_some() => refuse(
            "SO_LINGER has no effect on a Unix socket",
            "use --close normal or --close unread",
        ),
        Some(_) if args.unix == Some(UnixKind::Dgram) => refuse(
            "datagram sockets have no connection to close",
            "use --unix stream",
        ),
        _ => Ok(()),
    }
}

impl Args {
    fn variant(&self) -> Variant {
        match self.unix {
            Some(UnixKind::Stream) => Variant::UnixStreams,
            Some(UnixKind::Dgram) => Variant::UnixDatagrams,
            None if self.udp => Variant::Udp,
            None => Variant::Tcp,
        }
    }

    fn plan(&self) -> Plan {
        let datagrams = self.variant().is_datagram();
        let how = &self.how;
        Plan {
            chunk: how.chunk.unwrap_or(if datagrams { 512 } else { 64 << 10 }),
            mode: match how.mode {
                ModeWord::Nonblock => Mode::NonBlocking,
                ModeWord::Block => Mode::Blocking,
                ModeWord::Poll => Mode::Poll,
            },
            settle: self.settle(),
            max_bytes: how.max_bytes.map_or(256 << 20, |bytes| bytes as u64),
            // UDP never ends by itself.
            max_sends: match how.max_bytes {
                None if self.udp => 3_000,
                _ => u64::MAX,
            },
            duration: how.duration,
        }
    }

    /// Before `TCP_USER_TIMEOUT` ends the connection it should be seen to have settled.
    fn settle(&self) -> Duration {
        let default = Duration::from_millis(500);
        let half = self.sockets.user_timeout.map(|timeout| timeout / 2);
        self.how
            .settle
            .unwrap_or_else(|| half.map_or(default, |half| half.min(default)))
    }

    /// How long the full queues are held: until `TCP_USER_TIMEOUT` has had its chance. The kernel looks
    /// at it when its timer runs out, which may be twice as long as it had to wait.
    fn hold(&self) -> Duration {
        let timeout = self.sockets.user_timeout;
        let chance = timeout.map(|timeout| timeout.saturating_mul(2) + Duration::from_secs(2));
        self.then.hold.max(chance.unwrap_or_default())
    }

    fn close(&self) -> Option<CloseKind> {
        self.then.close.map(|word| match word {
            CloseWord::Normal => CloseKind::Normal,
            CloseWord::Linger0 => CloseKind::Linger0,
            CloseWord::Unread => CloseKind::Unread,
        })
    }

    /// What the sender's socket is asked for.
    fn sender_options(&self) -> Options {
        let asked = &self.sockets;
        Options {
            sndbuf: asked.sndbuf,
            congestion: asked.congestion.clone(),
            notsent_lowat: asked
                .lowat
                .map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX)),
            user_timeout: asked.user_timeout,
            ..Options::default()
        }
    }

    /// What the receiver's socket is asked for.
    fn receiver_options(&self) -> Options {
        Options {
            rcvbuf: self.sockets.rcvbuf,
            ..Options::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};

    use super::*;

    fn args(line: &str) -> std::result::Result<Args, clap::Error> {
        let parser = Args::augment_args(clap::Command::new("fill-buffers"));
        let words = std::iter::once("fill-buffers").chain(line.split_whitespace());
        Args::from_arg_matches(&parser.try_get_matches_from(words)?)
    }

    #[test]
    fn the_kind_of_a_unix_pair_may_be_left_out() {
        for (line, variant) in [
            ("--unix", Variant::UnixStreams),
            ("--unix stream", Variant::UnixStreams),
            ("--unix dgram", Variant::UnixDatagrams),
            ("--unix=datagram", Variant::UnixDatagrams),
            ("--udp", Variant::Udp),
            ("", Variant::Tcp),
        ] {
            assert_eq!(args(line).unwrap().variant(), variant, "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_together_is_refused() {
        for line in [
            "--server --chunk 1",
            "--read-rate 5",
            "--udp --unix",
            "--udp --close normal",
            "--unix --lowat 1",
            "--unix stream localhost 80",
            "--chunk 0",
            "--chunk 65M",
            "--settle 0",
            "--lowat 0",
            "--sndbuf 4G",
            "--rcvbuf 0",
        ] {
            assert!(args(line).is_err(), "{line}");
        }
        for (line, remote) in [
            ("--close unread", true),
            ("--unix --close linger0", false),
            ("--unix dgram --close normal", false),
            ("--settle 10s", false),
            ("--settle 2s --duration 1s", false),
            ("--udp --chunk 65508", false),
            ("--rcvbuf 4K", true),
        ] {
            assert!(check(&args(line).unwrap(), remote).is_err(), "{line}");
        }
        assert!(check(&args("--close unread").unwrap(), false).is_ok());
    }

    #[test]
    fn a_user_timeout_is_waited_for() {
        assert_eq!(args("").unwrap().hold(), Duration::ZERO);
        let long = args("--user-timeout 1500ms --hold 1").unwrap();
        assert_eq!(long.hold(), Duration::from_secs(5));
        assert_eq!(long.settle(), Duration::from_millis(500));
        let short = args("--user-timeout 100ms").unwrap();
        assert_eq!(short.settle(), Duration::from_millis(50));
    }
}

//! `sockdoc echo-server`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::commands::endpoint::Endpoint;
use crate::commands::options::{ServerArgs, SocketArgs};
use crate::commands::serving;
use crate::commands::{Context, Status, values};
use crate::error::{Error, Kind, Result};
use crate::framing::{Framing, escapes};
use crate::render::serving::Format;
use crate::service::datagrams::{DEFAULT_RATE, Guard};
use crate::service::echo::{Echo, Mode};
use crate::sys::socket::{Listener, Place};
use crate::sys::{activation, files};

/// Run an echo server: received data as it is, reversed, or a fixed reply.
///
/// Serves many connections at once. A peer that shuts down its sending side still gets all data. A
/// peer that does not read is not read from, so nothing is dropped.
///
/// With --udp a datagram is not answered if the answer would be answered in turn: one that claims to come
/// from this server's own socket, or from port 7, 13, 17, 19 or 37. A source gets at most --udp-rate answers
/// a second, which also ends a loop with an echo service on another port. Both are counted, and so is what
/// the kernel dropped because the receive buffer was full.
///
/// -v prints the transcript, --hexdump the received bytes, --json an object for each event; if the
/// log cannot keep up (slow reader or full disk), events are dropped and counted; serving continues.
///
/// With LISTEN_FDS=1 in the environment (socket activation, sd_listen_fds(3)) the socket that was
/// passed in is used, provided that LISTEN_PID is this process; otherwise they belong to another
/// process and are ignored.
#[derive(Debug, clap::Args)]
#[command(override_usage = "sockdoc echo-server [OPTIONS] [HOST] [PORT]")]
#[command(after_help = "Examples:\n  \
    sockdoc echo-server                                    127.0.0.1, port 65432\n  \
    sockdoc echo-server --once -v                          one connection, with the transcript\n  \
    sockdoc echo-server --frame line --reverse             each line back, reversed\n  \
    sockdoc echo-server 8080 --reply 'HTTP/1.0 200 OK\\r\\n\\r\\nhello' --hexdump")]
pub struct Args {
    /// Address to listen on: HOST, PORT, or both as two words or as HOST:PORT. '' or * is every IPv4
    /// interface, :: every interface; port 0 picks a free one [default: 127.0.0.1 65432].
    #[arg(value_name = "HOST PORT", num_args = 0..=2)]
    endpoint: Vec<String>,
    /// Serve one connection (or one datagram), then exit.
    #[arg(long, conflicts_with = "threads")]
    once: bool,
    /// Send each message back reversed.
    #[arg(long, conflicts_with = "reply")]
    reverse: bool,
    /// Reply with this text (or the contents of @FILE) and close. The
    /// escapes \r \n \t \0 \\ \xNN are understood.
    #[arg(long, value_name = "TEXT|@FILE")]
    reply: Option<String>,
    /// How messages are delimited: raw, line, delim:TEXT, digits:N, len16, len32, fixed:N[:PAD] or
    /// close.
    #[arg(long, value_name = "FRAME", default_value = "raw")]
    frame: Framing,
    /// Serve datagrams instead of connections.
    #[arg(long, conflicts_with_all = ["unix", "frame", "max_message", "request_timeout", "nodelay",
          "keepalive", "idle_timeout", "max_conns", "max_buffered", "backlog", "drain", "threads"])]
    udp: bool,
    /// Datagrams answered per second to one source (address and port), or off.
    #[arg(long, value_name = "N|off", requires = "udp", default_value_t = Rate(Some(DEFAULT_RATE)))]
    udp_rate: Rate,
    /// Listen on a Unix socket at this path; @NAME is in the abstract namespace.
    #[arg(long, value_name = "PATH", conflicts_with = "endpoint")]
    unix: Option<PathBuf>,
    /// Begin each line of the transcript with its time (UTC).
    #[arg(long)]
    time: bool,
    /// Show received bytes in hexadecimal.
    #[arg(long)]
    hexdump: bool,
    /// Reject framed messages that are larger.
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = values::size)]
    max_message: usize,
    /// Time limit for a whole framed message and its echo; 0 disables the limit.
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = values::duration)]
    request_timeout: Duration,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    socket: SocketArgs,
}

/// A number a second, or none.
#[derive(Debug, Clone, Copy)]
struct Rate(Option<u32>);

impl std::str::FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Rate, String> {
        match text.parse::<u32>() {
            _ if text == "off" => Ok(Rate(None)),
            Ok(rate) if rate > 0 => Ok(Rate(Some(rate))),
            _ => Err("a number of answers per second, or off".to_owned()),
        }
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(rate) => rate.fmt(f),
            None => f.write_str("off"),
        }
    }
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<Status> {
    let mode = match &args.reply {
        Some(reply) => Mode::Reply(read_reply(reply)?),
        None if args.reverse => Mode::Reverse,
        None => Mode::Echo,
    };
    let format = Format {
        command: "echo-server",
        sending: if mode == Mode::Echo {
            "Echoing"
        } else {
            "Sending"
        },
        shows_received: mode != Mode::Echo,
        hexdump: args.hexdump,
        json: context.json,
        verbose: context.verbose,
        time: args.time,
    };
    let place = if let Some(path) = &args.unix {
        Place::Unix(path.clone())
    } else {
        let endpoint = Endpoint::parse(&args.endpoint)?;
        Place::Ip(endpoint.host, endpoint.port)
    };
    let options = args.socket.options(false);
    if args.udp {
        let listener = match activation::datagram(&options)? {
            Some(listener) => listener,
            None => Listener::datagram(&place, &options)?,
        };
        return serve_datagrams(&listener, args, &mode, format);
    }
    let listener = match activation::stream(&options)? {
        Some(listener) => listener,
        None => Listener::stream(&place, args.server.backlog, &options)?,
    };
    let service = Echo::new(mode, args.frame.clone(), args.max_message);
    let config = args.server.config(args.request_timeout, args.once);
    serving::serve(format, listener, &service, &config)?;
    Ok(Status::Good)
}

/// A fixed answer is shared by all connections; this bounds what one of them can hold.
const MAX_REPLY: u64 = 256 << 20;

fn read_reply(reply: &str) -> Result<Arc<[u8]>> {
    if let Some(path) = reply.strip_prefix('@') {
        return files::read(Path::new(path), MAX_REPLY).map(Arc::from);
    }
    let bytes = escapes::unescape(reply).map_err(|error| {
        Error::new(Kind::CannotRun, "read --reply", error.to_string())
            .next(r"the escapes are \r \n \t \0 \\ and \xNN")
    })?;
    Ok(bytes.into())
}

fn serve_datagrams(
    listener: &Listener,
    args: &Args,
    mode: &Mode,
    format: Format,
) -> Result<Status> {
    let guard = Guard::new(args.udp_rate.0);
    let mut answer = |datagram: &[u8], answer: &mut Vec<u8>| match mode {
        Mode::Echo => answer.extend_from_slice(datagram),
        Mode::Reverse => answer.extend(datagram.iter().rev()),
        Mode::Reply(reply) => answer.extend_from_slice(reply),
    };
    serving::serve_datagrams(format, listener, args.once, guard, &mut answer)?;
    Ok(Status::Good)
}

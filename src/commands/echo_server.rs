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
use crate::service::Note;
use crate::service::echo::{Echo, Mode};
use crate::service::event::{Event, Who};
use crate::sys::server::EventHandler as _;
use crate::sys::socket::{Listener, Place};
use crate::sys::{activation, files};

/// Run an echo server: received data as it is, reversed, or a fixed reply.
///
/// Serves many connections at once. A peer that shuts down its sending side still gets all data. A
/// peer that does not read is not read from, so nothing is dropped.
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
          "keepalive", "idle_timeout", "max_conns", "backlog", "drain", "threads"])]
    udp: bool,
    /// Listen on a Unix socket at this path.
    #[arg(long, value_name = "PATH", conflicts_with = "endpoint")]
    unix: Option<PathBuf>,
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
        return serve_datagrams(&listener, args.once, &mode, format);
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

fn serve_datagrams(listener: &Listener, once: bool, mode: &Mode, format: Format) -> Result<Status> {
    serving::serve_datagrams(
        format,
        listener,
        once,
        &mut |reporter, peer, datagram, answer| {
            match mode {
                Mode::Echo => answer.extend_from_slice(datagram),
                Mode::Reverse => answer.extend(datagram.iter().rev()),
                Mode::Reply(reply) => answer.extend_from_slice(reply),
            }
            if reporter.wants_messages() {
                let who = Who {
                    connection: None,
                    peer,
                };
                reporter.event(&Event::Note(who, &Note::Received(datagram)));
                reporter.event(&Event::Note(who, &Note::Sending(answer)));
                reporter.flush()?;
            }
            Ok(true)
        },
    )?;
    Ok(Status::Good)
}

//! `sockdoc echo-client`.

mod messages;
mod stream;

use std::path::{Path, PathBuf};

use crate::commands::endpoint::Endpoint;
use crate::commands::options::{LoadArgs, ReachArgs, SocketArgs};
use crate::commands::serving::{print, tell};
use crate::commands::{Context, Status, loading, values};
use crate::error::{Error, Kind, Result};
use crate::framing::{Deframer, Framing, FramingError};
use crate::load::echo::{EchoClient, EventHandler, Moment};
use crate::render::clients::{Echo, Reached};
use crate::render::transcript;
use crate::sys::datagram;
use crate::sys::exchange::{Connection, End, Next, ReplyHandler, Source};
use crate::sys::load::Target;
use crate::sys::privilege::{self, Need};
use crate::sys::resolve::resolve;
use crate::sys::socket::Options;

use messages::{Messages, framed, gather, without_dash};

/// Send messages to an echo server and print what comes back.
///
/// Without --message or --file it sends Hello, world. Each message is sent after the echo of the
/// previous one has arrived. A file, or - for standard input, is streamed both ways at the
/// same time, and our sending side is shut down at its end; with --frame a file is one message, and
/// each line of standard input is one, and with --udp each line is a datagram. What comes back is
/// printed as it is, but control characters are escaped when writing to a terminal.
///
/// -v prints the tutorial's transcript, --json an object for each exchange (for a stream one at its
/// end: on standard error, where what came back is on standard output). With --conns, --count,
/// --rate or --duration it becomes a load generator; --conns alone is the tutorial's client with many
/// connections.
///
/// The exit status is 0 only if every message was echoed. Without --verify, a reply that differs from
/// the message still counts as success, but a truncated one does not, nor does a connection that the
/// server closes before the end of the input.
#[derive(Debug, clap::Args)]
#[command(override_usage = "sockdoc echo-client [OPTIONS] [HOST] [PORT]")]
#[command(after_help = "Examples:\n  \
    sockdoc echo-client                                    to 127.0.0.1, port 65432\n  \
    sockdoc echo-client --message one --message two -v     with the transcript\n  \
    sockdoc echo-client --file big.iso --verify            every byte compared\n  \
    sockdoc echo-client --conns 100 --count 100000         as a load generator")]
pub struct Args {
    /// Where the server is: HOST PORT or HOST:PORT; a last word - is --file -
    /// [default: 127.0.0.1 65432].
    #[arg(value_name = "HOST PORT", num_args = 0..=3)]
    endpoint: Vec<String>,
    /// Message to send; may be repeated. The escapes \r \n \t \0 \\ \xNN are understood.
    #[arg(long, value_name = "TEXT", conflicts_with = "file")]
    message: Vec<String>,
    /// Send the contents of this file; - is standard input.
    #[arg(long, value_name = "F")]
    file: Option<PathBuf>,
    /// Compare every byte that comes back with what was sent.
    #[arg(long)]
    verify: bool,
    /// How messages are delimited: raw, line, delim:TEXT, digits:N, len16, len32, fixed:N[:PAD] or
    /// close.
    #[arg(long, value_name = "FRAME", default_value = "raw")]
    frame: Framing,
    /// Send datagrams.
    #[arg(long, conflicts_with_all = ["unix", "frame", "file"])]
    udp: bool,
    /// Connect to the Unix socket at this path.
    #[arg(long, value_name = "PATH", conflicts_with = "endpoint")]
    unix: Option<PathBuf>,
    /// Reject framed echoes that are larger.
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = values::size)]
    max_message: usize,
    #[command(flatten)]
    reach: ReachArgs,
    #[command(flatten)]
    load: LoadArgs,
    #[command(flatten)]
    socket: SocketArgs,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<Status> {
    let (words, dash) = without_dash(args)?;
    let file = if dash {
        Some(PathBuf::from("-"))
    } else {
        args.file.clone()
    };
    let file = file.as_deref();
    let endpoint = Endpoint::parse_remote(words)?;
    let options = args.socket.options(false);
    let server = Server {
        args,
        endpoint: &endpoint,
        options: &options,
    };
    if args.load.wanted() {
        return run_load(&server, file, context);
    }
    match file {
        Some(path) if args.frame == Framing::Raw && !args.udp => {
            stream::run(&server, path, context)
        }
        file => {
            let messages = gather(args, file, &["Hello, world"])?;
            server.drop_privileges()?;
            if args.udp {
                say_datagrams(&server, messages, context)
            } else {
                say(&server, messages, context)
            }
        }
    }
}

/// The server, and how to reach it.
struct Server<'a> {
    args: &'a Args,
    endpoint: &'a Endpoint,
    options: &'a Options,
}

impl Server<'_> {
    /// As the transcript names it.
    fn name(&self) -> String {
        match &self.args.unix {
            Some(path) => transcript::peer(&crate::service::Peer::Unix(Some(path.clone()))),
            None => transcript::typed_address(self.endpoint.connect_host(), self.endpoint.port),
        }
    }

    /// Call it when the files are open.
    fn drop_privileges(&self) -> Result<()> {
        match self.args.unix {
            Some(_) => privilege::keep(&[Need::UnixSocket]),
            None => privilege::drop_all(),
        }
    }

    fn connect(&self) -> Result<Connection> {
        let timeout = self.args.reach.timeout;
        if let Some(path) = &self.args.unix {
            Connection::unix(path, self.options, timeout)
        } else {
            let addresses = self.resolve()?;
            Connection::tcp(&self.endpoint.name(), &addresses, self.options, timeout)
        }
    }

    fn resolve(&self) -> Result<Vec<std::net::SocketAddr>> {
        let family = self.args.reach.family();
        resolve(self.endpoint.connect_host(), self.endpoint.port, family)
    }

    fn target(&self) -> Result<Target> {
        Ok(match &self.args.unix {
            Some(path) => Target::Unix(path.clone()),
            None if self.args.udp => Target::Udp(self.resolve()?[0]),
            None => Target::Tcp(self.endpoint.name(), self.resolve()?),
        })
    }
}

/// Says messages in sequence.
fn say(server: &Server<'_>, messages: Messages, context: &Context) -> Result<Status> {
    let args = server.args;
    let mut connection: Option<Connection> = None;
    let mut good = true;
    for message in messages {
        let message = message?;
        let wire = framed(&args.frame, &message)?;
        // With `close` the end of the connection is the end of the message: each needs its own.
        let closes = args.frame == Framing::Close;
        let connection = match connection.take_if(|_| closes) {
            None if connection.is_some() => connection.as_mut(),
            _ => Some(connection.insert(server.connect()?)),
        };
        let Some(connection) = connection else {
            continue;
        };
        let mut collected = Collected::new(args, &wire);
        let before = connection.elapsed();
        let end = connection.exchange(Source::Bytes(&wire), closes, &mut collected)?;
        let latency = connection.elapsed().saturating_sub(before);
        let (received, cut) = collected.finish(end, connection)?;
        let echo = Echo {
            reached: Some(Reached {
                peer: &connection.peer,
                local: &connection.local,
                connect: connection.connect_time,
            }),
            message: &message,
            received: &received,
            latency,
            cut,
        };
        good &= show(&echo, args.verify, context)?;
    }
    Ok(Status::of(good))
}

/// Prints an echo and what is wrong with it. Gives whether it is good.
fn show(echo: &Echo<'_>, verify: bool, context: &Context) -> Result<bool> {
    let mut out = Vec::new();
    if context.json {
        echo.write_json(&mut out)
    } else {
        echo.write(&mut out, context.verbose)
    }
    .and_then(|()| print(&out))
    .map_err(Error::output)?;
    let fault = echo.fault(verify);
    if let Some(fault) = &fault {
        tell(fault);
    }
    Ok(fault.is_none())
}

/// Collects one echo.
struct Collected<'a> {
    deframer: Option<Deframer>,
    /// Without framing the echo is as long as the message.
    wire: &'a [u8],
    received: Vec<u8>,
    broken: Option<FramingError>,
}

impl<'a> Collected<'a> {
    fn new(args: &Args, wire: &'a [u8]) -> Self {
        let framed = args.frame != Framing::Raw;
        Collected {
            deframer: framed.then(|| Deframer::new(args.frame.clone(), args.max_message)),
            wire,
            received: Vec::new(),
            broken: None,
        }
    }

    /// The echo, once the exchange is over, and whether it was cut.
    fn finish(mut self, end: End, connection: &Connection) -> Result<(Vec<u8>, bool)> {
        let bad = |cause: String| {
            Error::new(Kind::BadAnswer, "read the echo of", cause)
                .on(connection.peer.to_string())
                .next("do both ends use the same --frame?")
        };
        if let Some(error) = self.broken {
            if error.is_over_the_limit() {
                let cause = format!("the reply is larger than --max-message: {error}");
                return Err(bad(cause)
                    .next("raise --max-message; or do the two ends not use the same --frame?"));
            }
            return Err(bad(error.to_string()));
        }
        if end == End::Done {
            return Ok((self.received, false));
        }
        match self.deframer.as_mut().map(Deframer::finish) {
            Some(Ok(Some(frame))) => Ok((frame.payload.to_vec(), false)),
            Some(Err(error)) => Err(bad(error.to_string())),
            // A server that answers something else and closes has answered.
            None if !self.received.is_empty() => {
                let cut = self.wire.starts_with(&self.received);
                Ok((self.received, cut))
            }
            _ => Err(bad("it closed the connection without an answer".to_owned())
                .next("is this an echo server? look at its log")),
        }
    }
}

impl ReplyHandler for Collected<'_> {
    fn received(&mut self, bytes: &[u8]) -> Result<Next> {
        let Some(deframer) = &mut self.deframer else {
            self.received.extend_from_slice(bytes);
            return Ok(if self.received.len() < self.wire.len() {
                Next::More
            } else {
                Next::Done
            });
        };
        Ok(match deframer.next(&mut &*bytes) {
            Ok(None) => Next::More,
            Ok(Some(frame)) => {
                self.received.extend_from_slice(frame.payload);
                Next::Done
            }
            Err(error) => {
                self.broken = Some(error);
                Next::Done
            }
        })
    }
}

/// Says messages in a datagram each.
fn say_datagrams(server: &Server<'_>, messages: Messages, context: &Context) -> Result<Status> {
    let address = server.resolve()?[0];
    let mut good = true;
    for message in messages {
        let message = message?;
        let (received, latency) =
            datagram::exchange(address, server.options, &message, server.args.reach.timeout)?;
        let echo = Echo {
            reached: None,
            message: &message,
            received: &received,
            latency,
            cut: false,
        };
        good &= show(&echo, server.args.verify, context)?;
    }
    Ok(Status::of(good))
}

/// Many connections, each with all the messages.
fn run_load(server: &Server<'_>, file: Option<&Path>, context: &Context) -> Result<Status> {
    let args = server.args;
    let default = ["Message 1 from client.", "Message 2 from client."];
    let messages = gather(args, file, &default)?
        .map(|message| message.and_then(|bare| Ok((framed(&args.frame, &bare)?, bare))))
        .collect::<Result<Vec<_>>>()?;
    if messages.is_empty() {
        let cause = "it holds no line, and each line is a message";
        return Err(Error::new(Kind::CannotRun, "read standard input", cause)
            .next("pipe something in, or give --message"));
    }
    server.drop_privileges()?;
    let name = server.name();
    let handler: Option<EventHandler<'_>> = (context.verbose && !context.json).then(|| {
        Box::new(move |connection: usize, moment: &Moment<'_>| {
            let mut out = Vec::new();
            let _ = transcript::moment(&mut out, connection, moment, &name);
            let _ = print(&out);
        }) as EventHandler<'_>
    });
    let keep_open = args.frame != Framing::Close;
    let mut plan = args.load.plan(1, keep_open, args.reach.timeout);
    if keep_open && args.load.only_conns() {
        plan.count = plan.count.map(|conns| conns * messages.len() as u64);
        plan.each = Some(messages.len() as u64);
    }
    let client = EchoClient::new(
        args.frame.clone(),
        messages,
        args.verify,
        args.max_message,
        handler,
    );
    loading::run(
        "echo-client",
        &server.target()?,
        server.options,
        &plan,
        client,
        None,
        context,
    )
}

//! `sockdoc echo-client`.

mod collected;
mod messages;
mod stream;

use std::path::{Path, PathBuf};

use crate::commands::endpoint::{Endpoint, usage};
use crate::commands::options::{CARELESS, LoadArgs, ReachArgs, SendingArgs, SocketArgs};
use crate::commands::serving::{print, tell, tell_cut, tell_tried, tell_unspecified};
use crate::commands::{Context, Status, loading, values};
use crate::error::{Error, Kind, Result};
use crate::framing::Framing;
use crate::load::echo::{EchoClient, EventHandler, Moment};
use crate::render::clients::Echo;
use crate::render::date::time_of_day;
use crate::render::transcript;
use crate::sys::clock;
use crate::sys::datagram;
use crate::sys::exchange::{Connection, End};
use crate::sys::load::Target;
use crate::sys::privilege::{self, Need};
use crate::sys::resolve::resolve;
use crate::sys::socket::Options;
use crate::sys::terminal::stdout_is_terminal;

use collected::Collected;
use messages::{Messages, framed, gather, without_dash};

/// Send messages to an echo server and print what comes back.
///
/// Without --message or --file it sends Hello, world. Each message is sent after the echo of the
/// previous one has arrived. A file, or - for standard input, is streamed both ways at the
/// same time, and our sending side is shut down at its end; with --frame a file is one message, and
/// each line of standard input is one, and with --udp each line is a datagram. In a pipe or a file the
/// bytes that come back are written exactly (a line with its line end, nothing added to other messages);
/// on a terminal control characters are escaped and each message ends with a line end.
///
/// --split, --dribble, --glue, --no-wait, --cut-after, --half-close and --rst send as a careless client
/// does, to show how a server copes with messages that arrive in pieces, together, or not to their end.
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
    /// Send datagrams, all from one port.
    #[arg(long, conflicts_with_all = ["unix", "frame", "split", "dribble", "cut_after", "half_close",
          "rst", "glue", "no_wait"])]
    udp: bool,
    /// Send all messages in one send.
    #[arg(long, conflicts_with = "no_wait", help_heading = CARELESS)]
    glue: bool,
    /// Send each message without waiting for the echo of the one before it.
    #[arg(long, help_heading = CARELESS)]
    no_wait: bool,
    /// Begin each line of the transcript with its time (UTC).
    #[arg(long)]
    time: bool,
    /// Connect to the Unix socket at this path; @NAME is in the abstract namespace.
    #[arg(long, value_name = "PATH", conflicts_with = "endpoint")]
    unix: Option<PathBuf>,
    /// Reject framed echoes that are larger.
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = values::size)]
    max_message: usize,
    #[command(flatten)]
    reach: ReachArgs,
    #[command(flatten)]
    sending: SendingArgs,
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
    let careless = args.sending.wanted() || args.glue || args.no_wait;
    if careless && args.load.wanted() {
        let cause = "--split, --dribble, --glue, --no-wait, --cut-after, --half-close and --rst are for one \
                     connection, and this is a load run";
        return Err(usage(cause.to_owned())
            .next("leave out --conns, --count, --rate and --duration, or start several clients"));
    }
    // Pieces that the kernel may join again are no pieces.
    let options = args.socket.options(careless);
    let server = Server {
        args,
        endpoint: &endpoint,
        options: &options,
        verbose: context.verbose,
    };
    if args.load.wanted() {
        return run_load(&server, file, context);
    }
    match file {
        Some(path) if args.frame == Framing::Raw && !args.udp => {
            stream::run(&server, path, context)
        }
        file => {
            let lines = file.is_some_and(|path| path.as_os_str() == "-");
            let printer = Printer::new(args, context, lines);
            let messages = gather(args, file, &["Hello, world"])?;
            server.drop_privileges()?;
            if args.udp {
                say_datagrams(&server, messages, &printer)
            } else if args.glue || args.no_wait {
                say_together(&server, messages, &printer)
            } else {
                say(&server, messages, &printer)
            }
        }
    }
}

/// The server, and how to reach it.
struct Server<'a> {
    args: &'a Args,
    endpoint: &'a Endpoint,
    options: &'a Options,
    verbose: bool,
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
            None if self.args.udp || self.args.load.wanted() => privilege::drop_all(),
            // Who is in the way of a connection that fails.
            None => privilege::keep(&[Need::Owners, Need::Namespaces]),
        }
    }

    fn connect(&self) -> Result<Connection> {
        let timeout = self.args.reach.timeout;
        if let Some(path) = &self.args.unix {
            Connection::unix(path, self.options, timeout)
        } else {
            let addresses = self.resolve()?;
            let connection =
                Connection::tcp(&self.endpoint.name(), &addresses, self.options, timeout)?;
            if self.verbose {
                tell_tried(&connection);
            }
            privilege::drop_all()?;
            tell_unspecified(self.endpoint.connect_host());
            Ok(connection)
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
fn say(server: &Server<'_>, messages: Messages, printer: &Printer<'_>) -> Result<Status> {
    let args = server.args;
    let mut connection: Option<Connection> = None;
    let mut good = true;
    let mut messages = messages.peekable();
    while let Some(message) = messages.next() {
        let message = message?;
        let wire = framed(&args.frame, &message)?;
        // With `close` the end of the connection is the end of the message: each needs its own.
        let closes = args.frame == Framing::Close;
        if closes || connection.is_none() {
            connection = Some(server.connect()?);
        }
        let Some(open) = connection.as_mut() else {
            continue;
        };
        let is_last = closes || messages.peek().is_none();
        let total = is_last.then(|| wire.len() + usize::try_from(open.sent_bytes).unwrap_or(0));
        open.manner = args.sending.manner(total, Vec::new());
        let mut collected = Collected::new(args, &wire, 1);
        let before = open.elapsed();
        let half_close = closes || (is_last && args.sending.half_close);
        let end = collected.exchange(open, half_close)?;
        if end == End::Cut {
            let asked = open.sent_bytes + left_out(&wire, open);
            tell_cut(open.sent_bytes, asked, args.sending.rst);
            if let Some(open) = connection.take() {
                open.close(args.sending.rst);
            }
            return Ok(Status::of(good));
        }
        let latency = open.elapsed().saturating_sub(before);
        let (received, cut) = collected.finish(end, open)?;
        good &= printer.show(&Echo {
            ends: Some((&open.local, &open.peer)),
            connect: Some(open.connect_time),
            message: &message,
            received: received.first().map_or(&[][..], Vec::as_slice),
            latency,
            cut,
        })?;
    }
    Ok(Status::of(good))
}

/// How much of the message being sent was not sent.
fn left_out(wire: &[u8], connection: &Connection) -> u64 {
    (wire.len() as u64).saturating_sub(connection.sent_bytes.min(wire.len() as u64))
}

/// Sends all messages, in one send or in one each, and then takes their echoes.
fn say_together(server: &Server<'_>, messages: Messages, printer: &Printer<'_>) -> Result<Status> {
    let args = server.args;
    if args.frame == Framing::Close {
        let cause = "with --frame close a connection carries one message";
        return Err(usage(cause.to_owned())
            .next("leave out --glue and --no-wait, or choose another framing"));
    }
    let messages = messages.collect::<Result<Vec<_>>>()?;
    let wires = messages.iter().map(|message| framed(&args.frame, message));
    let wires = wires.collect::<Result<Vec<_>>>()?;
    let all = wires.concat();
    let ends = wires
        .iter()
        .map(Vec::len)
        .filter(|_| args.no_wait)
        .collect();
    let mut connection = server.connect()?;
    connection.manner = args.sending.manner(Some(all.len()), ends);
    let mut collected = Collected::new(args, &all, messages.len());
    let before = connection.elapsed();
    let end = collected.exchange(&mut connection, args.sending.half_close)?;
    if end == End::Cut {
        tell_cut(connection.sent_bytes, all.len() as u64, args.sending.rst);
        connection.close(args.sending.rst);
        return Ok(Status::Good);
    }
    let latency = connection.elapsed().saturating_sub(before);
    let (received, cut) = collected.finish(end, &connection)?;
    let joined = [all];
    // Without framing nothing says where one echo ends and the next one begins.
    let sent = if args.frame == Framing::Raw {
        &joined[..]
    } else {
        &messages
    };
    let mut good = received.len() == sent.len();
    for (message, received) in sent.iter().zip(&received) {
        good &= printer.show(&Echo {
            ends: Some((&connection.local, &connection.peer)),
            connect: Some(connection.connect_time),
            message,
            received,
            latency,
            cut,
        })?;
    }
    if received.len() < sent.len() {
        tell(&format!(
            "the server closed the connection after {} of {} echoes",
            received.len(),
            sent.len()
        ));
    }
    Ok(Status::of(good))
}

/// Prints echoes.
struct Printer<'a> {
    args: &'a Args,
    context: &'a Context,
    /// How bytes are written when the output is not a terminal.
    exact: Option<&'static [u8]>,
}

impl<'a> Printer<'a> {
    /// `lines`: the messages are lines of standard input.
    fn new(args: &'a Args, context: &'a Context, lines: bool) -> Printer<'a> {
        let is_line = lines || args.frame == Framing::Line;
        let ends_with: &[u8] = if is_line { b"\n" } else { b"" };
        Printer {
            args,
            context,
            exact: (!stdout_is_terminal()).then_some(ends_with),
        }
    }

    /// Prints an echo and what is wrong with it. Gives whether it is good.
    fn show(&self, echo: &Echo<'_>) -> Result<bool> {
        let mut out = Vec::new();
        if self.context.json {
            echo.write_json(&mut out, clock::realtime())
        } else if self.context.verbose {
            if self.args.time {
                out.extend_from_slice(format!("{} ", time_of_day(clock::realtime())).as_bytes());
            }
            echo.write_transcript(&mut out)
        } else {
            echo.write(&mut out, self.exact)
        }
        .and_then(|()| print(&out))
        .map_err(Error::output)?;
        let fault = echo.fault(self.args.verify);
        if let Some(fault) = &fault {
            tell(fault);
        }
        Ok(fault.is_none())
    }
}

/// Says messages in a datagram each.
fn say_datagrams(server: &Server<'_>, messages: Messages, printer: &Printer<'_>) -> Result<Status> {
    let addresses = server.resolve()?;
    let timeout = server.args.reach.timeout;
    let mut client = datagram::Client::open(addresses[0], server.options)?;
    let mut others = addresses[1..].iter();
    let mut good = true;
    for message in messages {
        let message = message?;
        let (received, latency) = loop {
            match (client.exchange(&message, timeout), others.next()) {
                // The name has another address, such as localhost, and this one has no server.
                (Err(error), Some(other)) if error.code == Some("ECONNREFUSED") => {
                    if server.verbose {
                        tell(&format!("tried before: {}", error.on_one_line()));
                    }
                    client = datagram::Client::open(*other, server.options)?;
                }
                (answered, _) => break answered?,
            }
        };
        // It has answered: it is the one.
        others = [].iter();
        let (local, peer) = client.ends();
        good &= printer.show(&Echo {
            ends: Some((&local, &peer)),
            connect: None,
            message: &message,
            received: &received,
            latency,
            cut: false,
        })?;
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

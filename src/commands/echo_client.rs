//! `sockdoc echo-client`.

mod stream;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::commands::endpoint::Endpoint;
use crate::commands::options::{LoadArgs, ReachArgs, SocketArgs};
use crate::commands::serving::{print, tell};
use crate::commands::{Context, Status, loading, values};
use crate::error::{Error, Kind, Result};
use crate::framing::{Deframer, Framing, FramingError, escapes};
use crate::load::echo::{EchoClient, Moment, Witness};
use crate::render::{escape, json as as_json, python, transcript};
use crate::sys::exchange::{Connection, End, Next, Source, Taker};
use crate::sys::load::Target;
use crate::sys::resolve::resolve;
use crate::sys::socket::Options;
use crate::sys::{datagram, files};

/// Say something to an echo server and print what comes back.
///
/// Without --message or --file it says Hello, world. Messages are sent one after the other, each when
/// the echo of the one before has come. A file, or - for standard input, is streamed both ways at the
/// same time, and our sending side is shut down at its end; with --frame a file is one message, and
/// each line of standard input is one.
///
/// -v prints the tutorial's transcript, --json an object for each exchange. With --conns, --count,
/// --rate or --duration it becomes a load generator; --conns alone is the tutorial's client with many
/// connections. The exit status is 0 only if every message was answered well.
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
    /// Say this; may be given several times. The escapes \r \n \t \0 \\ \xNN are understood.
    #[arg(long, value_name = "TEXT", conflicts_with = "file")]
    message: Vec<String>,
    /// Send the contents of this file; - is standard input.
    #[arg(long, value_name = "F")]
    file: Option<PathBuf>,
    /// Compare every byte that comes back with what was sent.
    #[arg(long)]
    verify: bool,
    /// How a message's end is found: raw, line, delim:TEXT, digits:N, len16, len32, fixed:N[:PAD] or
    /// close.
    #[arg(long, value_name = "FRAME", default_value = "raw")]
    frame: Framing,
    /// Send datagrams.
    #[arg(long, conflicts_with_all = ["unix", "frame", "file"])]
    udp: bool,
    /// Connect to the unix-domain socket at this path.
    #[arg(long, value_name = "PATH", conflicts_with = "endpoint")]
    unix: Option<PathBuf>,
    /// Refuse framed echoes that are larger.
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
    let (words, file) = match (&args.endpoint[..], &args.file) {
        ([words @ .., dash], None) if dash == "-" => (words, Some(PathBuf::from("-"))),
        (words, file) => (words, file.clone()),
    };
    let endpoint = Endpoint::parse(words)?;
    let options = args.socket.options(false);
    let server = Server {
        args,
        endpoint: &endpoint,
        options: &options,
    };
    if args.load.wanted() {
        return run_load(&server, file.as_deref(), context);
    }
    if args.udp {
        return say_datagrams(&server, context);
    }
    match file {
        Some(path) if args.frame == Framing::Raw => stream::run(&server, &path, context),
        Some(path) if path.as_os_str() == "-" => {
            let lines = BufReader::new(files::open(&path)?)
                .split(b'\n')
                .map(|line| {
                    line.map_err(|error| Error::os(Kind::CannotRun, "read standard input", &error))
                });
            say(&server, lines, context)
        }
        Some(path) => {
            let message = files::read(&path, args.max_message as u64)?;
            say(&server, std::iter::once(Ok(message)), context)
        }
        None => say(&server, messages(args)?.into_iter().map(Ok), context),
    }
}

/// Whom to talk to, and how.
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

/// The messages of the command line.
fn messages(args: &Args) -> Result<Vec<Vec<u8>>> {
    if args.message.is_empty() {
        return Ok(vec![b"Hello, world".to_vec()]);
    }
    args.message
        .iter()
        .map(|text| {
            escapes::unescape(text).map_err(|error| {
                Error::new(Kind::CannotRun, "read --message", error.to_string())
                    .next(r"the escapes are \r \n \t \0 \\ and \xNN")
            })
        })
        .collect()
}

/// Frames a message, or says why this framing cannot carry it.
fn framed(framing: &Framing, message: &[u8]) -> Result<Vec<u8>> {
    let mut wire = Vec::new();
    framing.encode(message, &mut wire).map_err(|error| {
        Error::new(Kind::CannotRun, "frame the message", error.to_string())
            .on(format!("with --frame {framing}"))
            .next("choose another framing: len32 carries every message, line none with a line end inside")
    })?;
    Ok(wire)
}

/// Says messages one after the other.
fn say(
    server: &Server<'_>,
    messages: impl Iterator<Item = Result<Vec<u8>>>,
    context: &Context,
) -> Result<Status> {
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
        let mut echo = Echo::new(args, wire.len());
        let before = connection.elapsed();
        let end = connection.exchange(Source::Bytes(&wire), closes, &mut echo)?;
        let latency = connection.elapsed().saturating_sub(before);
        let received = echo.finish(end, connection)?;
        let same = received == message;
        report(
            context,
            connection,
            &message,
            &received,
            latency,
            same,
            args.verify,
        )?;
        good &= same || !args.verify;
    }
    Ok(Status::of(good))
}

fn report(
    context: &Context,
    connection: &Connection,
    message: &[u8],
    received: &[u8],
    latency: Duration,
    same: bool,
    verify: bool,
) -> Result<()> {
    let mut out = Vec::new();
    if context.json {
        let mut object = Map::new();
        object.insert("schema".to_owned(), json!("sockdoc.echo-client/1"));
        object.insert("event".to_owned(), json!("exchange"));
        object.insert("same".to_owned(), json!(same));
        object.insert("peer".to_owned(), as_json::peer(&connection.peer));
        object.insert("local".to_owned(), as_json::peer(&connection.local));
        object.insert(
            "connect_us".to_owned(),
            as_json::micros(connection.connect_time),
        );
        object.insert("latency_us".to_owned(), as_json::micros(latency));
        object.insert("sent_bytes".to_owned(), json!(message.len()));
        object.insert("received_bytes".to_owned(), json!(received.len()));
        as_json::bytes(&mut object, "received", received);
        as_json::line(&mut out, &Value::Object(object)).map_err(Error::output)?;
    } else if context.verbose {
        writeln!(out, "Received {}", python::bytes(received)).map_err(Error::output)?;
    } else {
        let text = String::from_utf8_lossy(received);
        writeln!(out, "{}", escape::text(&text)).map_err(Error::output)?;
    }
    print(&out).map_err(Error::output)?;
    if verify && !same {
        let at = message
            .iter()
            .zip(received)
            .position(|(sent, came)| sent != came);
        let at = at.unwrap_or(message.len().min(received.len()));
        tell(&format!(
            "the echo differs from byte {at} on ({} sent, {} received)",
            message.len(),
            received.len()
        ));
    }
    Ok(())
}

/// Collects one echo.
struct Echo {
    deframer: Option<Deframer>,
    /// Without framing the echo is as long as the message.
    wanted: usize,
    received: Vec<u8>,
    broken: Option<FramingError>,
}

impl Echo {
    fn new(args: &Args, wanted: usize) -> Self {
        let framed = args.frame != Framing::Raw;
        Echo {
            deframer: framed.then(|| Deframer::new(args.frame.clone(), args.max_message)),
            wanted,
            received: Vec::new(),
            broken: None,
        }
    }

    /// The echo, once the exchange is over.
    fn finish(mut self, end: End, connection: &Connection) -> Result<Vec<u8>> {
        let bad = |cause: String| {
            Error::new(Kind::BadAnswer, "read the echo of", cause)
                .on(connection.peer.to_string())
                .next("do both ends use the same --frame?")
        };
        if let Some(error) = self.broken {
            return Err(bad(error.to_string()));
        }
        if end == End::Done {
            return Ok(self.received);
        }
        match self.deframer.as_mut().map(Deframer::finish) {
            Some(Ok(Some(frame))) => Ok(frame.payload.to_vec()),
            Some(Err(error)) => Err(bad(error.to_string())),
            // A server that answers something else and closes has answered.
            None if !self.received.is_empty() || self.wanted == 0 => Ok(self.received),
            _ => Err(bad("it closed the connection without an answer".to_owned())
                .next("is this an echo server? look at its log")),
        }
    }
}

impl Taker for Echo {
    fn received(&mut self, bytes: &[u8]) -> Result<Next> {
        let Some(deframer) = &mut self.deframer else {
            self.received.extend_from_slice(bytes);
            return Ok(if self.received.len() < self.wanted {
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

fn say_datagrams(server: &Server<'_>, context: &Context) -> Result<Status> {
    let address = server.resolve()?[0];
    let mut good = true;
    for message in messages(server.args)? {
        let (received, latency) =
            datagram::exchange(address, server.options, &message, server.args.reach.timeout)?;
        let same = received == message;
        good &= same || !server.args.verify;
        let mut out = Vec::new();
        if context.json {
            let mut object = Map::new();
            object.insert("schema".to_owned(), json!("sockdoc.echo-client/1"));
            object.insert("event".to_owned(), json!("datagram"));
            object.insert("same".to_owned(), json!(same));
            object.insert("latency_us".to_owned(), as_json::micros(latency));
            as_json::bytes(&mut object, "received", &received);
            as_json::line(&mut out, &object).map_err(Error::output)?;
        } else if context.verbose {
            writeln!(out, "Received {}", python::bytes(&received)).map_err(Error::output)?;
        } else {
            let text = String::from_utf8_lossy(&received);
            writeln!(out, "{}", escape::text(&text)).map_err(Error::output)?;
        }
        print(&out).map_err(Error::output)?;
        if server.args.verify && !same {
            tell("the echo differs from what was sent");
        }
    }
    Ok(Status::of(good))
}

/// Many connections, each with all the messages.
fn run_load(server: &Server<'_>, file: Option<&Path>, context: &Context) -> Result<Status> {
    let args = server.args;
    let bare = match file {
        Some(path) => vec![files::read(path, args.max_message as u64)?],
        None if args.message.is_empty() => {
            vec![
                b"Message 1 from client.".to_vec(),
                b"Message 2 from client.".to_vec(),
            ]
        }
        None => messages(args)?,
    };
    let messages = bare
        .into_iter()
        .map(|message| Ok((framed(&args.frame, &message)?, message)))
        .collect::<Result<Vec<_>>>()?;
    let name = server.name();
    let witness: Option<Witness<'_>> = (context.verbose && !context.json).then(|| {
        Box::new(move |connection: usize, moment: &Moment<'_>| {
            let mut out = Vec::new();
            let _ = transcript::moment(&mut out, connection, moment, &name);
            let _ = print(&out);
        }) as Witness<'_>
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
        witness,
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

//! `sockdoc app-client`.

use std::io::{self, Write as _};

use crate::commands::endpoint::{Endpoint, usage};
use crate::commands::options::{CARELESS, LoadArgs, ReachArgs, SendingArgs, SocketArgs};
use crate::commands::serving::{print, tell, tell_cut, tell_tried, tell_unspecified};
use crate::commands::{Context, Status, loading, values};
use crate::error::{Error, Kind, Result};
use crate::framing::escapes;
use crate::load::Reply;
use crate::load::app::{AppClient, ITSELF, judge};
use crate::message::{Deframer, HeaderCache, MessageError, encode_binary_request, encode_search};
use crate::render::clients::{self, AppExchange, Reached};
use crate::render::date::time_of_day;
use crate::render::transcript;
use crate::sys::clock;
use crate::sys::exchange::{Connection, End, Next, Source};
use crate::sys::load::Target;
use crate::sys::privilege::{self, Need};
use crate::sys::resolve::resolve;

/// Send a request to an app-server, once or as a load generator.
///
/// ACTION search asks for VALUE; any other ACTION sends the two words as a binary request. The result
/// is printed; -v prints the tutorial's transcript, --json the whole exchange with its times.
///
/// --split, --dribble, --glue, --no-wait, --cut-after, --half-close and --rst send as a careless client
/// does, to show how a server copes with messages that arrive in pieces, together, or not to their end.
///
/// With --conns, --count, --rate or --duration it becomes a load generator: requests a second,
/// latencies from the time at which each request was due, errors by kind. The exit status is 0 only
/// if every request succeeded.
#[derive(Debug, clap::Args)]
#[command(override_usage = "sockdoc app-client [OPTIONS] [HOST] [PORT] ACTION VALUE")]
#[command(after_help = "Examples:\n  \
    sockdoc app-client search morpheus                     to 127.0.0.1, port 65432\n  \
    sockdoc app-client localhost 65432 search ring -v      with the transcript\n  \
    sockdoc app-client search ring --conns 32 --count 10000\n  \
    sockdoc app-client search ring --conns 8 --rate 500 --duration 10s --keep-open")]
pub struct Args {
    /// Where the server is (HOST PORT, HOST:PORT or nothing), then what is asked
    /// [default: 127.0.0.1 65432 search morpheus].
    #[arg(value_name = "HOST PORT ACTION VALUE", num_args = 0..=4)]
    words: Vec<String>,
    /// Send the next request of a load run on the same connection (for a server with --keep-open).
    #[arg(long, help_heading = "Load")]
    keep_open: bool,
    /// Keep this many requests in flight on a connection; implies --keep-open.
    #[arg(long, value_name = "D", default_value_t = 1, help_heading = "Load",
          value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pipeline: u32,
    /// Reject replies whose header and content together are larger.
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = values::size)]
    max_message: usize,
    /// Begin each line of the transcript with its time (UTC).
    #[arg(long)]
    time: bool,
    /// Send the request N times in one send [default: 2].
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "2",
          value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "no_wait",
          help_heading = CARELESS)]
    glue: Option<u16>,
    /// Send the request N times [default: 2], each without waiting for a reply.
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "2",
          value_parser = clap::value_parser!(u16).range(1..), help_heading = CARELESS)]
    no_wait: Option<u16>,
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
    let (endpoint, action, value) = understand(&args.words)?;
    let mut request = Vec::new();
    if action == "search" {
        encode_search(value, &mut request);
    } else {
        encode_binary_request(action, value.as_bytes(), &mut request);
    }
    privilege::keep(&[Need::Owners, Need::Namespaces])?;
    let addresses = resolve(endpoint.connect_host(), endpoint.port, args.reach.family())?;
    let keep_open = args.keep_open || args.pipeline > 1;
    let options = args.socket.options(keep_open || args.is_careless());
    if args.load.wanted() || keep_open {
        if args.is_careless() {
            let cause = "--split, --dribble, --glue, --no-wait, --cut-after, --half-close and --rst are for \
                         one connection, and this is a load run";
            return Err(usage(cause.to_owned()).next(
                "leave out --conns, --count, --rate, --duration, --keep-open and --pipeline",
            ));
        }
        let plan = args
            .load
            .plan(args.pipeline as usize, keep_open, args.reach.timeout);
        privilege::drop_all()?;
        let client = AppClient::new(request, args.max_message);
        let target = Target::Tcp(endpoint.name(), addresses);
        let hint = keep_open.then_some(
            "next: an app-server closes after each reply unless it is started with --keep-open",
        );
        return loading::run(
            "app-client",
            &target,
            &options,
            &plan,
            client,
            hint,
            context,
        );
    }
    let transcript = Transcript {
        wanted: context.verbose && !context.json,
        time: args.time,
        server: transcript::typed_address(endpoint.connect_host(), endpoint.port),
    };
    transcript.tell(|out, server| writeln!(out, "Starting connection to {server}"))?;
    let mut connection =
        Connection::tcp(&endpoint.name(), &addresses, &options, args.reach.timeout)?;
    if context.verbose {
        tell_tried(&connection);
    }
    privilege::drop_all()?;
    tell_unspecified(endpoint.connect_host());
    let copies = usize::from(args.glue.or(args.no_wait).unwrap_or(1));
    let all = request.repeat(copies);
    let ends = vec![request.len(); if args.no_wait.is_some() { copies } else { 0 }];
    connection.manner = args.sending.manner(Some(all.len()), ends);
    transcript.tell(|out, server| transcript::sending(out, "Sending", &all, server))?;
    let exchange = Exchange {
        request: &all,
        replies: copies,
        half_close: args.sending.half_close,
        max_message: args.max_message,
    };
    let Some(replies) = exchange.run(&mut connection)? else {
        tell_cut(connection.sent_bytes, all.len() as u64, args.sending.rst);
        connection.close(args.sending.rst);
        return Ok(Status::Good);
    };
    let mut good = true;
    for wire in &replies {
        good &= show_reply(wire, &request, args, &connection, &transcript, context)?;
    }
    if !context.json {
        transcript.tell(|out, server| writeln!(out, "Closing connection to {server}"))?;
    }
    if replies.len() < copies {
        tell(&format!(
            "the server closed the connection after {} of {copies} replies: an app-server answers one \
             request per connection unless it is started with --keep-open",
            replies.len()
        ));
    }
    Ok(Status::of(good && replies.len() == copies))
}

impl Args {
    fn is_careless(&self) -> bool {
        self.sending.wanted() || self.glue.is_some() || self.no_wait.is_some()
    }
}

/// Shows one reply. Gives whether it is good.
fn show_reply(
    wire: &[u8],
    request: &[u8],
    args: &Args,
    connection: &Connection,
    transcript: &Transcript,
    context: &Context,
) -> Result<bool> {
    let total = connection.elapsed();
    let mut deframer = Deframer::new(args.max_message);
    let mut headers = HeaderCache::default();
    let message = deframer
        .next(&mut &wire[..], &mut headers)
        .map_err(|error| unreadable(connection, &error))?
        .ok_or_else(|| bad_reply(connection, "the reply is incomplete".to_owned()))?;
    let decoded = message
        .decode()
        .map_err(|error| unreadable(connection, &error))?;
    let verdict = judge(&message, request);
    if context.json {
        let mut out = Vec::new();
        let tried = connection.failed.iter();
        let exchange = AppExchange {
            reached: Reached {
                peer: &connection.peer,
                local: &connection.local,
                connect: connection.connect_time,
            },
            request,
            message: &message,
            content: &decoded,
            verdict,
            first_byte: connection.first_byte,
            total,
            tried: tried.map(|it| it.describe().to_string()).collect(),
        };
        exchange
            .write_json(&mut out, clock::realtime())
            .and_then(|()| print(&out))
            .map_err(Error::output)?;
    } else if context.verbose {
        transcript
            .tell(|out, server| transcript::response(out, &message.header, &decoded, server))?;
    } else {
        let mut out = Vec::new();
        clients::write_result(&mut out, &decoded)
            .and_then(|()| print(&out))
            .map_err(Error::output)?;
    }
    if let Reply::Bad(why) = verdict {
        let peer = &connection.peer;
        let hint = if why == ITSELF {
            ": this is an echo server, not an app-server"
        } else {
            ""
        };
        tell(&format!("{peer}: bad reply: {why}{hint}"));
    }
    Ok(verdict == Reply::Good)
}

/// The words: from the end, what is asked; before it, where the server is.
fn understand(words: &[String]) -> Result<(Endpoint, &str, &str)> {
    match words {
        [] => Ok((Endpoint::parse_remote(&[])?, "search", "morpheus")),
        [endpoint @ .., action, value] => {
            let looks_like_a_place = endpoint.is_empty()
                && value.parse::<u16>().is_ok()
                && (action.parse::<std::net::IpAddr>().is_ok() || action == "localhost");
            if looks_like_a_place {
                return Err(usage(format!("no ACTION and VALUE after {action} {value}"))
                    .next("add ACTION and VALUE, for example: search morpheus"));
            }
            Ok((Endpoint::parse_remote(endpoint)?, action, value))
        }
        [word] => Err(usage(format!(
            "'{word}' alone is not enough: ACTION and VALUE are needed"
        ))
        .next("sockdoc app-client HOST PORT ACTION VALUE, for example: search morpheus")),
    }
}

/// What is sent, and how much comes back.
struct Exchange<'a> {
    request: &'a [u8],
    replies: usize,
    half_close: bool,
    max_message: usize,
}

impl Exchange<'_> {
    /// Sends the request and waits for whole messages; gives them as they stood on the wire, fewer if the
    /// server closes after at least one. `None`: the connection was to be ended before.
    fn run(&self, connection: &mut Connection) -> Result<Option<Vec<Vec<u8>>>> {
        let mut deframer = Deframer::new(self.max_message);
        let mut headers = HeaderCache::default();
        let mut wires: Vec<Vec<u8>> = Vec::new();
        let mut broken = None;
        let mut beginning = Vec::new();
        let source = Source::Bytes(self.request);
        let end = connection.exchange(source, self.half_close, &mut |bytes: &[u8]| {
            let room = BEGINNING - beginning.len();
            beginning.extend_from_slice(&bytes[..bytes.len().min(room)]);
            let mut input = bytes;
            loop {
                match deframer.next(&mut input, &mut headers) {
                    Ok(None) => return Ok(Next::More),
                    Ok(Some(message)) => wires.push(message.wire.to_vec()),
                    Err(error) => {
                        broken = Some(error);
                        return Ok(Next::Done);
                    }
                }
                if wires.len() == self.replies {
                    return Ok(Next::Done);
                }
            }
        });
        let end = end.map_err(|error| match deframer.finish() {
            Err(cut) if error.code == Some("ETIMEDOUT") => Error {
                cause: format!("{}; {cut}", error.cause),
                ..error
            },
            _ => error,
        })?;
        let begun = || {
            let more = connection.received_bytes > beginning.len() as u64;
            let dots = if more { " ..." } else { "" };
            format!(
                "the reply began with '{}'{dots}",
                escapes::escape(&beginning)
            )
        };
        match (broken, end) {
            (_, End::Cut) => Ok(None),
            (Some(error), _) => {
                let mut failure = unreadable(connection, &error);
                if !matches!(error, MessageError::TooLarge { .. }) {
                    failure.cause = format!("{}; {}", failure.cause, begun());
                }
                Err(failure)
            }
            (None, End::Done) => Ok(Some(wires)),
            (None, End::Closed | End::ClosedEarly) => {
                let cause = match deframer.finish() {
                    Ok(()) if !wires.is_empty() => return Ok(Some(wires)),
                    Ok(()) => "the server closed the connection without a reply".to_owned(),
                    Err(cut) => format!(
                        "the server closed the connection in the middle of its reply: {cut}; {}",
                        begun()
                    ),
                };
                Err(bad_reply(connection, cause))
            }
        }
    }
}

/// The longest part shown of what is not a message.
const BEGINNING: usize = 48;

fn unreadable(connection: &Connection, error: &MessageError) -> Error {
    if matches!(error, MessageError::TooLarge { .. }) {
        let cause = format!("the reply is larger than --max-message: {error}");
        return bad_reply(connection, cause)
            .next("raise --max-message if this server sends replies of that size");
    }
    bad_reply(
        connection,
        format!("not a message of this protocol: {error}"),
    )
}

fn bad_reply(connection: &Connection, cause: String) -> Error {
    Error::new(Kind::BadAnswer, "read the reply of", cause)
        .next("look at the server's log; to see what HOST:PORT really sends: sockdoc echo-client HOST PORT -v")
        .on(connection.peer.to_string())
}

/// The lines of the tutorial's client, as they come to pass.
struct Transcript {
    wanted: bool,
    time: bool,
    server: String,
}

impl Transcript {
    fn tell(&self, line: impl FnOnce(&mut Vec<u8>, &str) -> io::Result<()>) -> Result<()> {
        if !self.wanted {
            return Ok(());
        }
        let mut out = Vec::new();
        if self.time {
            out.extend_from_slice(format!("{} ", time_of_day(clock::realtime())).as_bytes());
        }
        line(&mut out, &self.server)
            .and_then(|()| print(&out))
            .map_err(Error::output)
    }
}

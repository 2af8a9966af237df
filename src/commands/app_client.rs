//! `sockdoc app-client`.

use std::io::{self, Write as _};

use crate::commands::endpoint::{Endpoint, usage};
use crate::commands::options::{LoadArgs, ReachArgs, SocketArgs};
use crate::commands::serving::{print, tell};
use crate::commands::{Context, Status, loading, values};
use crate::error::{Error, Kind, Result};
use crate::framing::escapes;
use crate::load::Reply;
use crate::load::app::{AppClient, ITSELF, judge};
use crate::message::{Deframer, HeaderCache, MessageError, encode_binary_request, encode_search};
use crate::render::clients::{self, AppExchange, Reached};
use crate::render::transcript;
use crate::sys::exchange::{Connection, End, Next, Source};
use crate::sys::load::Target;
use crate::sys::privilege;
use crate::sys::resolve::resolve;

/// Send a request to an app-server, once or as a load generator.
///
/// ACTION search asks for VALUE; any other ACTION sends the two words as a binary request. The result
/// is printed; -v prints the tutorial's transcript, --json the whole exchange with its times.
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
    #[command(flatten)]
    reach: ReachArgs,
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
    privilege::drop_all()?;
    let addresses = resolve(endpoint.connect_host(), endpoint.port, args.reach.family())?;
    let keep_open = args.keep_open || args.pipeline > 1;
    let options = args.socket.options(keep_open);
    if args.load.wanted() || keep_open {
        let plan = args
            .load
            .plan(args.pipeline as usize, keep_open, args.reach.timeout);
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
        server: transcript::typed_address(endpoint.connect_host(), endpoint.port),
    };
    transcript.tell(|out, server| writeln!(out, "Starting connection to {server}"))?;
    let mut connection =
        Connection::tcp(&endpoint.name(), &addresses, &options, args.reach.timeout)?;
    if context.verbose {
        for failure in &connection.failed {
            tell(&format!("tried before: {}", failure.describe()));
        }
    }
    transcript.tell(|out, server| transcript::sending(out, "Sending", &request, server))?;
    let wire = ask(&mut connection, &request, args.max_message)?;
    let total = connection.elapsed();
    let mut deframer = Deframer::new(args.max_message);
    let mut headers = HeaderCache::default();
    let message = deframer
        .next(&mut &wire[..], &mut headers)
        .map_err(|error| unreadable(&connection, &error))?
        .ok_or_else(|| bad_reply(&connection, "the reply is incomplete".to_owned()))?;
    let decoded = message
        .decode()
        .map_err(|error| unreadable(&connection, &error))?;
    let verdict = judge(&message, &request);
    let mut out = Vec::new();
    if context.json {
        let tried = connection.failed.iter();
        let exchange = AppExchange {
            reached: Reached {
                peer: &connection.peer,
                local: &connection.local,
                connect: connection.connect_time,
            },
            request: &request,
            message: &message,
            content: &decoded,
            verdict,
            first_byte: connection.first_byte,
            total,
            tried: tried.map(|it| it.describe().to_string()).collect(),
        };
        exchange.write_json(&mut out).map_err(Error::output)?;
    } else if context.verbose {
        let server = &transcript.server;
        transcript::response(&mut out, &message.header, &decoded, server).map_err(Error::output)?;
        writeln!(out, "Closing connection to {server}").map_err(Error::output)?;
    } else {
        clients::write_result(&mut out, &decoded).map_err(Error::output)?;
    }
    print(&out).map_err(Error::output)?;
    if let Reply::Bad(why) = verdict {
        let peer = &connection.peer;
        let hint = if why == ITSELF {
            ": this is an echo server, not an app-server"
        } else {
            ""
        };
        tell(&format!("{peer}: bad reply: {why}{hint}"));
    }
    Ok(Status::of(verdict == Reply::Good))
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

/// Sends the request and waits for a whole message; gives it as it stood on the wire.
fn ask(connection: &mut Connection, request: &[u8], max_message: usize) -> Result<Vec<u8>> {
    let mut deframer = Deframer::new(max_message);
    let mut headers = HeaderCache::default();
    let mut wire = Vec::new();
    let mut broken = None;
    let mut beginning = Vec::new();
    let end = connection.exchange(Source::Bytes(request), false, &mut |bytes: &[u8]| {
        let room = BEGINNING - beginning.len();
        beginning.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(match deframer.next(&mut &*bytes, &mut headers) {
            Ok(None) => Next::More,
            Ok(Some(message)) => {
                wire.extend_from_slice(message.wire);
                Next::Done
            }
            Err(error) => {
                broken = Some(error);
                Next::Done
            }
        })
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
        (Some(error), _) => {
            let mut failure = unreadable(connection, &error);
            if !matches!(error, MessageError::TooLarge { .. }) {
                failure.cause = format!("{}; {}", failure.cause, begun());
            }
            Err(failure)
        }
        (None, End::Done) => Ok(wire),
        (None, End::Closed | End::ClosedEarly) => {
            let cause = match deframer.finish() {
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
    server: String,
}

impl Transcript {
    fn tell(&self, line: impl FnOnce(&mut Vec<u8>, &str) -> io::Result<()>) -> Result<()> {
        if !self.wanted {
            return Ok(());
        }
        let mut out = Vec::new();
        line(&mut out, &self.server)
            .and_then(|()| print(&out))
            .map_err(Error::output)
    }
}

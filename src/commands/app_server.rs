//! `sockdoc app-server`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::commands::endpoint::Endpoint;
use crate::commands::options::{ServerArgs, SocketArgs};
use crate::commands::serving::serve;
use crate::commands::{Context, Status, values};
use crate::error::{Error, Kind, Result};
use crate::render::serving::Format;
use crate::service::app::{App, Entries};
use crate::sys::activation;
use crate::sys::files;
use crate::sys::socket::{Listener, Place};

/// Run a server for the tutorial's application protocol: search and binary requests.
///
/// A request is a length, a JSON header and a content, as the Python programs of the socket tutorial
/// write them; replies are byte-for-byte identical to theirs. A search for morpheus, ring or a dog's face finds
/// something. Well-framed but invalid requests are answered with {"result": "Error: ..."}, and the
/// connection is closed in order, so the answer is not lost to a reset.
///
/// A JSON request may be in UTF-8, UTF-16, UTF-32, ASCII, Latin-1, most of ISO 8859 or a common code page, under
/// the names that Python knows them by. Any other encoding is answered with the list of these.
///
/// -v prints the tutorial's transcript, --json an object for each event; if the log
/// cannot keep up (slow reader or full disk), events are dropped and counted; serving continues.
///
/// With LISTEN_FDS=1 in the environment (socket activation, sd_listen_fds(3)) the socket that was
/// passed in is used, provided that LISTEN_PID is this process; otherwise they belong to another
/// process and are ignored.
#[derive(Debug, clap::Args)]
#[command(override_usage = "sockdoc app-server [OPTIONS] [HOST] [PORT]")]
#[command(after_help = "Examples:\n  \
    sockdoc app-server                       127.0.0.1, port 65432\n  \
    sockdoc app-server '' 8080 -v            all IPv4 interfaces, with the transcript\n  \
    sockdoc app-server :: 8080 --keep-open   IPv4 and IPv6, many requests per connection")]
pub struct Args {
    /// Address to listen on: HOST, PORT, or both as two words or as HOST:PORT. '' or * is every IPv4
    /// interface, :: every interface; port 0 picks a free one [default: 127.0.0.1 65432].
    #[arg(value_name = "HOST PORT", num_args = 0..=2)]
    endpoint: Vec<String>,
    /// Answer searches from this file instead: a JSON object of strings.
    #[arg(long, value_name = "FILE.json")]
    data: Option<PathBuf>,
    /// Serve many requests on one connection, pipelined ones in order. Also sets TCP_NODELAY.
    #[arg(long)]
    keep_open: bool,
    /// Reject messages whose header and content together are larger.
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = values::size)]
    max_message: usize,
    /// Begin each line of the transcript with its time (UTC).
    #[arg(long)]
    time: bool,
    /// Time limit for a whole request and its reply; 0 disables the limit.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = values::duration)]
    request_timeout: Duration,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    socket: SocketArgs,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<Status> {
    let entries = match &args.data {
        Some(path) => read_entries(path)?,
        None => Entries::built_in(),
    };
    // A keep-open reply must not wait for the ACK of the one before it.
    let options = args.socket.options(args.keep_open);
    let listener = if let Some(listener) = activation::stream(&options)? {
        listener
    } else {
        let endpoint = Endpoint::parse(&args.endpoint)?;
        let place = Place::Ip(endpoint.host, endpoint.port);
        Listener::stream(&place, args.server.backlog, &options)?
    };
    let service = App::new(entries)
        .keep_open(args.keep_open)
        .max_message(args.max_message);
    let format = Format {
        command: "app-server",
        sending: "Sending",
        shows_received: false,
        hexdump: false,
        json: context.json,
        verbose: context.verbose,
        time: args.time,
    };
    let config = args.server.config(args.request_timeout, false);
    serve(format, listener, &service, &config)?;
    Ok(Status::Good)
}

/// A table of entries is a small file; a larger one is a mistake.
const MAX_DATA: u64 = 256 << 20;

fn read_entries(path: &Path) -> Result<Entries> {
    let bytes = files::read(path, MAX_DATA)?;
    let wrong = |cause: String| {
        Error::new(Kind::CannotRun, "use the entries of", cause)
            .on(path.display().to_string())
            .next(r#"write an object of strings: {"value": "what a search for it finds"}"#)
    };
    let text = String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
    Entries::from_json(&text).map_err(wrong)
}

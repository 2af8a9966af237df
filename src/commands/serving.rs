//! A server from its first line to its last: what it prints when it listens, when something
//! happens, and when it ends.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{Error, Result, cause};
use crate::render::serving::Format;
use crate::render::{counted, escape, load, thousands};
use crate::service::{Peer, Service};
use crate::sys::datagram;
use crate::sys::outlet::Outlet;
use crate::sys::privilege;
use crate::sys::server::{self, Config, Totals};
use crate::sys::signals::Signals;
use crate::sys::socket::Listener;

mod reporter;

use reporter::Desk;
pub use reporter::Reporter;

/// What a datagram server does with one datagram, as [`datagram::Answer`], with a reporter.
pub type Answer<'a> = dyn FnMut(&mut Reporter, &Peer, &[u8], &mut Vec<u8>) -> io::Result<bool> + 'a;

/// After the end, the reader of standard output is given this long ...
const LAST_READ: Duration = Duration::from_secs(2);
/// ... and this long when a second signal asks to end at once.
const FORCED_READ: Duration = Duration::from_millis(200);

/// Writes the first line, once the socket is open, so that a script can wait for it.
fn listening(format: &Format, local: &Peer) -> Result<()> {
    let mut out = Vec::new();
    format
        .listening(&mut out, local)
        .and_then(|()| print(&out))
        .map_err(Error::output)
}

/// Serves until a signal comes, and says what was done.
pub fn serve<S>(format: Format, listener: Listener, service: &S, config: &Config) -> Result<()>
where
    S: Service + Clone + Send,
    S::Session: Send,
{
    privilege::drop_all()?;
    let signals = Signals::open()?;
    let desk = open(&format)?;
    listening(&format, &listener.local)?;
    let handler = || Reporter::new(format, Arc::clone(&desk));
    let totals = server::run(listener, service, config, &signals, handler)?;
    let end = json!({
        "connections": totals.connections,
        "received_bytes": totals.received_bytes,
        "sent_bytes": totals.sent_bytes,
        "failed": totals.failed,
        "cut": totals.cut,
    });
    ended(
        &format,
        &desk,
        &signals,
        totals.forced,
        &served(&totals),
        &end,
    );
    Ok(())
}

/// The same for a socket of datagrams.
pub fn serve_datagrams(
    format: Format,
    listener: &Listener,
    once: bool,
    answer: &mut Answer<'_>,
) -> Result<()> {
    privilege::drop_all()?;
    let signals = Signals::open()?;
    let desk = open(&format)?;
    listening(&format, &listener.local)?;
    let mut reporter = Reporter::new(format, Arc::clone(&desk));
    let alarm = desk.outlet.alarm();
    let totals = datagram::run(listener, &signals, alarm, once, &mut |peer, bytes, out| {
        answer(&mut reporter, peer, bytes, out)
    })?;
    let mut line = format!(
        "Answered {} of {}",
        thousands(totals.sent),
        counted(totals.received, "datagram")
    );
    if totals.unsent > 0 {
        let answers = counted(totals.unsent, "answer");
        let _ = write!(line, "; {answers} could not be sent");
    }
    let end = json!({
        "received": totals.received,
        "sent": totals.sent,
        "unsent": totals.unsent,
    });
    ended(&format, &desk, &signals, false, &line, &end);
    Ok(())
}

/// What the reporters share. Call it when the signals are blocked.
fn open(format: &Format) -> Result<Arc<Desk>> {
    let shows_messages = format.shows_messages();
    let outlet = if shows_messages {
        Outlet::start(|error| {
            tell(&format!(
                "standard output cannot be written: {}; events that do not fit are dropped, \
                 serving continues",
                cause(error)
            ));
        })?
    } else {
        Outlet::silent()
    };
    Ok(Arc::new(Desk::new(outlet, !shows_messages)))
}

/// The last lines: what was done, and what of it was not written.
fn ended(format: &Format, desk: &Desk, signals: &Signals, forced: bool, line: &str, end: &Value) {
    let patience = if forced { FORCED_READ } else { LAST_READ };
    if format.json {
        let mut out = Vec::new();
        // Writing to memory does not fail.
        let _ = format.end(&mut out, end);
        desk.outlet.push(&out, 1, &mut patience.clone());
    }
    let unwritten = desk.outlet.finish(signals, patience);
    desk.tell_hidden();
    if unwritten.events > 0 {
        let events = counted(unwritten.events, "event");
        let verb = if unwritten.events == 1 { "was" } else { "were" };
        let why = if unwritten.failed {
            "standard output could not be written"
        } else {
            "the reader of standard output is slow"
        };
        desk.say(&format!("{events} {verb} not written: {why}"));
    }
    if !format.json {
        desk.say(line);
    }
}

/// Writes to standard output at once.
pub fn print(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Says something on standard error.
pub fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "sockdoc: {}", escape::text(line));
}

fn served(totals: &Totals) -> String {
    let mut line = format!(
        "Served {}: {} received, {} sent",
        counted(totals.connections, "connection"),
        load::bytes(totals.received_bytes),
        load::bytes(totals.sent_bytes)
    );
    if totals.failed > 0 {
        let _ = write!(line, "; {} failed", thousands(totals.failed));
    }
    if totals.cut > 0 {
        let when = if totals.forced {
            "by a second signal"
        } else {
            "when the drain time was over"
        };
        let _ = write!(line, "; {} cut {when}", thousands(totals.cut));
    }
    line
}

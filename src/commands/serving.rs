//! A server from its first line to its last: what it prints when it listens, when something
//! happens, and when it ends.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{Error, Result, cause};
use crate::render::serving::Format;
use crate::render::{counted, escape, load, thousands};
use crate::service::datagrams::{Guard, Unanswered};
use crate::service::event::{Event, Who};
use crate::service::{Note, Peer, Service};
use crate::sys::around;
use crate::sys::clock;
use crate::sys::datagram;
use crate::sys::exchange::Connection;
use crate::sys::outlet::Outlet;
use crate::sys::privilege;
use crate::sys::server::{self, Config, EventHandler as _, Totals};
use crate::sys::signals::Signals;
use crate::sys::socket::Listener;

mod reporter;

use reporter::Desk;
pub use reporter::Reporter;

/// Writes the answer to a datagram, which is empty at first.
pub type Answer<'a> = dyn FnMut(&[u8], &mut Vec<u8>) + 'a;

/// After the end, the reader of standard output is given this long ...
const LAST_READ: Duration = Duration::from_secs(2);
/// ... and this long when a second signal asks to end at once.
const FORCED_READ: Duration = Duration::from_millis(200);

/// Writes the first line, once the socket is open, so that a script can wait for it. An output that
/// cannot be written is as little a reason to end as later.
fn listening(format: &Format, desk: &Desk, local: &Peer) -> Result<()> {
    let mut out = Vec::new();
    format
        .listening(&mut out, local, clock::realtime())
        .map_err(Error::output)?;
    if format.shows_messages() {
        desk.outlet.push(&out, 0, &mut LAST_READ.clone());
    } else if let Err(error) = print(&out) {
        not_written(&error);
    }
    Ok(())
}

fn not_written(error: &io::Error) {
    tell(&if error.kind() == io::ErrorKind::BrokenPipe {
        "standard output was closed by its reader: nothing more is printed, serving continues"
            .to_owned()
    } else {
        format!(
            "standard output cannot be written: {}; events that do not fit are dropped, \
             serving continues",
            cause(error)
        )
    });
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
    listening(&format, &desk, &listener.local)?;
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
pub fn serve_datagrams<'a>(
    format: Format,
    listener: &Listener,
    once: bool,
    guard: Guard,
    answer: &'a mut Answer<'a>,
) -> Result<()> {
    privilege::drop_all()?;
    let signals = Signals::open()?;
    let desk = open(&format)?;
    listening(&format, &desk, &listener.local)?;
    let mut answerer = Datagrams {
        reporter: Reporter::new(format, Arc::clone(&desk)),
        answer,
    };
    let totals = datagram::run(listener, &signals, once, guard, &mut answerer)?;
    let line = answered(&totals);
    let end = json!({
        "received": totals.received,
        "sent": totals.sent,
        "unsent": totals.unsent,
        "not_answered_loop": totals.looping,
        "not_answered_rate": totals.over_rate,
        "kernel_dropped": totals.dropped,
    });
    ended(&format, &desk, &signals, false, &line, &end);
    Ok(())
}

/// What the reporters share. Call it when the signals are blocked.
fn open(format: &Format) -> Result<Arc<Desk>> {
    let shows_messages = format.shows_messages();
    let outlet = if shows_messages {
        Outlet::start(not_written)?
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
        let _ = format.end(&mut out, end, clock::realtime());
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

/// Names the addresses that were tried before the one that answered.
pub fn tell_tried(connection: &Connection) {
    for failure in &connection.failed {
        let failed = around::connect_failed(failure.describe(), failure.address);
        tell(&format!("tried before: {}", failed.on_one_line()));
    }
}

/// Says what Linux makes of an address that only servers have: 0.0.0.0 and :: of a client are this host.
pub fn tell_unspecified(host: &str) {
    if host.parse::<IpAddr>().is_ok_and(|it| it.is_unspecified()) {
        tell(&format!(
            "{host} is an address to listen on; a client that connects to it reaches this host"
        ));
    }
}

/// What was sent before the connection was ended on purpose.
pub fn tell_cut(sent: u64, of: u64, reset: bool) {
    let how = if reset { "reset" } else { "closed" };
    tell(&format!(
        "sent {} of {}, then {how} the connection",
        thousands(sent),
        counted(of, "byte")
    ));
}

fn answered(totals: &datagram::Totals) -> String {
    let mut line = format!(
        "Answered {} of {}",
        thousands(totals.sent),
        counted(totals.received, "datagram")
    );
    if totals.unsent > 0 {
        let answers = counted(totals.unsent, "answer");
        let _ = write!(line, "; {answers} could not be sent");
    }
    if totals.over_rate > 0 {
        let _ = write!(line, "; {} over --udp-rate", thousands(totals.over_rate));
    }
    if totals.looping > 0 {
        let looping = thousands(totals.looping);
        let _ = write!(
            line,
            "; {looping} from a source that would answer the answer"
        );
    }
    if totals.dropped > 0 {
        let dropped = thousands(totals.dropped);
        let _ = write!(
            line,
            "; {dropped} more dropped by the kernel: the receive buffer was full (raise it: --rcvbuf)"
        );
    }
    line
}

/// Answers datagrams and reports them.
struct Datagrams<'a> {
    reporter: Reporter,
    answer: &'a mut Answer<'a>,
}

impl datagram::Answerer for Datagrams<'_> {
    fn answer(&mut self, peer: &Peer, datagram: &[u8], answer: &mut Vec<u8>) {
        (self.answer)(datagram, answer);
        if self.reporter.wants_messages() {
            let who = of_datagram(peer);
            self.reporter
                .event(&Event::Note(who, &Note::Received(datagram)));
            self.reporter
                .event(&Event::Note(who, &Note::Sending(answer)));
        }
    }

    fn unanswered(&mut self, peer: &Peer, why: Unanswered) {
        let port = match peer {
            Peer::Ip(address) => address.port(),
            Peer::Unix(_) => 0,
        };
        let note = Note::Fault(&why.words(port));
        self.reporter.event(&Event::Note(of_datagram(peer), &note));
    }

    fn dropped(&mut self, datagrams: u64) {
        self.reporter.event(&Event::DatagramsDropped(datagrams));
    }

    fn flush(&mut self) {
        self.reporter.flush();
    }
}

fn of_datagram(peer: &Peer) -> Who<'_> {
    Who {
        connection: None,
        peer,
    }
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

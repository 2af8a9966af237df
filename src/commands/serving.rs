//! A server from its first line to its last: what it prints when it listens, when something
//! happens, and when it ends.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::commands::Context;
use crate::error::{Error, Result};
use crate::render::{counted, escape, json as as_json, load, thousands, transcript};
use crate::service::{Peer, Service};
use crate::sys::datagram;
use crate::sys::outlet::Outlet;
use crate::sys::privilege;
use crate::sys::server::{self, Config, Totals};
use crate::sys::signals::Signals;
use crate::sys::socket::Listener;

mod reporter;

pub use reporter::Reporter;
use reporter::{Desk, name_of};

/// What a datagram server does with one datagram, as [`datagram::Answer`], with a reporter.
pub type Answer<'a> = dyn FnMut(&mut Reporter, &Peer, &[u8], &mut Vec<u8>) -> io::Result<bool> + 'a;

/// After the end, the reader of standard output is given this long ...
const LAST_READ: Duration = Duration::from_secs(2);
/// ... and this long when a second signal asks to end at once.
const FORCED_READ: Duration = Duration::from_millis(200);

/// How a server talks of itself.
#[derive(Debug, Clone, Copy)]
pub struct Voice {
    /// The command: `app-server`.
    pub command: &'static str,
    /// The transcript's word for sending: `Sending` or `Echoing`.
    pub sends: &'static str,
    /// Whether the transcript tells of what was received before what is sent.
    pub tells_received: bool,
    /// Whether received bytes are shown in hexadecimal.
    pub hexdump: bool,
    /// How it is asked to talk.
    pub context: Context,
}

impl Voice {
    /// The first line, once the socket is open, so that a script can wait for it.
    pub fn listening(&self, local: &Peer) -> Result<()> {
        let mut out = Vec::new();
        if self.context.json {
            let mut event = self.event("listening");
            event.insert("local".to_owned(), as_json::peer(local));
            as_json::line(&mut out, &event).map_err(Error::output)?;
        } else if self.context.verbose {
            out = format!("Listening on {}\n", transcript::peer(local)).into_bytes();
        } else {
            let local = local.to_string();
            out = format!("Listening on {}\n", escape::text(&local)).into_bytes();
        }
        print(&out).map_err(Error::output)
    }

    /// Whether messages are printed, and not only troubles told.
    fn prints(&self) -> bool {
        self.context.json || self.context.verbose || self.hexdump
    }

    /// Serves until a signal comes, and says what was done.
    pub fn serve<S>(&self, listener: Listener, service: &S, config: &Config) -> Result<()>
    where
        S: Service + Clone + Send,
        S::Session: Send,
    {
        privilege::drop_all()?;
        let signals = Signals::open()?;
        let desk = self.open()?;
        self.listening(&listener.local)?;
        let observer = || Reporter::new(*self, Arc::clone(&desk));
        let totals = server::run(listener, service, config, &signals, observer)?;
        let end = [
            ("connections", totals.connections),
            ("received_bytes", totals.received_bytes),
            ("sent_bytes", totals.sent_bytes),
            ("failed", totals.failed),
            ("cut", totals.cut),
        ];
        self.ended(&desk, &signals, totals.forced, &served(&totals), &end);
        Ok(())
    }

    /// The same for a socket of datagrams.
    pub fn serve_datagrams(
        &self,
        listener: &Listener,
        once: bool,
        answer: &mut Answer<'_>,
    ) -> Result<()> {
        privilege::drop_all()?;
        let signals = Signals::open()?;
        let desk = self.open()?;
        self.listening(&listener.local)?;
        let mut reporter = Reporter::new(*self, Arc::clone(&desk));
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
        let end = [
            ("received", totals.received),
            ("sent", totals.sent),
            ("unsent", totals.unsent),
        ];
        self.ended(&desk, &signals, false, &line, &end);
        Ok(())
    }

    /// What the reporters share. Call it when the signals are blocked.
    fn open(&self) -> Result<Arc<Desk>> {
        let outlet = if self.prints() {
            Outlet::start(|error| {
                tell(&format!(
                    "standard output cannot be written: {}; what does not fit is lost, serving \
                     goes on",
                    name_of(error)
                ));
            })?
        } else {
            Outlet::silent()
        };
        Ok(Arc::new(Desk::new(outlet, !self.prints())))
    }

    /// The last words: what was done, and what of it was not written.
    fn ended(&self, desk: &Desk, signals: &Signals, forced: bool, line: &str, end: &[(&str, u64)]) {
        let patience = if forced { FORCED_READ } else { LAST_READ };
        if self.context.json {
            let mut event = self.event("end");
            event.extend(
                end.iter()
                    .map(|(key, value)| ((*key).to_owned(), json!(value))),
            );
            let mut out = Vec::new();
            // Writing to memory does not fail.
            let _ = as_json::line(&mut out, &event);
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
        if !self.context.json {
            desk.say(line);
        }
    }

    /// An object with what every line has.
    pub fn event(&self, event: &str) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert(
            "schema".to_owned(),
            format!("sockdoc.{}/1", self.command).into(),
        );
        object.insert("event".to_owned(), event.into());
        object
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
        connections(totals.connections),
        load::bytes(totals.received_bytes),
        load::bytes(totals.sent_bytes)
    );
    if totals.failed > 0 {
        let _ = write!(line, "; {} ended in trouble", thousands(totals.failed));
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

fn connections(number: u64) -> String {
    counted(number, "connection")
}

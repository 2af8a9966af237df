//! A server from its first line to its last: what it prints when it listens, when something
//! happens, and when it ends.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde_json::{Map, Value, json};

use crate::commands::Context;
use crate::error::{Error, Result};
use crate::reference;
use crate::render::hexdump::Hexdump;
use crate::render::{escape, json as as_json, load, thousands, transcript};
use crate::service::{Note, Peer, Service};
use crate::sys::server::{self, Config, Event, Observer, Totals, Trouble};
use crate::sys::signals::Signals;
use crate::sys::socket::Listener;

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

    /// Serves until a signal comes, and says what was done.
    pub fn serve<S>(&self, listener: Listener, service: &S, config: &Config) -> Result<()>
    where
        S: Service + Clone + Send,
        S::Session: Send,
    {
        let signals = Signals::open()?;
        self.listening(&listener.local)?;
        let observer = || Reporter::new(*self);
        let totals = server::run(listener, service, config, &signals, observer)?;
        self.ended(&totals)
    }

    fn ended(&self, totals: &Totals) -> Result<()> {
        if self.context.json {
            let mut event = self.event("end");
            event.insert("connections".to_owned(), json!(totals.connections));
            event.insert("received_bytes".to_owned(), json!(totals.received_bytes));
            event.insert("sent_bytes".to_owned(), json!(totals.sent_bytes));
            event.insert("failed".to_owned(), json!(totals.failed));
            event.insert("cut".to_owned(), json!(totals.cut));
            let mut out = Vec::new();
            as_json::line(&mut out, &event).map_err(Error::output)?;
            return print(&out).map_err(Error::output);
        }
        let mut line = format!(
            "Served {} connections: {} received, {} sent",
            thousands(totals.connections),
            load::bytes(totals.received_bytes),
            load::bytes(totals.sent_bytes)
        );
        if totals.failed > 0 {
            let _ = write!(line, "; {} ended in trouble", thousands(totals.failed));
        }
        if totals.cut > 0 {
            let _ = write!(
                line,
                "; {} cut when the drain time was over",
                thousands(totals.cut)
            );
        }
        tell(&line);
        Ok(())
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

/// Prints the events of one thread.
pub struct Reporter {
    voice: Voice,
    out: Vec<u8>,
    /// How far each connection's dump has come.
    dumps: HashMap<String, Hexdump>,
}

impl Reporter {
    /// A reporter that has nothing to say yet.
    pub fn new(voice: Voice) -> Self {
        Reporter {
            voice,
            out: Vec::new(),
            dumps: HashMap::new(),
        }
    }

    fn json(&mut self, event: &Event<'_>) -> io::Result<()> {
        let (name, peer) = match event {
            Event::Accepted(peer) => ("accepted", Some(*peer)),
            Event::Note(peer, Note::AppRequest(_)) => ("request", Some(*peer)),
            Event::Note(peer, Note::Sending(_)) => ("sending", Some(*peer)),
            Event::Note(peer, Note::Received(_)) => ("received", Some(*peer)),
            Event::Note(peer, Note::Fault(_)) => ("fault", Some(*peer)),
            Event::Closed { peer, .. } => ("closed", Some(*peer)),
            Event::AcceptPaused(_) => ("accept_paused", None),
            Event::Full(_) => ("full", None),
            Event::AcceptResumed => ("accept_resumed", None),
            Event::Draining(_) => ("draining", None),
        };
        let mut object = self.voice.event(name);
        if let Some(peer) = peer {
            object.insert("peer".to_owned(), as_json::peer(peer));
        }
        let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
        match event {
            Event::Accepted(_) | Event::AcceptResumed => {}
            Event::Note(_, Note::AppRequest(request)) => {
                put("request", as_json::request(request));
            }
            Event::Note(_, Note::Sending(bytes) | Note::Received(bytes)) => {
                put("bytes", json!(bytes.len()));
                as_json::bytes(&mut object, "data", bytes);
            }
            Event::Note(_, Note::Fault(reason)) => {
                put("reason", json!(reason));
            }
            Event::Closed {
                received_bytes,
                sent_bytes,
                trouble,
                ..
            } => {
                put("received_bytes", json!(received_bytes));
                put("sent_bytes", json!(sent_bytes));
                put("trouble", json!(trouble.as_ref().map(describe)));
            }
            Event::AcceptPaused(error) => {
                put("reason", json!(name_of(error)));
            }
            Event::Full(connections) | Event::Draining(connections) => {
                put("connections", json!(connections));
            }
        }
        as_json::line(&mut self.out, &object)
    }

    fn text(&mut self, event: &Event<'_>) -> io::Result<()> {
        let verbose = self.voice.context.verbose;
        match event {
            Event::Accepted(peer) if verbose => {
                writeln!(
                    self.out,
                    "Accepted connection from {}",
                    transcript::peer(peer)
                )
            }
            Event::Note(peer, note) => self.note(peer, note),
            Event::Closed { peer, trouble, .. } => {
                let name = transcript::peer(peer);
                self.dumps.remove(&name);
                if let Some(trouble) = trouble {
                    self.aside(&format!("{peer}: {}", describe(trouble)));
                }
                if verbose {
                    writeln!(self.out, "Closing connection to {name}")
                } else {
                    Ok(())
                }
            }
            Event::AcceptPaused(error) => {
                self.aside(&format!(
                    "accept: {}; new connections wait until some are closed",
                    name_of(error)
                ));
                Ok(())
            }
            Event::Full(most) => {
                self.aside(&format!(
                    "{most} connections are open (--max-conns); more must wait"
                ));
                Ok(())
            }
            Event::AcceptResumed => {
                self.aside("connections are accepted again");
                Ok(())
            }
            Event::Draining(open) => {
                self.aside(&format!(
                    "ending: {open} connections have something in flight"
                ));
                Ok(())
            }
            Event::Accepted(_) => Ok(()),
        }
    }

    fn note(&mut self, peer: &Peer, note: &Note<'_>) -> io::Result<()> {
        let verbose = self.voice.context.verbose;
        let name = transcript::peer(peer);
        match note {
            Note::AppRequest(request) if verbose => {
                transcript::request(&mut self.out, request, &name)
            }
            Note::Sending(bytes) if verbose => {
                transcript::sending(&mut self.out, self.voice.sends, bytes, name)
            }
            Note::Received(bytes) if self.voice.hexdump => {
                writeln!(
                    self.out,
                    "{} bytes from {name}",
                    thousands(bytes.len() as u64)
                )?;
                self.dumps
                    .entry(name)
                    .or_default()
                    .write(&mut self.out, "  ", bytes)
            }
            Note::Received(bytes) if verbose && self.voice.tells_received => {
                let bytes = crate::render::python::bytes(bytes);
                writeln!(self.out, "Received {bytes} from {name}")
            }
            Note::Fault(reason) => {
                self.aside(&format!("{peer}: {reason}"));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Says something on standard error, after what is to be read before it.
    fn aside(&mut self, line: &str) {
        let _ = self.flush();
        tell(line);
    }
}

impl Observer for Reporter {
    fn wants_messages(&self) -> bool {
        self.voice.context.json || self.voice.context.verbose || self.voice.hexdump
    }

    fn event(&mut self, event: &Event<'_>) {
        // Writing to memory does not fail.
        let _ = if self.voice.context.json {
            self.json(event)
        } else {
            self.text(event)
        };
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let result = print(&self.out);
        self.out.clear();
        result
    }
}

fn describe(trouble: &Trouble<'_>) -> String {
    match trouble {
        Trouble::Io(error) => name_of(error),
        Trouble::RequestTimeout => "the message took longer than --request-timeout".to_owned(),
        Trouble::IdleTimeout => "no byte for --idle-timeout".to_owned(),
        Trouble::Cut => "cut: the drain time was over".to_owned(),
    }
}

/// An error as `Connection reset by peer (ECONNRESET): the peer ...`.
fn name_of(error: &io::Error) -> String {
    match error.raw_os_error().and_then(reference::errno::by_number) {
        Some(entry) => format!("{} ({}): {}", entry.message, entry.name, entry.cause),
        None => error.to_string(),
    }
}

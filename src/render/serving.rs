//! What a server says: JSON events, the tutorial's transcript, hex dumps, problems.

use std::collections::HashMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::date::time_of_day;
use super::hexdump::Hexdump;
use super::{counted, escape, json as as_json, python, thousands, transcript};
use crate::error::cause;
use crate::ping::clock::Realtime;
use crate::service::event::{Event, Trouble, Who};
use crate::service::{Note, Peer};

/// How a server's events are written.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// The command: `app-server`.
    pub command: &'static str,
    /// The transcript's word for sending: `Sending` or `Echoing`.
    pub sending: &'static str,
    /// Whether the transcript shows received bytes.
    pub shows_received: bool,
    /// Whether received bytes are shown in hexadecimal.
    pub hexdump: bool,
    /// `--json`.
    pub json: bool,
    /// `-v`.
    pub verbose: bool,
    /// `--time`: each event for people begins with its time.
    pub time: bool,
}

impl Format {
    /// Whether messages are printed, not only problems.
    pub fn shows_messages(&self) -> bool {
        self.json || self.verbose || self.hexdump
    }

    /// The first line, once the socket is open.
    pub fn listening(&self, out: &mut Vec<u8>, local: &Peer, now: Realtime) -> io::Result<()> {
        if self.json {
            let fields = json!({ "local": as_json::peer(local) });
            return self.event(out, "listening", &fields, now);
        }
        if self.time {
            write!(out, "{} ", time_of_day(now))?;
        }
        let shown = if self.verbose {
            transcript::peer(local)
        } else {
            escape::text(&local.to_string()).into_owned()
        };
        writeln!(out, "Listening on {shown}")
    }

    /// A line that says how many events are missing from the output.
    pub fn lost(&self, out: &mut impl Write, events: u64, now: Realtime) -> io::Result<()> {
        if self.json {
            return self.event(out, "lost", &json!({ "events": events }), now);
        }
        let events = counted(events, "event");
        writeln!(out, "... {events} lost here: the reader is slow")
    }

    /// The last JSON event, with its counts.
    pub fn end(&self, out: &mut impl Write, counts: &Value, now: Realtime) -> io::Result<()> {
        self.event(out, "end", counts, now)
    }

    fn event(
        &self,
        out: &mut impl Write,
        event: &str,
        fields: &Value,
        now: Realtime,
    ) -> io::Result<()> {
        as_json::timed_event(out, self.command, event, fields, now)
    }
}

/// A line for standard error.
#[derive(Debug)]
pub struct Message {
    /// The line.
    pub text: String,
    /// Whether a peer can cause it again and again.
    pub is_repeatable: bool,
}

/// Writes the events of one thread.
#[derive(Debug)]
pub struct Writer {
    format: Format,
    /// The hex dump of each open connection.
    dumps: HashMap<u64, Hexdump>,
}

impl Writer {
    /// A writer that has written nothing yet.
    pub fn new(format: Format) -> Writer {
        Writer {
            format,
            dumps: HashMap::new(),
        }
    }

    /// Writes an event to `out`. Gives what belongs on standard error.
    pub fn event(
        &mut self,
        out: &mut Vec<u8>,
        event: &Event<'_>,
        now: Realtime,
    ) -> io::Result<Option<Message>> {
        if self.format.json {
            let (name, fields) = fields(event);
            return self.format.event(out, name, &fields, now).map(|()| None);
        }
        let start = out.len();
        self.lines(out, event)?;
        if self.format.time && out.len() > start {
            let time = format!("{} ", time_of_day(now));
            out.splice(start..start, time.into_bytes());
        }
        Ok(message(event))
    }

    /// What is said of an event on standard output, to people.
    fn lines(&mut self, out: &mut Vec<u8>, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::Accepted(who) if self.format.verbose => {
                writeln!(
                    out,
                    "Accepted connection from {}",
                    transcript::peer(who.peer)
                )?;
            }
            Event::Note(who, note) => self.note(out, *who, note)?,
            Event::Closed { who, .. } => {
                if let Some(number) = who.connection {
                    self.dumps.remove(&number);
                }
                if self.format.verbose {
                    writeln!(out, "Closing connection to {}", transcript::peer(who.peer))?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn note(&mut self, out: &mut Vec<u8>, who: Who<'_>, note: &Note<'_>) -> io::Result<()> {
        let Format {
            verbose,
            sending,
            shows_received,
            hexdump,
            ..
        } = self.format;
        let name = transcript::peer(who.peer);
        match note {
            Note::AppRequest(request) if verbose => transcript::request(out, request, &name),
            Note::Sending(bytes) if verbose => transcript::sending(out, sending, bytes, name),
            Note::Received(bytes) if hexdump => {
                writeln!(out, "{} bytes from {name}", thousands(bytes.len() as u64))?;
                let mut fresh = Hexdump::new();
                let dump = match who.connection {
                    Some(number) => self.dumps.entry(number).or_default(),
                    None => &mut fresh,
                };
                dump.write(out, "  ", bytes)
            }
            Note::Received(bytes) if verbose && shows_received => {
                writeln!(out, "Received {} from {name}", python::bytes(bytes))
            }
            _ => Ok(()),
        }
    }
}

/// The name of an event in JSON and its fields.
fn fields(event: &Event<'_>) -> (&'static str, Value) {
    let peer = |who: &Who<'_>| as_json::peer(who.peer);
    let data = |who: &Who<'_>, bytes: &[u8]| {
        let object = json!({ "peer": peer(who), "bytes": bytes.len() });
        as_json::with_bytes(object, "data", bytes)
    };
    match event {
        Event::Accepted(who) => ("accepted", json!({ "peer": peer(who) })),
        Event::Note(who, Note::AppRequest(request)) => {
            let request = as_json::request(request);
            ("request", json!({ "peer": peer(who), "request": request }))
        }
        Event::Note(who, Note::Sending(bytes)) => ("sending", data(who, bytes)),
        Event::Note(who, Note::Received(bytes)) => ("received", data(who, bytes)),
        Event::Note(who, Note::Waiting { so_far, time }) => {
            let fields = json!({
                "peer": peer(who),
                "so_far": so_far,
                "waiting_us": as_json::micros(*time),
            });
            ("waiting", fields)
        }
        Event::Note(who, Note::Fault(reason)) => {
            ("fault", json!({ "peer": peer(who), "reason": reason }))
        }
        Event::Closed {
            who,
            received_bytes,
            sent_bytes,
            trouble,
        } => {
            let fields = json!({
                "peer": peer(who),
                "received_bytes": received_bytes,
                "sent_bytes": sent_bytes,
                "trouble": trouble.as_ref().map(describe),
            });
            ("closed", fields)
        }
        Event::AcceptPaused(error) => ("accept_paused", json!({ "reason": cause(error) })),
        Event::Full(most) => ("full", json!({ "connections": most })),
        Event::AcceptResumed => ("accept_resumed", json!({})),
        Event::FewerThreads {
            wanted,
            started,
            error,
        } => {
            let fields = json!({ "wanted": wanted, "started": started, "reason": cause(error) });
            ("fewer_threads", fields)
        }
        Event::DatagramsDropped(datagrams) => {
            ("datagrams_dropped", json!({ "datagrams": datagrams }))
        }
        Event::Draining(open) => ("draining", json!({ "connections": open })),
    }
}

/// What an event says on standard error, if anything.
fn message(event: &Event<'_>) -> Option<Message> {
    let is_are = |count: usize| if count == 1 { "is" } else { "are" };
    let connections = |count: usize| counted(count as u64, "connection");
    let text = match event {
        Event::Note(who, Note::Fault(reason)) => format!("{}: {reason}", who.peer),
        Event::Note(who, Note::Waiting { so_far, time }) => format!(
            "{}: {so_far}; nothing more for {} s",
            who.peer,
            time.as_secs()
        ),
        Event::Closed { who, trouble, .. } => {
            format!("{}: {}", who.peer, describe(trouble.as_ref()?))
        }
        Event::AcceptPaused(error) => {
            let why = cause(error);
            format!("accept: {why}; new connections wait until some are closed")
        }
        Event::Full(most) => {
            let (count, verb) = (connections(*most), is_are(*most));
            format!("{count} {verb} open (--max-conns); others wait in the accept queue")
        }
        Event::AcceptResumed => "connections are accepted again".to_owned(),
        Event::FewerThreads {
            wanted,
            started,
            error,
        } => {
            let why = cause(error);
            format!(
                "serving from {started} of {wanted} threads; another could not be started: {why}"
            )
        }
        Event::DatagramsDropped(datagrams) => {
            let datagrams = counted(*datagrams, "datagram");
            format!(
                "the kernel dropped {datagrams}: the receive buffer was full (raise it: --rcvbuf)"
            )
        }
        Event::Draining(open) => {
            let (count, verb) = (connections(*open), is_are(*open));
            format!("shutting down: {count} {verb} still in progress")
        }
        Event::Accepted(_) | Event::Note(..) => return None,
    };
    let is_repeatable = matches!(event, Event::Note(..) | Event::Closed { .. });
    Some(Message {
        text,
        is_repeatable,
    })
}

fn describe(trouble: &Trouble<'_>) -> String {
    match trouble {
        Trouble::Io(error) => cause(error),
        Trouble::RequestTimeout => "the message took longer than --request-timeout".to_owned(),
        Trouble::IdleTimeout => "no byte for --idle-timeout".to_owned(),
        Trouble::Cut => "cut: the drain time was over".to_owned(),
        Trouble::Forced => "cut by a second signal".to_owned(),
        Trouble::Buffered(held) => format!(
            "closed: unfinished messages of all connections are over --max-buffered, and this one held the \
             most ({} bytes)",
            thousands(*held as u64)
        ),
    }
}

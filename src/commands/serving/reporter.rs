//! What a server's threads say: the transcript, the dump, the JSON events, the troubles.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::reference;
use crate::render::hexdump::Hexdump;
use crate::render::{json as as_json, thousands, transcript};
use crate::service::Note;
use crate::sys::outlet::{self, Outlet, Pushed};
use crate::sys::server::{Event, Observer, Trouble, Who};

use super::{Voice, connections, tell};

/// The loop waits so long in a turn for a reader that is slower than it; then events are lost.
const PATIENCE: Duration = Duration::from_millis(200);
/// What is said on standard error waits so long for what is printed before it.
const ORDER: Duration = Duration::from_millis(50);
/// What is collected is passed on when it is so large.
const PORTION: usize = 1 << 20;
/// So many troubles are told in a second where nothing else is printed.
const TROUBLES: u32 = 20;
const A_SECOND: Duration = Duration::from_secs(1);

/// What the reporters of one server share.
pub(super) struct Desk {
    pub(super) outlet: Outlet,
    /// Whether only so many troubles are told in a second.
    limited: bool,
    asides: Mutex<Asides>,
}

/// What was said on standard error of late.
struct Asides {
    /// When the second began in which so many were told.
    since: Instant,
    told: u32,
    /// Lines that were not told, and nobody knows.
    hidden: u64,
}

impl Desk {
    pub(super) fn new(outlet: Outlet, limited: bool) -> Desk {
        Desk {
            outlet,
            limited,
            asides: Mutex::new(Asides {
                since: Instant::now(),
                told: 0,
                hidden: 0,
            }),
        }
    }

    /// Says something on standard error if that does not have to wait for its reader.
    pub(super) fn say(&self, line: &str) {
        self.aside(line, false);
    }

    /// Says of how many lines there was nothing to be seen.
    pub(super) fn tell_hidden(&self) {
        self.asides
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .tell_hidden();
    }

    fn aside(&self, line: &str, is_trouble: bool) {
        // Held while writing, so that the room is still there.
        let mut asides = self.asides.lock().unwrap_or_else(PoisonError::into_inner);
        if asides.since.elapsed() >= A_SECOND {
            asides.since = Instant::now();
            asides.told = 0;
            asides.tell_hidden();
        }
        if is_trouble && self.limited {
            if asides.told >= TROUBLES {
                asides.hidden += 1;
                return;
            }
            asides.told += 1;
        }
        if outlet::stderr_has_room() {
            tell(line);
        } else {
            asides.hidden += 1;
        }
    }
}

impl Asides {
    fn tell_hidden(&mut self) {
        if self.hidden > 0 && outlet::stderr_has_room() {
            let s = if self.hidden == 1 { "" } else { "s" };
            tell(&format!(
                "{} more line{s} like these not shown",
                thousands(self.hidden)
            ));
            self.hidden = 0;
        }
    }
}

/// Prints the events of one thread.
pub struct Reporter {
    voice: Voice,
    desk: Arc<Desk>,
    out: Vec<u8>,
    /// Events in `out`.
    events: u64,
    /// What is left of this turn's patience with the reader.
    patience: Duration,
    /// How far each connection's dump has come.
    dumps: HashMap<u64, Hexdump>,
}

impl Reporter {
    /// A reporter that has nothing to say yet.
    pub(super) fn new(voice: Voice, desk: Arc<Desk>) -> Self {
        Reporter {
            voice,
            desk,
            out: Vec::new(),
            events: 0,
            patience: PATIENCE,
            dumps: HashMap::new(),
        }
    }

    fn json(&mut self, event: &Event<'_>) -> io::Result<()> {
        let (name, peer) = match event {
            Event::Accepted(who) => ("accepted", Some(who.peer)),
            Event::Note(who, Note::AppRequest(_)) => ("request", Some(who.peer)),
            Event::Note(who, Note::Sending(_)) => ("sending", Some(who.peer)),
            Event::Note(who, Note::Received(_)) => ("received", Some(who.peer)),
            Event::Note(who, Note::Fault(_)) => ("fault", Some(who.peer)),
            Event::Closed { who, .. } => ("closed", Some(who.peer)),
            Event::AcceptPaused(_) => ("accept_paused", None),
            Event::Full(_) => ("full", None),
            Event::AcceptResumed => ("accept_resumed", None),
            Event::FewerThreads { .. } => ("fewer_threads", None),
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
            Event::FewerThreads {
                wanted,
                started,
                error,
            } => {
                put("wanted", json!(wanted));
                put("started", json!(started));
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
            Event::Accepted(who) if verbose => {
                let name = transcript::peer(who.peer);
                return writeln!(self.out, "Accepted connection from {name}");
            }
            Event::Note(who, note) => return self.note(*who, note),
            Event::Closed { who, trouble, .. } => {
                if let Some(number) = who.connection {
                    self.dumps.remove(&number);
                }
                if let Some(trouble) = trouble {
                    self.trouble(&format!("{}: {}", who.peer, describe(trouble)));
                }
                if verbose {
                    let name = transcript::peer(who.peer);
                    return writeln!(self.out, "Closing connection to {name}");
                }
            }
            Event::AcceptPaused(error) => self.aside(&format!(
                "accept: {}; new connections wait until some are closed",
                name_of(error)
            )),
            Event::Full(most) => {
                let (many, verb) = are_open(*most);
                self.aside(&format!("{many} {verb} open (--max-conns); more must wait"));
            }
            Event::AcceptResumed => self.aside("connections are accepted again"),
            Event::FewerThreads {
                wanted,
                started,
                error,
            } => self.aside(&format!(
                "{started} of {wanted} threads serve: another could not be started: {}",
                name_of(error)
            )),
            Event::Draining(open) => {
                let verb = if *open == 1 { "has" } else { "have" };
                self.aside(&format!(
                    "ending: {} {verb} something in flight",
                    connections(*open as u64)
                ));
            }
            Event::Accepted(_) => {}
        }
        Ok(())
    }

    fn note(&mut self, who: Who<'_>, note: &Note<'_>) -> io::Result<()> {
        let verbose = self.voice.context.verbose;
        let name = transcript::peer(who.peer);
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
                let mut fresh = Hexdump::new();
                let dump = match who.connection {
                    Some(number) => self.dumps.entry(number).or_default(),
                    None => &mut fresh,
                };
                dump.write(&mut self.out, "  ", bytes)
            }
            Note::Received(bytes) if verbose && self.voice.tells_received => {
                let bytes = crate::render::python::bytes(bytes);
                writeln!(self.out, "Received {bytes} from {name}")
            }
            Note::Fault(reason) => {
                self.trouble(&format!("{}: {reason}", who.peer));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Says something on standard error, after what is to be read before it.
    fn aside(&mut self, line: &str) {
        self.order();
        self.desk.aside(line, false);
    }

    /// The same for what a peer can cause as often as it likes.
    fn trouble(&mut self, line: &str) {
        self.order();
        self.desk.aside(line, true);
    }

    fn order(&mut self) {
        if self.voice.prints() {
            self.send();
            self.desk.outlet.settle(ORDER);
        }
    }

    /// Passes on what was collected.
    fn send(&mut self) {
        if self.out.is_empty() {
            return;
        }
        let lost = self.desk.outlet.take_lost();
        if lost > 0 {
            let events = std::mem::take(&mut self.out);
            // Writing to memory does not fail.
            let _ = self.gap(lost);
            self.out.extend_from_slice(&events);
        }
        let events = self.events + lost;
        let pushed = self.desk.outlet.push(&self.out, events, &mut self.patience);
        self.out.clear();
        // One large message should not be held for ever.
        self.out.shrink_to(PORTION);
        self.events = 0;
        if pushed == (Pushed::Lost { first: true }) {
            self.desk
                .say("the reader of standard output is slow: events are lost until it reads on");
        }
    }

    /// Tells the reader of what it does not see.
    fn gap(&mut self, lost: u64) -> io::Result<()> {
        if self.voice.context.json {
            let mut object = self.voice.event("lost");
            object.insert("events".to_owned(), json!(lost));
            return as_json::line(&mut self.out, &object);
        }
        let events = super::counted(lost, "event");
        writeln!(self.out, "... {events} lost here: the reader is slow")
    }
}

impl Observer for Reporter {
    fn wants_messages(&self) -> bool {
        self.voice.prints()
    }

    fn event(&mut self, event: &Event<'_>) {
        if self.desk.outlet.is_closed() {
            return;
        }
        let before = self.out.len();
        // Writing to memory does not fail.
        let _ = if self.voice.context.json {
            self.json(event)
        } else {
            self.text(event)
        };
        // What was there before has gone out if something was said in between.
        self.events += u64::from(!self.out.is_empty() && self.out.len() != before);
        if self.out.len() >= PORTION {
            self.send();
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send();
        self.patience = PATIENCE;
        if self.desk.outlet.is_closed() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }

    fn alarm(&self) -> Option<BorrowedFd<'_>> {
        self.desk.outlet.alarm()
    }
}

fn are_open(most: usize) -> (String, &'static str) {
    let verb = if most == 1 { "is" } else { "are" };
    (connections(most as u64), verb)
}

fn describe(trouble: &Trouble<'_>) -> String {
    match trouble {
        Trouble::Io(error) => name_of(error),
        Trouble::RequestTimeout => "the message took longer than --request-timeout".to_owned(),
        Trouble::IdleTimeout => "no byte for --idle-timeout".to_owned(),
        Trouble::Cut => "cut: the drain time was over".to_owned(),
        Trouble::Forced => "cut by a second signal".to_owned(),
    }
}

/// An error as `Connection reset by peer (ECONNRESET): the peer ...`.
pub(super) fn name_of(error: &io::Error) -> String {
    match error.raw_os_error().and_then(reference::errno::by_number) {
        Some(entry) => format!("{} ({}): {}", entry.message, entry.name, entry.cause),
        None => error.to_string(),
    }
}

//! What a server's threads say: the transcript, the dump, the JSON events, the troubles.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::render::counted;
use crate::render::serving::{Format, Message, Writer};
use crate::service::event::Event;
use crate::sys::clock;
use crate::sys::outlet::{self, Outlet, Pushed};
use crate::sys::server::EventHandler;

use super::tell;

/// The loop waits this long in a turn for a slower reader; then events are lost.
const PATIENCE: Duration = Duration::from_millis(200);
/// Messages on standard error wait this long for output printed before them.
const ORDER: Duration = Duration::from_millis(50);
/// What is collected is passed on when it is so large.
const PORTION: usize = 1 << 20;
/// Troubles reported per second if nothing else is printed.
const TROUBLES: u32 = 20;
const A_SECOND: Duration = Duration::from_secs(1);

/// What the reporters of one server share.
pub(super) struct Desk {
    pub(super) outlet: Outlet,
    /// Whether the number of troubles reported per second is limited.
    limited: bool,
    asides: Mutex<Asides>,
}

/// What was said on standard error of late.
struct Asides {
    /// When the second of this count began.
    since: Instant,
    told: u32,
    /// Lines that were dropped and not yet reported.
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
            let lines = counted(self.hidden, "more line");
            tell(&format!("{lines} like these not shown"));
            self.hidden = 0;
        }
    }
}

/// Prints the events of one thread.
pub struct Reporter {
    format: Format,
    writer: Writer,
    desk: Arc<Desk>,
    out: Vec<u8>,
    /// Events in `out`.
    events: u64,
    /// What is left of this turn's patience with the reader.
    patience: Duration,
}

impl Reporter {
    /// A reporter that has nothing to say yet.
    pub(super) fn new(format: Format, desk: Arc<Desk>) -> Self {
        Reporter {
            format,
            writer: Writer::new(format),
            desk,
            out: Vec::new(),
            events: 0,
            patience: PATIENCE,
        }
    }

    /// Writes a message to standard error, after what was printed before it.
    fn say(&mut self, message: &Message) {
        if self.format.shows_messages() {
            self.send();
            self.desk.outlet.settle(ORDER);
        }
        self.desk.aside(&message.text, message.is_repeatable);
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
            let _ = self.format.lost(&mut self.out, lost, clock::realtime());
            self.out.extend_from_slice(&events);
        }
        let events = self.events + lost;
        let pushed = self.desk.outlet.push(&self.out, events, &mut self.patience);
        self.out.clear();
        // One large message should not be held forever.
        self.out.shrink_to(PORTION);
        self.events = 0;
        if pushed == (Pushed::Lost { first: true }) {
            self.desk.say(
                "the reader of standard output is slow: events are dropped until it catches up",
            );
        }
    }
}

impl EventHandler for Reporter {
    fn wants_messages(&self) -> bool {
        self.format.shows_messages() && !self.desk.outlet.is_closed()
    }

    fn event(&mut self, event: &Event<'_>) {
        let before = self.out.len();
        // Writing to memory does not fail.
        let message = self.writer.event(&mut self.out, event, clock::realtime());
        self.events += u64::from(self.out.len() != before);
        if let Ok(Some(message)) = message {
            self.say(&message);
        }
        if self.out.len() >= PORTION {
            self.send();
        }
    }

    fn flush(&mut self) {
        self.send();
        self.patience = PATIENCE;
    }
}

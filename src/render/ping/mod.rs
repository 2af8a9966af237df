//! What a ping session says: the lines of iputils' ping, of macOS' ping and of fping, a table, JSON, CSV.
//!
//! | file | what it writes |
//! |---|---|
//! | [`lines`] | one target: iputils' lines, or those of macOS |
//! | [`fping`] | many targets: fping's lines |
//! | [`table`] | many targets: a table that is written over itself on a terminal |
//! | [`json`] | an object for each thing that happens, and a summary |
//! | [`csv`] | a line of fields for each thing that happens |
//! | [`trace`] | the routers on the way, round after round |
//! | [`path`] | the routers on the way and its MTU |
//! | [`handshakes`] | TCP handshakes |
//! | [`account`] | what we add after the statistics: percentiles, timing, losses |
//! | [`words`] | what a reply, a refusal and a loss are called |
//! | [`number`] | times and percentages as the peers print them |
//!
//! Each way to say it is a [`Writer`].

pub mod account;
pub mod csv;
#[cfg(test)]
mod fixture;
pub mod fping;
pub mod handshakes;
pub mod json;
pub mod lines;
pub mod number;
pub mod path;
pub mod table;
pub mod trace;
pub mod words;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Duration;

use crate::ping::clock::{Monotonic, Realtime};
use crate::ping::event::Event;
use crate::ping::session::{Request, Session};
use crate::render::date;
use crate::render::finding::Layout;

/// What is to be written where.
#[derive(Debug, Default)]
pub struct Output {
    /// Standard output.
    pub out: Vec<u8>,
    /// Standard error.
    pub err: Vec<u8>,
}

/// A name for an address, if one is known.
pub type NameOf<'a> = &'a mut dyn FnMut(IpAddr) -> Option<String>;

/// A way to say how a session goes. What it says goes to memory, which does not fail.
pub trait Writer {
    /// Before the first request.
    fn opening(&mut self, output: &mut Output, session: &Session, names: NameOf<'_>);
    /// A request is sent while the one before it has no answer (`-O`).
    fn unanswered(
        &mut self,
        _pages: &mut Output,
        _session: &Session,
        _request: &Request,
        _now: Realtime,
    ) {
    }
    /// Something happened.
    fn event(
        &mut self,
        output: &mut Output,
        session: &Session,
        event: &Event,
        now: Realtime,
        names: NameOf<'_>,
    );
    /// The figures of an interval that is over, of each target.
    fn interval(&mut self, output: &mut Output, session: &Session, now: Realtime, clock: DayTime) {
        output
            .err
            .extend_from_slice(lines::interval(session, &clock.of_day(now)).as_bytes());
    }
    /// How it goes, asked for by SIGQUIT.
    fn so_far(&mut self, output: &mut Output, session: &Session, _now: Realtime) {
        output
            .err
            .extend_from_slice(lines::short(session).as_bytes());
        output.err.push(b'\n');
    }
    /// Called at the end of each turn; gives when it wants to be called again.
    fn turn(
        &mut self,
        _pages: &mut Output,
        _session: &Session,
        _now: Monotonic,
    ) -> Option<Monotonic> {
        None
    }
    /// The terminal has this size now.
    fn resize(&mut self, _width: u16, _height: u16) {}
    /// The terminal is given back for a while: the program is about to stop.
    fn suspend(&mut self, _pages: &mut Output) {}
    /// The end.
    fn finish(&mut self, output: &mut Output, session: &Session, now: Realtime);
    /// Whether troubles of this host are also reported on standard error; otherwise they are among its
    /// events.
    fn wants_complaints(&self) -> bool {
        true
    }
}

/// How a time of the wall clock is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DayTime {
    /// Which form.
    pub form: TimeForm,
    /// The seconds by which local time is ahead of UTC.
    pub offset: i32,
}

/// The forms of a time (`--time`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeForm {
    /// Seconds since 1970, as with iputils.
    #[default]
    Epoch,
    /// `2026-11-28T14:02:11.000123Z`, UTC.
    Iso,
    /// `14:02:11.000`, local.
    Local,
}

impl DayTime {
    /// A time at the start of a line.
    pub fn show(self, at: Realtime) -> String {
        match self.form {
            TimeForm::Epoch => at.to_string(),
            TimeForm::Iso => {
                let micros = at.0 / 1000;
                let (seconds, micros) = ((micros / 1_000_000).cast_signed(), micros % 1_000_000);
                let day = date::of_day(seconds / date::SECONDS);
                let utc = DayTime { offset: 0, ..self }.of_day(at);
                format!("{day}T{}.{micros:06}Z", &utc[..8])
            }
            TimeForm::Local => self.of_day(at),
        }
    }

    /// `14:02:11.000`, local.
    pub fn of_day(self, at: Realtime) -> String {
        let millis = at.0 / 1_000_000;
        let seconds = (millis / 1000).saturating_add_signed(self.offset.into());
        let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
        let (seconds, millis) = (seconds % 60, millis % 1000);
        format!("{hours:02}:{minutes:02}:{seconds:02}.{millis:03}")
    }
}

/// A time in CSV: microseconds.
fn fractional(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1000.0
}

/// What is shown beside the statistics.
#[derive(Debug, Clone)]
pub struct Extras {
    /// These percentiles.
    pub percentiles: Vec<f64>,
    /// A histogram.
    pub hist: bool,
    /// How findings are written.
    pub layout: Layout,
}

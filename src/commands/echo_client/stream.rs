//! Streaming a file or standard input to an echo server.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::path::Path;

use super::Server;
use crate::commands::serving::{print, tell};
use crate::commands::{Context, Status};
use crate::error::{Error, Result};
use crate::render::clients::Stream;
use crate::render::escape::Pieces;
use crate::render::thousands;
use crate::sys::clock;
use crate::sys::exchange::{End, Next, ReplyHandler, Source};
use crate::sys::files;
use crate::sys::terminal::stdout_is_terminal;

/// Streams a file or standard input, and what comes back to standard output (or compares it).
pub(super) fn run(server: &Server<'_>, path: &Path, context: &Context) -> Result<Status> {
    let file = files::open(path)?;
    server.drop_privileges()?;
    let mut connection = server.connect()?;
    connection.manner = server.args.sending.manner(None, Vec::new());
    let mut replies = ReplyStream {
        verify: server.args.verify,
        screen: stdout_is_terminal().then(Pieces::default),
        expected: VecDeque::new(),
        lost: false,
        at: 0,
        differs: None,
    };
    let before = connection.elapsed();
    let end = connection.exchange(Source::Stream(file), true, &mut replies);
    replies.end()?;
    let end = end?;
    if end == End::Cut {
        let sent = thousands(connection.sent_bytes);
        tell(&format!("sent {sent} bytes, then closed the connection"));
        connection.close(server.args.sending.rst);
        return Ok(Status::Good);
    }
    let elapsed = connection.elapsed().saturating_sub(before);
    let missing = replies.expected.len() as u64;
    let early = end == End::ClosedEarly;
    let same = replies.differs.is_none() && missing == 0 && !early;
    // Without --verify another answer than the echo is one, but not the mere beginning of the echo.
    let cut = !replies.lost && replies.differs.is_none() && missing > 0;
    let good = !early && !cut && (same || !server.args.verify);
    let stream = Stream {
        verify: server.args.verify,
        same,
        differs: replies.differs,
        complete: !early && !cut,
        sent: connection.sent_bytes,
        received: connection.received_bytes,
        elapsed,
    };
    if context.json {
        let mut out = Vec::new();
        stream
            .write_json(&mut out, clock::realtime())
            .map_err(Error::output)?;
        // What came back goes to standard output only when it is not compared.
        if server.args.verify {
            print(&out).map_err(Error::output)?;
        } else {
            let _ = io::stderr().write_all(&out);
        }
    } else if server.args.verify {
        print(format!("{}\n", stream.line()).as_bytes()).map_err(Error::output)?;
    } else if context.verbose {
        tell(&stream.line());
    }
    if let Some(at) = replies.differs.filter(|_| server.args.verify) {
        tell(&format!("the echo differs from byte {at} on"));
    } else if early {
        tell("the server closed the connection before the end of the input");
    } else if cut {
        tell(&format!(
            "the last {} bytes did not come back",
            thousands(missing)
        ));
    }
    Ok(Status::of(good))
}

/// Without `--verify` at most this much of the sent data is kept for comparison: a server that never
/// answers does not make us hold a file in memory.
const MOST_KEPT: usize = 64 << 20;

/// Takes a stream: prints it, and compares it with what was sent and is still on its way.
struct ReplyStream {
    verify: bool,
    /// A terminal obeys what it is sent.
    screen: Option<Pieces>,
    expected: VecDeque<u8>,
    /// Too much was on its way: nothing more is known of what is expected.
    lost: bool,
    at: u64,
    differs: Option<u64>,
}

impl ReplyStream {
    /// Nothing more will come.
    fn end(&mut self) -> Result<()> {
        match &mut self.screen {
            Some(screen) => print(screen.finish().as_bytes()).map_err(Error::output),
            None => Ok(()),
        }
    }

    fn compare(&mut self, bytes: &[u8]) {
        let known = bytes.len().min(self.expected.len());
        let (front, back) = self.expected.as_slices();
        let (front, back) = if known <= front.len() {
            (&front[..known], &[][..])
        } else {
            (front, &back[..known - front.len()])
        };
        let (first, second) = bytes[..known].split_at(front.len());
        let different = first_difference(front, first)
            .or_else(|| first_difference(back, second).map(|at| at + first.len()))
            .or((known < bytes.len()).then_some(known));
        self.expected.drain(..known);
        self.differs = different.map(|at| self.at + at as u64);
        self.at += bytes.len() as u64;
    }
}

/// Slices are compared whole, bytes only if they differ.
fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    if a == b {
        return None;
    }
    a.iter().zip(b).position(|(a, b)| a != b)
}

impl ReplyHandler for ReplyStream {
    fn sent(&mut self, bytes: &[u8]) {
        if self.differs.is_some() || self.lost {
            return;
        }
        self.expected.extend(bytes);
        if !self.verify && self.expected.len() > MOST_KEPT {
            self.lost = true;
            self.expected = VecDeque::new();
        }
    }

    fn received(&mut self, bytes: &[u8]) -> Result<Next> {
        if !self.verify {
            let printed = match &mut self.screen {
                Some(screen) => print(screen.push(bytes).as_bytes()),
                None => print(bytes),
            };
            printed.map_err(Error::output)?;
        }
        if self.differs.is_none() && !self.lost {
            self.compare(bytes);
        }
        Ok(Next::More)
    }
}

//! Streaming a file or standard input to an echo server.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::json;

use super::Server;
use crate::commands::serving::{print, tell};
use crate::commands::{Context, Status};
use crate::error::{Error, Result};
use crate::render::{json as as_json, load, thousands};
use crate::sys::exchange::{End, Next, Source, Taker};
use crate::sys::files;

/// Streams a file or standard input, and what comes back to standard output (or compares it).
pub(super) fn run(server: &Server<'_>, path: &Path, context: &Context) -> Result<Status> {
    let file: File = files::open(path)?;
    let mut connection = server.connect()?;
    let mut sink = Sink {
        verify: server.args.verify,
        expected: VecDeque::new(),
        at: 0,
        differs: None,
    };
    let before = connection.elapsed();
    let end = connection.exchange(Source::Stream(file), true, &mut sink)?;
    let elapsed = connection.elapsed().saturating_sub(before);
    let missing = sink.expected.len() as u64;
    let early = end == End::ClosedEarly;
    let same = sink.differs.is_none() && missing == 0 && !early;
    let rate = connection.received_bytes as f64 / elapsed.as_secs_f64().max(1e-9) / 1e6;
    if context.json {
        let mut out = Vec::new();
        let object = json!({
            "schema": "sockdoc.echo-client/1",
            "event": "stream",
            "verified": server.args.verify,
            "same": if server.args.verify { Some(same) } else { None },
            "differs_at_byte": sink.differs,
            "sent_bytes": connection.sent_bytes,
            "received_bytes": connection.received_bytes,
            "elapsed_us": as_json::micros(elapsed),
            "bytes_per_second": rate * 1e6,
        });
        as_json::line(&mut out, &object).map_err(Error::output)?;
        // What came back goes to standard output only when it is not compared.
        if server.args.verify {
            print(&out).map_err(Error::output)?;
        } else {
            let _ = io::stderr().write_all(&out);
        }
    } else if server.args.verify || context.verbose {
        let verdict = match (server.args.verify, sink.differs, missing) {
            (false, ..) => "streamed",
            (true, None, 0) if !early => "verified",
            _ => "NOT THE SAME",
        };
        let line = format!(
            "{verdict}: {} sent, {} received in {:.3} s ({rate:.0} MB/s)",
            load::bytes(connection.sent_bytes),
            load::bytes(connection.received_bytes),
            elapsed.as_secs_f64(),
        );
        if server.args.verify {
            print(format!("{line}\n").as_bytes()).map_err(Error::output)?;
        } else {
            tell(&line);
        }
        if let Some(at) = sink.differs {
            tell(&format!("the echo differs from byte {at} on"));
        } else if early {
            tell("the server closed the connection before the end of the input");
        } else if server.args.verify && missing > 0 {
            tell(&format!(
                "the last {} bytes did not come back",
                thousands(missing)
            ));
        }
    }
    Ok(Status::of(same || !server.args.verify))
}

/// Takes a stream: prints it, or compares it with what was sent and is still on its way.
struct Sink {
    verify: bool,
    expected: VecDeque<u8>,
    at: u64,
    differs: Option<u64>,
}

impl Taker for Sink {
    fn sent(&mut self, bytes: &[u8]) {
        if self.verify && self.differs.is_none() {
            self.expected.extend(bytes);
        }
    }

    fn received(&mut self, bytes: &[u8]) -> Result<Next> {
        if !self.verify {
            print(bytes).map_err(Error::output)?;
            return Ok(Next::More);
        }
        if self.differs.is_none() {
            let known = bytes.len().min(self.expected.len());
            let different = self
                .expected
                .drain(..known)
                .zip(bytes)
                .position(|(sent, &came)| sent != came);
            let different = different.or((known < bytes.len()).then_some(known));
            self.differs = different.map(|at| self.at + at as u64);
            self.at += bytes.len() as u64;
        }
        Ok(Next::More)
    }
}

//! The echoes of what was sent on a connection.

use super::Args;
use crate::error::{Error, Kind, Result};
use crate::framing::{Deframer, Framing, FramingError};
use crate::sys::exchange::{Connection, End, Next, ReplyHandler, Source};

/// Collects echoes.
pub(super) struct Collected<'a> {
    deframer: Option<Deframer>,
    /// Without framing the echo is as long as the message.
    wire: &'a [u8],
    /// How many messages it is.
    wanted: usize,
    received: Vec<Vec<u8>>,
    broken: Option<FramingError>,
}

impl<'a> Collected<'a> {
    pub(super) fn new(args: &Args, wire: &'a [u8], wanted: usize) -> Self {
        let framed = args.frame != Framing::Raw;
        Collected {
            deframer: framed.then(|| Deframer::new(args.frame.clone(), args.max_message)),
            wire,
            wanted,
            received: Vec::new(),
            broken: None,
        }
    }

    /// Sends, and collects until the echo is complete.
    pub(super) fn exchange(
        &mut self,
        connection: &mut Connection,
        half_close: bool,
    ) -> Result<End> {
        let end = connection.exchange(Source::Bytes(self.wire), half_close, self);
        end.map_err(
            |error| match self.deframer.as_ref().and_then(Deframer::unfinished) {
                Some(unfinished) if error.code == Some("ETIMEDOUT") => Error {
                    cause: format!("{}; of the echo came {}", error.cause, unfinished.so_far()),
                    ..error
                }
                .next("do both ends use the same --frame?"),
                _ => error,
            },
        )
    }

    /// The echo, once the exchange is over, and whether it was cut.
    pub(super) fn finish(
        mut self,
        end: End,
        connection: &Connection,
    ) -> Result<(Vec<Vec<u8>>, bool)> {
        let bad = |cause: String| {
            Error::new(Kind::BadAnswer, "read the echo of", cause)
                .on(connection.peer.to_string())
                .next("do both ends use the same --frame?")
        };
        if let Some(error) = self.broken {
            if error.is_over_the_limit() {
                let cause = format!("the reply is larger than --max-message: {error}");
                return Err(bad(cause)
                    .next("raise --max-message; or do the two ends not use the same --frame?"));
            }
            return Err(bad(error.to_string()));
        }
        if end == End::Done {
            return Ok((self.received, false));
        }
        match self.deframer.as_mut().map(Deframer::finish) {
            Some(Ok(Some(frame))) => Ok((vec![frame.payload.to_vec()], false)),
            Some(Err(error)) => Err(bad(error.to_string())),
            // A server that answers something else and closes has answered.
            None if !self.received.is_empty() => {
                let cut = self.wire.starts_with(&self.received[0]);
                Ok((self.received, cut))
            }
            Some(Ok(None)) if !self.received.is_empty() => Ok((self.received, false)),
            _ => Err(bad("it closed the connection without an answer".to_owned())
                .next("is this an echo server? look at its log")),
        }
    }
}

impl ReplyHandler for Collected<'_> {
    fn received(&mut self, bytes: &[u8]) -> Result<Next> {
        let Some(deframer) = &mut self.deframer else {
            if self.received.is_empty() {
                self.received.push(Vec::new());
            }
            self.received[0].extend_from_slice(bytes);
            return Ok(if self.received[0].len() < self.wire.len() {
                Next::More
            } else {
                Next::Done
            });
        };
        let mut input = bytes;
        loop {
            match deframer.next(&mut input) {
                Ok(None) => return Ok(Next::More),
                Ok(Some(frame)) => self.received.push(frame.payload.to_vec()),
                Err(error) => {
                    self.broken = Some(error);
                    return Ok(Next::Done);
                }
            }
            if self.received.len() == self.wanted {
                return Ok(Next::Done);
            }
        }
    }
}

//! The echo client in a load run.

use crate::framing::{Deframer, Framing};

use super::{Client, OVER_THE_LIMIT, Reply};

/// What happened on a connection, by its number from 1.
#[derive(Debug)]
pub enum Moment<'a> {
    /// It was opened.
    Opened,
    /// This message was sent, framed.
    Sending(&'a [u8]),
    /// These bytes came.
    Received(&'a [u8]),
    /// It was closed.
    Closed,
}

const SURPLUS: &str = "more came back than was sent";

/// Told of each moment; for a transcript.
pub type EventHandler<'a> = Box<dyn FnMut(usize, &Moment<'_>) + 'a>;

/// Sends messages in turn and wants each of them back.
pub struct EchoClient<'w> {
    framing: Framing,
    /// Each message framed, and without its frame.
    messages: Vec<(Vec<u8>, Vec<u8>)>,
    verify: bool,
    max_message: usize,
    opened: usize,
    handler: Option<EventHandler<'w>>,
}

/// A connection.
#[derive(Debug)]
pub struct Session {
    number: usize,
    deframer: Deframer,
    /// The message to send next, and the one whose echo is awaited.
    next: usize,
    awaited: usize,
    /// How many echoes are awaited.
    unanswered: usize,
    /// Bytes of the awaited echo that came: without framing, its length is all that ends it.
    have: usize,
    differs: bool,
}

impl<'w> EchoClient<'w> {
    /// `messages` are pairs of a framed and a bare message, and not empty. With `verify` every byte
    /// is compared, otherwise only the length (or the frame) counts.
    pub fn new(
        framing: Framing,
        messages: Vec<(Vec<u8>, Vec<u8>)>,
        verify: bool,
        max_message: usize,
        handler: Option<EventHandler<'w>>,
    ) -> Self {
        EchoClient {
            framing,
            messages,
            verify,
            max_message,
            opened: 0,
            handler,
        }
    }

    fn tell(&mut self, number: usize, moment: &Moment<'_>) {
        if let Some(handler) = &mut self.handler {
            handler(number, moment);
        }
    }

    /// Without framing: the echo is as long as the message.
    fn take_raw(&mut self, session: &mut Session, input: &mut &[u8]) -> Reply {
        let (wire, _) = &self.messages[session.awaited];
        let (now, rest) = input.split_at(input.len().min(wire.len() - session.have));
        session.differs |= now != &wire[session.have..session.have + now.len()];
        session.have += now.len();
        *input = rest;
        if session.have < wire.len() || (now.is_empty() && !wire.is_empty()) {
            return Reply::Incomplete;
        }
        let same = !session.differs;
        self.finish(session, same, input)
    }

    fn take_frame(&mut self, session: &mut Session, input: &mut &[u8]) -> Reply {
        match session.deframer.next(input) {
            Ok(None) => Reply::Incomplete,
            Ok(Some(frame)) => {
                let same = frame.payload == self.messages[session.awaited].1;
                self.finish(session, same, input)
            }
            Err(error) if error.is_over_the_limit() => Reply::Bad(OVER_THE_LIMIT),
            Err(_) => Reply::Bad("an echo that breaks the framing"),
        }
    }

    /// An echo is complete; `rest` came after it.
    fn finish(&mut self, session: &mut Session, same: bool, rest: &[u8]) -> Reply {
        session.awaited = (session.awaited + 1) % self.messages.len();
        session.have = 0;
        session.differs = false;
        session.unanswered = session.unanswered.saturating_sub(1);
        if self.verify && !same {
            Reply::Bad("an echo that differs")
        } else if self.verify && session.unanswered == 0 && !rest.is_empty() {
            Reply::Bad(SURPLUS)
        } else {
            Reply::Good
        }
    }
}

impl Client for EchoClient<'_> {
    type Session = Session;

    fn open(&mut self) -> Session {
        self.opened += 1;
        self.tell(self.opened, &Moment::Opened);
        Session {
            number: self.opened,
            deframer: Deframer::new(self.framing.clone(), self.max_message),
            next: 0,
            awaited: 0,
            unanswered: 0,
            have: 0,
            differs: false,
        }
    }

    fn request(&mut self, session: &mut Session, out: &mut Vec<u8>) {
        let wire = std::mem::take(&mut self.messages[session.next].0);
        out.extend_from_slice(&wire);
        self.tell(session.number, &Moment::Sending(&wire));
        self.messages[session.next].0 = wire;
        session.unanswered += 1;
        session.next = (session.next + 1) % self.messages.len();
    }

    fn handle_input(&mut self, session: &mut Session, input: &mut &[u8]) -> Reply {
        let before = *input;
        let reply = match self.framing {
            _ if session.unanswered == 0 => {
                let surplus = !std::mem::take(input).is_empty();
                if surplus && self.verify {
                    Reply::Bad(SURPLUS)
                } else {
                    Reply::Incomplete
                }
            }
            Framing::Raw => self.take_raw(session, input),
            _ => self.take_frame(session, input),
        };
        let taken = &before[..before.len() - input.len()];
        if !taken.is_empty() {
            self.tell(session.number, &Moment::Received(taken));
        }
        reply
    }

    fn handle_end(&mut self, session: &mut Session) -> Reply {
        match session.deframer.finish() {
            Ok(Some(frame)) => {
                let same = frame.payload == self.messages[session.awaited].1;
                self.finish(session, same, &[])
            }
            Ok(None) if session.have == 0 => Reply::Incomplete,
            // A reply that differs from the echo is complete; the beginning of the echo is not.
            Ok(None) if session.differs && !self.verify => self.finish(session, false, &[]),
            _ => Reply::Bad("closed in the middle of an echo"),
        }
    }

    fn close(&mut self, session: Session) {
        self.tell(session.number, &Moment::Closed);
    }

    fn shuts_down(&self) -> bool {
        self.framing == Framing::Close
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(framing: &str, verify: bool) -> EchoClient<'static> {
        let framing: Framing = framing.parse().unwrap();
        let messages = [&b"abc"[..], b"de"]
            .map(|bare| {
                let mut wire = Vec::new();
                framing.encode(bare, &mut wire).unwrap();
                (wire, bare.to_vec())
            })
            .to_vec();
        EchoClient::new(framing, messages, verify, 100, None)
    }

    /// Two requests, and what the server sends back in these pieces.
    fn replies(framing: &str, verify: bool, pieces: &[&[u8]]) -> Vec<Reply> {
        let mut client = client(framing, verify);
        let mut session = client.open();
        let mut out = Vec::new();
        client.request(&mut session, &mut out);
        client.request(&mut session, &mut out);
        let mut replies = Vec::new();
        for piece in pieces {
            let mut input = *piece;
            loop {
                match client.handle_input(&mut session, &mut input) {
                    Reply::Incomplete => break,
                    reply => replies.push(reply),
                }
            }
            assert!(input.is_empty());
        }
        replies
    }

    #[test]
    fn raw_echoes_are_told_apart_by_their_length_in_any_pieces() {
        assert_eq!(
            replies("raw", true, &[b"abcde"]),
            [Reply::Good, Reply::Good]
        );
        assert_eq!(
            replies("raw", true, &[b"ab", b"c", b"", b"de"]),
            [Reply::Good, Reply::Good]
        );
    }

    #[test]
    fn framed_echoes_are_told_apart_by_their_frame() {
        assert_eq!(
            replies("len16", true, &[b"\0\x03abc\0\x02de"]),
            [Reply::Good, Reply::Good]
        );
        assert_eq!(
            replies("line", true, &[b"abc\nd", b"e\n"]),
            [Reply::Good, Reply::Good]
        );
    }

    #[test]
    fn what_comes_after_the_last_echo_is_bad_only_when_it_is_looked_at() {
        let surplus = Reply::Bad(SURPLUS);
        assert_eq!(
            replies("raw", true, &[b"abcde!"])[..2],
            [Reply::Good, surplus]
        );
        assert_eq!(
            replies("raw", true, &[b"abcde", b"!"]),
            [Reply::Good, Reply::Good, surplus]
        );
        assert_eq!(
            replies("line", true, &[b"abc\nde\n\n"])[..2],
            [Reply::Good, surplus]
        );
        assert_eq!(
            replies("raw", false, &[b"abcde!", b"!!!"]),
            [Reply::Good, Reply::Good]
        );
    }

    #[test]
    fn another_answer_is_one_and_the_beginning_of_the_echo_is_none() {
        for (verify, bytes, good) in [
            (false, &b"x"[..], true),
            (false, b"ab", false),
            (true, b"x", false),
        ] {
            let mut client = client("raw", verify);
            let mut session = client.open();
            client.request(&mut session, &mut Vec::new());
            client.handle_input(&mut session, &mut &*bytes);
            let end = client.handle_end(&mut session);
            assert_eq!(end == Reply::Good, good, "{end:?}");
        }
    }

    #[test]
    fn an_echo_over_our_own_limit_is_named_as_such() {
        let mut client = client("len16", true);
        let mut session = client.open();
        client.request(&mut session, &mut Vec::new());
        let reply = client.handle_input(&mut session, &mut &b"\x01\x00"[..]);
        assert_eq!(reply, Reply::Bad(OVER_THE_LIMIT));
    }

    #[test]
    fn a_changed_byte_is_bad_only_when_it_is_looked_at() {
        let bad = Reply::Bad("an echo that differs");
        assert_eq!(replies("raw", true, &[b"aXcde"]), [bad, Reply::Good]);
        assert_eq!(
            replies("raw", false, &[b"aXcde"]),
            [Reply::Good, Reply::Good]
        );
        assert_eq!(replies("line", true, &[b"abc\nXX\n"]), [Reply::Good, bad]);
    }
}

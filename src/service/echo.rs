//! The echo services: what came goes back, as it is, reversed, or answered with fixed bytes.

use std::sync::Arc;

use super::{Log, Note, Service, Step};
use crate::framing::{Deframer, Frame, Framing, FramingError};

/// What goes back for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// The very bytes that came.
    Echo,
    /// The message reversed, in the same framing.
    Reverse,
    /// These bytes as they are, without framing, and then the connection is closed.
    Reply(Arc<[u8]>),
}

/// An echo service. With [`Framing::Raw`] what one read brought counts as a message.
///
/// An echo protocol cannot report an error to its peer: a client that breaks the framing gets
/// nothing for that message, and the connection is closed.
#[derive(Debug, Clone)]
pub struct Echo {
    mode: Mode,
    framing: Framing,
    max_message: usize,
}

impl Echo {
    /// A service that accepts messages of at most `max_message` bytes, their frame not counted.
    pub fn new(mode: Mode, framing: Framing, max_message: usize) -> Self {
        Echo {
            mode,
            framing,
            max_message,
        }
    }

    /// Appends what goes back for one message.
    fn answer(
        &self,
        frame: &Frame<'_>,
        out: &mut Vec<u8>,
        log: &mut dyn Log,
    ) -> Result<(), FramingError> {
        if log.wants_messages() {
            log.note(&Note::Received(frame.wire));
        }
        let start = out.len();
        match &self.mode {
            Mode::Echo => out.extend_from_slice(frame.wire),
            Mode::Reverse => self.reverse(frame, out)?,
            Mode::Reply(reply) => out.extend_from_slice(reply),
        }
        if log.wants_messages() {
            log.note(&Note::Sending(&out[start..]));
        }
        Ok(())
    }

    /// A reversed message may be one that its framing cannot carry: reversed, `##a` ends with the
    /// padding byte, and `ba` holds the delimiter `ab`.
    fn reverse(&self, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), FramingError> {
        if matches!(self.framing, Framing::Raw | Framing::Close) {
            out.extend(frame.payload.iter().rev());
            return Ok(());
        }
        let reversed: Vec<u8> = frame.payload.iter().rev().copied().collect();
        self.framing.encode_answer(&reversed, frame, out)
    }
}

impl Service for Echo {
    type Session = Deframer;

    fn open(&mut self) -> Deframer {
        Deframer::new(self.framing.clone(), self.max_message)
    }

    fn handle_input<'i>(
        &mut self,
        session: &mut Deframer,
        input: &mut &'i [u8],
        out: &mut Vec<u8>,
        log: &mut dyn Log,
    ) -> Step<'i> {
        if self.framing == Framing::Raw && self.mode == Mode::Echo {
            return echo_all(input, log);
        }
        let frame = match session.next(input) {
            Ok(Some(frame)) => frame,
            Ok(None) => return Step::NeedInput,
            Err(error) => {
                log.note(&Note::Fault(&error.to_string()));
                return Step::Refuse;
            }
        };
        if let Mode::Reply(reply) = &self.mode {
            note_exchange(frame.wire, reply, log);
            return Step::SharedThenClose(Arc::clone(reply));
        }
        match self.answer(&frame, out, log) {
            Ok(()) => Step::Sent,
            Err(error) => {
                log.note(&Note::Fault(&cannot_go_back(&error)));
                Step::Refuse
            }
        }
    }

    fn handle_end(&mut self, session: &mut Deframer, out: &mut Vec<u8>, log: &mut dyn Log) {
        let answered = match session.finish() {
            Ok(None) => return,
            Ok(Some(frame)) => self
                .answer(&frame, out, log)
                .map_err(|error| cannot_go_back(&error)),
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = answered {
            log.note(&Note::Fault(&reason));
        }
    }

    fn handle_timeout(&mut self, session: &mut Deframer, _: &mut Vec<u8>, log: &mut dyn Log) {
        if let Some(unfinished) = session.unfinished() {
            log.note(&Note::Fault(&format!(
                "the message was not complete in time: it stopped {unfinished}"
            )));
        }
    }

    fn in_message(&self, session: &Deframer) -> bool {
        session.in_message()
    }

    fn so_far(&self, session: &Deframer) -> Option<String> {
        session.unfinished().map(|unfinished| unfinished.so_far())
    }

    fn buffered(&self, session: &Deframer) -> usize {
        session.memory()
    }
}

/// The whole input goes back without a copy.
fn echo_all<'i>(input: &mut &'i [u8], log: &mut dyn Log) -> Step<'i> {
    let all = std::mem::take(input);
    if all.is_empty() {
        return Step::NeedInput;
    }
    note_exchange(all, all, log);
    Step::Echo(all)
}

fn note_exchange(received: &[u8], sending: &[u8], log: &mut dyn Log) {
    if log.wants_messages() {
        log.note(&Note::Received(received));
        log.note(&Note::Sending(sending));
    }
}

fn cannot_go_back(error: &FramingError) -> String {
    format!("the reversed message cannot be framed: {error}")
}

#[cfg(test)]
mod tests {
    use super::super::Silent;
    use super::*;

    /// Keeps what was logged, as text.
    #[derive(Default)]
    struct Diary(Vec<String>);

    impl Log for Diary {
        fn wants_messages(&self) -> bool {
            true
        }
        fn note(&mut self, note: &Note<'_>) {
            self.0.push(match note {
                Note::Received(bytes) => format!("< {}", bytes.escape_ascii()),
                Note::Sending(bytes) => format!("> {}", bytes.escape_ascii()),
                Note::Fault(reason) => format!("! {reason}"),
                Note::AppRequest(_) | Note::Waiting { .. } => {
                    unreachable!("not from an echo service")
                }
            });
        }
    }

    /// One connection: the reads in order, then the end of the stream unless the service closed.
    fn talk(mode: Mode, framing: &str, reads: &[&[u8]]) -> (Vec<u8>, Vec<String>) {
        let mut service = Echo::new(mode, framing.parse().unwrap(), 100);
        let mut session = service.open();
        let mut diary = Diary::default();
        let mut sent = Vec::new();
        for read in reads {
            let mut input = *read;
            loop {
                match service.handle_input(&mut session, &mut input, &mut sent, &mut diary) {
                    Step::NeedInput => break,
                    Step::Sent => {}
                    Step::Echo(bytes) => sent.extend_from_slice(bytes),
                    Step::SharedThenClose(bytes) => {
                        sent.extend_from_slice(&bytes);
                        return (sent, diary.0);
                    }
                    Step::Close | Step::Refuse => return (sent, diary.0),
                    Step::Shared(_) => unreachable!("an echo service closes after a shared reply"),
                }
            }
            assert!(input.is_empty(), "NeedInput means that it is used up");
        }
        service.handle_end(&mut session, &mut sent, &mut diary);
        (sent, diary.0)
    }

    #[test]
    fn raw_bytes_go_back_without_a_copy() {
        let mut service = Echo::new(Mode::Echo, Framing::Raw, 100);
        let mut session = service.open();
        let data = *b"Hello, world!";
        let mut input = &data[..];
        let mut out = Vec::new();
        let step = service.handle_input(&mut session, &mut input, &mut out, &mut Silent);
        let Step::Echo(bytes) = step else {
            panic!("{step:?}")
        };
        assert!(std::ptr::eq(bytes, &raw const data[..]));
        assert!(input.is_empty());
        assert!(out.is_empty());
    }

    #[test]
    fn a_framed_echo_gives_back_the_very_bytes_message_by_message() {
        for (framing, reads) in [
            ("line", [&b"a\r\nb"[..], b"c\nd\r\r\n"]),
            ("delim:#*#", [b"a#*#b#", b"*#"]),
            ("digits:5", [b"00001a000", b"02bc"]),
            ("len16", [b"\0\x01a\0", b"\x02bc"]),
            ("fixed:3", [b"a##b", b"##"]),
            ("close", [b"abc", b"def"]),
            ("raw", [b"abc", b"def"]),
        ] {
            let (sent, notes) = talk(Mode::Echo, framing, &reads);
            assert_eq!(sent, reads.concat(), "{framing}");
            assert!(!notes.iter().any(|note| note.starts_with('!')), "{notes:?}");
        }
    }

    #[test]
    fn reversing_keeps_the_framing() {
        for (framing, reads, reply) in [
            ("line", [&b"abc\r\nde"[..], b"f\n"], &b"cba\r\nfed\n"[..]),
            ("delim:#*#", [b"abc#*#d#", b"*#"], b"cba#*#d#*#"),
            ("digits:5", [b"00003abc0000", b"1d"], b"00003cba00001d"),
            ("len32", [b"\0\0\0\x03ab", b"c"], b"\0\0\0\x03cba"),
            ("fixed:5", [b"abc#", b"#abcde"], b"cba##edcba"),
            ("close", [b"abc", b"def"], b"fedcba"),
            ("raw", [b"Hello, world!", b"abc"], b"!dlrow ,olleHcba"),
        ] {
            assert_eq!(talk(Mode::Reverse, framing, &reads).0, reply, "{framing}");
        }
    }

    #[test]
    fn a_reversed_message_that_its_framing_cannot_carry_is_a_fault() {
        for (framing, read, words) in [
            ("fixed:5", &b"##a##"[..], "padding byte"),
            ("delim:ab", b"xbaxab", "delimiter \"ab\""),
            ("line", b"\rabc\n", "ends with \"\\r\""),
        ] {
            let (sent, notes) = talk(Mode::Reverse, framing, &[read]);
            assert!(sent.is_empty(), "{framing}");
            let fault = notes.last().unwrap();
            assert!(fault.starts_with("! the reversed message cannot be framed"));
            assert!(fault.contains(words), "{fault}");
        }
    }

    #[test]
    fn a_reply_is_sent_after_one_whole_message_and_then_the_connection_closes() {
        let mode = || Mode::Reply(Arc::from(&b"HTTP/1.0 200 OK\r\n\r\nhi"[..]));
        let request = [&b"GET / HTTP/1.0\r\n"[..], b"\r", b"\nmore"];
        let (sent, notes) = talk(mode(), "delim:\\r\\n\\r\\n", &request);
        assert_eq!(sent, b"HTTP/1.0 200 OK\r\n\r\nhi");
        assert_eq!(
            notes,
            [
                "< GET / HTTP/1.0\\r\\n\\r\\n",
                "> HTTP/1.0 200 OK\\r\\n\\r\\nhi"
            ]
        );
        assert_eq!(talk(mode(), "raw", &request).1[0], "< GET / HTTP/1.0\\r\\n");
        assert_eq!(talk(mode(), "close", &request).0, sent);
        assert!(talk(mode(), "close", &[]).0.is_empty());
        assert!(talk(mode(), "raw", &[]).0.is_empty());
    }

    #[test]
    fn the_log_is_told_what_came_and_what_goes_back() {
        let (_, notes) = talk(Mode::Reverse, "fixed:4", &[b"ab", b"c#"]);
        assert_eq!(notes, ["< abc#", "> cba#"]);
        let (_, notes) = talk(Mode::Echo, "raw", &[b"ab", b"c"]);
        assert_eq!(notes, ["< ab", "> ab", "< c", "> c"]);
    }

    #[test]
    fn a_broken_frame_gets_no_answer_but_the_messages_before_it_do() {
        let (sent, notes) = talk(Mode::Echo, "digits:2", &[b"01aGET / HTTP"]);
        assert_eq!(sent, b"01a");
        assert_eq!(
            notes.last().unwrap(),
            "! the length should be 2 decimal digits, and \"GE\" came"
        );
    }

    #[test]
    fn a_stream_that_ends_inside_a_message_is_a_fault_without_an_answer() {
        let (sent, notes) = talk(Mode::Echo, "line", &[b"no line end"]);
        assert!(sent.is_empty());
        assert_eq!(
            notes,
            ["! the connection ended after 11 bytes, before the delimiter \"\\n\" came"]
        );
    }

    #[test]
    fn a_message_that_stops_is_told_with_how_far_it_came() {
        let mut service = Echo::new(Mode::Echo, "digits:5".parse().unwrap(), 100);
        let mut session = service.open();
        let (mut out, mut diary) = (Vec::new(), Diary::default());
        assert!(!service.in_message(&session));
        service.handle_input(&mut session, &mut &b"00020abc"[..], &mut out, &mut diary);
        assert!(service.in_message(&session));
        service.handle_timeout(&mut session, &mut out, &mut diary);
        assert!(out.is_empty());
        assert_eq!(
            diary.0,
            [
                "! the message was not complete in time: it stopped after 3 of the 20 bytes announced"
            ]
        );
    }

    #[test]
    fn a_session_is_small() {
        assert!(size_of::<Deframer>() <= 96, "{}", size_of::<Deframer>());
    }
}

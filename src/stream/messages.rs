//! Application messages in one direction of a stream.

mod search;

use crate::message::{Deframer, HeaderCache, Message, MessageError};

use super::assembly::Piece;
use search::Search;

/// The longest message, in bytes; a stream that announces more is not an application stream.
pub(super) const MAX_MESSAGE: usize = crate::message::DEFAULT_MAX_MESSAGE;

/// What was found.
#[derive(Debug)]
pub(super) enum Find<'a> {
    /// A message; `guessed` says that its beginning was searched for.
    Message { message: Message<'a>, guessed: bool },
    /// The bytes are not a message; the next one is searched for.
    Broken(MessageError),
}

/// Finds messages in the pieces of one direction.
///
/// The invariant: after a gap, after bytes that are not a message, and in a stream that was not seen
/// from its beginning, nothing is taken for a message before a length, a JSON object of that length and
/// the required keys in it agree.
#[derive(Debug)]
pub(super) struct Reader {
    state: State,
}

#[derive(Debug)]
enum State {
    /// The next byte continues a message or begins one.
    Found { deframer: Deframer, guessed: bool },
    /// Where a message begins is not known.
    Searching(Search),
    /// The direction is not searched any more.
    GivenUp,
}

impl Reader {
    /// A direction that is seen from its beginning, or not.
    pub(super) fn new(from_the_beginning: bool) -> Reader {
        let state = if from_the_beginning {
            State::Found {
                deframer: Deframer::new(MAX_MESSAGE),
                guessed: false,
            }
        } else {
            State::Searching(Search::default())
        };
        Reader { state }
    }

    /// Stops searching.
    pub(super) fn give_up(&mut self) {
        self.state = State::GivenUp;
    }

    /// Whether a message has begun and is not complete.
    pub(super) fn in_message(&self) -> bool {
        matches!(&self.state, State::Found { deframer, .. } if deframer.in_message())
    }

    /// Bytes of memory for what waits for the rest of a message.
    pub(super) fn memory(&self) -> usize {
        match &self.state {
            State::Found { deframer, .. } => deframer.memory(),
            State::Searching(search) => search.memory(),
            State::GivenUp => 0,
        }
    }

    /// Takes the next piece.
    #[inline]
    pub(super) fn push(
        &mut self,
        piece: Piece<'_>,
        cache: &mut HeaderCache,
        handler: &mut impl FnMut(Find<'_>),
    ) {
        match piece {
            Piece::Gap(_) => {
                if !matches!(self.state, State::GivenUp) {
                    self.state = State::Searching(Search::default());
                }
            }
            Piece::Data(bytes) => self.data(bytes, cache, handler),
        }
    }

    fn data(&mut self, bytes: &[u8], cache: &mut HeaderCache, handler: &mut impl FnMut(Find<'_>)) {
        match &mut self.state {
            State::GivenUp => return,
            State::Found { deframer, guessed } => {
                match read(deframer, guessed, bytes, cache, handler) {
                    None => return,
                    Some(rest) => {
                        let mut search = Search::default();
                        search.push(rest);
                        self.state = State::Searching(search);
                    }
                }
            }
            State::Searching(search) => search.push(bytes),
        }
        // Each round continues at the end of the previous one, so no byte is searched twice.
        while let State::Searching(search) = &mut self.state
            && let Some(found) = search.next()
        {
            let mut deframer = Deframer::new(MAX_MESSAGE);
            let mut guessed = true;
            let rest = read(&mut deframer, &mut guessed, found, cache, handler);
            match rest.map(<[u8]>::len) {
                None => self.state = State::Found { deframer, guessed },
                Some(unread) => search.resume(unread),
            }
        }
    }
}

/// Reads messages; when the bytes are not a message, gives those in which the next may begin.
#[inline]
fn read<'b>(
    deframer: &mut Deframer,
    guessed: &mut bool,
    mut bytes: &'b [u8],
    cache: &mut HeaderCache,
    handler: &mut impl FnMut(Find<'_>),
) -> Option<&'b [u8]> {
    loop {
        let before = bytes;
        let began_here = !deframer.in_message();
        match deframer.next(&mut bytes, cache) {
            Ok(Some(message)) => {
                let guessed = std::mem::take(guessed);
                handler(Find::Message { message, guessed });
                if bytes.is_empty() {
                    return None;
                }
            }
            Ok(None) => return None,
            Err(error) => {
                handler(Find::Broken(error));
                // No message begins with the first byte of what is not a message.
                return Some(if began_here { &before[1..] } else { before });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::{encode_json_reply, encode_search};

    fn request(value: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_search(value, &mut bytes);
        bytes
    }

    /// What was found in the pieces: `value` of each message, `?` in front when guessed, `!` for an end.
    fn found_in(from_the_beginning: bool, pieces: &[Piece<'_>]) -> Vec<String> {
        let mut reader = Reader::new(from_the_beginning);
        let mut cache = HeaderCache::default();
        let mut found = Vec::new();
        for piece in pieces {
            reader.push(*piece, &mut cache, &mut |find| match find {
                Find::Message { message, guessed } => {
                    let text = String::from_utf8_lossy(message.content);
                    let value = text.rsplit('"').nth(1).unwrap_or_default().to_owned();
                    found.push(if guessed { format!("?{value}") } else { value });
                }
                Find::Broken(_) => found.push("!".to_owned()),
            });
        }
        found
    }

    #[test]
    fn messages_are_found_however_they_are_cut() {
        let stream = [request("a"), request("b"), request("c")].concat();
        assert_eq!(found_in(true, &[Piece::Data(&stream)]), ["a", "b", "c"]);
        let bytes: Vec<Piece<'_>> = stream.chunks(1).map(Piece::Data).collect();
        assert_eq!(found_in(true, &bytes), ["a", "b", "c"]);
    }

    #[test]
    fn after_a_gap_the_next_message_is_found_and_marked() {
        let (one, two) = (request("a"), [request("b"), request("c")].concat());
        for cut in 1..one.len() {
            let pieces = [
                Piece::Data(&one[..cut]),
                Piece::Gap(9),
                Piece::Data(&one[cut..]),
                Piece::Data(&two),
            ];
            assert_eq!(found_in(true, &pieces), ["?b", "c"], "cut at {cut}");
            let pieces = [Piece::Data(&one[cut..]), Piece::Data(&two)];
            assert_eq!(found_in(false, &pieces), ["?b", "c"], "cut at {cut}");
        }
    }

    #[test]
    fn what_only_looks_like_a_message_is_passed_over() {
        let mut reply = Vec::new();
        encode_json_reply("x", &mut reply);
        let stream = [&b"\x00\x02{}\x00\x05{\"a\"}"[..], &request("a")].concat();
        assert_eq!(found_in(false, &[Piece::Data(&stream)]), ["?a"]);
        assert_eq!(found_in(true, &[Piece::Data(&stream)]), ["!", "?a"]);
    }

    #[test]
    fn a_search_keeps_a_bounded_number_of_bytes() {
        let mut reader = Reader::new(false);
        let mut cache = HeaderCache::default();
        for _ in 0..100 {
            let hostile = [b"\xff\xff{".as_slice(), &[0; 10_000]].concat();
            reader.push(Piece::Data(&hostile), &mut cache, &mut |_| {});
            assert!(
                reader.memory() <= search::MOST_MEMORY,
                "{}",
                reader.memory()
            );
        }
    }

    /// Whatever the bytes are, each of them is looked at a bounded number of times.
    #[test]
    fn the_work_of_a_search_is_linear_in_its_bytes() {
        for (pattern, size) in [
            (&b"\xff\xff{"[..], 1),
            (b"{\"}\":", 1000),
            (b"\x00\x09{\"a\":1}x}", 7),
        ] {
            let bytes: Vec<u8> = pattern.iter().copied().cycle().take(300_000).collect();
            let mut reader = Reader::new(false);
            let mut cache = HeaderCache::default();
            let mut work = 0;
            for chunk in bytes.chunks(size) {
                reader.push(Piece::Data(chunk), &mut cache, &mut |_| {});
                if let State::Searching(search) = &reader.state {
                    work = search.work();
                }
            }
            assert!(work > 0 && work <= 8 * bytes.len() as u64, "{work}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_nothing_but_messages_is_found(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            size in 1_usize..50,
            at in 0_usize..300,
        ) {
            let mut bytes = bytes;
            let at = at.min(bytes.len());
            bytes.splice(at..at, request("a"));
            let pieces: Vec<Piece<'_>> = bytes.chunks(size).map(Piece::Data).collect();
            let whole = found_in(false, &[Piece::Data(&bytes)]);
            prop_assert_eq!(&whole, &found_in(false, &pieces));
        }
    }
}

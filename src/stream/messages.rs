//! Application messages in one direction of a stream.

use crate::message::{Deframer, Header, HeaderCache, Message, MessageError};

use super::assembly::Piece;

/// A message may have so many bytes; a stream that announces more is no application stream.
pub(super) const MAX_MESSAGE: usize = crate::message::DEFAULT_MAX_MESSAGE;
/// While the next message is looked for, so many bytes are kept: a header and its length.
const MOST_SEARCHED: usize = 2 + 0xffff + 64 * 1024;

/// What was found.
#[derive(Debug)]
pub(super) enum Find<'a> {
    /// A message; `guessed` says that its beginning was looked for.
    Message { message: Message<'a>, guessed: bool },
    /// The bytes are no message; the next one is looked for.
    Broken(MessageError),
}

/// Finds messages in the pieces of one direction.
///
/// The invariant: after a gap, after bytes that are no message, and in a stream that was not seen from
/// its beginning, nothing is taken for a message before a length, a JSON object of that length and
/// the required keys in it agree.
#[derive(Debug)]
pub(super) struct Reader {
    state: State,
}

#[derive(Debug)]
enum State {
    /// The next byte continues a message or begins one.
    Found { deframer: Deframer, guessed: bool },
    /// Where a message begins is not known; these bytes were not understood.
    Searching { bytes: Vec<u8>, from: usize },
    /// Looking is no use.
    GivenUp,
}

impl Reader {
    /// A direction that is seen from its beginning, or not.
    pub(super) fn new(from_the_beginning: bool) -> Reader {
        let state = if from_the_beginning {
            found(false)
        } else {
            searching(&[])
        };
        Reader { state }
    }

    /// Stops looking.
    pub(super) fn give_up(&mut self) {
        self.state = State::GivenUp;
    }

    /// Whether a message has begun and is not complete.
    pub(super) fn in_message(&self) -> bool {
        matches!(&self.state, State::Found { deframer, .. } if deframer.in_message())
    }

    /// Bytes of memory that wait for the rest of a message.
    pub(super) fn memory(&self) -> usize {
        match &self.state {
            State::Found { deframer, .. } => deframer.buffered(),
            State::Searching { bytes, .. } => bytes.capacity(),
            State::GivenUp => 0,
        }
    }

    /// Takes the next piece.
    #[inline]
    pub(super) fn push(
        &mut self,
        piece: Piece<'_>,
        cache: &mut HeaderCache,
        sink: &mut impl FnMut(Find<'_>),
    ) {
        match piece {
            Piece::Gap(_) => {
                if !matches!(self.state, State::GivenUp) {
                    self.state = searching(&[]);
                }
            }
            Piece::Data(bytes) => self.data(bytes, cache, sink),
        }
    }

    fn data(&mut self, bytes: &[u8], cache: &mut HeaderCache, sink: &mut impl FnMut(Find<'_>)) {
        match &mut self.state {
            State::GivenUp => return,
            State::Found { deframer, guessed } => match read(deframer, guessed, bytes, cache, sink)
            {
                None => return,
                Some(after) => self.state = searching(after),
            },
            State::Searching { bytes: kept, .. } => kept.extend_from_slice(bytes),
        }
        // Each round leaves fewer bytes to look at, so this ends.
        while let Some(kept) = self.search() {
            let mut deframer = Deframer::new(MAX_MESSAGE);
            let mut guessed = true;
            self.state = match read(&mut deframer, &mut guessed, &kept, cache, sink) {
                None => State::Found { deframer, guessed },
                Some(after) => searching(after),
            };
        }
    }

    /// Looks for the beginning of a message in what is kept; gives it and what follows.
    fn search(&mut self) -> Option<Vec<u8>> {
        let State::Searching { bytes, from } = &mut self.state else {
            return None;
        };
        let mut first_open = None;
        for at in *from..bytes.len() {
            match begins(&bytes[at..]) {
                Begins::Yes => return Some(bytes.split_off(at)),
                Begins::MoreIsNeeded => {
                    first_open.get_or_insert(at);
                }
                Begins::No => {}
            }
        }
        *from = first_open.unwrap_or(bytes.len());
        let done = (*from).max(bytes.len().saturating_sub(MOST_SEARCHED));
        drop(bytes.drain(..done));
        *from = 0;
        None
    }
}

fn found(guessed: bool) -> State {
    State::Found {
        deframer: Deframer::new(MAX_MESSAGE),
        guessed,
    }
}

fn searching(bytes: &[u8]) -> State {
    State::Searching {
        bytes: bytes.to_vec(),
        from: 0,
    }
}

/// Reads messages; if the bytes become none, gives those in which the next may begin.
#[inline]
fn read<'b>(
    deframer: &mut Deframer,
    guessed: &mut bool,
    mut bytes: &'b [u8],
    cache: &mut HeaderCache,
    sink: &mut impl FnMut(Find<'_>),
) -> Option<&'b [u8]> {
    loop {
        let before = bytes;
        let began_here = !deframer.in_message();
        match deframer.next(&mut bytes, cache) {
            Ok(Some(message)) => {
                let guessed = std::mem::take(guessed);
                sink(Find::Message { message, guessed });
                if bytes.is_empty() {
                    return None;
                }
            }
            Ok(None) => return None,
            Err(error) => {
                sink(Find::Broken(error));
                // The first byte of what is no message begins none.
                return Some(if began_here { &before[1..] } else { before });
            }
        }
    }
}

enum Begins {
    Yes,
    MoreIsNeeded,
    No,
}

/// Whether a message begins with these bytes.
fn begins(bytes: &[u8]) -> Begins {
    match bytes {
        [_, _, b'{', ..] => {}
        [] | [_] | [_, _] => return Begins::MoreIsNeeded,
        _ => return Begins::No,
    }
    let end = 2 + usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    match bytes.get(2..end) {
        None => Begins::MoreIsNeeded,
        Some(header) if header.last() == Some(&b'}') && fits(header) => Begins::Yes,
        Some(_) => Begins::No,
    }
}

fn fits(header: &[u8]) -> bool {
    Header::parse(header).is_ok_and(|header| header.content_length <= MAX_MESSAGE)
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
            assert!(reader.memory() <= 4 * MOST_SEARCHED);
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

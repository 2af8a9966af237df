//! The bodies of HTTP/1 messages in the two directions of a connection (RFC 9112 section 6).
//!
//! # Invariants
//!
//! - A head has at most [`MOST_HEAD`] bytes, and at most [`MOST_ASKED`] requests wait for their replies: nothing else is
//!   kept, so memory does not grow with the connection.
//! - What cannot be HTTP, or comes after a gap that hides where the next message begins, is passed over until a piece
//!   begins as a message does.

use std::collections::VecDeque;

use super::http_head::{Fields, begins_message, ends_with_empty_line, request_line, status};

/// Bytes of the head of a message, at most.
pub const MOST_HEAD: usize = 16 << 10;
/// Requests that wait for a reply, at most.
pub const MOST_ASKED: usize = 256;
/// Bytes of the line in front of a chunk, at most: its size and its extensions.
const MOST_LINE: usize = 1 << 10;

/// A message that has a body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// The target of the request, also of that which a reply answers; empty if it was not seen.
    pub target: String,
    /// The status of a reply.
    pub status: Option<u16>,
    /// How the body is packed: the last coding, in lower case; empty if it is not.
    pub coding: String,
}

/// What is found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A body begins: its first bytes follow.
    Begin(&'a Head),
    /// Bytes of it.
    Data(&'a [u8]),
    /// Bytes of it are not in the capture.
    Missing(u64),
    /// It is over; whether all of it was seen.
    End(bool),
}

/// Both directions of a connection.
#[derive(Debug)]
pub struct Bodies {
    /// Of the client, then of the server.
    ends: [Sender; 2],
    asked: VecDeque<Asked>,
}

/// A request that was not answered yet.
#[derive(Debug)]
struct Asked {
    target: String,
    /// HEAD: the reply has a length and no body.
    is_head: bool,
    /// CONNECT: after a good reply it is another protocol.
    is_connect: bool,
}

/// One direction.
#[derive(Debug)]
struct Sender {
    from_client: bool,
    state: State,
    /// Bytes of a head, or of a line between chunks, that is not whole yet.
    kept: Vec<u8>,
    head: Head,
    /// The beginning of the body was told, and its end not yet.
    has_begun: bool,
    has_missing: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A piece that begins as a message does is awaited.
    Lost,
    /// Within a head.
    Head,
    /// How many bytes of the body are still to come.
    Counted(u64),
    /// In front of a chunk: its size.
    Size,
    /// How many bytes of a chunk are still to come.
    Chunk(u64),
    /// After a chunk: an empty line.
    AfterChunk,
    /// After the last one: lines, of which the last is empty.
    Trailer,
    /// The body ends with the connection.
    UntilEnd,
    /// It is another protocol from here on.
    Over,
}

impl Default for Bodies {
    fn default() -> Bodies {
        Bodies {
            ends: [true, false].map(|from_client| Sender::new(from_client, State::Lost)),
            asked: VecDeque::new(),
        }
    }
}

impl Bodies {
    /// Takes the next bytes of a direction: that of the client, or that of the server. What is found is told with the
    /// direction that it is of.
    pub fn data(
        &mut self,
        from_client: bool,
        bytes: &[u8],
        found: &mut dyn FnMut(bool, Found<'_>),
    ) {
        let sender = &mut self.ends[usize::from(!from_client)];
        if sender.state == State::Lost && begins_message(bytes) {
            sender.state = State::Head;
            sender.kept.clear();
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = self.step(from_client, rest, found);
        }
    }

    /// `length` bytes of a direction are not in the capture.
    pub fn gap(&mut self, from_client: bool, length: u32, found: &mut dyn FnMut(bool, Found<'_>)) {
        let sender = &mut self.ends[usize::from(!from_client)];
        let length = u64::from(length);
        let left = match &mut sender.state {
            State::Counted(left) | State::Chunk(left) if length <= *left => {
                *left -= length;
                Some(*left)
            }
            State::UntilEnd => Some(1),
            State::Over => return,
            _ => None,
        };
        if let Some(left) = left {
            sender.missing(length, found);
            if left == 0 {
                sender.counted_out(found);
            }
            return;
        }
        if let State::Counted(left) | State::Chunk(left) = sender.state {
            sender.missing(left, found);
        }
        self.lose(from_client, found);
    }

    /// The connection is over, or nothing more is known of it.
    pub fn end(&mut self, found: &mut dyn FnMut(bool, Found<'_>)) {
        for sender in &mut self.ends {
            let is_whole = sender.state == State::UntilEnd;
            sender.finish(is_whole, found);
            sender.state = State::Over;
        }
    }

    /// Takes at least one byte, and gives the rest.
    fn step<'a>(
        &mut self,
        from_client: bool,
        bytes: &'a [u8],
        found: &mut dyn FnMut(bool, Found<'_>),
    ) -> &'a [u8] {
        let sender = &mut self.ends[usize::from(!from_client)];
        match sender.state {
            State::Lost | State::Over => &[],
            State::UntilEnd => {
                sender.body(bytes, found);
                &[]
            }
            State::Counted(left) | State::Chunk(left) => {
                let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let (data, rest) = bytes.split_at(count);
                sender.body(data, found);
                let left = left - data.len() as u64;
                sender.state = match sender.state {
                    State::Chunk(_) => State::Chunk(left),
                    _ => State::Counted(left),
                };
                if left == 0 {
                    sender.counted_out(found);
                }
                rest
            }
            State::Head | State::Size | State::AfterChunk | State::Trailer => {
                self.line(from_client, bytes, found)
            }
        }
    }

    /// Takes bytes up to the end of a line.
    fn line<'a>(
        &mut self,
        from_client: bool,
        bytes: &'a [u8],
        found: &mut dyn FnMut(bool, Found<'_>),
    ) -> &'a [u8] {
        let sender = &mut self.ends[usize::from(!from_client)];
        let most = match sender.state {
            State::Head | State::Trailer => MOST_HEAD,
            _ => MOST_LINE,
        };
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (line, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        if sender.kept.len() + line.len() > most {
            self.lose(from_client, found);
            return &[];
        }
        sender.kept.extend_from_slice(line);
        if end.is_none() {
            return &[];
        }
        let is_known = match sender.state {
            State::Head => {
                if !ends_with_empty_line(&sender.kept) {
                    return rest;
                }
                let head = std::mem::take(&mut sender.kept);
                self.head(from_client, &head, found)
            }
            State::Trailer => {
                if !ends_with_empty_line(&sender.kept) {
                    return rest;
                }
                sender.finish(true, found);
                sender.state = State::Head;
                true
            }
            State::AfterChunk => {
                sender.state = State::Size;
                sender.kept.trim_ascii().is_empty()
            }
            _ => sender.size(),
        };
        self.ends[usize::from(!from_client)].kept.clear();
        if !is_known {
            self.lose(from_client, found);
        }
        rest
    }

    /// Reads a head. False if this is not HTTP.
    fn head(
        &mut self,
        from_client: bool,
        head: &[u8],
        found: &mut dyn FnMut(bool, Found<'_>),
    ) -> bool {
        let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        // A robust server ignores an empty line in front (RFC 9112 section 2.2).
        let Some(first) = lines.by_ref().find(|line| !line.is_empty()) else {
            return true;
        };
        let Some(fields) = Fields::read(lines) else {
            return false;
        };
        let state = if let Some(status) = status(first) {
            self.reply(status, fields)
        } else if let Some((method, target)) = request_line(first) {
            self.request(from_client, method, target, fields)
        } else {
            return false;
        };
        if state == State::Over {
            for sender in &mut self.ends {
                sender.finish(false, found);
                *sender = Sender::new(sender.from_client, State::Over);
            }
        } else {
            self.ends[usize::from(!from_client)].state = state;
        }
        true
    }

    fn request(
        &mut self,
        from_client: bool,
        method: &[u8],
        target: &[u8],
        fields: Fields,
    ) -> State {
        let target = String::from_utf8_lossy(target).into_owned();
        if self.asked.len() < MOST_ASKED {
            self.asked.push_back(Asked {
                target: target.clone(),
                is_head: method == b"HEAD",
                is_connect: method == b"CONNECT",
            });
        }
        let state = match (fields.is_chunked, fields.length) {
            (true, _) => State::Size,
            (false, Some(length)) if length > 0 => State::Counted(length),
            _ => State::Head,
        };
        self.ends[usize::from(!from_client)].head = Head {
            target,
            status: None,
            coding: fields.coding,
        };
        state
    }

    fn reply(&mut self, status: u16, fields: Fields) -> State {
        const SWITCHING: u16 = 101;
        // An interim reply is followed by the one that counts (RFC 9110 section 15.2).
        if (100..200).contains(&status) {
            return if status == SWITCHING {
                State::Over
            } else {
                State::Head
            };
        }
        let asked = self.asked.pop_front();
        let (is_head, is_connect) = asked
            .as_ref()
            .map_or((false, false), |asked| (asked.is_head, asked.is_connect));
        if is_connect && (200..300).contains(&status) {
            return State::Over;
        }
        self.ends[1].head = Head {
            target: asked.map(|asked| asked.target).unwrap_or_default(),
            status: Some(status),
            coding: fields.coding,
        };
        // RFC 9112 section 6.3.
        match (fields.is_chunked, fields.length) {
            _ if is_head || matches!(status, 204 | 304) => State::Head,
            (true, _) => State::Size,
            (false, Some(0)) => State::Head,
            (false, Some(length)) => State::Counted(length),
            (false, None) => State::UntilEnd,
        }
    }

    /// Where the next message begins is not known.
    fn lose(&mut self, from_client: bool, found: &mut dyn FnMut(bool, Found<'_>)) {
        let sender = &mut self.ends[usize::from(!from_client)];
        sender.finish(false, found);
        sender.kept = Vec::new();
        sender.state = State::Lost;
        // Which request the next reply answers is not known either.
        self.asked.clear();
    }
}

impl Sender {
    fn new(from_client: bool, state: State) -> Sender {
        Sender {
            from_client,
            state,
            kept: Vec::new(),
            head: Head::default(),
            has_begun: false,
            has_missing: false,
        }
    }

    fn begin(&mut self, found: &mut dyn FnMut(bool, Found<'_>)) {
        if !self.has_begun {
            self.has_begun = true;
            self.has_missing = false;
            found(self.from_client, Found::Begin(&self.head));
        }
    }

    fn body(&mut self, bytes: &[u8], found: &mut dyn FnMut(bool, Found<'_>)) {
        self.begin(found);
        found(self.from_client, Found::Data(bytes));
    }

    fn missing(&mut self, length: u64, found: &mut dyn FnMut(bool, Found<'_>)) {
        self.begin(found);
        self.has_missing = true;
        found(self.from_client, Found::Missing(length));
    }

    /// All that was counted is there.
    fn counted_out(&mut self, found: &mut dyn FnMut(bool, Found<'_>)) {
        if matches!(self.state, State::Chunk(_)) {
            self.state = State::AfterChunk;
        } else {
            self.finish(true, found);
            self.state = State::Head;
        }
    }

    fn finish(&mut self, is_whole: bool, found: &mut dyn FnMut(bool, Found<'_>)) {
        if std::mem::take(&mut self.has_begun) {
            found(self.from_client, Found::End(is_whole && !self.has_missing));
        }
    }

    /// The line in front of a chunk: its size in hexadecimal, and extensions after a semicolon (RFC 9112 section 7.1).
    fn size(&mut self) -> bool {
        let line = self.kept.trim_ascii();
        let digits = line.split(|byte| *byte == b';').next().unwrap_or(line);
        let digits = std::str::from_utf8(digits.trim_ascii_end()).unwrap_or_default();
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return false;
        }
        match u64::from_str_radix(digits, 16) {
            Ok(0) => self.state = State::Trailer,
            Ok(length) => self.state = State::Chunk(length),
            Err(_) => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is found, a line for each: pieces of a body are put together.
    fn found(
        bodies: &mut Bodies,
        feed: impl FnOnce(&mut Bodies, &mut dyn FnMut(bool, Found<'_>)),
    ) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        feed(bodies, &mut |_, found| {
            let add =
                |lines: &mut Vec<String>, text: &str| lines.last_mut().unwrap().push_str(text);
            match found {
                Found::Begin(head) => {
                    let status = head
                        .status
                        .map_or(String::new(), |status| format!("{status} "));
                    lines.push(format!("{status}{} [{}] ", head.target, head.coding));
                }
                Found::Data(bytes) => add(&mut lines, &String::from_utf8_lossy(bytes)),
                Found::Missing(count) => add(&mut lines, &format!("<{count}>")),
                Found::End(is_whole) => add(&mut lines, if is_whole { "." } else { "!" }),
            }
        });
        lines
    }

    /// Of these pieces: `>` is the client's, `<` the server's.
    fn of(pieces: &[&str]) -> Vec<String> {
        found(&mut Bodies::default(), |bodies, found| {
            for piece in pieces {
                bodies.data(piece.starts_with('>'), &piece.as_bytes()[1..], found);
            }
            bodies.end(found);
        })
    }

    #[test]
    fn a_body_has_the_length_that_its_head_says() {
        let lines = of(&[
            ">POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
            ">GET /b HTTP/1.1\r\n\r\n",
            "<HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
            "<HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nContent-Encoding: x-gzip\r\n\r\nno",
            "<ne",
        ]);
        assert_eq!(
            lines,
            ["/a [] abc.", "200 /a [] hi.", "404 /b [gzip] none."]
        );
    }

    #[test]
    fn chunks_are_put_together_wherever_segments_end() {
        let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n\
                    5;name=value\r\nhello\r\nA\r\n, world!!!\r\n0\r\nTrailer: x\r\n\r\n\
                    HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n.";
        for cut in 9..text.len() {
            let (front, back) = text.split_at(cut);
            let lines = of(&[&format!("<{front}"), &format!("<{back}")]);
            assert_eq!(
                lines,
                ["200  [gzip] hello, world!!!.", "200  [] .."],
                "{cut}"
            );
        }
    }

    #[test]
    fn a_reply_to_head_a_304_and_an_interim_reply_have_no_body() {
        let lines = of(&[
            ">HEAD /a HTTP/1.1\r\n\r\n",
            "<HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
            ">GET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n",
            "<HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
            "<HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.0 200 OK\r\n\r\nto the end",
        ]);
        assert_eq!(lines, ["200 /c [] to the end."]);
    }

    #[test]
    fn after_a_change_of_protocol_nothing_is_a_body() {
        let good = "<HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
        let upgraded = [
            ">GET / HTTP/1.1\r\n\r\n",
            "<HTTP/1.1 101 Switching Protocols\r\n\r\n",
            good,
        ];
        let tunnel = [
            ">CONNECT a:1 HTTP/1.1\r\n\r\n",
            "<HTTP/1.1 200 OK\r\n\r\n",
            good,
        ];
        for pieces in [upgraded, tunnel] {
            assert!(of(&pieces).is_empty(), "{pieces:?}");
        }
    }

    #[test]
    fn a_gap_is_counted_within_a_body_and_otherwise_hides_what_follows_until_a_message_begins() {
        let mut bodies = Bodies::default();
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nab";
        let lines = found(&mut bodies, |bodies, found| {
            bodies.data(false, head, found);
            bodies.gap(false, 3, found);
            bodies.data(false, b"f", found);
            bodies.data(false, head, found);
            bodies.gap(false, 5, found);
            bodies.data(false, b"lost", found);
            bodies.data(false, head, found);
            bodies.end(found);
        });
        assert_eq!(lines, ["200  [] ab<3>f!", "200  [] ab<4>!", "200  [] ab!"]);
    }

    #[test]
    fn what_is_not_http_or_contradicts_itself_has_no_body() {
        for pieces in [
            "<SSH-2.0-x\r\n\r\n",
            "<HTTP/2 200\r\nContent-Length: 1\r\n\r\nx",
            "<HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
            "<HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx",
            "<HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\nx",
            ">get / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx",
        ] {
            assert!(of(&[pieces]).is_empty(), "{pieces:?}");
        }
    }

    #[test]
    fn a_head_without_an_end_and_requests_without_replies_take_no_more_memory() {
        let mut bodies = Bodies::default();
        found(&mut bodies, |bodies, found| {
            bodies.data(true, b"GET / HTTP/1.1\r\n", found);
            for _ in 0..1000 {
                bodies.data(true, &[b'x'; 100], found);
            }
        });
        assert_eq!(bodies.ends[0].kept.capacity(), 0);
        found(&mut bodies, |bodies, found| {
            for _ in 0..1000 {
                bodies.data(true, b"GET / HTTP/1.1\r\n\r\n", found);
            }
        });
        assert_eq!(bodies.asked.len(), MOST_ASKED);
    }

    proptest! {
        #[test]
        fn whatever_comes_every_body_that_begins_ends(
            pieces in proptest::collection::vec(
                (any::<bool>(), prop::sample::select(vec![
                    "GET / HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\n", "\r\n", "Content-Length: 3\r\n",
                    "Transfer-Encoding: chunked\r\n", "3\r\n", "abc", "0\r\n", "x", "",
                ])), 0..40),
        ) {
            let (mut begun, mut ended) = (0, 0);
            let mut bodies = Bodies::default();
            let mut count = |_, found: Found<'_>| match found {
                Found::Begin(_) => begun += 1,
                Found::End(_) => ended += 1,
                _ => {}
            };
            for (from_client, piece) in pieces {
                match piece {
                    "" => bodies.gap(from_client, 2, &mut count),
                    piece => bodies.data(from_client, piece.as_bytes(), &mut count),
                }
            }
            bodies.end(&mut count);
            prop_assert_eq!(begun, ended);
        }
    }
}

//! The application protocol's client in a load run.

use crate::message::{Content, Deframer, HeaderCache, Message, MessageError};

use super::{Client, OVER_THE_LIMIT, Reply};

/// Sends one request over and over.
#[derive(Debug)]
pub struct AppClient {
    request: Vec<u8>,
    max_message: usize,
    headers: HeaderCache,
    /// The last reply that was found good, as it stood on the wire: most are like it, and need no
    /// second look.
    good: Vec<u8>,
}

impl AppClient {
    /// `request` is a whole message; replies of more than `max_message` bytes are refused.
    pub fn new(request: Vec<u8>, max_message: usize) -> Self {
        AppClient {
            request,
            max_message,
            headers: HeaderCache::default(),
            good: Vec::new(),
        }
    }
}

impl Client for AppClient {
    type Session = Deframer;

    fn open(&mut self) -> Deframer {
        Deframer::new(self.max_message)
    }

    fn request(&mut self, _: &mut Deframer, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.request);
    }

    fn handle_input(&mut self, session: &mut Deframer, input: &mut &[u8]) -> Reply {
        match session.next(input, &mut self.headers) {
            Ok(None) => Reply::Incomplete,
            Ok(Some(message)) if message.wire == self.good => Reply::Good,
            Ok(Some(message)) => {
                let verdict = judge(&message, &self.request);
                if verdict == Reply::Good {
                    self.good.clear();
                    self.good.extend_from_slice(message.wire);
                }
                verdict
            }
            Err(MessageError::TooLarge { .. }) => Reply::Bad(OVER_THE_LIMIT),
            Err(_) => Reply::Bad("a reply that is not a message"),
        }
    }

    fn handle_end(&mut self, session: &mut Deframer) -> Reply {
        if session.in_message() {
            Reply::Bad("closed in the middle of a reply")
        } else {
            Reply::Incomplete
        }
    }
}

/// The kind of failure of a request that came back as it was.
pub const ITSELF: &str = "answered with the request itself";

/// Whether a reply to this request is an answer: not the request, not an error, and readable.
pub fn judge(message: &Message<'_>, request: &[u8]) -> Reply {
    match message.decode() {
        _ if message.wire == request => Reply::Bad(ITSELF),
        Ok(Content::Binary(_)) => Reply::Good,
        Ok(content) => match content.result() {
            Some(result)
                if result
                    .as_str()
                    .is_some_and(|text| text.starts_with("Error: ")) =>
            {
                Reply::Bad("answered with an error")
            }
            Some(_) => Reply::Good,
            None => Reply::Bad("a reply without a result"),
        },
        Err(_) => Reply::Bad("a reply that cannot be read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{encode_json_reply, encode_search};

    fn client() -> AppClient {
        let mut request = Vec::new();
        encode_search("ring", &mut request);
        AppClient::new(request, 1 << 20)
    }

    #[test]
    fn good_replies_in_one_piece_are_counted_one_by_one() {
        let mut client = client();
        let mut session = client.open();
        let mut wire = Vec::new();
        encode_json_reply("found", &mut wire);
        encode_json_reply("found", &mut wire);
        let mut input = &wire[..];
        assert_eq!(client.handle_input(&mut session, &mut input), Reply::Good);
        assert_eq!(client.handle_input(&mut session, &mut input), Reply::Good);
        assert_eq!(
            client.handle_input(&mut session, &mut input),
            Reply::Incomplete
        );
    }

    #[test]
    fn an_echo_of_the_request_is_no_answer() {
        let mut client = client();
        let mut session = client.open();
        let mut wire = Vec::new();
        client.request(&mut session, &mut wire);
        assert_eq!(
            client.handle_input(&mut session, &mut &wire[..]),
            Reply::Bad(ITSELF)
        );
    }

    #[test]
    fn an_error_and_a_cut_reply_are_bad() {
        let mut client = client();
        let mut session = client.open();
        let mut wire = Vec::new();
        encode_json_reply("Error: no", &mut wire);
        assert!(matches!(
            client.handle_input(&mut session, &mut &wire[..]),
            Reply::Bad(_)
        ));
        let mut session = client.open();
        assert_eq!(
            client.handle_input(&mut session, &mut &wire[..50]),
            Reply::Incomplete
        );
        assert!(matches!(client.handle_end(&mut session), Reply::Bad(_)));
        let mut session = client.open();
        assert_eq!(
            client.handle_input(&mut session, &mut &b"\0\0"[..]),
            Reply::Bad("a reply that is not a message")
        );
    }
}

//! The application server's answers: a search in a table, or the first bytes of what came.

use std::collections::HashMap;
use std::sync::Arc;

use crate::message::{
    Content, DEFAULT_MAX_MESSAGE, Deframer, Header, HeaderCache, Message, MessageError, Value,
    encode_binary_reply, encode_json_reply, parse_json,
};

use super::{Log, Note, Service, Step};

/// The application server. A clone shares the entries and has its own memory of headers.
#[derive(Debug, Clone)]
pub struct App {
    entries: Entries,
    keep_open: bool,
    max_message: usize,
    headers: HeaderCache,
    last: LastAnswer,
}

impl App {
    /// A server that answers from these entries, one request a connection.
    pub fn new(entries: Entries) -> Self {
        App {
            entries,
            keep_open: false,
            max_message: DEFAULT_MAX_MESSAGE,
            headers: HeaderCache::default(),
            last: LastAnswer::default(),
        }
    }

    /// Whether a connection serves any number of requests.
    #[must_use]
    pub fn keep_open(mut self, keep_open: bool) -> Self {
        self.keep_open = keep_open;
        self
    }

    /// Limits the header and content of a request together, in bytes.
    #[must_use]
    pub fn max_message(mut self, max_message: usize) -> Self {
        self.max_message = max_message;
        self
    }
}

/// A request that was understood.
#[derive(Debug)]
pub struct Request<'a> {
    /// What its header said.
    pub header: &'a Header,
    /// Its content.
    pub content: Content<'a>,
}

/// What a search finds: values and their replies, encoded once.
#[derive(Debug, Clone)]
pub struct Entries(Arc<HashMap<String, Arc<[u8]>>>);

impl Entries {
    /// The tutorial's three.
    pub fn built_in() -> Self {
        Entries::collect([
            ("morpheus", "Follow the white rabbit. \u{1f430}"),
            (
                "ring",
                "In the caves beneath the Misty Mountains. \u{1f48d}",
            ),
            ("\u{1f436}", "\u{1f43e} Playing ball! \u{1f3d0}"),
        ])
    }

    /// Reads a JSON object of strings; the error says what else it is.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let value = parse_json(text).map_err(|why| why.to_string())?;
        let Value::Object(members) = &value else {
            return Err(format!("{}, not an object", json_kind(&value)));
        };
        let mut pairs = Vec::with_capacity(members.len());
        for (key, value) in members {
            let Value::Str(text) = value else {
                let what = json_kind(value);
                return Err(format!("the entry '{key}' is {what}, not a string"));
            };
            pairs.push((key.as_ref(), text.as_ref()));
        }
        Ok(Entries::collect(pairs))
    }

    fn collect<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let encode = |(value, result): (&str, &str)| {
            let mut reply = Vec::new();
            encode_json_reply(result, &mut reply);
            (value.to_owned(), Arc::from(reply))
        };
        Entries(Arc::new(pairs.into_iter().map(encode).collect()))
    }
}

fn json_kind(value: &Value<'_>) -> String {
    match value {
        Value::Null => "JSON null".to_owned(),
        value => format!("a JSON {}", value.kind()),
    }
}

/// What the server remembers of a connection.
#[derive(Debug)]
pub struct Session {
    deframer: Deframer,
    /// The last reply was given; what still comes is of no interest.
    over: bool,
}

/// A stored reply over this size is shared and not copied.
const SHARE_FROM: usize = 16 * 1024;

/// How much of a binary request is sent back.
const ECHOED: usize = 10;

impl Service for App {
    type Session = Session;

    fn open(&mut self) -> Session {
        Session {
            deframer: Deframer::new(self.max_message),
            over: false,
        }
    }

    fn handle_input<'i>(
        &mut self,
        session: &mut Session,
        input: &mut &'i [u8],
        out: &mut Vec<u8>,
        log: &mut dyn Log,
    ) -> Step<'i> {
        if session.over {
            *input = &[];
            return Step::NeedInput;
        }
        if let Some(reply) = self.last.to(input, session, log) {
            out.extend_from_slice(reply);
            return self.answered(session, None);
        }
        let start = out.len();
        let answered = match session.deframer.next(input, &mut self.headers) {
            Ok(None) => return Step::NeedInput,
            Ok(Some(message)) => {
                let answered = answer(&self.entries, &message, out, log);
                if let Ok(None) = answered {
                    self.last.remember(message.wire, &out[start..]);
                }
                answered
            }
            Err(error) => Err(error),
        };
        let shared = match answered {
            Ok(shared) => shared,
            Err(error) => {
                session.refuse(&error.to_string(), out, log);
                return Step::Refuse;
            }
        };
        self.answered(session, shared)
    }

    fn handle_end(&mut self, session: &mut Session, out: &mut Vec<u8>, log: &mut dyn Log) {
        if let (false, Err(cut)) = (session.over, session.deframer.finish()) {
            session.refuse(&format!("the connection ended: {cut}"), out, log);
        }
    }

    fn handle_timeout(&mut self, session: &mut Session, out: &mut Vec<u8>, log: &mut dyn Log) {
        if let (false, Err(cut)) = (session.over, session.deframer.finish()) {
            let reason = format!("the request was not complete in time: {cut}");
            session.refuse(&reason, out, log);
        }
    }

    fn in_message(&self, session: &Session) -> bool {
        !session.over && session.deframer.in_message()
    }

    fn so_far(&self, session: &Session) -> Option<String> {
        session.deframer.finish().err().map(|cut| cut.to_string())
    }

    fn buffered(&self, session: &Session) -> usize {
        session.deframer.memory()
    }
}

impl App {
    /// A request was answered; is it the connection's last?
    fn answered<'i>(&self, session: &mut Session, shared: Option<Arc<[u8]>>) -> Step<'i> {
        session.over = !self.keep_open;
        match (shared, self.keep_open) {
            (None, true) => Step::Sent,
            (None, false) => Step::Close,
            (Some(reply), true) => Step::Shared(reply),
            (Some(reply), false) => Step::SharedThenClose(reply),
        }
    }
}

/// The last request that was answered, and its answer.
///
/// Entries never change and no answer depends on what came before, so the same bytes have the same
/// answer. Many clients ask the same thing again and again: comparing is five times cheaper than
/// reading.
#[derive(Debug, Clone, Default)]
struct LastAnswer {
    request: Vec<u8>,
    reply: Vec<u8>,
}

/// Longer requests and replies are not remembered.
const REMEMBERED: usize = 1024;

impl LastAnswer {
    /// Takes the same request off the front of `input`, if it stands there whole, and gives the
    /// answer.
    fn to(&self, input: &mut &[u8], session: &Session, log: &dyn Log) -> Option<&[u8]> {
        if self.request.is_empty() || session.deframer.in_message() || log.wants_messages() {
            return None;
        }
        *input = input.strip_prefix(&self.request[..])?;
        Some(&self.reply)
    }

    fn remember(&mut self, request: &[u8], reply: &[u8]) {
        if request.len() <= REMEMBERED && reply.len() <= REMEMBERED {
            self.request.clear();
            self.request.extend_from_slice(request);
            self.reply.clear();
            self.reply.extend_from_slice(reply);
        }
    }
}

impl Session {
    /// Answers that the request cannot be accepted; it is the last answer.
    #[cold]
    fn refuse(&mut self, reason: &str, out: &mut Vec<u8>, log: &mut dyn Log) {
        self.over = true;
        log.note(&Note::Fault(reason));
        let start = out.len();
        encode_json_reply(&format!("Error: {reason}"), out);
        tell_sending(&out[start..], log);
    }
}

/// Appends the answer to a request, or gives the stored one that is too large to copy.
fn answer(
    entries: &Entries,
    message: &Message<'_>,
    out: &mut Vec<u8>,
    log: &mut dyn Log,
) -> Result<Option<Arc<[u8]>>, MessageError> {
    let content = message.decode()?;
    let request = Request {
        header: &message.header,
        content,
    };
    if log.wants_messages() {
        log.note(&Note::AppRequest(&request));
    }
    let start = out.len();
    match &request.content {
        Content::Binary(bytes) => {
            let first = &bytes[..bytes.len().min(ECHOED)];
            encode_binary_reply(&[b"First 10 bytes of request: ", first].concat(), out);
        }
        Content::Json(value) => {
            if let Some(shared) = answer_json(entries, value, out) {
                tell_sending(&shared, log);
                return Ok(Some(shared));
            }
        }
    }
    tell_sending(&out[start..], log);
    Ok(None)
}

/// The answer to a JSON request: what its action asks for, or what is wrong with it.
fn answer_json(entries: &Entries, request: &Value<'_>, out: &mut Vec<u8>) -> Option<Arc<[u8]>> {
    if !matches!(request, Value::Object(_)) {
        let what = json_kind(request);
        let result = format!("Error: the request is {what}, not an object");
        encode_json_reply(&result, out);
        return None;
    }
    let action = request.get("action").unwrap_or(&Value::Null);
    if action.as_str() != Some("search") {
        let result = format!("Error: invalid action '{}'.", action.py_str());
        encode_json_reply(&result, out);
        return None;
    }
    let value = request.get("value").unwrap_or(&Value::Null);
    match value.as_str().and_then(|text| entries.0.get(text)) {
        Some(reply) if reply.len() > SHARE_FROM => return Some(Arc::clone(reply)),
        Some(reply) => out.extend_from_slice(reply),
        None => encode_json_reply(&format!("No match for '{}'.", value.py_str()), out),
    }
    None
}

fn tell_sending(message: &[u8], log: &mut dyn Log) {
    if log.wants_messages() {
        log.note(&Note::Sending(message));
    }
}

#[cfg(test)]
#[path = "app_tests.rs"]
mod tests;

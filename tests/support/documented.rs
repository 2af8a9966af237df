//! JSON output held against its documentation, wherever a test meets some.

use std::sync::OnceLock;

use serde_json::Value;

use super::schema::{Book, Seen};

/// Longer texts are not read: they are long because of many like rows.
const MOST_BYTES: usize = 1_000_000;

/// The documents at the start of a text that are looked at; the last one is too.
const MOST: usize = 200;

/// Fails if a text is JSON of ours with a key that sockdoc-json(5) does not have, or without one that it has.
#[track_caller]
pub fn check(text: &[u8]) {
    static BOOK: OnceLock<Book> = OnceLock::new();
    if !text.starts_with(b"{\"schema\":\"sockdoc.") || text.len() > MOST_BYTES {
        return;
    }
    let book = BOOK.get_or_init(Book::open);
    // What was cut when its reader or writer ended is not a document.
    let values = serde_json::Deserializer::from_slice(text).into_iter::<Value>();
    let values: Vec<Value> = values.map_while(Result::ok).collect();
    let mut name = "";
    for (at, value) in values.iter().enumerate() {
        name = value["schema"].as_str().unwrap_or(name);
        if at >= MOST && at + 1 < values.len() {
            continue;
        }
        if let Err(complaint) = book.check(name, value, &mut Seen::new()) {
            panic!("not as in tests/man/json: {complaint}");
        }
    }
}

//! A reader of JSON in Python's dialect: what `json.load` accepts is accepted, with the same
//! result, and nothing else.
//!
//! So `NaN`, `Infinity` and `-Infinity` are numbers, integers have any size, and of a key that
//! stands twice the last value counts, at the place of the first. There are three differences,
//! all on input with which the tutorial's server dies or that no JSON writer makes: a lone
//! surrogate (`"\ud800"`) is an error here, since it cannot be sent as UTF-8 again; nesting is
//! limited to [`MAX_DEPTH`] and not by the interpreter's stack; and an integer of more than 4300
//! digits is kept, where Python refuses to convert it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use super::value::Value;

/// How deep lists and objects may be nested.
pub const MAX_DEPTH: usize = 500;

/// Reads a whole text that must be one JSON value.
pub fn parse(text: &str) -> Result<Value<'_>, JsonError> {
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        at: 0,
    };
    reader.document().map_err(|fault| fault.locate(text))
}

/// Why a text is not JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    reason: &'static str,
    line: usize,
    column: usize,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let JsonError {
            reason,
            line,
            column,
        } = self;
        write!(f, "{reason} at line {line} column {column}")
    }
}

impl std::error::Error for JsonError {}

/// A reason and a byte offset: what the reader carries, so that its results stay small.
#[derive(Debug)]
struct Fault {
    reason: &'static str,
    at: usize,
}

impl Fault {
    /// Line and column count characters from 1, as Python's do.
    #[cold]
    fn locate(self, text: &str) -> JsonError {
        let before = text.get(..self.at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        JsonError {
            reason: self.reason,
            line: before.bytes().filter(|&byte| byte == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

type Read<T> = Result<T, Fault>;

/// A key and its value.
type Member<'a> = (Cow<'a, str>, Value<'a>);

/// The reader. The invariant: `at` is on a character boundary and never past the end.
struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Read<Value<'a>> {
        if self.text.starts_with('\u{feff}') {
            return self.fail("a byte order mark is not JSON");
        }
        self.skip_space();
        let mut value = Value::Null;
        self.value(0, &mut value)?;
        self.skip_space();
        if self.at < self.bytes.len() {
            return self.fail("extra data after the value");
        }
        Ok(value)
    }

    /// Reads a value to where it will stay: a result with a value in it would be copied at each
    /// level, which costs more than all the rest.
    fn value(&mut self, depth: usize, place: &mut Value<'a>) -> Read<()> {
        *place = match self.peek() {
            Some(b'"') => Value::Str(self.string()?),
            Some(b'{') => Value::Object(self.object(depth)?),
            Some(b'[') => Value::List(self.list(depth)?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'n') => self.word("null", Value::Null)?,
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            Some(b'N') => self.word("NaN", Value::Float(f64::NAN))?,
            Some(b'I') => self.word("Infinity", Value::Float(f64::INFINITY))?,
            _ => return self.fail("expected a value"),
        };
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Read<Vec<Member<'a>>> {
        self.descend(depth)?;
        let mut members = Vec::new();
        if self.eat(b'}') {
            return Ok(members);
        }
        loop {
            if self.peek() != Some(b'"') {
                return self.fail("expected a key in double quotes");
            }
            let key = self.string()?;
            self.skip_space();
            if !self.eat(b':') {
                return self.fail("expected ':'");
            }
            self.skip_space();
            let mut value = Value::Null;
            self.value(depth + 1, &mut value)?;
            members.push((key, value));
            self.skip_space();
            if self.eat(b'}') {
                return Ok(unique(members));
            }
            if !self.eat(b',') {
                return self.fail("expected ',' or '}'");
            }
            self.skip_space();
        }
    }

    fn list(&mut self, depth: usize) -> Read<Vec<Value<'a>>> {
        self.descend(depth)?;
        let mut items = Vec::new();
        if self.eat(b']') {
            return Ok(items);
        }
        loop {
            let mut value = Value::Null;
            self.value(depth + 1, &mut value)?;
            items.push(value);
            self.skip_space();
            if self.eat(b']') {
                return Ok(items);
            }
            if !self.eat(b',') {
                return self.fail("expected ',' or ']'");
            }
            self.skip_space();
        }
    }

    /// Steps over the opening bracket.
    fn descend(&mut self, depth: usize) -> Read<()> {
        if depth >= MAX_DEPTH {
            return self.fail("nested too deep");
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    fn number(&mut self) -> Read<Value<'a>> {
        let start = self.at;
        if self.eat(b'-') && self.peek() == Some(b'I') {
            return self.word("Infinity", Value::Float(f64::NEG_INFINITY));
        }
        // A leading zero stands alone: in `01` the 1 is extra data.
        if !self.eat(b'0') && self.digits() == 0 {
            self.at = start;
            return self.fail("expected a value");
        }
        let integer_end = self.at;
        if self.eat(b'.') && self.digits() == 0 {
            self.at = integer_end;
        }
        let mantissa_end = self.at;
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            if self.digits() == 0 {
                self.at = mantissa_end;
            }
        }
        let digits = &self.text[start..self.at];
        if self.at == integer_end {
            return Ok(Value::Int(Cow::Borrowed(digits)));
        }
        match digits.parse() {
            Ok(number) => Ok(Value::Float(number)),
            Err(_) => self.fail("expected a value"),
        }
    }

    /// Steps over digits and says how many there were.
    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn word(&mut self, word: &'static str, value: Value<'a>) -> Read<Value<'a>> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            self.fail("expected a value")
        }
    }

    /// A string, from its opening quote on.
    fn string(&mut self) -> Read<Cow<'a, str>> {
        self.at += 1;
        let start = self.at;
        self.plain_run();
        if self.peek() == Some(b'"') {
            let text = &self.text[start..self.at];
            self.at += 1;
            return Ok(Cow::Borrowed(text));
        }
        let mut owned = String::from(&self.text[start..self.at]);
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(owned));
                }
                Some(b'\\') => owned.push(self.escape()?),
                Some(_) => return self.fail("a control character in a string"),
                None => {
                    self.at = start - 1;
                    return self.fail("a string without an end");
                }
            }
            let start = self.at;
            self.plain_run();
            owned.push_str(&self.text[start..self.at]);
        }
    }

    /// Steps to the next quote, backslash or control character, all of which are ASCII.
    fn plain_run(&mut self) {
        let rest = &self.bytes[self.at..];
        self.at += rest
            .iter()
            .position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20)
            .unwrap_or(rest.len());
    }

    /// One escape, from its backslash on.
    fn escape(&mut self) -> Read<char> {
        let plain = match self.bytes.get(self.at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return self.fail("an escape that JSON does not have"),
        };
        self.at += 2;
        Ok(plain)
    }

    /// `\uXXXX`, or two of them that are a surrogate pair.
    fn unicode_escape(&mut self) -> Read<char> {
        const LONE: &str = "a lone surrogate in a \\u escape";
        let Some(first) = self.code_unit(self.at) else {
            return self.fail("expected four hexadecimal digits after \\u");
        };
        let mut length = 6;
        let mut code = u32::from(first);
        if (0xd800..0xdc00).contains(&code) {
            let Some(low @ 0xdc00..0xe000) = self.code_unit(self.at + 6) else {
                return self.fail(LONE);
            };
            code = 0x1_0000 + ((code - 0xd800) << 10) + (u32::from(low) - 0xdc00);
            length = 12;
        }
        let Some(character) = char::from_u32(code) else {
            return self.fail(LONE);
        };
        self.at += length;
        Ok(character)
    }

    /// The value of the `\uXXXX` that stands at `at`.
    fn code_unit(&self, at: usize) -> Option<u16> {
        let digits = self.bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |code: u16, &digit| {
            let value = char::from(digit).to_digit(16)?;
            u16::try_from(value).ok().map(|value| code << 4 | value)
        })
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    #[cold]
    fn fail<T>(&self, reason: &'static str) -> Read<T> {
        Err(Fault {
            reason,
            at: self.at,
        })
    }
}

/// Up to this many members are compared each with each; more are hashed, so that a hostile object
/// stays linear.
const FEW: usize = 8;

/// Keeps the last value of each key, at the place of its first.
fn unique(members: Vec<Member<'_>>) -> Vec<Member<'_>> {
    if members.len() <= FEW && all_differ(&members) {
        return members;
    }
    let mut places: HashMap<Cow<'_, str>, usize> = HashMap::with_capacity(members.len());
    let mut kept: Vec<Member<'_>> = Vec::with_capacity(members.len());
    for (key, value) in members {
        if let Some(&place) = places.get(&key) {
            kept[place].1 = value;
        } else {
            places.insert(key.clone(), kept.len());
            kept.push((key, value));
        }
    }
    kept
}

fn all_differ(members: &[Member<'_>]) -> bool {
    members
        .iter()
        .enumerate()
        .all(|(index, (key, _))| members[..index].iter().all(|(other, _)| other != key))
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;

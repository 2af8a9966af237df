//! Rust source as tokens: enough to find paths, and never fooled by a comment or a literal.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An identifier or a keyword, without `r#`.
    Word,
    /// A string (its text is what stands between the quotes), a character or a number.
    Literal,
    /// `::`, or one character of punctuation.
    Mark,
}

/// A token and the line where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) line: usize,
}

impl Token {
    pub(super) fn is(&self, text: &str) -> bool {
        self.kind != Kind::Literal && self.text == text
    }

    pub(super) fn is_word(&self) -> bool {
        self.kind == Kind::Word
    }
}

/// All tokens of a source text; comments are none.
pub(super) fn read(source: &str) -> Vec<Token> {
    let mut reader = Reader {
        rest: source,
        line: 1,
        tokens: Vec::new(),
    };
    while reader.step() {}
    reader.tokens
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
}

impl Reader<'_> {
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else {
            return false;
        };
        if self.rest.starts_with("//") {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.skip(end);
        } else if self.rest.starts_with("/*") {
            let end = block_comment(self.rest);
            self.skip(end);
        } else if let Some((open, close, end)) = string(self.rest) {
            self.push(Kind::Literal, open..close, end);
        } else if first == '\'' {
            let end = character_or_lifetime(self.rest);
            self.push(Kind::Literal, 0..end, end);
        } else if first.is_ascii_digit() {
            let end = word_end(self.rest);
            self.push(Kind::Literal, 0..end, end);
        } else if is_word(first) {
            let start = match self.rest.strip_prefix("r#") {
                Some(raw) if raw.starts_with(is_word) => 2,
                _ => 0,
            };
            let end = start + word_end(&self.rest[start..]);
            self.push(Kind::Word, start..end, end);
        } else if first.is_whitespace() {
            self.skip(first.len_utf8());
        } else {
            let end = if self.rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            self.push(Kind::Mark, 0..end, end);
        }
        true
    }

    fn push(&mut self, kind: Kind, text: std::ops::Range<usize>, end: usize) {
        self.tokens.push(Token {
            kind,
            text: self.rest[text].to_owned(),
            line: self.line,
        });
        self.skip(end);
    }

    fn skip(&mut self, end: usize) {
        let (skipped, rest) = self.rest.split_at(end);
        self.line += skipped.matches('\n').count();
        self.rest = rest;
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn word_end(text: &str) -> usize {
    text.find(|c| !is_word(c)).unwrap_or(text.len())
}

/// Where a block comment ends; comments nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// A string of any kind at the front: where its content begins and ends, and where it ends.
fn string(text: &str) -> Option<(usize, usize, usize)> {
    let prefix = ["", "b", "c", "r", "br", "cr"].into_iter().find(|prefix| {
        text.strip_prefix(prefix).is_some_and(|rest| {
            let hashes = if prefix.ends_with('r') { '#' } else { '"' };
            rest.trim_start_matches(hashes).starts_with('"') || rest.starts_with('"')
        })
    })?;
    let rest = &text[prefix.len()..];
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let open = prefix.len() + hashes + 1;
    if prefix.ends_with('r') {
        let closing = format!("\"{}", "#".repeat(hashes));
        let length = text[open..].find(&closing);
        let close = length.map_or(text.len(), |length| open + length);
        return Some((open, close, (close + closing.len()).min(text.len())));
    }
    let bytes = text.as_bytes();
    let mut close = open;
    while close < bytes.len() && bytes[close] != b'"' {
        close += if bytes[close] == b'\\' { 2 } else { 1 };
    }
    let close = close.min(text.len());
    Some((open, close, (close + 1).min(text.len())))
}

/// `'a'`, `'\''`, `'\u{1f430}'`, or the lifetime `'a`.
fn character_or_lifetime(text: &str) -> usize {
    let mut inside = text[1..].chars();
    match inside.next() {
        Some('\\') => text[3..].find('\'').map_or(text.len(), |at| 3 + at + 1),
        Some(c) if inside.next() == Some('\'') => 1 + c.len_utf8() + 1,
        _ => 1 + word_end(&text[1..]),
    }
}

//! Words of a command line as the tokens of the filter language.

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Open,
    Close,
    And,
    Or,
    Not,
    Compare(Compare),
    Key(Key),
    /// Anything else: bytes, since the name of a Unix socket may be any.
    Word(Vec<u8>),
}

/// How a port is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A word of ss that a value follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Sport,
    Dport,
    Src,
    Dst,
    State,
    Exclude,
    Dev,
}

const KEYS: [(&str, Key); 7] = [
    ("sport", Key::Sport),
    ("dport", Key::Dport),
    ("src", Key::Src),
    ("dst", Key::Dst),
    ("state", Key::State),
    ("exclude", Key::Exclude),
    ("dev", Key::Dev),
];

/// The longer ones first, so that no shorter one is read at the start of a longer one.
const COMPARES: [(&str, Compare); 7] = [
    ("==", Compare::Equal),
    ("!=", Compare::NotEqual),
    ("<=", Compare::LessOrEqual),
    (">=", Compare::GreaterOrEqual),
    ("=", Compare::Equal),
    ("<", Compare::Less),
    (">", Compare::Greater),
];

const COMPARE_WORDS: [(&str, Compare); 9] = [
    ("eq", Compare::Equal),
    ("ne", Compare::NotEqual),
    ("neq", Compare::NotEqual),
    ("lt", Compare::Less),
    ("le", Compare::LessOrEqual),
    ("leq", Compare::LessOrEqual),
    ("gt", Compare::Greater),
    ("ge", Compare::GreaterOrEqual),
    ("geq", Compare::GreaterOrEqual),
];

impl Key {
    /// The word.
    pub(super) fn name(self) -> &'static str {
        let found = KEYS.iter().find(|(_, key)| *key == self);
        found.map_or("", |(name, _)| name)
    }
}

impl Token {
    /// As it may be typed.
    pub(super) fn text(&self) -> String {
        match self {
            Token::Open => "(".to_owned(),
            Token::Close => ")".to_owned(),
            Token::And => "and".to_owned(),
            Token::Or => "or".to_owned(),
            Token::Not => "not".to_owned(),
            Token::Compare(compare) => {
                let found = COMPARES.iter().find(|(_, known)| known == compare);
                found.map_or("", |(sign, _)| sign).to_owned()
            }
            Token::Key(key) => key.name().to_owned(),
            Token::Word(word) => String::from_utf8_lossy(word).into_owned(),
        }
    }
}

/// The tokens of these words. A word with blanks in it is several tokens if one of them is not a plain word
/// (`'sport = :22'`), and otherwise one: the names of processes and sockets may have blanks.
pub(super) fn tokens(words: &[&[u8]]) -> Vec<Token> {
    let mut tokens = Vec::new();
    for word in words {
        let Ok(text) = std::str::from_utf8(word) else {
            tokens.push(Token::Word(word.to_vec()));
            continue;
        };
        let mut parts = tokens.clone();
        text.split_whitespace()
            .for_each(|part| split(part, &mut parts));
        let plain = |token: &Token| matches!(token, Token::Word(_));
        let has_blanks = text.contains(char::is_whitespace);
        // A path stays whole.
        if text.is_empty()
            || text.starts_with(['/', '@'])
            || (has_blanks && parts[tokens.len()..].iter().all(plain))
        {
            tokens.push(Token::Word(word.to_vec()));
        } else {
            tokens = parts;
        }
    }
    tokens
}

/// Appends the tokens of a part without blanks.
fn split(part: &str, tokens: &mut Vec<Token>) {
    let after_key = matches!(tokens.last(), Some(Token::Key(_)));
    let after_compare = matches!(tokens.last(), Some(Token::Compare(_)));
    if after_key {
        let word = COMPARE_WORDS.iter().find(|(name, _)| *name == part);
        let sign = COMPARES.iter().find(|(sign, _)| part.starts_with(sign));
        if let Some((name, compare)) = word.or(sign) {
            tokens.push(Token::Compare(*compare));
            if part.len() > name.len() {
                split(&part[name.len()..], tokens);
            }
            return;
        }
    }
    let opened = tokens.iter().filter(|token| **token == Token::Open).count();
    let closed = tokens
        .iter()
        .filter(|token| **token == Token::Close)
        .count();
    if let Some(front) = part
        .strip_suffix(')')
        .filter(|_| opened > closed || part == ")")
    {
        if !front.is_empty() {
            split(front, tokens);
        }
        tokens.push(Token::Close);
        return;
    }
    if !after_key && !after_compare {
        for (sign, token) in [("(", Token::Open), ("!", Token::Not)] {
            if let Some(rest) = part.strip_prefix(sign) {
                tokens.push(token);
                if !rest.is_empty() {
                    split(rest, tokens);
                }
                return;
            }
        }
        for (name, key) in KEYS {
            let Some(rest) = part.strip_prefix(name) else {
                continue;
            };
            if rest.is_empty() || rest.starts_with(['=', '!', '<', '>']) {
                tokens.push(Token::Key(key));
                if !rest.is_empty() {
                    split(rest, tokens);
                }
                return;
            }
        }
        let joint = match part {
            "and" | "AND" | "&&" | "&" => Some(Token::And),
            "or" | "OR" | "||" | "|" => Some(Token::Or),
            "not" | "NOT" => Some(Token::Not),
            _ => None,
        };
        if let Some(joint) = joint {
            tokens.push(joint);
            return;
        }
    }
    tokens.push(Token::Word(part.as_bytes().to_vec()));
}

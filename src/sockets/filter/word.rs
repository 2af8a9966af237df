//! How what is asked for is written.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::{AddressMatch, Host, Network, PortRange, ProcessMatch, Scope, UnixName};

/// A word without a flag: its form decides its meaning.
#[derive(Debug, Clone)]
pub enum Word {
    /// `:8080`, `8080`, `:8000-8010`: a port at either end.
    Ports(PortRange),
    /// An address at either end.
    Address(AddressMatch),
    /// Anything else: a part of the name of a process.
    Process(ProcessMatch),
}

/// What is wrong with a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordError {
    /// The word.
    pub word: String,
    /// Which of its bytes are wrong.
    pub at: Range<usize>,
    /// Why, as text.
    pub what: String,
}

impl Word {
    /// Reads a word. One that looks like an address but is invalid is an error, not a process.
    pub fn parse(word: &str) -> Result<Word, WordError> {
        if word.is_empty() {
            return Err(WordError::new(word, 0..0, "an empty word asks for nothing"));
        }
        let bare = word.strip_prefix(':').unwrap_or(word);
        let is_port = bare.starts_with(|c: char| c.is_ascii_digit())
            && bare
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'-');
        if is_port {
            return port_range(word, word.len() - bare.len()).map(Word::Ports);
        }
        if looks_like_address(word) {
            return AddressMatch::parse(word).map(Word::Address);
        }
        if let Some((name, port)) = word.rsplit_once(':')
            && is_host_name(name)
            && !port.is_empty()
            && port.bytes().all(|byte| byte.is_ascii_digit())
        {
            let what = "names of hosts are not looked up here: give an address";
            return Err(WordError::new(word, 0..name.len(), what));
        }
        Ok(Word::Process(ProcessMatch::name(word)))
    }
}

impl AddressMatch {
    /// Reads an address: `ADDR`, `ADDR/N`, `ADDR:PORT`, `ADDR/N:PORT`, `:PORT`, `PORT`, each with
    /// `PORT-PORT` or `*` for the port; `[V6]:PORT`, `V6`, `V6/N`, `[V6/N]:PORT`; `ADDR%INTERFACE`;
    /// `*` for any address, `localhost` for the loopback ones; `/path` (a Unix socket, or those
    /// below a directory), `/pat*` (those that begin so), `@abstract`, `@abs*`; a Unix socket also
    /// with the escapes of our own output (`/run/a\nb`, `\x40path`, `@a\x00b`).
    pub fn parse(text: &str) -> Result<AddressMatch, WordError> {
        if text.is_empty() {
            return Err(WordError::new(text, 0..0, "no address: it is empty"));
        }
        if is_unix_name(text.as_bytes()) {
            return Ok(AddressMatch::Unix(unix_name(text.as_bytes())));
        }
        let (host, port) = split(text)?;
        let ports = match port {
            None => None,
            Some(at) if &text[at..] == "*" => None,
            Some(at) => Some(port_range(text, at)?),
        };
        let (host, scope) = parse_host(text, host)?;
        Ok(AddressMatch::Ip { host, scope, ports })
    }
}

impl AddressMatch {
    /// Reads an address of any bytes; what is not UTF-8 can only be the name of a Unix socket.
    pub fn of_bytes(word: &[u8]) -> Result<AddressMatch, WordError> {
        match std::str::from_utf8(word) {
            Ok(word) => AddressMatch::parse(word),
            Err(_) if is_unix_name(word) => Ok(AddressMatch::Unix(unix_name(word))),
            Err(_) => {
                let lossy = String::from_utf8_lossy(word);
                let what = "not UTF-8, and no unix path (which begins with / or @)";
                Err(WordError::new(&lossy, 0..lossy.len(), what))
            }
        }
    }
}

impl PortRange {
    /// Reads `PORT` or `PORT-PORT`, with or without a `:` in front.
    pub fn parse(text: &str) -> Result<PortRange, WordError> {
        port_range(text, usize::from(text.starts_with(':')))
    }
}

impl WordError {
    pub(super) fn new(word: &str, at: Range<usize>, what: impl Into<String>) -> WordError {
        WordError {
            word: word.to_owned(),
            at,
            what: what.into(),
        }
    }

    /// The part that is wrong.
    pub fn part(&self) -> &str {
        self.word.get(self.at.clone()).unwrap_or_default()
    }
}

impl fmt::Display for WordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, what) = (self.word.escape_debug(), &self.what);
        if self.at == (0..self.word.len()) {
            return write!(f, "\"{word}\": {what}");
        }
        let column = self.word[..self.at.start].chars().count() + 1;
        match self.part() {
            "" => write!(f, "\"{word}\", at character {column}: {what}"),
            part => {
                let part = part.escape_debug();
                write!(f, "\"{word}\", at character {column}, \"{part}\": {what}")
            }
        }
    }
}

impl std::error::Error for WordError {}

/// Whether a word can mean nothing but an address, right or wrong.
fn looks_like_address(word: &str) -> bool {
    if word == "localhost" || word.starts_with("localhost:") {
        return true;
    }
    if word.starts_with([':', '[', '*']) || is_unix_name(word.as_bytes()) {
        return true;
    }
    let head = word.split(['/', '%']).next().unwrap_or_default();
    let is_v6 = head.bytes().filter(|&byte| byte == b':').count() > 1
        && head
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
    let numbers = head.split(':').next().unwrap_or_default();
    let is_v4 = numbers.starts_with(|c: char| c.is_ascii_digit())
        && numbers
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
        && (numbers.contains('.') || word.len() > numbers.len());
    is_v6 || is_v4
}

/// Whether it can be the name of a host, which the names of programs with a `:` cannot.
fn is_host_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !name.is_empty() && name.bytes().all(is_part)
}

/// The range of the host, and the start of the port.
fn split(text: &str) -> Result<(Range<usize>, Option<usize>), WordError> {
    let end = text.len();
    if let Some(rest) = text.strip_prefix('[') {
        let Some(close) = rest.find(']').map(|at| at + 1) else {
            return Err(WordError::new(text, 0..1, "the ] is missing"));
        };
        return match text[close + 1..].chars().next() {
            None => Ok((1..close, None)),
            Some(':') => Ok((1..close, Some(close + 2))),
            Some(_) => {
                let what = "only a : and a port may follow the ]";
                Err(WordError::new(text, close + 1..end, what))
            }
        };
    }
    let mut colons = text.match_indices(':').map(|(at, _)| at);
    match (colons.next(), colons.next()) {
        (None, _) if !text.is_empty() && text.bytes().all(is_of_port) => Ok((0..0, Some(0))),
        (None, _) => Ok((0..end, None)),
        (Some(at), None) => Ok((0..at, Some(at + 1))),
        (Some(_), Some(_)) => {
            if let Some(port) = text.strip_prefix(":::") {
                let what = format!("write [::]:{port} for port {port} of the address ::");
                return Err(WordError::new(text, 0..end, what));
            }
            Ok((0..end, None))
        }
    }
}

fn is_of_port(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'-'
}

/// Reads `PORT` or `PORT-PORT`, from a place in a word to its end.
fn port_range(word: &str, start: usize) -> Result<PortRange, WordError> {
    let text = &word[start..];
    let port = |at: Range<usize>| -> Result<u16, WordError> {
        let digits = &word[at.clone()];
        if digits.is_empty() {
            return Err(WordError::new(word, at, "a port is missing"));
        }
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let what = "a port is a number, or two with a - between them";
            return Err(WordError::new(word, at, what));
        }
        let too_big = |_| WordError::new(word, at.clone(), "a port is at most 65535");
        digits.parse().map_err(too_big)
    };
    let Some(dash) = text.find('-') else {
        return port(start..word.len()).map(PortRange::one);
    };
    let first = port(start..start + dash)?;
    let last = port(start + dash + 1..word.len())?;
    if first > last {
        let what = "the first port is above the last";
        return Err(WordError::new(word, start..word.len(), what));
    }
    Ok(PortRange { first, last })
}

/// Reads `ADDR`, `ADDR/N`, `ADDR%INTERFACE`, `*`, `localhost` or nothing.
fn parse_host(text: &str, at: Range<usize>) -> Result<(Host, Option<Scope>), WordError> {
    let host = &text[at.clone()];
    let (addr, prefix) = match host.split_once('/') {
        Some((addr, _)) => (addr, Some(at.start + addr.len() + 1..at.end)),
        None => (host, None),
    };
    let (addr, scope) = match addr.split_once('%') {
        Some((addr, scope)) => (addr, Some((at.start + addr.len() + 1, scope))),
        None => (addr, None),
    };
    let scope = match scope {
        Some((at, "")) => {
            let what = "the name of an interface is missing";
            return Err(WordError::new(text, at..at, what));
        }
        Some((_, scope)) => Some(match scope.parse() {
            Ok(index) => Scope::Index(index),
            Err(_) => Scope::Name(scope.to_owned()),
        }),
        None => None,
    };
    let named = match addr {
        "" | "*" => Some(Host::Any),
        "localhost" => Some(Host::Loopback),
        _ => None,
    };
    if let Some(host) = named {
        return match prefix {
            None => Ok((host, scope)),
            Some(prefix) => {
                let what = "a prefix length needs an address";
                Err(WordError::new(text, prefix, what))
            }
        };
    }
    let addr = parse_addr(text, at.start..at.start + addr.len())?;
    let network = match prefix {
        None => Network::host(addr),
        Some(at) => parse_network(text, addr, at)?,
    };
    Ok((Host::Network(network), scope))
}

fn parse_network(text: &str, addr: IpAddr, at: Range<usize>) -> Result<Network, WordError> {
    let digits = &text[at.clone()];
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let network = if is_number {
        digits
            .parse()
            .ok()
            .and_then(|prefix| Network::new(addr, prefix))
    } else {
        None
    };
    network.ok_or_else(|| {
        let longest = if addr.is_ipv4() { 32 } else { 128 };
        let what = format!("a prefix length is a number up to {longest}");
        WordError::new(text, at, what)
    })
}

fn parse_addr(text: &str, at: Range<usize>) -> Result<IpAddr, WordError> {
    let addr = &text[at.clone()];
    if addr.contains(':') {
        return addr.parse::<Ipv6Addr>().map(IpAddr::V6).map_err(|_| {
            let what = "no IPv6 address; with a port it is written [ADDRESS]:PORT";
            WordError::new(text, at, what)
        });
    }
    if let Ok(addr) = addr.parse::<Ipv4Addr>() {
        return Ok(IpAddr::V4(addr));
    }
    let is_v4 = addr
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !is_v4 {
        let what = "no address; names of hosts are not looked up here";
        return Err(WordError::new(text, at, what));
    }
    if addr.split('.').count() != 4 {
        let what = "an IPv4 address has four numbers";
        return Err(WordError::new(text, at, what));
    }
    let mut start = at.start;
    for part in addr.split('.') {
        let this = start..start + part.len();
        let what = match part.parse::<u32>() {
            Ok(0..=255) if part.len() > 1 && part.starts_with('0') => {
                "a part of an IPv4 address has no 0 in front"
            }
            Ok(0..=255) => {
                start += part.len() + 1;
                continue;
            }
            _ if part.is_empty() => "a number is missing",
            _ => "a part of an IPv4 address is at most 255",
        };
        return Err(WordError::new(text, this, what));
    }
    Err(WordError::new(text, at, "no IPv4 address"))
}

/// Whether a word is the name of a Unix socket, as our output may write it.
fn is_unix_name(word: &[u8]) -> bool {
    // This escape distinguishes a path that begins with an `@` from an abstract name.
    word.starts_with(b"/") || word.starts_with(b"@") || word.starts_with(b"\\x40")
}

/// `@` stands for the NUL in front of an abstract name, a `*` at the end for anything.
fn unix_name(text: &[u8]) -> UnixName {
    let (text, is_prefix) = match text.strip_suffix(b"*") {
        Some(front) => (front, true),
        None => (text, text == b"@"),
    };
    let as_name = |mut name: Vec<u8>| {
        if let Some(first) = name.first_mut().filter(|_| text.starts_with(b"@")) {
            *first = 0;
            // The whole `sun_path` that programs give counts without the NULs after it.
            let end = name.iter().rposition(|&byte| byte != 0).unwrap_or(0);
            name.truncate(end + 1);
        }
        name
    };
    UnixName {
        name: as_name(text.to_vec()),
        unescaped: text.contains(&b'\\').then(|| as_name(unescaped(text))),
        is_prefix,
    }
}

/// Reads the escapes that our output writes; everything else is unchanged.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        let read = (*first == b'\\').then(|| escape(behind)).flatten();
        if let Some((bytes, length)) = read {
            out.extend(bytes);
            rest = &behind[length..];
        } else {
            out.push(*first);
            rest = behind;
        }
    }
    out
}

/// The bytes of the escape whose text, after the backslash, begins here, and how long
/// that text is.
fn escape(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let hex = |digits: &[u8]| {
        let digits = std::str::from_utf8(digits).ok()?;
        let all = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        u32::from_str_radix(digits, 16).ok().filter(|_| all)
    };
    match text {
        [b'n', ..] => Some((vec![b'\n'], 1)),
        [b'r', ..] => Some((vec![b'\r'], 1)),
        [b't', ..] => Some((vec![b'\t'], 1)),
        [b'0', ..] => Some((vec![0], 1)),
        [b'\\', ..] => Some((vec![b'\\'], 1)),
        [b'x', high, low, ..] => {
            let byte = u8::try_from(hex(&[*high, *low])?).ok()?;
            Some((vec![byte], 3))
        }
        [b'u', b'{', digits @ ..] => {
            let length = digits.iter().take(7).position(|&byte| byte == b'}')?;
            let c = char::from_u32(hex(&digits[..length])?)?;
            Some((c.to_string().into_bytes(), length + 3))
        }
        _ => None,
    }
}

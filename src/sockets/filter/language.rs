//! The filter language: plain words, and the expressions of ss(8).
//!
//! ```text
//! filter = all { "or" all }
//! all    = factor { ["and"] factor }
//! factor = "not" factor | "(" filter ")" | predicate | word
//! predicate = ("sport" | "dport") [COMPARE] PORTS | ("src" | "dst") [COMPARE] ADDRESS
//!           | "state" STATES | "exclude" STATES | "dev" [COMPARE] INTERFACE
//! word   = KEY:VALUE | PORTS | ADDRESS | STATE | PROTOCOL | SERVICE | anything else: a process
//! ```
//!
//! Words side by side are joined as those of a [`Filter`] are: those of one kind are alternatives. With `and`
//! between them, both must hold.

use super::token::{Compare, Key, Token, tokens};
use super::{
    AddressMatch, Expression, Filter, GroupMatch, Host, PortRange, ProcessMatch, Scope, StateSet,
    Word, WordError,
};
use crate::sockets::{Family, Proto};

/// What only the host knows.
#[derive(Clone, Copy)]
pub struct LookUp<'a> {
    /// The port of a service.
    pub service: &'a dyn Fn(&str) -> Option<u16>,
    /// The number of a user.
    pub user: &'a dyn Fn(&str) -> Option<u32>,
}

/// Parentheses and `not` are read this deep.
const DEEPEST: usize = 50;

/// Reads the words of a command line.
///
/// # Errors
/// With the word that cannot be read, and why.
pub fn read(words: &[&[u8]], look_up: LookUp<'_>) -> Result<Filter, WordError> {
    let mut reader = Reader {
        tokens: tokens(words),
        at: 0,
        depth: 0,
        look_up,
    };
    let mut filter = Filter::default();
    if reader.tokens.is_empty() {
        return Ok(filter);
    }
    let expression = reader.any()?;
    if let Some(token) = reader.peek() {
        return Err(whole(&token.text(), "it closes no ("));
    }
    filter.add_test(expression);
    Ok(filter)
}

/// Ports: `22`, `:22`, `8000-8010`, the name of a service, or several with commas between them.
///
/// # Errors
/// When one of the words has none of these forms.
pub fn ports(
    text: &str,
    service: &dyn Fn(&str) -> Option<u16>,
) -> Result<Vec<PortRange>, WordError> {
    let one = |part: &str| {
        let bare = part.strip_prefix("*:").unwrap_or(part);
        let bare = bare.strip_prefix(':').unwrap_or(bare);
        match service(bare) {
            Some(port) => Ok(PortRange::one(port)),
            None if bare.starts_with(|c: char| c.is_ascii_digit()) => PortRange::parse(bare),
            None => Err(whole(part, "not a port, a range PORT-PORT or a service")),
        }
    };
    text.split(',').map(one).collect()
}

/// The protocols, and the family, that a word names: `tcp`, `udp6`, `unix`.
pub fn protocols(word: &str) -> Option<(Vec<Proto>, Option<Family>)> {
    let word = word.to_ascii_lowercase();
    let (bare, family) = match (word.strip_suffix('4'), word.strip_suffix('6')) {
        (Some(bare), _) => (bare, Some(Family::Inet)),
        (_, Some(bare)) => (bare, Some(Family::Inet6)),
        _ => (&*word, None),
    };
    let protos = match bare {
        "unix" => vec![Proto::UnixStr, Proto::UnixDgr, Proto::UnixSeq],
        "icmp" => vec![Proto::Ping],
        name => vec![Proto::ALL.into_iter().find(|proto| proto.name() == name)?],
    };
    let fits = family.is_none() || protos.iter().all(|proto| proto.is_internet());
    fits.then_some((protos, family))
}

struct Reader<'a> {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    look_up: LookUp<'a>,
}

enum Factor {
    /// A word that stands for itself: one more alternative of its kind.
    Plain(Box<Filter>),
    Test(Expression),
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += 1;
        token
    }

    fn takes(&mut self, token: &Token) -> bool {
        let is_it = self.peek() == Some(token);
        self.at += usize::from(is_it);
        is_it
    }

    fn any(&mut self) -> Result<Expression, WordError> {
        let first = self.all()?;
        if self.peek() != Some(&Token::Or) {
            return Ok(first);
        }
        let mut list = vec![first];
        while self.takes(&Token::Or) {
            list.push(self.all()?);
        }
        Ok(Expression::Any(list))
    }

    fn all(&mut self) -> Result<Expression, WordError> {
        let mut list = Vec::new();
        let mut run: Option<Filter> = None;
        let is = |filter| Expression::Is(Box::new(filter));
        loop {
            match self.factor()? {
                Factor::Plain(filter) => run.get_or_insert_default().merge(*filter),
                Factor::Test(test) => {
                    list.extend(run.take().map(is));
                    list.push(test);
                }
            }
            if self.takes(&Token::And) {
                list.extend(run.take().map(is));
                continue;
            }
            if matches!(self.peek(), None | Some(Token::Or | Token::Close)) {
                break;
            }
        }
        list.extend(run.take().map(is));
        Ok(match <[Expression; 1]>::try_from(list) {
            Ok([one]) => one,
            Err(list) => Expression::All(list),
        })
    }

    fn factor(&mut self) -> Result<Factor, WordError> {
        self.depth += 1;
        let found = match self.take() {
            Some(token) if self.depth > DEEPEST => Err(whole(&token.text(), "nested too deeply")),
            Some(Token::Not) => match self.factor()? {
                Factor::Plain(filter) => Ok(Expression::Is(filter)),
                Factor::Test(test) => Ok(test),
            }
            .map(|test| Factor::Test(Expression::Not(Box::new(test)))),
            Some(Token::Open) => {
                let inner = self.any()?;
                if self.takes(&Token::Close) {
                    Ok(Factor::Test(inner))
                } else {
                    Err(whole("(", "the ) is missing"))
                }
            }
            Some(Token::Key(key)) => self.predicate(key),
            Some(Token::Word(word)) => self
                .word(&word)
                .map(|filter| Factor::Plain(Box::new(filter))),
            Some(token) => Err(whole(&token.text(), "a filter is missing before it")),
            None => {
                let last = self.tokens.last().map_or_else(String::new, Token::text);
                Err(whole(&last, "a filter is missing after it"))
            }
        };
        self.depth -= 1;
        found
    }

    fn predicate(&mut self, key: Key) -> Result<Factor, WordError> {
        let compare = match self.peek() {
            Some(Token::Compare(compare)) => Some(*compare),
            _ => None,
        };
        self.at += usize::from(compare.is_some());
        let compare = compare.unwrap_or(Compare::Equal);
        let Some(Token::Word(value)) = self.take() else {
            let example = match key {
                Key::Sport | Key::Dport => "a port follows it, as in: sport = :22",
                Key::Src | Key::Dst => "an address follows it, as in: dst 10.0.0.0/8",
                Key::State | Key::Exclude => "a state follows it, as in: state established",
                Key::Dev => "an interface follows it, as in: dev eth0",
            };
            return Err(whole(key.name(), example));
        };
        let text = String::from_utf8_lossy(&value).into_owned();
        let mut filter = Filter::default();
        let mut is_not = compare == Compare::NotEqual;
        match key {
            Key::Sport | Key::Dport => {
                let at_port = |ports| AddressMatch::Ip {
                    host: Host::Any,
                    scope: None,
                    ports: Some(ports),
                };
                let ranges = compared(&text, compare, self.look_up.service)?;
                let end = if key == Key::Sport {
                    &mut filter.local
                } else {
                    &mut filter.peer
                };
                end.extend(ranges.into_iter().map(at_port));
            }
            Key::Src | Key::Dst => {
                let text = self.with_port(&text);
                let bytes = if text.contains('\u{fffd}') {
                    &value
                } else {
                    text.as_bytes()
                };
                let end = if key == Key::Src {
                    &mut filter.local
                } else {
                    &mut filter.peer
                };
                end.push(AddressMatch::of_bytes(bytes)?);
            }
            Key::State | Key::Exclude => {
                filter.states = StateSet::parse(&text)?;
                is_not ^= key == Key::Exclude;
                if !is_not {
                    return Ok(Factor::Plain(Box::new(filter)));
                }
            }
            Key::Dev => filter.local.push(AddressMatch::Ip {
                host: Host::Any,
                scope: Some(text.parse().map_or(Scope::Name(text), Scope::Index)),
                ports: None,
            }),
        }
        let is_ordered = !matches!(compare, Compare::Equal | Compare::NotEqual);
        if is_ordered && !matches!(key, Key::Sport | Key::Dport) {
            return Err(whole(key.name(), "only ports are compared; use = or !="));
        }
        let wanted = Expression::Is(Box::new(filter));
        Ok(Factor::Test(if is_not {
            Expression::Not(Box::new(wanted))
        } else {
            wanted
        }))
    }

    /// A word, or several with commas between them none of which is the name of a process.
    fn word(&self, word: &[u8]) -> Result<Filter, WordError> {
        let Ok(text) = std::str::from_utf8(word) else {
            let mut filter = Filter::default();
            filter.either.push(AddressMatch::of_bytes(word)?);
            return Ok(filter);
        };
        if let Some(filter) = self.of_key(text)? {
            return Ok(filter);
        }
        if text.contains(',') && !text.starts_with(['/', '@']) {
            let parts: Vec<Filter> = (text.split(','))
                .map(|part| self.one(part))
                .collect::<Result<_, _>>()
                .unwrap_or_default();
            let is_name = |it: &Filter| !it.processes.is_empty() && it.or_socket.is_empty();
            if !parts.is_empty() && !parts.iter().any(is_name) {
                return Ok(parts.into_iter().fold(Filter::default(), |mut all, one| {
                    all.merge(one);
                    all
                }));
            }
        }
        self.one(text)
    }

    /// `user:NAME` and the like.
    fn of_key(&self, text: &str) -> Result<Option<Filter>, WordError> {
        let mut filter = Filter::default();
        let Some((key, value)) = text.split_once(':').filter(|(_, value)| !value.is_empty()) else {
            return Ok(None);
        };
        let start = key.len() + 1;
        let wrong = |what: &str| WordError::new(text, start..text.len(), what);
        match key {
            "pid" => {
                for pid in value.split(',') {
                    let pid = pid.parse().map_err(|_| wrong("a process id is a number"))?;
                    filter.pids.push(pid);
                }
            }
            "user" => {
                for user in value.split(',') {
                    let uid = (self.look_up.user)(user);
                    filter
                        .uids
                        .push(uid.ok_or_else(|| wrong("no user has that name"))?);
                }
            }
            "unit" => filter.groups.push(GroupMatch::Unit(value.to_lowercase())),
            "container" => {
                let value = value.to_lowercase();
                filter.groups.push(GroupMatch::Container(value));
            }
            "process" => filter.processes.push(ProcessMatch::name(value)),
            "state" => filter.states = StateSet::parse(value)?,
            "port" => filter.ports = ports(value, self.look_up.service)?,
            _ => return Ok(None),
        }
        Ok(Some(filter))
    }

    fn one(&self, text: &str) -> Result<Filter, WordError> {
        let mut filter = Filter::default();
        match Word::parse(&self.with_port(text))? {
            Word::Ports(ports) => filter.ports.push(ports),
            Word::Address(address) => filter.either.push(address),
            Word::Process(process) => {
                let of_all = matches!(text, "all" | "big" | "bucket");
                if let Ok(states) = StateSet::parse(text)
                    && !of_all
                {
                    filter.states = states;
                    return Ok(filter);
                }
                let mut named = Filter::default();
                if let Some((protos, family)) = protocols(text) {
                    named.protos = protos;
                    named.families.extend(family);
                    // It is the name of a program, too.
                    if text != "ping" {
                        return Ok(named);
                    }
                    filter.or_socket.push(named);
                } else if let Some(port) = (self.look_up.service)(text) {
                    named.ports.push(PortRange::one(port));
                    filter.or_socket.push(named);
                }
                filter.processes.push(process);
            }
        }
        Ok(filter)
    }

    /// With the number of the service that is named after the last colon: `10.0.0.1:https`.
    fn with_port(&self, text: &str) -> String {
        let is_address = |front: &str| {
            front.is_empty()
                || front == "*"
                || front == "localhost"
                || front.ends_with(']')
                || front.contains('.') && front.starts_with(|c: char| c.is_ascii_digit())
        };
        let found = text.rsplit_once(':').and_then(|(front, name)| {
            let port = (self.look_up.service)(name).filter(|_| is_address(front))?;
            Some(format!("{front}:{port}"))
        });
        found.unwrap_or_else(|| text.to_owned())
    }
}

/// The ports for which a comparison holds; for `!=` those for which it does not.
fn compared(
    text: &str,
    compare: Compare,
    service: &dyn Fn(&str) -> Option<u16>,
) -> Result<Vec<PortRange>, WordError> {
    let ranges = ports(text, service)?;
    let (first, last) = match compare {
        Compare::Equal | Compare::NotEqual => return Ok(ranges),
        Compare::Less => (Some(1), bound(&ranges).checked_sub(1)),
        Compare::LessOrEqual => (Some(1), Some(bound(&ranges))),
        Compare::Greater => (bound(&ranges).checked_add(1), Some(u16::MAX)),
        Compare::GreaterOrEqual => (Some(bound(&ranges)), Some(u16::MAX)),
    };
    match (first, last, &*ranges) {
        (Some(first), Some(last), [_]) if first <= last => Ok(vec![PortRange { first, last }]),
        _ => Err(whole(text, "no port is above or below it")),
    }
}

fn bound(ranges: &[PortRange]) -> u16 {
    ranges.first().map_or(0, |range| range.first)
}

fn whole(word: &str, what: &str) -> WordError {
    WordError::new(word, 0..word.len(), what)
}

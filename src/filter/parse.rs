//! From tokens to the tree.
//!
//! ```text
//! filter   = [ expr ]
//! expr     = term { ("and" | "or") (term | value) }        left to right, both alike
//! term     = "not" term | "(" expr ")" | qualifiers value | primitive | number relation number
//! value    = "not" value | "(" value { ("and" | "or") value } ")" | number | address | name
//! ```
//!
//! A value without qualifiers of its own has those of what stands to its left.

use std::ops::Range;

use super::arithmetic;
use super::error::Wrong;
use super::primitive::{self, Kind, Qualifiers};
use super::services::Services;
use super::syntax::{Arithmetic, Direction, Expr, Primitive, Protocol, Relation};
use super::token::{Spanned, Token, tokens};
use super::words;

/// Parentheses and `not`s that may stand around one another.
const DEEPEST: usize = 200;

/// Turns from `and` to `or` and back, each of which makes the tree one level deeper.
const MOST_TURNS: usize = 400;

/// Reads a filter; `None` for an empty one.
pub(super) fn parse(text: &str, services: &Services) -> Result<Option<Expr>, Wrong> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(None);
    }
    let mut parser = Parser {
        tokens,
        at: 0,
        end: text.len(),
        depth: 0,
        turns: 0,
        services,
    };
    let (expr, _) = parser.expr(None)?;
    match parser.next() {
        None => Ok(Some(expr)),
        Some((Token::Sign(")"), at)) => Err(Wrong::new(&at, "unmatched ')'")),
        Some((_, at)) => Err(Wrong::new(&at, "expected 'and' or 'or' before this")),
    }
}

/// The tokens, and how far they were read.
pub(super) struct Parser<'a> {
    tokens: Vec<Spanned>,
    at: usize,
    /// The length of the text.
    end: usize,
    depth: usize,
    /// In all of the filter.
    turns: usize,
    pub(super) services: &'a Services,
}

/// A part of the filter, and the qualifiers that a value to its right would have.
type Part = (Expr, Option<Qualifiers>);

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    pub(super) fn next(&mut self) -> Option<Spanned> {
        let token = self.tokens.get(self.at).cloned();
        self.at += usize::from(token.is_some());
        token
    }

    /// Where the next token is, or the end.
    pub(super) fn here(&self) -> Range<usize> {
        let token = self.tokens.get(self.at);
        token.map_or(self.end..self.end, |(_, at)| at.clone())
    }

    /// From a place to the end of the last token that was read.
    fn since(&self, start: usize) -> Range<usize> {
        let last = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        start..last.map_or(start, |(_, at)| at.end)
    }

    /// The end of the last token that was read.
    pub(super) fn last_end(&self) -> usize {
        self.since(0).end
    }

    pub(super) fn wrong<T>(&self, what: impl Into<String>) -> Result<T, Wrong> {
        Err(Wrong::new(&self.here(), what))
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(next)) if next == word)
    }

    pub(super) fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token::Sign(next)) if *next == sign)
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    pub(super) fn take_sign(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_sign(&mut self, sign: &str) -> Result<(), Wrong> {
        if self.take_sign(sign) {
            return Ok(());
        }
        self.wrong(format!("expected '{sign}'"))
    }

    pub(super) fn take_number(&mut self) -> Option<u32> {
        let Some(&Token::Number(number)) = self.peek() else {
            return None;
        };
        self.at += 1;
        Some(number)
    }

    /// Goes a level down, as far as there is room.
    pub(super) fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Wrong>,
    ) -> Result<T, Wrong> {
        if self.depth == DEEPEST {
            return self.wrong(format!("nested more than {DEEPEST} levels deep"));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn expr(&mut self, context: Option<Qualifiers>) -> Result<Part, Wrong> {
        let (mut expr, mut context) = self.term(context)?;
        while let Some(is_and) = self.take_joint() {
            let (right, next) = if self.begins_value() {
                let Some(qualifiers) = context else {
                    return self.wrong("expected a keyword before this: host, net, port, ...");
                };
                (self.value(qualifiers)?, context)
            } else {
                self.term(context)?
            };
            expr = self.join(expr, is_and, right)?;
            context = next;
        }
        Ok((expr, context))
    }

    /// What is joined differently than before lies one level deeper.
    fn join(&mut self, left: Expr, is_and: bool, right: Expr) -> Result<Expr, Wrong> {
        self.turns += usize::from(match &left {
            Expr::And(_) => !is_and,
            Expr::Or(_) => is_and,
            _ => false,
        });
        if self.turns > MOST_TURNS {
            let what = format!("'and' and 'or' alternate more than {MOST_TURNS} times");
            return self.wrong(what);
        }
        Ok(if is_and {
            left.and(right)
        } else {
            left.or(right)
        })
    }

    /// Whether it goes on with `and`, or with `or`.
    fn take_joint(&mut self) -> Option<bool> {
        if self.take_word("and") {
            return Some(true);
        }
        self.take_word("or").then_some(false)
    }

    /// Whether a value without qualifiers begins here, and not a number of an expression.
    fn begins_value(&self) -> bool {
        let mut rest = self.tokens[self.at..].iter().map(|(token, _)| token);
        let mut open = 0;
        let first = loop {
            match rest.next() {
                Some(Token::Sign("(")) => open += 1,
                Some(Token::Word(word)) if word == "not" => {}
                other => break other,
            }
        };
        match first {
            Some(Token::Dotted(_) | Token::Ipv6(_) | Token::Mac(_) | Token::Name(_)) => true,
            Some(Token::Number(_)) => {
                let after = rest.find(|token| {
                    let closes = **token == Token::Sign(")") && open > 0;
                    open -= usize::from(closes);
                    !closes
                });
                !matches!(after, Some(Token::Sign(sign)) if *sign != ")" && *sign != "(")
            }
            _ => false,
        }
    }

    fn term(&mut self, context: Option<Qualifiers>) -> Result<Part, Wrong> {
        if self.take_word("not") {
            let (expr, context) = self.deeper(|parser| parser.term(context))?;
            return Ok((Expr::Not(Box::new(expr)), context));
        }
        if self.is_sign("(") {
            if let Some(relation) = self.try_relation()? {
                return Ok((relation, None));
            }
            self.at += 1;
            let (expr, _) = self.deeper(|parser| parser.expr(context))?;
            self.expect_sign(")")?;
            return Ok((expr, context));
        }
        let start = self.here().start;
        match self.peek() {
            Some(Token::Number(_) | Token::Sign("-")) => Ok((self.relation()?, None)),
            Some(Token::Word(word)) => {
                let word = word.clone();
                self.word(&word, start)
            }
            None => self.wrong("expected a test"),
            Some(Token::Sign(_)) => self.wrong("unexpected symbol"),
            // `tcp.port`: the words of tcpdump have no dots, and addresses begin with a digit.
            Some(Token::Name(name))
                if name.starts_with(char::is_alphabetic) && name.contains('.') =>
            {
                self.wrong(
                    "this looks like a Wireshark display filter; expected host, net, port, ...",
                )
            }
            Some(_) => self.wrong("expected a keyword before this: host, net, port, ..."),
        }
    }

    /// What begins with a word.
    fn word(&mut self, word: &str, start: usize) -> Result<Part, Wrong> {
        let Some(protocol) = words::protocol(word) else {
            return self.without_protocol(None, start);
        };
        self.at += 1;
        if self.is_sign("[") {
            self.at -= 1;
            return Ok((self.relation()?, None));
        }
        let goes_on = ["src", "dst", "host", "net", "port", "portrange", "proto"];
        let goes_on = goes_on.iter().any(|word| self.is_word(word));
        if goes_on || self.is_word("broadcast") || self.is_word("multicast") {
            return self.without_protocol(Some(protocol), start);
        }
        if protocol == Protocol::Link {
            let what = format!("'{word}' is not a test: use 'ether host', 'ether proto', ...");
            return Err(Wrong::new(&self.since(start), what));
        }
        Ok((self.asked(Primitive::Protocol(protocol), start), None))
    }

    fn asked(&self, primitive: Primitive, start: usize) -> Expr {
        Expr::Primitive(primitive, self.since(start))
    }

    /// What begins with a word that is not a protocol's; one may stand in front.
    fn without_protocol(
        &mut self,
        protocol: Option<Protocol>,
        start: usize,
    ) -> Result<Part, Wrong> {
        if let Some(qualifiers) = self.qualifiers(protocol)? {
            let expr = self.value(qualifiers)?;
            return Ok((expr, Some(qualifiers)));
        }
        if self.is_word("len") || self.is_word("length") {
            return Ok((self.relation()?, None));
        }
        let Some((Token::Word(word), _)) = self.next() else {
            return self.wrong("expected a test");
        };
        let primitive = match word.as_str() {
            "broadcast" => Primitive::Broadcast(protocol),
            "multicast" => Primitive::Multicast(protocol),
            "inbound" => Primitive::Outbound(false),
            "outbound" => Primitive::Outbound(true),
            "ifindex" => match self.take_number() {
                Some(number) => Primitive::Interface(number),
                None => return self.wrong("expected the number of an interface after 'ifindex'"),
            },
            "less" => self.length(Relation::LessOrEqual)?,
            "greater" => self.length(Relation::GreaterOrEqual)?,
            "vlan" => Primitive::Vlan(self.tag()?),
            "pppoed" => Primitive::EtherProtocol(words::ETHER_PPPOED),
            "stream" => match self.take_number() {
                Some(number) => Primitive::Stream(number),
                None => return self.wrong("expected a stream number after 'stream'"),
            },
            "host-name" => self.host_name(false)?,
            "sni" => self.host_name(true)?,
            "app" => Primitive::App,
            "expert" => Primitive::Expert,
            word => {
                let packed = words::PACKED.iter().find(|(known, _)| *known == word);
                let Some((_, told)) = packed else {
                    self.at -= 1;
                    return self.wrong(format!("unexpected '{word}'"));
                };
                Primitive::Packed(told, self.take_number())
            }
        };
        Ok((self.asked(primitive, start), None))
    }

    /// The name of a host, after `host-name` or `sni`.
    fn host_name(&mut self, is_sni: bool) -> Result<Primitive, Wrong> {
        match self.peek() {
            Some(Token::Name(name) | Token::Word(name) | Token::Dotted(name)) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                self.at += 1;
                Ok(Primitive::Named { is_sni, name })
            }
            _ => self.wrong("expected the name of a host, such as example.com"),
        }
    }

    /// `less`, `greater`.
    fn length(&mut self, relation: Relation) -> Result<Primitive, Wrong> {
        let Some(number) = self.take_number() else {
            return self.wrong("expected a length in bytes");
        };
        let (length, limit) = (Arithmetic::Length, Arithmetic::Constant(number));
        Ok(Primitive::Relation(length, relation, limit))
    }

    /// The number after `vlan`, if there is one; it may stand in parentheses.
    fn tag(&mut self) -> Result<Option<u16>, Wrong> {
        let place = self.at;
        let mut open = 0;
        while self.take_sign("(") {
            open += 1;
        }
        let at = self.here();
        let Some(tag) = self.take_number() else {
            self.at = place;
            return Ok(None);
        };
        for _ in 0..open {
            self.expect_sign(")")?;
        }
        match u16::try_from(tag) {
            Ok(tag) if tag <= 4095 => Ok(Some(tag)),
            _ => Err(Wrong::new(&at, "a VLAN ID is a number from 0 to 4095")),
        }
    }

    /// `src or dst port` and such; `None` when no qualifier is here.
    fn qualifiers(&mut self, protocol: Option<Protocol>) -> Result<Option<Qualifiers>, Wrong> {
        let direction = self.direction();
        let kinds = [
            ("host", Kind::Host),
            ("net", Kind::Net),
            ("port", Kind::Port),
            ("portrange", Kind::PortRange),
            ("proto", Kind::Proto),
        ];
        let at = self.here();
        let kind = kinds.iter().find(|(word, _)| self.take_word(word));
        if kind.is_none() && direction.is_none() {
            return Ok(None);
        }
        let kind = kind.map_or(Kind::Host, |(_, kind)| *kind);
        if kind == Kind::Proto && direction.is_some() {
            return Err(Wrong::new(&at, "a protocol has no direction (src, dst)"));
        }
        Ok(Some(Qualifiers {
            protocol,
            direction: direction.unwrap_or(Direction::Either),
            kind,
        }))
    }

    fn direction(&mut self) -> Option<Direction> {
        let (first, second, single) = if self.is_word("src") {
            ("src", "dst", Direction::Source)
        } else {
            ("dst", "src", Direction::Destination)
        };
        if !self.take_word(first) {
            return None;
        }
        for (joint, both) in [("or", Direction::Either), ("and", Direction::Both)] {
            if self.is_word(joint) {
                self.at += 1;
                if self.take_word(second) {
                    return Some(both);
                }
                self.at -= 1;
            }
        }
        Some(single)
    }

    /// A value, or several in parentheses.
    fn value(&mut self, qualifiers: Qualifiers) -> Result<Expr, Wrong> {
        if self.take_word("not") {
            let value = self.deeper(|parser| parser.value(qualifiers))?;
            return Ok(Expr::Not(Box::new(value)));
        }
        if !self.take_sign("(") {
            return primitive::value(self, qualifiers);
        }
        let mut list = self.deeper(|parser| parser.value(qualifiers))?;
        while let Some(is_and) = self.take_joint() {
            let next = self.deeper(|parser| parser.value(qualifiers))?;
            list = self.join(list, is_and, next)?;
        }
        self.expect_sign(")")?;
        Ok(list)
    }

    /// Two numbers and how they are to each other.
    fn relation(&mut self) -> Result<Expr, Wrong> {
        let start = self.here().start;
        let left = arithmetic::number(self)?;
        let Some(relation) = self.take_relation() else {
            return self.wrong("expected a comparison: one of > >= < <= = !=");
        };
        let right = arithmetic::number(self)?;
        Ok(self.asked(Primitive::Relation(left, relation, right), start))
    }

    /// The same if a parenthesis may also begin something else.
    fn try_relation(&mut self) -> Result<Option<Expr>, Wrong> {
        let place = self.at;
        let is_number = arithmetic::number(self).is_ok();
        let is_relation = is_number && self.take_relation().is_some();
        self.at = place;
        if is_relation {
            return self.relation().map(Some);
        }
        Ok(None)
    }

    fn take_relation(&mut self) -> Option<Relation> {
        let Some(Token::Sign(sign)) = self.peek() else {
            return None;
        };
        let relation = match *sign {
            ">" => Relation::Greater,
            ">=" => Relation::GreaterOrEqual,
            "=" => Relation::Equal,
            "<" => Relation::Less,
            "<=" => Relation::LessOrEqual,
            "!=" => Relation::NotEqual,
            _ => return None,
        };
        self.at += 1;
        Some(relation)
    }
}

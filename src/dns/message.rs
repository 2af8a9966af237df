//! A query for the addresses of a name, and the reply to it (RFC 1035 section 4, RFC 3596, RFC 4035 for the
//! bits AD and CD).

use std::net::IpAddr;

use super::Name;

/// Records that are kept of a reply; more are counted.
pub const MOST_RECORDS: usize = 256;
/// Aliases that are followed.
const MOST_ALIASES: usize = 16;
/// The fixed part of a message, in bytes.
const HEADER: usize = 12;
/// Where in it the other two counts of records are.
const AUTHORITY: usize = 8;
const ADDITIONAL: usize = 10;
/// The type of the pseudo-record of EDNS.
const OPT: u16 = 41;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryType {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// The name of an address.
    Ptr,
}

impl QueryType {
    /// Its number.
    fn number(self) -> u16 {
        match self {
            QueryType::A => 1,
            QueryType::Aaaa => 28,
            QueryType::Ptr => 12,
        }
    }

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            QueryType::A => "A",
            QueryType::Aaaa => "AAAA",
            QueryType::Ptr => "PTR",
        }
    }
}

/// An address, and for how many seconds it may be kept.
pub type Timed = (IpAddr, u32);

/// A query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// A random number that the reply repeats.
    pub id: u16,
    /// The name.
    pub name: Name,
    /// What is asked for.
    pub kind: QueryType,
    /// Asks for an answer that DNSSEC does not confirm, too (CD).
    pub unchecked: bool,
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// How it went: 0 is good ([`rcode_name`]).
    pub rcode: u8,
    /// Not all fitted into the datagram (TC).
    pub truncated: bool,
    /// The server confirmed it by DNSSEC (AD).
    pub authenticated: bool,
    /// The records of the answer, at most [`MOST_RECORDS`].
    pub records: Vec<Record>,
    /// Records that were not kept.
    pub left_out: usize,
    /// The records end in the middle of one, or are not records.
    pub is_damaged: bool,
    /// The largest datagram that the server takes, if it speaks EDNS (RFC 6891).
    pub edns: Option<u16>,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Whose it is.
    pub name: Name,
    /// For how long it may be kept, in seconds.
    pub ttl: u32,
    /// What it says.
    pub data: Data,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// An address (A, AAAA).
    Address(IpAddr),
    /// Another name that has the records (CNAME).
    Alias(Name),
    /// The name of an address (PTR).
    Pointer(Name),
    /// A record of another type.
    Other(u16),
}

/// Why a datagram is not the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// It is shorter than a header.
    Short,
    /// It is the reply to another query, or no reply.
    Foreign,
    /// The question that it repeats is another one.
    OtherQuestion,
}

/// The name of a response code (RFC 6895 section 2.3); `None` of a number that has none here.
pub fn rcode_name(rcode: u8) -> Option<&'static str> {
    Some(match rcode {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        9 => "NOTAUTH",
        _ => return None,
    })
}

impl Query {
    /// The message, without EDNS: the C library asks like this by default.
    pub fn encode(&self) -> Vec<u8> {
        let flags: u16 = if self.unchecked { 0x0110 } else { 0x0100 };
        let mut message = Vec::with_capacity(HEADER + self.name.wire().len() + 4);
        for field in [self.id, flags, 1, 0, 0, 0] {
            message.extend(field.to_be_bytes());
        }
        message.extend(self.name.wire());
        message.extend(self.kind.number().to_be_bytes());
        message.extend(1_u16.to_be_bytes());
        message
    }

    /// The message with EDNS, for replies of up to this size: the pseudo-record OPT of RFC 6891 section 6.1.
    pub fn encode_with_edns(&self, size: u16) -> Vec<u8> {
        let mut message = self.encode();
        message[ADDITIONAL..ADDITIONAL + 2].copy_from_slice(&1_u16.to_be_bytes());
        // The root, the type, the size in the place of the class; no extended code, flags or options.
        message.push(0);
        for field in [OPT, size, 0, 0, 0] {
            message.extend(field.to_be_bytes());
        }
        message
    }

    /// The reply in a datagram. Records that cannot be read end the list.
    pub fn read(&self, bytes: &[u8]) -> Result<Reply, Unusable> {
        let field = |at| u16_at(bytes, at);
        let (Some(id), Some(flags), Some(questions), Some(answers)) =
            (field(0), field(2), field(4), field(6))
        else {
            return Err(Unusable::Short);
        };
        if bytes.len() < HEADER {
            return Err(Unusable::Short);
        }
        if id != self.id || flags & 0x8000 == 0 {
            return Err(Unusable::Foreign);
        }
        let mut reply = Reply {
            rcode: (flags & 0xf) as u8,
            truncated: flags & 0x0200 != 0,
            authenticated: flags & 0x0020 != 0,
            ..Reply::default()
        };
        // A server that cannot read the question may leave it out.
        if questions == 0 && reply.rcode != 0 {
            return Ok(reply);
        }
        let question = Name::read(bytes, HEADER);
        let Some((name, end)) = question.filter(|_| questions == 1) else {
            return Err(Unusable::OtherQuestion);
        };
        let is_asked = name == self.name
            && field(end) == Some(self.kind.number())
            && field(end + 2) == Some(1);
        if !is_asked {
            return Err(Unusable::OtherQuestion);
        }
        if let Some(at) = reply.read_records(bytes, end + 4, answers) {
            let others = [AUTHORITY, ADDITIONAL].map(|at| field(at).unwrap_or(0));
            reply.edns = edns_of(bytes, at, others);
        }
        Ok(reply)
    }
}

impl Reply {
    /// Reads the records of the answer; where what follows them begins, if they were read to the end.
    fn read_records(&mut self, bytes: &[u8], mut at: usize, count: u16) -> Option<usize> {
        for number in 0..usize::from(count) {
            if number >= MOST_RECORDS {
                self.left_out = usize::from(count) - MOST_RECORDS;
                return None;
            }
            let Some((record, end)) = read_record(bytes, at) else {
                self.is_damaged = !self.truncated;
                return None;
            };
            self.records.push(record);
            at = end;
        }
        Some(at)
    }

    /// The names that an address has: those of its record, or of the alias that it is.
    pub fn pointers(&self, name: &Name) -> Vec<&Name> {
        let alias = self
            .follow(name)
            .and_then(|(aliases, _)| aliases.last().copied());
        let own = alias.unwrap_or(name);
        let records = self.records.iter().filter(|record| record.name == *own);
        records
            .filter_map(|record| match &record.data {
                Data::Pointer(name) => Some(name),
                _ => None,
            })
            .collect()
    }

    /// The names that stand for this one, in turn, and the addresses of the last. `None` if the aliases go in
    /// a circle, or are too many.
    pub fn follow(&self, name: &Name) -> Option<(Vec<&Name>, Vec<Timed>)> {
        let mut aliases: Vec<&Name> = Vec::new();
        for _ in 0..=MOST_ALIASES {
            let last = aliases.last().copied().unwrap_or(name);
            let own = || self.records.iter().filter(|record| record.name == *last);
            let alias = own().find_map(|record| match &record.data {
                Data::Alias(alias) => Some(alias),
                _ => None,
            });
            let Some(alias) = alias else {
                let addresses = own().filter_map(|record| match record.data {
                    Data::Address(address) => Some((address, record.ttl)),
                    _ => None,
                });
                return Some((aliases, addresses.collect()));
            };
            aliases.push(alias);
        }
        None
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(field.try_into().ok()?))
}

/// The size in the pseudo-record of EDNS, among the records after those of the answer.
fn edns_of(bytes: &[u8], mut at: usize, counts: [u16; 2]) -> Option<u16> {
    let count = counts.iter().map(|it| usize::from(*it)).sum::<usize>();
    for _ in 0..count.min(MOST_RECORDS) {
        let (_, fixed) = Name::read(bytes, at)?;
        if u16_at(bytes, fixed)? == OPT {
            return u16_at(bytes, fixed + 2);
        }
        at = fixed + 10 + usize::from(u16_at(bytes, fixed + 8)?);
    }
    None
}

/// A record at an offset, and where the next one is.
fn read_record(bytes: &[u8], at: usize) -> Option<(Record, usize)> {
    let (name, at) = Name::read(bytes, at)?;
    let (kind, class) = (u16_at(bytes, at)?, u16_at(bytes, at + 2)?);
    let ttl = u32::from(u16_at(bytes, at + 4)?) << 16 | u32::from(u16_at(bytes, at + 6)?);
    let length = usize::from(u16_at(bytes, at + 8)?);
    let (start, end) = (at + 10, at + 10 + length);
    let data = bytes.get(start..end)?;
    let data = match (kind, class) {
        (1, 1) => Data::Address(<[u8; 4]>::try_from(data).ok()?.into()),
        (28, 1) => Data::Address(<[u8; 16]>::try_from(data).ok()?.into()),
        (5 | 12, 1) => {
            let (name, name_end) = Name::read(bytes, start)?;
            match (name_end == end, kind) {
                (false, _) => return None,
                (true, 5) => Data::Alias(name),
                (true, _) => Data::Pointer(name),
            }
        }
        _ => Data::Other(kind),
    };
    // A TTL with the highest bit set counts as 0 (RFC 2181 section 8).
    let ttl = if ttl > i32::MAX.unsigned_abs() {
        0
    } else {
        ttl
    };
    Some((Record { name, ttl, data }, end))
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;

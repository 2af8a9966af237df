//! The tests of a filter, and how they are made on a frame.

use super::syntax::{Operator, Relation, Size};

/// A filter for the frames of one link type.
#[derive(Debug, Clone)]
pub struct Program {
    test: Test,
}

/// A frame, as a filter sees it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The bytes that were captured.
    pub data: &'a [u8],
    /// How long the frame was on the wire, in bytes: what `len` means.
    pub original_len: u32,
    /// The number of the conversation that it belongs to, for `stream`.
    pub stream: Option<u64>,
    /// Whether it completes an application message, for `app`.
    pub app: bool,
    /// Whether there is a finding about it, for `expert`.
    pub expert: bool,
    /// The host that it names, or that its conversation has named, for `host-name`.
    pub host: Option<&'a str>,
    /// Whether it was named in a TLS Client Hello, for `sni`.
    pub is_sni: bool,
    /// The headers that its innermost packet is packed in: words such as `vxlan`, with their numbers.
    pub packed: &'a [(&'static str, u32)],
    /// A frame of an Ethernet header and its innermost packet, for what stands to the right of such a word.
    pub unpacked: &'a [u8],
    /// Its VLAN tags, for `vlan` in a filter of [`super::Filter::compile_inside`].
    pub tags: &'a [u16],
}

impl<'a> Subject<'a> {
    /// A frame that nothing is known of but its bytes.
    pub fn new(data: &'a [u8], original_len: u32) -> Subject<'a> {
        Subject {
            data,
            original_len,
            stream: None,
            app: false,
            expert: false,
            host: None,
            is_sni: false,
            packed: &[],
            unpacked: &[],
            tags: &[],
        }
    }
}

impl Program {
    pub(super) fn new(test: Test) -> Program {
        Program { test }
    }

    pub(super) fn test(&self) -> &Test {
        &self.test
    }

    /// Whether the frame is what the filter asks for. One that is cut off in front of what has to be
    /// looked at is not.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.test.holds(subject) == Some(true)
    }

    /// Whether no frame at all can match: parts of the filter exclude each other. A filter that takes long to go
    /// through counts as one that can match.
    pub fn rejects_all(&self) -> bool {
        super::reject::rejects_all(&self.test)
    }
}

/// A question with a yes or no.
#[derive(Debug, Clone)]
pub(super) enum Test {
    Constant(bool),
    /// The bytes at a place, under a mask, are a number: nearly all that is ever asked.
    Is {
        at: u32,
        size: Size,
        mask: u32,
        number: u32,
    },
    Compare(Number, Relation, Number),
    /// Asked from left to right, up to the first no.
    All(Vec<Test>),
    /// Asked from left to right, up to the first yes.
    Any(Vec<Test>),
    Not(Box<Test>),
    Stream(u64),
    /// The host of the conversation is this one, or below it.
    Named {
        is_sni: bool,
        name: Box<str>,
    },
    App,
    Expert,
    /// The innermost packet is packed in such a header, with this number or any.
    Packed(&'static str, Option<u32>),
    /// A test of the innermost packet.
    Unpacked(Box<Test>),
    /// The frame has this many VLAN tags and one more, which has this number, or any.
    Tagged(usize, Option<u16>),
}

/// A number of a frame, in 32 bits that wrap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Number {
    Constant(u32),
    Length,
    /// Bytes at a place that is known, most significant first.
    Field {
        at: u32,
        size: Size,
    },
    /// Bytes this far after the IPv4 header that begins at `base`.
    AfterIp {
        base: u32,
        index: u32,
        size: Size,
    },
    /// Bytes at a place that is computed: from `base`, or from the end of the IPv4 header that is
    /// there.
    Load {
        base: u32,
        after_ip: bool,
        index: Box<Number>,
        size: Size,
    },
    Negative(Box<Number>),
    Binary(Box<Number>, Operator, Box<Number>),
}

impl Test {
    /// The bytes at a place are this number.
    pub(super) fn equal(at: u32, size: Size, number: u32) -> Test {
        Test::field(at, size, u32::MAX, number)
    }

    /// The bits of a mask at a place are this number.
    pub(super) fn field(at: u32, size: Size, mask: u32, number: u32) -> Test {
        Test::Is {
            at,
            size,
            mask,
            number,
        }
    }

    /// All of the tests; without those that are true of every frame.
    pub(super) fn all(tests: Vec<Test>) -> Test {
        Test::joined(tests, false, Test::All)
    }

    /// One of the tests; without those that are false of every frame.
    pub(super) fn any(tests: Vec<Test>) -> Test {
        Test::joined(tests, true, Test::Any)
    }

    /// After a test that is `decisive` of every frame nothing more is asked; what stands in front of it
    /// is, because it may end the filter.
    fn joined(mut tests: Vec<Test>, decisive: bool, join: fn(Vec<Test>) -> Test) -> Test {
        let is =
            |test: &Test, value| matches!(test, Test::Constant(constant) if *constant == value);
        if let Some(last) = tests.iter().position(|test| is(test, decisive)) {
            tests.truncate(last + 1);
        }
        tests.retain(|test| !is(test, !decisive));
        match tests.len() {
            0 => Test::Constant(!decisive),
            1 => tests.remove(0),
            _ => join(tests),
        }
    }

    pub(super) fn negated(test: Test) -> Test {
        match test {
            Test::Constant(constant) => Test::Constant(!constant),
            Test::Not(test) => *test,
            test => Test::Not(Box::new(test)),
        }
    }

    /// Two numbers, which may both be known without a frame.
    pub(super) fn compare(left: Number, relation: Relation, right: Number) -> Test {
        match (&left, &right) {
            (Number::Constant(left), Number::Constant(right)) => {
                Test::Constant(related(*left, relation, *right))
            }
            _ => Test::Compare(left, relation, right),
        }
    }

    /// `None` when the frame ends in front of what is asked: then the filter is at its end.
    fn holds(&self, subject: &Subject<'_>) -> Option<bool> {
        Some(match self {
            Test::Constant(constant) => *constant,
            Test::Is {
                at,
                size,
                mask,
                number,
            } => load(subject.data, u64::from(*at), *size)? & mask == *number,
            Test::Compare(left, relation, right) => {
                related(left.value(subject)?, *relation, right.value(subject)?)
            }
            Test::All(tests) => {
                for test in tests {
                    if !test.holds(subject)? {
                        return Some(false);
                    }
                }
                true
            }
            Test::Any(tests) => {
                for test in tests {
                    if test.holds(subject)? {
                        return Some(true);
                    }
                }
                false
            }
            Test::Not(test) => !test.holds(subject)?,
            Test::Stream(number) => subject.stream == Some(*number),
            Test::Named { is_sni, name } => {
                (subject.is_sni || !is_sni) && subject.host.is_some_and(|host| is_of(host, name))
            }
            Test::App => subject.app,
            Test::Expert => subject.expert,
            Test::Packed(word, number) => subject
                .packed
                .iter()
                .any(|(kind, of)| kind == word && number.is_none_or(|number| number == *of)),
            Test::Unpacked(test) => test.holds(&Subject {
                data: subject.unpacked,
                ..*subject
            })?,
            Test::Tagged(before, number) => subject
                .tags
                .get(*before)
                .is_some_and(|tag| number.is_none_or(|number| tag & 0x0fff == number)),
        })
    }
}

impl Number {
    /// The bytes at a place.
    pub(super) fn field(at: u32, size: Size) -> Number {
        Number::Field { at, size }
    }

    /// Bytes at a place that may be known without a frame.
    pub(super) fn load(base: u32, after_ip: bool, index: Number, size: Size) -> Number {
        match index {
            Number::Constant(index) if after_ip => Number::AfterIp { base, index, size },
            index => Number::Load {
                base,
                after_ip,
                index: Box::new(index),
                size,
            },
        }
    }

    pub(super) fn negated(number: Number) -> Number {
        match number {
            Number::Constant(number) => Number::Constant(number.wrapping_neg()),
            number => Number::Negative(Box::new(number)),
        }
    }

    /// Two numbers joined, which may both be known without a frame.
    pub(super) fn binary(left: Number, operator: Operator, right: Number) -> Number {
        if let (Number::Constant(left), Number::Constant(right)) = (&left, &right)
            && let Some(number) = compute(*left, operator, *right)
        {
            return Number::Constant(number);
        }
        Number::Binary(Box::new(left), operator, Box::new(right))
    }

    /// `None` when the frame ends in front of it, or zero divides.
    fn value(&self, subject: &Subject<'_>) -> Option<u32> {
        match self {
            Number::Constant(number) => Some(*number),
            Number::Length => Some(subject.original_len),
            Number::Field { at, size } => load(subject.data, u64::from(*at), *size),
            Number::AfterIp { base, index, size } => after_ip(subject.data, *base, *index, *size),
            Number::Load {
                base,
                after_ip: true,
                index,
                size,
            } => after_ip(subject.data, *base, index.value(subject)?, *size),
            Number::Load {
                base, index, size, ..
            } => {
                let index = index.value(subject)?;
                load(subject.data, u64::from(*base) + u64::from(index), *size)
            }
            Number::Negative(number) => Some(number.value(subject)?.wrapping_neg()),
            Number::Binary(left, operator, right) => {
                compute(left.value(subject)?, *operator, right.value(subject)?)
            }
        }
    }
}

/// Whether a host is a domain or below it; case does not matter (RFC 4343).
fn is_of(host: &str, domain: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).as_bytes();
    let Some(start) = host.len().checked_sub(domain.len()) else {
        return false;
    };
    host[start..].eq_ignore_ascii_case(domain.as_bytes()) && (start == 0 || host[start - 1] == b'.')
}

fn related(left: u32, relation: Relation, right: u32) -> bool {
    match relation {
        Relation::Equal => left == right,
        Relation::NotEqual => left != right,
        Relation::Greater => left > right,
        Relation::GreaterOrEqual => left >= right,
        Relation::Less => left < right,
        Relation::LessOrEqual => left <= right,
    }
}

#[inline]
fn load(data: &[u8], at: u64, size: Size) -> Option<u32> {
    let rest = data.get(usize::try_from(at).ok()?..)?;
    Some(match size {
        Size::One => u32::from(*rest.first()?),
        Size::Two => u32::from(u16::from_be_bytes(*rest.first_chunk()?)),
        Size::Four => u32::from_be_bytes(*rest.first_chunk()?),
    })
}

/// The index and the length of the header are added in 32 bits, which wrap: an index can be below 0.
#[inline]
fn after_ip(data: &[u8], base: u32, index: u32, size: Size) -> Option<u32> {
    let first = load(data, u64::from(base), Size::One)?;
    let index = index.wrapping_add((first & 0xf) * 4);
    load(data, u64::from(base) + u64::from(index), size)
}

fn compute(left: u32, operator: Operator, right: u32) -> Option<u32> {
    Some(match operator {
        Operator::Add => left.wrapping_add(right),
        Operator::Subtract => left.wrapping_sub(right),
        Operator::Multiply => left.wrapping_mul(right),
        Operator::Divide => left.checked_div(right)?,
        Operator::Modulo => left.checked_rem(right)?,
        Operator::And => left & right,
        Operator::Or => left | right,
        Operator::Xor => left ^ right,
        Operator::ShiftLeft => left.checked_shl(right).unwrap_or(0),
        Operator::ShiftRight => left.checked_shr(right).unwrap_or(0),
    })
}

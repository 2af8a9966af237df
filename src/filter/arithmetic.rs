//! Numbers that are computed from a frame.
//!
//! The precedence is that of libpcap's grammar: from `|` over `&`, the shifts, `+` and `-` to `*` and
//! `/`, all from left to right. `^` and `%` have no precedence there, and mean something else beside
//! another operator than they mean in C: they are refused without parentheses.

use std::ops::Range;

use super::error::Wrong;
use super::parse::Parser;
use super::syntax::{Arithmetic, Operator, Protocol, Size};
use super::token::Token;
use super::words;

/// A number, up to a sign that is not an operator.
pub(super) fn number(parser: &mut Parser<'_>) -> Result<Arithmetic, Wrong> {
    let mut operators = Vec::new();
    let left = operand(parser)?;
    let number = climb(parser, left, 0, &mut operators)?;
    let alone = operators.windows(2).all(|pair| pair[0].0 == pair[1].0);
    let unclear = operators.iter().find(|(operator, _)| match operator {
        Operator::Xor => !alone,
        Operator::Modulo => operators.len() > 1,
        _ => false,
    });
    if let Some((_, at)) = unclear {
        let what = "use parentheses: this operator has no precedence relative to others";
        return Err(Wrong::new(at, what));
    }
    Ok(number)
}

type Found = Vec<(Operator, Range<usize>)>;

/// Goes on after `left` with operators of at least this precedence.
fn climb(
    parser: &mut Parser<'_>,
    mut left: Arithmetic,
    least: u8,
    found: &mut Found,
) -> Result<Arithmetic, Wrong> {
    while let Some((operator, precedence)) = operator(parser).filter(|(_, p)| *p >= least) {
        found.push((operator, parser.here()));
        parser.next();
        let at = parser.here();
        let right = operand(parser)?;
        let right = climb(parser, right, precedence + 1, found)?;
        check(operator, &right, &at)?;
        left = Arithmetic::Binary(Box::new(left), operator, Box::new(right));
    }
    Ok(left)
}

/// What can be seen to be wrong without a frame.
fn check(operator: Operator, right: &Arithmetic, at: &Range<usize>) -> Result<(), Wrong> {
    match (operator, right) {
        (Operator::Divide | Operator::Modulo, Arithmetic::Constant(0)) => {
            Err(Wrong::new(at, "division by zero"))
        }
        (Operator::ShiftLeft | Operator::ShiftRight, Arithmetic::Constant(32..)) => {
            Err(Wrong::new(at, "a shift is at most 31 bits"))
        }
        _ => Ok(()),
    }
}

/// The operator here, and its precedence.
fn operator(parser: &Parser<'_>) -> Option<(Operator, u8)> {
    [
        ("|", Operator::Or, 1),
        ("^", Operator::Xor, 2),
        ("&", Operator::And, 3),
        ("<<", Operator::ShiftLeft, 4),
        (">>", Operator::ShiftRight, 4),
        ("+", Operator::Add, 5),
        ("-", Operator::Subtract, 5),
        ("*", Operator::Multiply, 6),
        ("/", Operator::Divide, 6),
        ("%", Operator::Modulo, 6),
    ]
    .into_iter()
    .find(|(sign, _, _)| parser.is_sign(sign))
    .map(|(_, operator, precedence)| (operator, precedence))
}

fn operand(parser: &mut Parser<'_>) -> Result<Arithmetic, Wrong> {
    if parser.take_sign("-") {
        let number = parser.deeper(operand)?;
        return Ok(Arithmetic::Negative(Box::new(number)));
    }
    if parser.take_sign("(") {
        let inside = parser.deeper(number)?;
        parser.expect_sign(")")?;
        return Ok(inside);
    }
    let at = parser.here();
    match parser.next() {
        Some((Token::Number(number), _)) => Ok(Arithmetic::Constant(number)),
        Some((Token::Word(word), _)) if word == "len" || word == "length" => Ok(Arithmetic::Length),
        Some((Token::Word(word), at)) => match words::protocol(&word) {
            Some(protocol) => bytes(parser, protocol, &at),
            None => Err(Wrong::new(&at, format!("'{word}' is not a number"))),
        },
        Some((Token::Name(name), at)) => Err(Wrong::new(&at, format!("'{name}' is not a number"))),
        _ => Err(Wrong::new(&at, "expected a number")),
    }
}

/// `[2:2]`, after the protocol.
fn bytes(parser: &mut Parser<'_>, of: Protocol, at: &Range<usize>) -> Result<Arithmetic, Wrong> {
    if matches!(of, Protocol::Ah | Protocol::Esp) {
        let what = format!("the bytes of '{}' cannot be tested", words::name(of));
        return Err(Wrong::new(at, what));
    }
    parser.expect_sign("[")?;
    let index = parser.deeper(number)?;
    let mut size = Size::One;
    if parser.take_sign(":") {
        let at = parser.here();
        size = match parser.take_number() {
            Some(1) => Size::One,
            Some(2) => Size::Two,
            Some(4) => Size::Four,
            _ => return Err(Wrong::new(&at, "a number is made of 1, 2 or 4 bytes")),
        };
    }
    parser.expect_sign("]")?;
    Ok(Arithmetic::Bytes {
        of,
        index: Box::new(index),
        size,
    })
}

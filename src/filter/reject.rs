//! Whether the tests of a filter exclude each other, so that no frame matches.

use super::program::{Number, Test};
use super::syntax::{Relation, Size};

/// How many tests are gone through, and how many in one way to a match; with more a filter counts as one that can
/// match.
const MOST_STEPS: u32 = 20_000;
const MOST_DEPTH: u32 = 1_000;

pub(super) fn rejects_all(test: &Test) -> bool {
    let mut search = Search {
        facts: Vec::new(),
        steps: 0,
        depth: 0,
    };
    !search.reaches(&Goal::of(test, true, None))
}

/// Tests that all have to come out as wanted, and what has to after them.
#[derive(Clone, Copy)]
struct Goal<'g, 'a> {
    tests: &'a [Test],
    wanted: bool,
    next: Option<&'g Goal<'g, 'a>>,
}

impl<'g, 'a> Goal<'g, 'a> {
    fn of(test: &'a Test, wanted: bool, next: Option<&'g Goal<'g, 'a>>) -> Goal<'g, 'a> {
        let tests = std::slice::from_ref(test);
        Goal {
            tests,
            wanted,
            next,
        }
    }
}

/// What is taken for granted on the way to a match: a number of the frame is this one, or is not.
struct Fact<'a> {
    place: Place<'a>,
    number: u32,
    is_equal: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Place<'a> {
    Bits { at: u32, size: Size, mask: u32 },
    Number(&'a Number),
}

struct Search<'a> {
    facts: Vec<Fact<'a>>,
    steps: u32,
    depth: u32,
}

impl<'a> Search<'a> {
    /// Whether one frame can fulfil all of it, as far as equal numbers tell.
    fn reaches(&mut self, goal: &Goal<'_, 'a>) -> bool {
        let Some((test, tests)) = goal.tests.split_first() else {
            return goal.next.is_none_or(|next| self.reaches(next));
        };
        self.steps += 1;
        if self.steps > MOST_STEPS || self.depth == MOST_DEPTH {
            return true;
        }
        self.depth += 1;
        let rest = Goal { tests, ..*goal };
        let reached = self.takes(test, goal.wanted, &rest);
        self.depth -= 1;
        reached
    }

    /// The same with a test in front of it.
    fn takes(&mut self, test: &'a Test, wanted: bool, rest: &Goal<'_, 'a>) -> bool {
        match test {
            Test::Constant(constant) => *constant == wanted && self.reaches(rest),
            Test::Is {
                at,
                size,
                mask,
                number,
            } => {
                let (at, size, mask) = (*at, *size, *mask);
                self.knows(Place::Bits { at, size, mask }, *number, wanted, rest)
            }
            Test::Compare(number, Relation::Equal, Number::Constant(constant)) => {
                self.knows(Place::Number(number), *constant, wanted, rest)
            }
            Test::Not(test) => self.reaches(&Goal::of(test, !wanted, Some(rest))),
            // All of them, or none.
            Test::All(tests) if wanted => self.reaches(&Goal {
                tests,
                wanted,
                next: Some(rest),
            }),
            Test::Any(tests) if !wanted => self.reaches(&Goal {
                tests,
                wanted,
                next: Some(rest),
            }),
            // One is enough.
            Test::All(tests) | Test::Any(tests) => tests
                .iter()
                .any(|test| self.reaches(&Goal::of(test, wanted, Some(rest)))),
            Test::Compare(..)
            | Test::Stream(_)
            | Test::Named { .. }
            | Test::App
            | Test::Expert
            | Test::Packed(..)
            | Test::Unpacked(_)
            | Test::Tagged(..) => self.reaches(rest),
        }
    }

    fn knows(&mut self, place: Place<'a>, number: u32, wanted: bool, rest: &Goal<'_, 'a>) -> bool {
        let excludes = |fact: &Fact<'_>| match (fact.is_equal, wanted) {
            (true, true) => fact.number != number,
            (false, false) => false,
            _ => fact.number == number,
        };
        let mut known = self.facts.iter().filter(|fact| fact.place == place);
        if known.any(excludes) {
            return false;
        }
        self.facts.push(Fact {
            place,
            number,
            is_equal: wanted,
        });
        let reached = self.reaches(rest);
        self.facts.pop();
        reached
    }
}

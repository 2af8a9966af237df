//! Expressions: what words with `and`, `or` and `not` between them ask for.

use super::{Filter, OwnerTest};
use crate::sockets::{Owners, Socket};

/// Tests that are combined.
#[derive(Debug, Clone)]
pub enum Expression {
    /// What a filter asks for.
    Is(Box<Filter>),
    /// The opposite.
    Not(Box<Expression>),
    /// All of them.
    All(Vec<Expression>),
    /// At least one of them.
    Any(Vec<Expression>),
}

impl Expression {
    /// Whether the socket is what is asked for; `None` when the owners decide.
    pub(super) fn of_socket(&self, socket: &Socket) -> Option<bool> {
        match self {
            Expression::Is(filter) if !filter.matches_socket(socket) => Some(false),
            Expression::Is(filter) if filter.needs_owners() => None,
            Expression::Is(_) => Some(true),
            Expression::Not(inner) => inner.of_socket(socket).map(|is_it| !is_it),
            Expression::All(list) => decided(list, socket, false),
            Expression::Any(list) => decided(list, socket, true),
        }
    }

    /// Whether the socket, held by these, is what is asked for.
    pub(super) fn matches(&self, socket: &Socket, owners: &Owners) -> bool {
        match self {
            Expression::Is(filter) => {
                filter.matches_socket(socket) && filter.matches_owners(socket, owners)
            }
            Expression::Not(inner) => !inner.matches(socket, owners),
            Expression::All(list) => list.iter().all(|one| one.matches(socket, owners)),
            Expression::Any(list) => list.iter().any(|one| one.matches(socket, owners)),
        }
    }

    /// Whether a filter in it has this property.
    pub(super) fn has(&self, property: &dyn Fn(&Filter) -> bool) -> bool {
        match self {
            Expression::Is(filter) => filter.has(property),
            Expression::Not(inner) => inner.has(property),
            Expression::All(list) | Expression::Any(list) => {
                list.iter().any(|one| one.has(property))
            }
        }
    }

    /// Changes every filter in it, until one fails.
    pub(super) fn each_filter(
        &mut self,
        change: &mut dyn FnMut(&mut Filter) -> Result<(), String>,
    ) -> Result<(), String> {
        match self {
            Expression::Is(filter) => filter.each_filter(change),
            Expression::Not(inner) => inner.each_filter(change),
            Expression::All(list) | Expression::Any(list) => {
                list.iter_mut().try_for_each(|one| one.each_filter(change))
            }
        }
    }
}

/// What a list of alternatives (`decisive` is true) or of conditions (false) comes to.
fn decided(list: &[Expression], socket: &Socket, decisive: bool) -> Option<bool> {
    let mut result = Some(!decisive);
    for one in list {
        match one.of_socket(socket) {
            Some(is_it) if is_it == decisive => return Some(decisive),
            Some(_) => {}
            None => result = None,
        }
    }
    result
}

impl Filter {
    /// Whether it or a filter in its expressions has this property.
    pub(super) fn has(&self, property: &dyn Fn(&Filter) -> bool) -> bool {
        property(self)
            || self.or_socket.iter().any(|filter| filter.has(property))
            || self.tests.iter().any(|test| test.has(property))
    }

    /// Changes it and every filter in its expressions, until one fails.
    pub(super) fn each_filter(
        &mut self,
        change: &mut dyn FnMut(&mut Filter) -> Result<(), String>,
    ) -> Result<(), String> {
        change(self)?;
        let named = self.or_socket.iter_mut();
        named
            .into_iter()
            .try_for_each(|one| one.each_filter(change))?;
        self.tests
            .iter_mut()
            .try_for_each(|one| one.each_filter(change))
    }

    /// Adds what another filter asks for: to the alternatives of each kind.
    pub fn merge(&mut self, other: Filter) {
        for state in crate::sockets::State::ALL {
            if other.states.names(state) {
                self.states.add(state);
            }
        }
        self.protos.extend(other.protos);
        self.families.extend(other.families);
        self.ports.extend(other.ports);
        self.local.extend(other.local);
        self.peer.extend(other.peer);
        self.either.extend(other.either);
        self.processes.extend(other.processes);
        self.or_socket.extend(other.or_socket);
        self.pids.extend(other.pids);
        self.uids.extend(other.uids);
        self.groups.extend(other.groups);
        self.tests.extend(other.tests);
        self.listening |= other.listening;
        self.show_time_wait |= other.show_time_wait;
    }

    /// Adds a condition of its own.
    pub fn add_test(&mut self, test: Expression) {
        match test {
            Expression::All(list) => list.into_iter().for_each(|one| self.add_test(one)),
            Expression::Is(filter) if !self.overlaps(&filter) => self.merge(*filter),
            test => self.tests.push(test),
        }
    }

    /// Whether both have something of one kind, so that put together they would be alternatives.
    fn overlaps(&self, other: &Filter) -> bool {
        let of = |filter: &Filter| {
            [
                filter.states != super::StateSet::default(),
                !filter.protos.is_empty(),
                !filter.families.is_empty(),
                !filter.ports.is_empty(),
                !filter.local.is_empty(),
                !filter.peer.is_empty(),
                !filter.either.is_empty(),
                filter.needs_owners(),
                !filter.uids.is_empty(),
            ]
        };
        of(self).iter().zip(of(other)).any(|(a, b)| *a && b)
    }

    /// The owners' part of the filter alone.
    pub(super) fn owner_test(&self) -> OwnerTest<'_> {
        OwnerTest { filter: self }
    }
}

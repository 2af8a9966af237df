//! Which states are asked for.

use super::WordError;
use crate::sockets::State;

/// A set of states. The empty one, its default, asks for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StateSet(u32);

impl StateSet {
    /// Reads a list of states with commas between them: the words of [`State::named`], and ss's
    /// groups `all`, `connected` (all but listeners and what has no peer), `synchronized`
    /// (`connected` without SYN-SENT), `bucket` (TIME-WAIT and SYN-RECV, which have no whole socket
    /// in the kernel) and `big` (all but those).
    pub fn parse(list: &str) -> Result<StateSet, WordError> {
        let mut set = StateSet::default();
        let mut at = 0;
        for word in list.split(',') {
            let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ' ');
            let states = group(word)
                .or_else(|| State::named(word).map(|state| vec![state]))
                // ss's `!listen` would otherwise be its opposite.
                .filter(|_| word.chars().all(is_word));
            let Some(states) = states else {
                let what = "no state of a socket; one is established, listen, time-wait ...";
                return Err(WordError::new(list, at..at + word.len(), what));
            };
            for state in states {
                set.add(state);
            }
            at += word.len() + 1;
        }
        Ok(set)
    }

    /// Adds a state. A request that has no socket yet is `SYN_RECV` to users, so both come together.
    pub fn add(&mut self, state: State) {
        self.0 |= state.bit();
        let both = State::SynRecv.bit() | State::NewSynRecv.bit();
        if self.0 & both != 0 {
            self.0 |= both;
        }
    }

    /// Whether a socket in this state is asked for.
    pub fn contains(self, state: State) -> bool {
        self.0 == 0 || self.names(state)
    }

    /// Whether this state was named.
    pub fn names(self, state: State) -> bool {
        self.0 & state.bit() != 0
    }

    /// The bits of all states asked for.
    pub fn mask(self) -> u32 {
        match self.0 {
            0 => State::ALL.iter().fold(0, |mask, state| mask | state.bit()),
            mask => mask,
        }
    }
}

impl FromIterator<State> for StateSet {
    fn from_iter<T: IntoIterator<Item = State>>(states: T) -> Self {
        let mut set = StateSet::default();
        states.into_iter().for_each(|state| set.add(state));
        set
    }
}

fn group(word: &str) -> Option<Vec<State>> {
    let is_apart = |state: State| {
        matches!(
            state,
            State::Listen | State::Unconnected | State::BoundInactive
        )
    };
    let is_bucket =
        |state: State| matches!(state, State::TimeWait | State::SynRecv | State::NewSynRecv);
    let those = |is_in: &dyn Fn(State) -> bool| {
        Some(
            State::ALL
                .into_iter()
                .filter(|&state| is_in(state))
                .collect(),
        )
    };
    match word.to_ascii_lowercase().as_str() {
        "all" => those(&|_| true),
        "connected" => those(&|state| !is_apart(state)),
        "synchronized" => those(&|state| !is_apart(state) && state != State::SynSent),
        "bucket" => those(&is_bucket),
        "big" => those(&|state| !is_bucket(state)),
        _ => None,
    }
}

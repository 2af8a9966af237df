//! Where nothing matches: what would match without a flag or a word.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::sockets::filter::Filter;
use crate::sockets::{Proto, State};
use crate::sys::sockets::processes::Depth;
use crate::sys::sockets::{Query, sample};

use super::{Args, choice};

/// What would match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Elsewhere {
    /// Without what: `-l`, `-t -u`, `"nginx"`.
    pub(super) without: String,
    /// How many sockets are in which state.
    pub(super) states: BTreeMap<&'static str, usize>,
}

/// Looks once more, at all sockets of the same namespaces.
pub(super) fn look(args: &Args, query: Query) -> Result<Vec<Elsewhere>> {
    let mut relaxed: Vec<(String, Filter)> = Vec::new();
    for (without, args) in without_each(args) {
        // A word may be needed by another one: `not`, `(`.
        let Ok(mut filter) = choice::filter_of(&args) else {
            continue;
        };
        filter.protos = choice::protos_of(&args, &filter);
        relaxed.push((without, filter));
    }
    if relaxed.is_empty() {
        return Ok(Vec::new());
    }
    let protos = relaxed.iter().flat_map(|(_, filter)| &filter.protos);
    let needs_owners = relaxed.iter().any(|(_, filter)| filter.needs_owners());
    let wide = Query {
        protos: Proto::ALL
            .into_iter()
            .filter(|proto| protos.clone().any(|wanted| wanted == proto))
            .collect(),
        states: u32::MAX,
        tcp_states: u32::MAX,
        bytecode: None,
        details: false,
        evidence: false,
        owners: needs_owners.then_some(Depth::Everything),
        ..query
    };
    let wanted = |socket: &_| {
        relaxed
            .iter()
            .any(|(_, filter)| filter.matches_socket(socket))
    };
    let taken = sample(&wide, &wanted)?.sample;
    let found = relaxed.into_iter().map(|(without, filter)| {
        let mut states = BTreeMap::new();
        for socket in &taken.sockets {
            if filter.matches_socket(socket) && filter.matches_owners(socket, &taken.owners) {
                *states.entry(State::ss_name(socket.state)).or_default() += 1;
            }
        }
        Elsewhere { without, states }
    });
    Ok(found.filter(|one| !one.states.is_empty()).collect())
}

/// How many words and flags choose among the sockets of a kind.
pub(super) fn selectors(args: &Args) -> usize {
    let mut count = args.words.len();
    (args.which).without_each(&mut |is_given, _, _| count += usize::from(is_given));
    count
}

/// The command line without each of its flags and words. What is left must still ask for something: the
/// only word is not taken out.
fn without_each(args: &Args) -> Vec<(String, Args)> {
    let mut all = Vec::new();
    let mut add = |is_given: bool, without: String, change: &dyn Fn(&mut Args)| {
        if is_given {
            let mut args = args.clone();
            change(&mut args);
            all.push((without, args));
        }
    };
    args.what.without_each(&mut add);
    if selectors(args) < 2 {
        return all;
    }
    args.which.without_each(&mut add);
    for (index, word) in args.words.iter().enumerate() {
        let without = format!("\"{}\"", word.to_string_lossy());
        add(true, without, &|args| {
            args.words.remove(index);
        });
    }
    all
}

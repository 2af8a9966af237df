//! `--follow-dns`: names that are looked up again while the session runs.

use std::net::SocketAddr;
use std::time::Duration;

use crate::commands::serving::tell;
use crate::ping::target::Target;
use crate::sys::follow::{Names, Watched};

/// The names that are followed, if any.
pub(super) struct Follower(Option<Names>);

impl Follower {
    /// Follows the names among these targets, if a flag says how often.
    pub(super) fn start<'a>(
        every: Option<Duration>,
        targets: impl Iterator<Item = &'a Target>,
    ) -> Follower {
        let Some(every) = every else {
            return Follower(None);
        };
        let names = targets.enumerate().filter(|(_, target)| target.is_named());
        let names = names.map(|(index, target)| Watched {
            index,
            name: target.name.clone(),
            address: target.address,
        });
        let started = Names::follow(names.collect(), every);
        if let Err(error) = &started {
            tell(&format!("names are not looked up again: {error}"));
        }
        Follower(started.ok())
    }

    /// Whether there are any.
    pub(super) fn is_started(&self) -> bool {
        self.0.is_some()
    }

    /// The targets that have another address now, by their places.
    pub(super) fn moves(&self) -> impl Iterator<Item = (usize, SocketAddr)> {
        self.0.iter().flat_map(Names::moves)
    }
}

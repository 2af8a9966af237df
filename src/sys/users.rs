//! User numbers and names.

use std::collections::HashMap;

use nix::unistd::{Uid, User};

/// Names of users, each asked for once: the name service may be slow (getpwuid(3)).
#[derive(Debug, Default)]
pub struct Users(HashMap<u32, Option<String>>);

impl Users {
    /// The name of a user number; `None` if it has none.
    pub fn name(&mut self, uid: u32) -> Option<&str> {
        self.0
            .entry(uid)
            .or_insert_with(|| {
                User::from_uid(Uid::from_raw(uid))
                    .ok()
                    .flatten()
                    .map(|user| user.name)
            })
            .as_deref()
    }
}

/// The number of the user that this process runs as.
pub fn own() -> u32 {
    Uid::effective().as_raw()
}

/// The number of a user, given by name or number.
pub fn number(word: &str) -> Option<u32> {
    match word.parse() {
        Ok(number) => Some(number),
        Err(_) => User::from_name(word)
            .ok()
            .flatten()
            .map(|user| user.uid.as_raw()),
    }
}

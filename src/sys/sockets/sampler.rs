//! One sample after the other, at the least cost: owners that are known are not looked for again.

use std::time::{Duration, Instant};

use super::owners::{self, Wanted};
use super::processes::Depth;
use super::{Keep, Query, Taken, and_kernel, lacks_owner, note_hidden, sample, without_owner};
use crate::error::Result;
use crate::host::Note;
use crate::sockets::Owners;
use crate::sockets::number_hash::NumberSet;

/// Descriptors are passed on, and processes end: after this time all owners are looked for again.
const KNOWN_FOR: Duration = Duration::from_secs(30);

/// Takes samples.
#[derive(Debug, Default)]
pub struct Sampler {
    owners: Owners,
    notes: Vec<Note>,
    /// When the owners were last looked for.
    looked: Option<Instant>,
    /// The sockets for which none was found then.
    without: NumberSet<u32>,
}

impl Sampler {
    /// Takes the next sample. The owners are looked for as this does, whatever the query says: if a socket is
    /// new, or if it was long ago.
    ///
    /// # Errors
    /// As [`sample`].
    pub fn sample(&mut self, query: &Query, keep: &Keep<'_>) -> Result<Taken> {
        let mut taken = sample(query, keep)?;
        let sockets = &taken.sample.sockets;
        let is_old = self.looked.is_none_or(|at| at.elapsed() >= KNOWN_FOR);
        let mut unknown = sockets.iter().filter(|it| lacks_owner(it, &self.owners));
        if is_old || unknown.any(|it| !self.without.contains(&it.inode)) {
            let (found, source) = owners::find(Depth::Everything, &Wanted::default());
            taken.owner_source = Some(source);
            self.looked = Some(Instant::now());
            let found = and_kernel(found, query, sockets);
            self.notes.clear();
            note_hidden(
                &found,
                without_owner(sockets, &found.owners),
                &mut self.notes,
            );
            self.owners = found.owners;
            let without = sockets.iter().filter(|it| lacks_owner(it, &self.owners));
            self.without = without.map(|it| it.inode).collect();
        }
        taken.sample.owners = self.owners.clone();
        taken.sample.notes.extend(self.notes.iter().cloned());
        Ok(taken)
    }
}

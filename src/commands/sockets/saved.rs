//! A listing of what a file of samples has, in place of this host.

use std::path::Path;

use super::ask::Asked;
use super::look::Looked;
use crate::commands::diagnose::read_samples;
use crate::commands::looking::{self, MOST_SAMPLES};
use crate::error::Result;
use crate::host::{Note, Sample};
use crate::render::date;
use crate::sys::sockets::Taken;

/// The last sample of a file, and the one before it if it has more.
pub(super) fn look(path: &Path, asked: &Asked) -> Result<Looked> {
    let mut samples = read_samples(path, MOST_SAMPLES)?;
    let mut sample = samples.pop().unwrap_or_default();
    let before = samples.pop().map(|mut before| {
        keep(&mut before, asked);
        asked.look_again();
        let elapsed = sample.taken.saturating_sub(before.taken);
        (before, elapsed)
    });
    keep(&mut sample, asked);
    let namespaces = sample.namespaces.len().max(1);
    let mut interfaces = vec![std::collections::HashMap::new(); namespaces];
    for ((netns, index), name) in looking::names(&sample).interfaces {
        if let Some(of) = interfaces.get_mut(usize::from(netns)) {
            of.insert(index, name);
        }
    }
    sample.notes.push(Note {
        id: "saved".into(),
        text: format!(
            "this is what {} has, saved at {}",
            path.display(),
            date::and_time(sample.taken)
        ),
        incomplete: false,
    });
    let taken = Taken {
        sample,
        interfaces,
        evident: true,
        ..Taken::default()
    };
    Ok(Looked { taken, before })
}

fn keep(sample: &mut Sample, asked: &Asked) {
    sample.sockets.retain(|socket| asked.keeps(socket));
}

//! One sample, or two: what was asked for, or what the first one asks for.

use std::time::Duration;

use super::ask::Asked;
use crate::diagnose::asks_for_a_second_sample;
use crate::error::Result;
use crate::host::{Index, Note, Sample, join_closed};
use crate::sys::clock;
use crate::sys::sockets::closings::Closings;
use crate::sys::sockets::{Query, Taken, forwards, paths, sample, statuses};

/// How long a second sample is waited for if the first one asks for it.
const SECOND_LOOK: Duration = Duration::from_millis(1_500);

/// No more processes than these are asked what they do.
const MOST_PROCESSES: usize = 64;

/// What was seen.
pub(super) struct Looked {
    /// The sample, the later one of two.
    pub(super) taken: Taken,
    /// The earlier one, and the time between.
    pub(super) before: Option<(Sample, Duration)>,
}

/// Looks once, or twice.
pub(super) fn look(asked: &Asked, query: &Query) -> Result<Looked> {
    let keep = |socket: &_| asked.keeps(socket);
    let hears = asked.seconds.is_some() || asked.problems;
    let mut closings = hears.then(|| Closings::open(&query.places));
    let start = clock::monotonic();
    let mut taken = sample(query, &keep)?;
    let pause = asked.seconds.or_else(|| {
        let again = asked.problems && asks_for_a_second_sample(&Index::new(&taken.sample));
        again.then_some(SECOND_LOOK)
    });
    let mut before = None;
    if let Some(pause) = pause {
        match &mut closings {
            Some(closings) => closings.wait(pause),
            None => Closings::default().wait(pause),
        }
        asked.look_again();
        let later = clock::monotonic();
        let first = std::mem::replace(&mut taken, sample(query, &keep)?);
        let elapsed = Duration::from_nanos(later.0.saturating_sub(start.0));
        if let Some(closings) = closings {
            count_closed(asked, &first.sample, &mut taken.sample, closings);
        }
        before = Some((first.sample, elapsed));
    }
    if asked.findings && taken.sample.owners.were_sought() {
        let processes = Index::new(&taken.sample).in_trouble(MOST_PROCESSES);
        taken.sample.processes = statuses::read(&taken.sample, &processes);
    }
    taken.paths = paths::states(&taken);
    taken.forwards = forwards::find(&taken, &query.places);
    Ok(Looked { taken, before })
}

/// Adds the connections that closed meanwhile to the later sample.
fn count_closed(asked: &Asked, before: &Sample, after: &mut Sample, mut closings: Closings) {
    closings.take();
    let mut closed = std::mem::take(&mut closings.closed);
    closed.retain(|socket| asked.keeps_closed(socket));
    join_closed(before, after, closed);
    if closings.missed && asked.seconds.is_some() {
        after.notes.push(Note {
            id: "closings_missed".into(),
            text: closings.why_missed().to_owned(),
            incomplete: true,
        });
    }
}

//! Takes what the tracker finds, and writes it the way the view wants it.

use super::View;
use crate::capfile::Timestamp;
use crate::render::decode::{Buffer, Clock, Follow, Totals, Words, expert, json, message};
use crate::stream::{Ended, Fact, Found, Marks, Noted, Piece, Seen, Sink, StreamRef, Summary};

/// What was found, in words.
pub(super) struct Take {
    pub(super) view: View,
    pub(super) json: bool,
    pub(super) clock: Clock,
    pub(super) phrases: Words,
    /// The application messages that the frame at hand completes.
    pub(super) words: Buffer,
    /// What is to be written behind the line of the frame at hand.
    pub(super) behind: Buffer,
    /// There is a finding about the frame at hand.
    pub(super) noted: bool,
    pub(super) summaries: Vec<Summary>,
    /// More are not kept.
    pub(super) most_summaries: usize,
    /// Those that were not.
    pub(super) untold: u64,
    /// Streams that were forgotten to keep within the memory.
    pub(super) evicted: u64,
    /// The capture was not read to its end: of what would have followed nothing is known.
    pub(super) stopped: bool,
    pub(super) follow: Option<Follow>,
    pub(super) followed: Vec<u8>,
    pub(super) totals: Totals,
}

impl Take {
    /// Before the next frame.
    #[inline]
    pub(super) fn begin(&mut self) {
        self.words.clear();
        self.noted = false;
    }

    /// The marks of a segment, where they are findings.
    #[inline]
    pub(super) fn marks(
        &mut self,
        frame: u64,
        time: i64,
        seen: &Seen,
        stream: impl FnOnce() -> StreamRef,
    ) {
        if seen.analysis.marks.is_empty() {
            return;
        }
        let is_noteworthy = expert::NOTEWORTHY
            .iter()
            .any(|mark| seen.analysis.marks.has(*mark));
        if !is_noteworthy {
            return;
        }
        self.noted = true;
        self.totals.findings += 1;
        if self.view != View::Expert {
            return;
        }
        let stream = stream();
        if self.json {
            for (mark, words) in Marks::WORDS {
                if seen.analysis.marks.has(mark) && expert::NOTEWORTHY.contains(&mark) {
                    json::mark(&mut self.behind, frame, time, &stream, words);
                }
            }
        } else {
            expert::marks(&mut self.behind, frame, &stream, &seen.analysis);
        }
    }
}

impl Sink for Take {
    fn message(&mut self, found: &Found<'_>) {
        self.totals.messages += 1;
        match self.view {
            View::Frames | View::Messages if self.json => json::message(&mut self.behind, found),
            View::Frames => {
                if !self.words.is_empty() {
                    self.words.text(", ");
                }
                self.phrases.write(&mut self.words, found);
            }
            View::Messages => {
                message::line(
                    &mut self.behind,
                    &mut self.phrases,
                    &mut self.clock,
                    timestamp(found.time),
                    found,
                );
            }
            _ => {}
        }
        if self.words.is_empty() {
            // What filters ask for: the frame completes a message.
            self.words.byte(b' ');
        }
    }

    fn fact(&mut self, fact: Fact) {
        if self.stopped && matches!(fact.noted, Noted::Unanswered | Noted::MessageCut) {
            return;
        }
        if matches!(fact.noted, Noted::Evicted(_)) {
            self.evicted += 1;
        }
        self.noted = true;
        self.totals.findings += 1;
        match self.view {
            View::Frames | View::Expert if self.json => json::finding(&mut self.behind, &fact),
            View::Expert => expert::finding(&mut self.behind, &fact),
            _ => {}
        }
    }

    fn data(&mut self, stream: &StreamRef, piece: Piece<'_>) {
        if self.json {
            json::data(&mut self.behind, stream, piece);
        } else if let Some(follow) = &mut self.follow {
            // Writing to memory does not fail.
            let _ = follow.piece(&mut self.followed, stream, piece);
        }
    }

    fn stream(&mut self, summary: &Summary) {
        let mut summary = *summary;
        if self.stopped && summary.ended == Ended::Unanswered {
            summary.ended = Ended::Open;
        }
        let summary = &summary;
        match self.view {
            View::Frames | View::Streams if self.json => json::stream(&mut self.behind, summary),
            View::Streams if self.summaries.len() < self.most_summaries => {
                self.summaries.push(*summary);
            }
            View::Streams => self.untold += 1,
            _ => {}
        }
    }
}

fn timestamp(nanos: i64) -> Timestamp {
    Timestamp {
        seconds: nanos.div_euclid(1_000_000_000),
        nanoseconds: u32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or(0),
    }
}

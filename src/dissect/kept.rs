//! A frame of a dissection, kept to be shown by another thread.

use super::{Frame, Said};
use crate::capfile::{Ends, Timestamp};
use crate::packet::Decoded;
use crate::packet::checksum::Wrong;
use crate::stream::SegmentInfo;

/// A frame without what it borrows, to be shown later.
#[derive(Debug, Clone)]
pub struct Kept {
    number: u64,
    time: Timestamp,
    has_time: bool,
    length: u32,
    /// The packet of which this frame was the last missing fragment.
    whole: Option<Box<[u8]>>,
    segment: Option<SegmentInfo>,
    quoted: Option<u32>,
    request: Option<u64>,
    wrong_checksum: Option<Wrong>,
    said: Option<Box<Said>>,
    contested: Option<[u8; 4]>,
    messages: u32,
    facts: u32,
    is_selected: bool,
    ends: Ends,
}

impl Kept {
    /// What is kept of a frame.
    #[inline]
    pub fn of(frame: &Frame<'_>) -> Kept {
        let is_whole = std::ptr::eq(frame.bytes, frame.captured);
        Kept {
            number: frame.number,
            time: frame.time,
            has_time: frame.has_time,
            length: frame.length,
            whole: (!is_whole).then(|| frame.bytes.into()),
            segment: frame.segment.copied(),
            quoted: frame.quoted,
            request: frame.request,
            wrong_checksum: frame.wrong_checksum,
            said: frame.said.map(|said| Box::new(said.clone())),
            contested: frame.contested,
            messages: frame.messages,
            facts: frame.facts,
            is_selected: frame.is_selected,
            ends: frame.ends,
        }
    }

    /// The frame again, with its bytes, its record and its layers.
    #[inline]
    pub fn frame<'a>(
        &'a self,
        captured: &'a [u8],
        record: &'a [u8],
        decoded: &'a Decoded,
    ) -> Frame<'a> {
        Frame {
            number: self.number,
            time: self.time,
            has_time: self.has_time,
            length: self.length,
            captured,
            record,
            bytes: self.whole.as_deref().unwrap_or(captured),
            decoded,
            segment: self.segment.as_ref(),
            quoted: self.quoted,
            request: self.request,
            wrong_checksum: self.wrong_checksum,
            said: self.said.as_deref(),
            contested: self.contested,
            messages: self.messages,
            facts: self.facts,
            is_selected: self.is_selected,
            ends: self.ends,
        }
    }
}

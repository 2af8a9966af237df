//! Which frames are selected: the filter, compiled for each link type that the capture has.

use super::inside::{self, Behind, Unseen};
use crate::capfile::LinkType;
use crate::filter::{Filter, FilterError, Program, Subject};
use crate::packet::Decoded;

/// A filter and its programs.
#[derive(Debug)]
pub(super) struct Selection {
    /// `None` selects every frame.
    filter: Option<Filter>,
    programs: Vec<(LinkType, Program)>,
    /// By its number, whether a frame of a stream was selected; unused without a filter.
    streams: Vec<u64>,
    /// It is about the innermost packet of each frame.
    is_inside: bool,
    /// For the innermost packet, if that can be asked for.
    inside: Option<Program>,
    /// The filter asks what that is packed in.
    unpacks: bool,
    /// A frame with nothing in front of that.
    bare: Vec<u8>,
    unseen: Unseen,
}

impl Selection {
    pub(super) fn new(filter: Filter, is_inside: bool) -> Selection {
        let filter = Some(filter).filter(|filter| !filter.is_empty());
        let unpacks = filter.as_ref().is_some_and(Filter::unpacks);
        Selection {
            inside: filter
                .as_ref()
                .filter(|filter| !filter.reads_link())
                .and_then(|filter| filter.compile_inside().ok()),
            filter,
            programs: Vec::new(),
            streams: Vec::new(),
            is_inside,
            unpacks,
            bare: Vec::new(),
            unseen: Unseen::default(),
        }
    }

    /// A frame of this stream was selected.
    #[inline]
    pub(super) fn stream(&mut self, number: Option<u32>) {
        let (Some(number), Some(_)) = (number, &self.filter) else {
            return;
        };
        let (place, bit) = place(number);
        if self.streams.len() <= place {
            self.streams.resize(place + 1, 0);
        }
        self.streams[place] |= bit;
    }

    /// Whether a frame of this stream was selected.
    pub(super) fn has(&self, stream: u32) -> bool {
        let (place, bit) = place(stream);
        self.filter.is_none() || self.streams.get(place).is_some_and(|bits| bits & bit != 0)
    }

    /// Whether a frame is selected. `bytes` are what the layers are about: those of the frame, or of the packet
    /// of which it was the last missing fragment.
    #[inline]
    pub(super) fn selects(
        &mut self,
        subject: &Subject<'_>,
        decoded: &Decoded,
        bytes: &[u8],
        link: LinkType,
    ) -> Result<bool, FilterError> {
        match &self.filter {
            None => Ok(true),
            Some(_) if self.unpacks => self.asks_unpacked(subject, decoded, bytes, link),
            Some(_) => self.asks(subject, decoded, bytes, link),
        }
    }

    /// The same with what the innermost packet is packed in.
    fn asks_unpacked(
        &mut self,
        subject: &Subject<'_>,
        decoded: &Decoded,
        bytes: &[u8],
        link: LinkType,
    ) -> Result<bool, FilterError> {
        let mut unpacked = Vec::new();
        inside::write(&mut unpacked, bytes, decoded);
        let packed: Vec<(&'static str, u32)> = decoded
            .passed
            .iter()
            .map(|passage| (passage.kind.word(), passage.number))
            .collect();
        let tags = usize::from(decoded.tags.count).min(decoded.tags.kept.len());
        let subject = Subject {
            packed: &packed,
            unpacked: &unpacked,
            tags: &decoded.tags.kept[..tags],
            ..*subject
        };
        self.asks(&subject, decoded, bytes, link)
    }

    fn asks(
        &mut self,
        subject: &Subject<'_>,
        decoded: &Decoded,
        bytes: &[u8],
        link: LinkType,
    ) -> Result<bool, FilterError> {
        if self.is_inside || has_no_place(link) {
            return self.matches_inside(subject, decoded, bytes);
        }
        let known = self.programs.iter().position(|(known, _)| *known == link);
        let place = match (known, &self.filter) {
            (Some(place), _) => place,
            (None, Some(filter)) => {
                self.programs.push((link, filter.compile(link)?));
                self.programs.len() - 1
            }
            (None, None) => return Ok(true),
        };
        let matches = self.programs[place].1.matches(subject);
        let is_whole = !std::ptr::eq(bytes, subject.data);
        if self.inside.is_some()
            && !is_whole
            && let Some(behind) = Behind::of(decoded)
            && self.matches_inside(subject, decoded, bytes)? != matches
        {
            self.unseen.count(behind, decoded, matches);
        }
        Ok(matches)
    }

    fn matches_inside(
        &mut self,
        subject: &Subject<'_>,
        decoded: &Decoded,
        bytes: &[u8],
    ) -> Result<bool, FilterError> {
        if let (None, Some(filter)) = (&self.inside, &self.filter) {
            self.inside = Some(filter.compile_inside()?);
        }
        let Some(program) = &self.inside else {
            return Ok(true);
        };
        inside::write(&mut self.bare, bytes, decoded);
        let tags = usize::from(decoded.tags.count).min(decoded.tags.kept.len());
        Ok(program.matches(&Subject {
            data: &self.bare,
            tags: &decoded.tags.kept[..tags],
            ..*subject
        }))
    }

    /// What the filter did not look at.
    pub(super) fn unseen(&self) -> Unseen {
        self.unseen
    }

    /// The link type of frames none of which can match, if all of the capture are of such a type.
    pub(super) fn rejects_all(&self) -> Option<LinkType> {
        let is_rejected = |(_, program): &(LinkType, Program)| program.rejects_all();
        let (link, _) = self.programs.first()?;
        self.programs.iter().all(is_rejected).then_some(*link)
    }
}

/// Whether the network layer of these frames has no fixed place, so that a filter has to be about the innermost packet.
#[inline]
fn has_no_place(link: LinkType) -> bool {
    matches!(
        link,
        LinkType::PPP_ETHER
            | LinkType::PPP_PPPD
            | LinkType::PPP_WITH_DIR
            | LinkType::IEEE802_11
            | LinkType::IEEE802_11_RADIOTAP
            | LinkType::NFLOG
            | LinkType::FRAME_RELAY
            | LinkType::IPNET
            | LinkType::IP_OVER_INFINIBAND
    )
}

fn place(stream: u32) -> (usize, u64) {
    (stream as usize / 64, 1 << (stream % 64))
}

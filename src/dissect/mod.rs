//! The dissection of a capture: frames in, typed events out, one at a time.
//!
//! A [`Dissector`] takes the frames of a capture in their order and gives each event to a handler as soon
//! as it is known. For a frame these are, in this order:
//!
//! 1. [`Event::Stream`]: what the segment has brought: the begin of a stream, application messages, facts,
//!    the data of the stream that is followed;
//! 2. [`Event::Frame`]: the frame itself: its layers, its place in its stream, how many messages and facts
//!    came in step 1, and whether the filter selects it;
//! 3. [`Event::Stream`] again: streams that are over and leave the table, or have to, and what becomes
//!    known by that. These are not about the frame: a filter hides them unless a frame of the stream was
//!    selected.
//!
//! At the end of the capture come the events of all streams that are left, then [`Event::End`].
//!
//! # Invariants
//!
//! - No file, no clock and no output: the time is that of the frames.
//! - Memory does not grow with the number of frames: streams are limited by
//!   [`stream::Settings::max_memory`], fragments and echo requests by limits of their own. With a filter,
//!   one bit of each stream is kept. Nothing is collected for the end.

mod claims;
mod inside;
mod kept;
mod passes;
pub mod said;
mod selection;
mod unread;
mod watch;

use crate::capfile::{self, Ends, LinkType, Timestamp};
use crate::filter::{Filter, FilterError, Subject};
use crate::packet::checksum::{self, Wrong};
use crate::packet::fragments::Fragments;
use crate::packet::icmp::{Message, parse, parse_quoted};
use crate::packet::ip::protocol;
use crate::packet::record::{Network, Transport};
use crate::packet::{Decoded, decode};
use crate::stream::{self, EchoRequests, Fact, Noted, SegmentInfo, StreamRef, Tracker};

use claims::Claims;
pub use inside::{Behind, Unseen};
pub use kept::Kept;
use said::Greetings;
pub use said::Said;
use selection::Selection;
pub use unread::Unread;
use watch::Watch;

/// What a dissection looks for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The streams and their limits.
    pub streams: stream::Settings,
    /// Which frames are selected.
    pub filter: Filter,
    /// Look at what is around the streams as well: the capture itself, addresses, pings, queries, scans.
    pub watch: bool,
    /// Look for what application protocols say first: hosts, versions, requests.
    pub greetings: bool,
    /// The filter is about the innermost packet of each frame.
    pub inside: bool,
    /// Verify the checksums of the frames that are selected.
    pub check_checksums: bool,
    /// Stop after this many frames that are selected.
    pub limit: Option<u64>,
}

impl Settings {
    /// The same, looking for everything that there may be a finding about.
    #[must_use]
    pub fn for_findings(mut self) -> Settings {
        let streams = &mut self.streams;
        (streams.assemble_all, streams.causes, streams.compare) = (true, true, true);
        self.watch = true;
        self
    }
}

/// What a dissection tells.
#[derive(Debug)]
pub enum Event<'a> {
    /// A frame.
    Frame(&'a Frame<'a>),
    /// Something about a stream.
    Stream(stream::Event<'a>),
    /// The capture is over. Nothing follows.
    End(Totals),
}

/// A frame, dissected.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Its number in the capture, from 1.
    pub number: u64,
    /// When it was captured. A frame that does not say has the time of the frame before it.
    pub time: Timestamp,
    /// Whether it says so.
    pub has_time: bool,
    /// How long it was on the wire, in bytes.
    pub length: u32,
    /// What was captured of it.
    pub captured: &'a [u8],
    /// Its record in the file, if that is at hand.
    pub record: &'a [u8],
    /// The bytes that the offsets in `decoded` are about: `captured`, or the packet of which this frame
    /// was the last missing fragment.
    pub bytes: &'a [u8],
    /// Its layers.
    pub decoded: &'a Decoded,
    /// Of a TCP segment: its stream, and what it is in the course of that.
    pub segment: Option<&'a SegmentInfo>,
    /// Of an ICMP error: the stream of the packet that it quotes.
    pub quoted: Option<u32>,
    /// Of an echo reply: the number of the frame with the request.
    pub request: Option<u64>,
    /// The checksum that is wrong, if checksums are verified.
    pub wrong_checksum: Option<Wrong>,
    /// What an application protocol says in it.
    pub said: Option<&'a Said>,
    /// Of ARP: the address that somebody else has claimed before.
    pub contested: Option<[u8; 4]>,
    /// Application messages that it completes.
    pub messages: u32,
    /// Facts that were noticed at it.
    pub facts: u32,
    /// Whether the filter selects it.
    pub is_selected: bool,
    /// The processes at its ends, as far as they are known.
    pub ends: Ends,
}

/// What a dissection came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Frames.
    pub frames: u64,
    /// Frames that were selected.
    pub selected: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Streams.
    pub streams: u64,
    /// Streams of which a frame was selected.
    pub shown_streams: u64,
    /// Application messages.
    pub messages: u64,
    /// Facts worth reporting of frames and streams that were selected.
    pub facts: u64,
    /// Selected frames of which something was not decoded.
    pub not_decoded: u64,
    /// What that was in the first of them, and whether it was the same in all.
    pub unread: Option<(Unread, bool)>,
    /// Streams that were dropped before their end to keep within the memory limit.
    pub evicted: u64,
    /// Fragmented packets that were dropped before they were whole: too many waited.
    pub fragments_dropped: u64,
    /// The capture was read to its end.
    pub is_complete: bool,
    /// What the filter did not look at.
    pub unseen: Unseen,
    /// No frame of this link type, which all frames are of, can match the filter: its parts exclude each other.
    pub rejected: Option<LinkType>,
}

/// A dissection in progress.
#[derive(Debug)]
pub struct Dissector {
    tracker: Tracker,
    echoes: EchoRequests,
    fragments: Fragments,
    claims: Claims,
    greetings: Option<Box<Greetings>>,
    selection: Selection,
    watch: Option<Box<Watch>>,
    check_checksums: bool,
    limit: Option<u64>,
    last_time: Timestamp,
    totals: Totals,
}

impl Dissector {
    /// Before the first frame.
    pub fn new(settings: Settings) -> Dissector {
        Dissector {
            tracker: Tracker::new(settings.streams),
            echoes: EchoRequests::default(),
            fragments: Fragments::default(),
            claims: Claims::default(),
            greetings: settings.greetings.then(Box::default),
            watch: settings.watch.then(Box::default),
            selection: Selection::new(settings.filter, settings.inside),
            check_checksums: settings.check_checksums,
            limit: settings.limit,
            last_time: Timestamp::default(),
            totals: Totals::default(),
        }
    }

    /// What it has come to so far.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Takes the next frame. Whether more are wanted: `false` once the limit is reached.
    ///
    /// # Errors
    /// When the filter asks for something that frames of this link type do not have.
    #[inline]
    pub fn frame(
        &mut self,
        frame: &capfile::Frame<'_>,
        handler: &mut impl FnMut(Event<'_>),
    ) -> Result<bool, FilterError> {
        let mut decoded = decode(frame.link, frame.data, frame.original_len);
        self.decoded(frame, &mut decoded, handler)
    }

    /// Takes the next frame, of which the layers are known: of a fragment that was the last one missing, they are
    /// then those of the whole packet.
    ///
    /// # Errors
    /// As [`Dissector::frame`].
    #[inline]
    pub fn decoded(
        &mut self,
        frame: &capfile::Frame<'_>,
        decoded: &mut Decoded,
        handler: &mut impl FnMut(Event<'_>),
    ) -> Result<bool, FilterError> {
        let time = frame.time.unwrap_or(self.last_time);
        self.last_time = time;
        self.totals.frames += 1;
        let watch = self.watch.as_mut();
        let pass = watch.map(|watch| watch.passes.see(decoded, frame, time));
        let whole = self.reassemble(frame.number, time, decoded, frame.data);
        let decoded = &*decoded;
        let bytes = whole.as_deref().unwrap_or(frame.data);
        let (mut messages, mut facts) = (0, 0);
        let segment = self.track(frame, bytes, time, decoded, &mut |event| {
            messages += u32::from(matches!(event, stream::Event::Message(_)));
            facts += u32::from(matches!(event, stream::Event::Fact(_)));
            handler(Event::Stream(event));
        });
        let is_segment = segment.is_some();
        let problem = (!is_segment)
            .then(|| self.problem(decoded, bytes))
            .flatten();
        let quoted = problem.as_ref().and_then(|(_, stream)| *stream);
        if let Some((noted, stream)) = problem {
            facts += 1;
            handler(Event::Stream(stream::Event::Fact(&Fact {
                frame: frame.number,
                time,
                stream,
                noted,
            })));
        }
        let quoted = quoted.map(|stream| stream.number);
        let number = segment.map(|segment| segment.stream).or(quoted);
        let greetings = self.greetings.as_deref_mut();
        let said = said::listen(greetings, decoded, bytes, segment.as_ref(), handler);
        let (host, is_sni) = said::named(self.greetings.as_deref(), said.as_deref(), number);
        let subject = Subject {
            data: frame.data,
            original_len: frame.original_len,
            stream: number.map(u64::from),
            app: messages > 0,
            expert: facts > 0,
            host,
            is_sni,
            ..Subject::new(frame.data, frame.original_len)
        };
        let contested = match &decoded.innermost().network {
            Network::Arp(arp) => self.claims.see(arp),
            _ => None,
        };
        let request = (!is_segment)
            .then(|| self.echoes.see(frame.number, decoded, bytes))
            .flatten();
        let is_selected = self
            .selection
            .selects(&subject, decoded, bytes, frame.link)?;
        self.totals.messages += u64::from(messages);
        if is_selected {
            self.totals.selected += 1;
            self.totals.facts += u64::from(facts);
            if let Some(unread) = Unread::of(decoded, bytes) {
                self.totals.not_decoded += 1;
                let (first, are_all) = self.totals.unread.unwrap_or((unread, true));
                self.totals.unread = Some((first, are_all && first == unread));
            }
            self.selection.stream(number);
            if let (Some(watch), Some(pass)) = (&mut self.watch, pass) {
                watch.frame(frame, time, decoded, bytes, pass);
            }
            self.totals.bytes += u64::from(frame.original_len);
        }
        handler(Event::Frame(&Frame {
            number: frame.number,
            time,
            has_time: frame.time.is_some(),
            length: frame.original_len,
            captured: frame.data,
            record: frame.record,
            bytes,
            decoded,
            segment: segment.as_ref(),
            quoted,
            request,
            wrong_checksum: (self.check_checksums && is_selected)
                .then(|| checksum::wrong(decoded, bytes))
                .flatten(),
            said: said.as_deref(),
            contested,
            messages,
            facts,
            is_selected,
            ends: frame.ends,
        }));
        if self.tracker.is_over_limit() {
            let (totals, selection) = (&mut self.totals, &self.selection);
            let watch = self.watch.as_deref_mut();
            self.tracker
                .make_room(&mut late(totals, selection, watch, handler));
        }
        Ok(!self.limit_is_reached())
    }

    /// The capture is over; `complete` says that it was read to its end.
    pub fn finish(mut self, complete: bool, handler: &mut impl FnMut(Event<'_>)) -> Totals {
        let stopped = self.limit_is_reached();
        let (totals, selection) = (&mut self.totals, &self.selection);
        let watch = self.watch.as_deref_mut();
        self.tracker
            .finish(!stopped, &mut late(totals, selection, watch, handler));
        if let Some(watch) = self.watch.take() {
            let fragments = self.fragments.waiting();
            watch.finish(self.last_time, fragments, &mut |fact| {
                totals.facts += 1;
                handler(Event::Stream(stream::Event::Fact(fact)));
            });
        }
        totals.streams = u64::from(self.tracker.streams());
        totals.fragments_dropped = self.fragments.dropped();
        totals.unseen = self.selection.unseen();
        totals.rejected = self.selection.rejects_all();
        totals.is_complete = complete && !stopped;
        handler(Event::End(*totals));
        *totals
    }

    fn limit_is_reached(&self) -> bool {
        self.limit
            .is_some_and(|limit| self.totals.selected >= limit)
    }

    /// The segment of a frame in its stream.
    #[inline]
    fn track(
        &mut self,
        frame: &capfile::Frame<'_>,
        bytes: &[u8],
        time: Timestamp,
        decoded: &Decoded,
        handler: &mut impl FnMut(stream::Event<'_>),
    ) -> Option<SegmentInfo> {
        let layers = decoded.innermost();
        let (Network::Ip(ip), Transport::Tcp(tcp)) = (&layers.network, &layers.transport) else {
            return None;
        };
        if ip.fragment.is_some() || tcp.header_length == 0 {
            return None;
        }
        let tracked = stream::Frame {
            number: frame.number,
            time,
            bytes,
            wire_length: frame.original_len,
        };
        Some(self.tracker.segment(&tracked, ip, tcp, handler))
    }

    /// The capture lost this many frames, as the file says.
    pub fn dropped(&mut self, frames: u64) {
        if let Some(watch) = &mut self.watch {
            watch.dropped = frames;
        }
    }

    /// What an ICMP error says, and the stream of the packet that it quotes. A redirect, or a source quench, is not
    /// about a packet that is lost.
    fn problem(&mut self, decoded: &Decoded, bytes: &[u8]) -> Option<(Noted, Option<StreamRef>)> {
        let layers = decoded.innermost();
        let (Network::Ip(ip), Transport::Icmp(icmp)) = (&layers.network, &layers.transport) else {
            return None;
        };
        let is_v6 = ip.is_v6;
        if !is_v6 && matches!(icmp.r#type, 4 | 5) {
            return None;
        }
        let Ok(Message::Problem(problem)) = parse(icmp.version, icmp.span.of(bytes)) else {
            return None;
        };
        let quoted = parse_quoted(icmp.version, problem.quoted).ok()?;
        let head = quoted.head;
        let detail = u32::from_be_bytes(problem.detail);
        // RFC 1191 section 4: the lower half; of an old router 0. RFC 4443 section 3.2: the whole word.
        let mtu = match (is_v6, problem.r#type, problem.code) {
            (false, 3, 4) => Some(detail & 0xffff),
            (true, 2, _) => Some(detail),
            _ => None,
        };
        let mut ports = [0, 0];
        let has_ports =
            matches!(head.protocol, protocol::TCP | protocol::UDP) && head.is_first_fragment;
        if let (true, Some(&[a, b, c, d])) =
            (has_ports, problem.quoted.get(head.length..head.length + 4))
        {
            ports = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
        }
        let (from, to) = ((head.source, ports[0]), (head.destination, ports[1]));
        let mut stream = None;
        if head.protocol == protocol::TCP {
            stream = self.tracker.quoted(from, to, mtu.unwrap_or(0));
        }
        if let Some(watch) = &mut self.watch {
            watch.quoted(from, to);
            if let Some(echo) = quoted.echo {
                watch.quoted_echo(from.0, to.0, echo.identifier, echo.sequence);
            }
        }
        let noted = Noted::IcmpError {
            by: ip.source,
            is_v6,
            r#type: problem.r#type,
            code: problem.code,
            mtu,
            to,
        };
        Some((noted, stream))
    }

    /// Of the fragment that was the last one missing: the whole packet, which `decoded` is about then.
    #[inline]
    fn reassemble(
        &mut self,
        number: u64,
        time: Timestamp,
        decoded: &mut Decoded,
        frame: &[u8],
    ) -> Option<Vec<u8>> {
        let ip = decoded.ip().filter(|ip| ip.fragment.is_some())?;
        let link = if ip.is_v6 {
            LinkType::IPV6
        } else {
            LinkType::IPV4
        };
        let whole = self.fragments.take((number, time), ip, frame)?;
        *decoded = decode(link, &whole, u32::try_from(whole.len()).unwrap_or(u32::MAX));
        Some(whole)
    }
}

/// Counts and hands on what is not about the frame at hand.
fn late<'a>(
    totals: &'a mut Totals,
    selection: &'a Selection,
    mut watch: Option<&'a mut Watch>,
    handler: &'a mut impl FnMut(Event<'_>),
) -> impl FnMut(stream::Event<'_>) + 'a {
    move |event| {
        if let stream::Event::Fact(Fact { noted, .. }) = &event {
            totals.evicted += u64::from(matches!(noted, Noted::Evicted(_)));
        }
        let stream = match &event {
            stream::Event::Message(message) => Some(message.stream.number),
            stream::Event::Fact(fact) => fact.stream.map(|stream| stream.number),
            stream::Event::Ended(summary) => Some(summary.number),
            stream::Event::Begun(_) | stream::Event::Named(..) | stream::Event::Data(..) => None,
        };
        if stream.is_some_and(|stream| !selection.has(stream)) {
            return;
        }
        totals.shown_streams += u64::from(matches!(event, stream::Event::Ended(_)));
        totals.messages += u64::from(matches!(event, stream::Event::Message(_)));
        totals.facts += u64::from(matches!(event, stream::Event::Fact(_)));
        if let (Some(watch), stream::Event::Ended(summary)) = (&mut watch, &event) {
            watch.ended(summary);
        }
        handler(Event::Stream(event));
    }
}

#[cfg(test)]
mod tests;

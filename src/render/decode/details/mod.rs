//! A frame in full: every field of every layer, in the words and the order of tshark's tree (`tshark -V`).
//!
//! | file | what it writes |
//! |---|---|
//! | `tree` | a line for each field |
//! | `link` | Ethernet, VLAN tags, Linux cooked capture, BSD loopback, PPP |
//! | `ip` | IP of both versions, and what follows it |
//! | `tcp` | TCP and its options |
//! | `datagram` | UDP, ARP, GRE |
//! | `tunnel` | VXLAN, MPLS, Geneve, GTP-U, ERSPAN |
//! | `icmp` | ICMP of both versions, with the packet that an error quotes |
//!
//! Fields in brackets are not in the frame but known of it. Payloads are named with their length.

mod datagram;
mod icmp;
mod ip;
mod link;
mod tcp;
mod tree;
mod tunnel;

use super::buffer::Buffer;
use super::view::EventWriter;
use super::words::MessageWriter;
use crate::capfile::{Interface, LinkType, Timestamp, comments};
use crate::dissect::Frame;
use crate::drops::Dropped;
use crate::packet::checksum::Wrong;
use crate::packet::link::ethertype;
use crate::packet::record::Network;
use crate::render::hexdump::Hexdump;
use crate::render::{date, drops, escape};
use crate::stream::Event;

use tree::{Part, Tree, plural};

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
/// What is in front of an `EtherType` that is not Ethernet's (IEEE 802.2, RFC 1042): LLC and SNAP.
const SNAP: [u8; 6] = [0xaa, 0xaa, 3, 0, 0, 0];
/// Layers inside one another that are opened.
const DEEPEST: usize = 16;
/// Comments of a frame that are shown.
pub(super) const MOST_COMMENTS: usize = 16;

/// Writes frames in full.
#[derive(Debug, Default)]
pub struct Details {
    interface: Option<Box<str>>,
    number: u32,
    /// How frames begin; a packet that was put together from fragments begins otherwise.
    link: Option<LinkType>,
    first: Option<Timestamp>,
    messages: MessageWriter,
    /// The bytes of each frame follow it, in hexadecimal.
    hex: bool,
}

impl Details {
    /// With the bytes of each frame, or without.
    pub fn new(hex: bool) -> Details {
        Details {
            hex,
            ..Details::default()
        }
    }

    fn link_type(&self, frame: &Frame<'_>) -> LinkType {
        self.link.unwrap_or(frame.decoded.link_type)
    }

    /// What is known of the frame as a whole.
    fn about(&self, tree: &mut Tree<'_>, frame: &Frame<'_>) {
        let comments = comments(frame.record).take(MOST_COMMENTS);
        for (index, comment) in comments.enumerate() {
            if index == 0 {
                tree.line(format_args!("Packet comments"));
            }
            let text = String::from_utf8_lossy(comment);
            tree.inside(|tree| tree.line(format_args!("{}", escape::text(&text))));
        }
        let (wire, captured) = (frame.length as usize, frame.captured.len());
        let length = |bytes: usize| format!("{bytes} byte{}", plural(bytes));
        let on = match &self.interface {
            Some(name) => format!(" on interface {}, id {}", escape::text(name), self.number),
            None => String::new(),
        };
        tree.line(format_args!(
            "Frame {}: {} on wire ({} bits), {} captured ({} bits){on}",
            frame.number,
            length(wire),
            wire * 8,
            length(captured),
            captured * 8
        ));
        tree.inside(|tree| {
            if let Some(name) = &self.interface {
                let name = escape::text(name);
                tree.line(format_args!("Interface id: {} ({name})", self.number));
                tree.inside(|tree| tree.line(format_args!("Interface name: {name}")));
            }
            let (name, number) = encapsulation(self.link_type(frame));
            tree.line(format_args!("Encapsulation type: {name} ({number})"));
            if frame.has_time {
                self.times(tree, frame.time);
            }
            tree.line(format_args!("Frame Number: {}", frame.number));
            tree.line(format_args!(
                "Frame Length: {} ({} bits)",
                all_bytes(wire),
                wire * 8
            ));
            tree.line(format_args!(
                "Capture Length: {} ({} bits)",
                all_bytes(captured),
                captured * 8
            ));
        });
    }

    /// When it was captured.
    fn times(&self, tree: &mut Tree<'_>, time: Timestamp) {
        let (day, second) = date::utc(time.seconds);
        tree.line(format_args!(
            "Arrival Time: {} {second}.{:09} UTC",
            month_first(&day),
            time.nanoseconds
        ));
        tree.line(format_args!(
            "Epoch Time: {}.{:09} seconds",
            time.seconds, time.nanoseconds
        ));
        let first = self.first.unwrap_or(time);
        let since = time.as_nanos() - first.as_nanos();
        let sign = if since < 0 { "-" } else { "" };
        let since = since.unsigned_abs();
        tree.line(format_args!(
            "[Time since reference or first frame: {sign}{}.{:09} seconds]",
            since / 1_000_000_000,
            since % 1_000_000_000
        ));
    }
}

impl EventWriter for Details {
    fn interface(&mut self, number: u32, interface: &Interface) {
        self.interface.clone_from(&interface.name);
        self.number = number;
        self.link = Some(interface.link);
    }

    fn start(&mut self, time: Timestamp) {
        self.first = Some(time);
    }

    fn dropped(&mut self, out: &mut Buffer, dropped: &Dropped) {
        out.text("DROP ");
        drops::write_line(out, dropped);
        out.byte(b'\n');
    }

    fn stream(&mut self, out: &mut Buffer, event: &Event<'_>) {
        if let Event::Message(message) = event {
            out.text("Application message: ");
            self.messages.write(out, message);
            out.byte(b'\n');
        }
    }

    fn frame(&mut self, out: &mut Buffer, frame: &Frame<'_>, pending: &[u8]) {
        let mut tree = Tree::new(out);
        self.about(&mut tree, frame);
        let all = Part {
            bytes: frame.captured,
            length: frame.length as usize,
            at: 0,
        };
        let is_whole = !std::ptr::eq(frame.bytes, frame.captured);
        let mut walk = Walk {
            tree,
            frame,
            whole: is_whole.then_some(frame.bytes),
            depth: 0,
            is_quoted: false,
        };
        walk.link(self.link_type(frame), all);
        if let Some(malformed) = &frame.decoded.malformed {
            let is_cut = frame.captured.len() < frame.length as usize;
            let words = if is_cut {
                "Packet size limited during capture"
            } else {
                "Malformed Packet"
            };
            walk.tree.line(format_args!(
                "[{words}: {} at byte {} needs {} bytes, {} are there]",
                malformed.layer.name(),
                malformed.offset,
                malformed.need,
                malformed.have
            ));
        }
        if let Some(wrong) = frame.wrong_checksum {
            walk.tree
                .line(format_args!("[{} CHECKSUM INCORRECT]", wrong.layer()));
        }
        out.bytes(pending);
        if self.hex {
            // Writing to memory does not fail.
            let _ = Hexdump::new().write(out, "    ", frame.captured);
        }
        out.byte(b'\n');
    }

    fn between_frames(
        &mut self,
        _out: &mut Buffer,
        _event: &Event<'_>,
        _flush: &mut dyn FnMut(&mut Buffer),
    ) {
    }
}

/// The way through the layers of a frame.
struct Walk<'a, 'o> {
    tree: Tree<'o>,
    frame: &'a Frame<'a>,
    /// The packet that was put together from fragments, of which this frame has the last one.
    whole: Option<&'a [u8]>,
    /// How many layers are around this one.
    depth: usize,
    /// In the packet that an ICMP error quotes: nothing is known of its stream.
    is_quoted: bool,
}

impl<'a> Walk<'a, '_> {
    /// Whether one more layer is opened; otherwise its bytes are data.
    fn goes_deeper(&mut self, part: Part<'a>) -> bool {
        self.depth += 1;
        if self.depth > DEEPEST {
            self.tree.data(part);
        }
        self.depth <= DEEPEST
    }

    /// What is not opened here: data, unless the frame is known to have a packet in it. That is opened then, with the
    /// Ethernet header in front of it if it has one, and the header around it is named with its length.
    fn unknown(&mut self, part: Part<'a>) {
        let layers = self.frame.decoded.innermost();
        let (inner, number) = match &layers.network {
            Network::Ip(ip) if ip.is_v6 => (ip.offset as usize, ethertype::IPV6),
            Network::Ip(ip) => (ip.offset as usize, ethertype::IPV4),
            Network::Arp(arp) => (arp.offset as usize, ethertype::ARP),
            Network::Other { .. } | Network::None => return self.tree.data(part),
        };
        let header = inner.checked_sub(part.at);
        let Some(header) = header.filter(|header| *header < part.bytes.len()) else {
            return self.tree.data(part);
        };
        if self.is_quoted || self.whole.is_some() {
            return self.tree.data(part);
        }
        let mut passed = self.frame.decoded.passed.iter();
        if let Some(passage) = passed.find(|it| it.offset as usize == part.at)
            && self.tunnel(passage, part)
        {
            return;
        }
        let is_ethernet = header >= ETHERNET
            && part.u16(header - 2) == Some(number)
            && !part.bytes[..header - 2].ends_with(&SNAP);
        let header = if is_ethernet {
            header - ETHERNET
        } else {
            header
        };
        self.tree.line(format_args!("Header ({header} bytes)"));
        self.tree.inside(|tree| {
            let bytes = &part.bytes[..header];
            tree.line(format_args!("Data: {}", tree::hex(bytes)));
        });
        let packet = part.after(header);
        if is_ethernet {
            self.ethernet(packet);
        } else {
            self.network(number, packet);
        }
    }

    /// What verifying checksums has found about this layer.
    fn is_wrong(&self, layer: Wrong) -> bool {
        !self.is_quoted && self.frame.wrong_checksum == Some(layer)
    }
}

fn all_bytes(bytes: usize) -> String {
    format!("{bytes} byte{}", plural(bytes))
}

/// `2023-11-14` as `Nov 14, 2023`.
fn month_first(date: &str) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut parts = date.rsplitn(3, '-');
    let day: u8 = parts.next().and_then(|day| day.parse().ok()).unwrap_or(0);
    let month: usize = parts
        .next()
        .and_then(|month| month.parse().ok())
        .unwrap_or(1);
    let year = parts.next().unwrap_or_default();
    let month = MONTHS.get(month.wrapping_sub(1)).unwrap_or(&"");
    format!("{month} {day:2}, {year}")
}

/// Wireshark's name and number of a link type (wiretap/wtap.h, `WTAP_ENCAP_*`).
fn encapsulation(link: LinkType) -> (String, i32) {
    let (name, number) = match link {
        LinkType::ETHERNET => ("Ethernet", 1),
        LinkType::PPP | LinkType(50) => ("PPP", 4),
        LinkType::RAW => ("Raw IP", 7),
        LinkType::NULL => ("NULL/Loopback", 15),
        LinkType::LOOP => ("OpenBSD enc(4) or loopback", 32),
        LinkType::LINUX_SLL => ("Linux cooked-mode capture v1", 25),
        LinkType::IPV4 => ("Raw IPv4", 129),
        LinkType::IPV6 => ("Raw IPv6", 130),
        LinkType::LINUX_SLL2 => ("Linux cooked-mode capture v2", 210),
        LinkType(104) => ("Cisco HDLC", 28),
        LinkType(105) => ("IEEE 802.11 Wireless LAN", 20),
        LinkType(127) => ("IEEE 802.11 plus radiotap radio header", 23),
        LinkType(239) => ("NFLOG", 141),
        LinkType(107) => ("Frame Relay", 26),
        LinkType(226) => ("Solaris IPNET", 124),
        LinkType(242) => ("IP over IB", 180),
        other => return (other.to_string(), i32::from(other.0)),
    };
    (name.to_owned(), number)
}

//! What must hold for a frame whatever bytes it is.

use sockdoc::capfile::{Ends, LinkType, Timestamp};
use sockdoc::dissect::Frame;
use sockdoc::dissect::said::Greetings;
use sockdoc::packet::record::{Span, Transport};
use sockdoc::packet::{checksum, decode};
use sockdoc::render::decode::json::Shown;
use sockdoc::render::decode::{
    Buffer, Csv, EventWriter as _, Json, LineWriter, TimeColumn, TimeFormat,
};

const LINKS: [LinkType; 21] = [
    LinkType::ETHERNET,
    LinkType::NULL,
    LinkType::LOOP,
    LinkType::RAW,
    LinkType::IPV4,
    LinkType::IPV6,
    LinkType::LINUX_SLL,
    LinkType::LINUX_SLL2,
    LinkType::PPP,
    LinkType(147),
    LinkType::PPP_SERIAL,
    LinkType::PPP_ETHER,
    LinkType::C_HDLC,
    LinkType::IEEE802_11,
    LinkType::IEEE802_11_RADIOTAP,
    LinkType::PPP_PPPD,
    LinkType::PPP_WITH_DIR,
    LinkType::NFLOG,
    LinkType::FRAME_RELAY,
    LinkType::IPNET,
    LinkType::IP_OVER_INFINIBAND,
];

/// The input: a byte for the link type, a byte for how much of the frame was cut off, and the frame.
/// Every offset that is told is within it, and it can be shown.
pub(crate) fn packet(data: &[u8]) {
    let [kind, cut_off, frame @ ..] = data else {
        return;
    };
    let of = LINKS[usize::from(*kind) % LINKS.len()];
    let length = u32::try_from(frame.len()).unwrap() + u32::from(*cut_off);
    let decoded = decode(of, frame, length);
    assert!(decoded.network_offset as usize <= frame.len());
    for layers in [Some(decoded.outer), decoded.inner].into_iter().flatten() {
        match layers.transport {
            Transport::Tcp(tcp) => {
                assert!(tcp.options(frame).count() <= 40);
                within(&tcp.payload, frame);
            }
            Transport::Udp(udp) => within(&udp.payload, frame),
            Transport::Icmp(icmp) => within(&icmp.span, frame),
            Transport::Other(span) => within(&span, frame),
            Transport::None => {}
        }
    }
    let said = Greetings::default().read(&decoded, frame, None);
    let frame = Frame {
        number: 1,
        time: Timestamp::default(),
        has_time: kind % 2 == 0,
        length,
        captured: frame,
        record: &[],
        bytes: frame,
        decoded: &decoded,
        segment: None,
        quoted: None,
        request: None,
        wrong_checksum: checksum::wrong(&decoded, frame),
        said: said.as_deref(),
        contested: Some([10, 0, 0, 1]),
        messages: 0,
        facts: 0,
        is_selected: true,
        ends: Ends::default(),
    };
    let mut out = Buffer::default();
    let time = TimeColumn::new(TimeFormat::Relative);
    LineWriter::new(time, false).write(&mut out, &frame, b"");
    let shown = Shown {
        frames: true,
        ..Shown::default()
    };
    Json::new(shown).frame(&mut out, &frame, b"");
    Csv.frame(&mut out, &frame, b"");
    let text = std::str::from_utf8(out.as_bytes()).expect("text");
    assert_eq!(text.lines().count(), 3);
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
}

fn within(span: &Span, frame: &[u8]) {
    assert!(span.captured <= span.length);
    assert_eq!(span.of(frame).len(), span.captured as usize);
}

//! What was noticed around the streams: the capture itself, addresses, pings, queries, scans.

use std::net::Ipv4Addr;

use super::{Rule, found, millis, rule};
use crate::diagnose::{Fact, Severity, Value, words};
use crate::stream::{Noted, ScanOf};

/// The capture lost frames.
pub static CAPTURE_DROPPED: Rule = rule(
    "capture_dropped",
    "frames dropped by the capture",
    [
        "The capture could not keep up and dropped frames. What looks lost on the network may only be missing \
         here.",
        "The drop counts in the file (isb_ifdrop, isb_osdrop, epb_dropcount).",
        "Loss on the network: the receiver asks for it again.",
        "Capture again with a larger buffer (tcpdump -B 65536), a filter, or a shorter snap length (-s 128).",
    ],
    |fact| match fact.noted {
        Noted::Dropped(frames) => {
            let counted = words::count(frames, "frame");
            let headline = format!("the capture dropped {counted}: gaps may not be loss");
            let mut finding = found(&CAPTURE_DROPPED, Severity::Warning, fact, headline);
            finding.facts = vec![Fact::new("file", "dropped", Value::Count(frames))];
            Some(finding)
        }
        _ => None,
    },
);

/// The file is not in the order of its times.
pub static TIME_BACK: Rule = rule(
    "time_back",
    "time goes backwards",
    [
        "A frame has an earlier time than the one before it: frames of several queues or interfaces were \
         merged, or the clock was set. Waits and retransmission flags near it are not reliable.",
        "The time of a frame is before that of an earlier frame.",
        "A late frame has a later time, and an earlier sequence number.",
        "Sort the frames by time first: reordercap FILE SORTED",
    ],
    |fact| match fact.noted {
        Noted::TimeBack { frames, longest } => {
            let counted = words::count(frames, "time");
            let headline = format!(
                "time goes backwards {counted}, by up to {}",
                millis(longest)
            );
            Some(found(&TIME_BACK, Severity::Notice, fact, headline))
        }
        _ => None,
    },
);

/// Frames were captured in part.
pub static FRAMES_CUT: Rule = rule(
    "frames_cut",
    "frames cut by the snap length",
    [
        "Only the first bytes of these frames were captured. The rest was not checked.",
        "The captured length is below the length on the wire.",
        "A short frame was captured whole.",
        "Capture whole frames: tcpdump -s 0",
    ],
    |fact| match fact.noted {
        Noted::Cut { frames, of } => {
            let were = if frames == 1 { "was" } else { "were" };
            let headline =
                format!("{frames} of {of} frames {were} captured only in part (snap length)");
            Some(found(&FRAMES_CUT, Severity::Notice, fact, headline))
        }
        _ => None,
    },
);

/// Headers are damaged.
pub static FRAMES_MALFORMED: Rule = rule(
    "frames_malformed",
    "malformed frames",
    [
        "A length in a header of these frames is wrong, or the packet ends within the header: a program that crafts \
         packets, a damaged packet, or a protocol that is not what its number says. The rest of them was not checked.",
        "The bytes that the layer needs or claims to have, and those that it has.",
        "A frame that was captured only in part (snap length).",
        "See what is wrong with each: sockdoc decode FILE --json",
    ],
    |fact| match fact.noted {
        Noted::Malformed {
            frames,
            of,
            first,
            is_one_layer,
        } => {
            let layer = first.layer.name();
            let first_of = if is_one_layer { "" } else { "the first in " };
            let are = if frames == 1 { "is" } else { "are" };
            let headline = format!("{frames} of {of} frames {are} malformed ({first_of}{layer})");
            let mut finding = found(&FRAMES_MALFORMED, Severity::Warning, fact, headline);
            let what = Value::Word(first.to_string().into());
            finding.facts.push(Fact::new("capture", "first", what));
            Some(finding)
        }
        _ => None,
    },
);

/// Frames were captured twice.
pub static CAPTURED_TWICE: Rule = rule(
    "captured_twice",
    "frames captured twice",
    [
        "The same IP packet is in the capture twice: a mirror port copies both directions, or several \
         interfaces of a host were captured. These copies are not retransmissions.",
        "An equal IP packet, identification included, within 0.1 ms.",
        "A retransmission is a new IP packet with another identification.",
        "Remove the copies first: editcap -d FILE OUT",
    ],
    |fact| match fact.noted {
        Noted::Copies { frames, of } => {
            let headline =
                format!("{frames} of {of} frames are copies: captured twice, not sent twice");
            Some(found(&CAPTURED_TWICE, Severity::Notice, fact, headline))
        }
        _ => None,
    },
);

/// Routers send a packet in a circle.
pub static PACKETS_LOOP: Rule = rule(
    "packets_loop",
    "packets in a routing loop",
    [
        "The same IP packets pass the capture point again and again, each time with a lower time to live: two or more \
         routers send them in a circle until it is used up. They never arrive.",
        "A packet that comes 3 times or more between the same two interfaces, unchanged but for a falling TTL.",
        "A retransmission is a new packet with the same TTL. A packet that is captured on both sides of a router has \
         other link-layer addresses there.",
        "On each router of the circle, see where it sends them: ip route get DESTINATION",
    ],
    |fact| match fact.noted {
        Noted::RoutingLoop {
            source,
            destination,
            packets,
            passes,
            ttls: (first, last),
        } => {
            let counted = words::count(packets, "packet");
            let headline = format!(
                "routing loop: {counted} from {source} to {destination} came by up to {passes} times, TTL {first} down \
                 to {last}"
            );
            Some(found(&PACKETS_LOOP, Severity::Error, fact, headline))
        }
        _ => None,
    },
);

/// One direction is missing.
pub static ONE_SIDED: Rule = rule(
    "one_sided",
    "only one direction captured",
    [
        "The capture has only one direction of these connections: the mirror port or the filter leaves the \
         other out, or its packets take another path. Findings about answers and loss are then not reliable.",
        "Data or acknowledgments of one end, and not a single segment of the other.",
        "A SYN that is never answered.",
        "Capture both directions, on a host instead of a mirror port if need be.",
    ],
    |fact| match fact.noted {
        Noted::OneSided { streams, of } => {
            let headline = format!("only one direction was captured in {streams} of {of} streams");
            Some(found(&ONE_SIDED, Severity::Warning, fact, headline))
        }
        _ => None,
    },
);

/// A fragment never came.
pub static FRAGMENT_MISSING: Rule = rule(
    "fragment_missing",
    "IP fragment missing",
    [
        "Some fragments of a packet are in the capture and others are not: the receiver drops the whole packet.",
        "Fragments of a packet without the rest for 1 s.",
        "A packet whose fragments come in another order is whole.",
        "Find what drops fragments: a firewall that does not reassemble them, or a full queue. For DNS, use \
         TCP or a smaller EDNS buffer.",
    ],
    |fact| match fact.noted {
        Noted::FragmentsLost {
            source,
            destination,
            packets,
        } => {
            let counted = words::count(packets, "packet");
            let headline =
                format!("fragments of {counted} from {source} to {destination} are missing");
            Some(found(&FRAGMENT_MISSING, Severity::Warning, fact, headline))
        }
        _ => None,
    },
);

/// Two hosts claim an address.
pub static ARP_DUPLICATE: Rule = rule(
    "arp_duplicate",
    "duplicate IP address",
    [
        "Two hosts use the same IP address. Packets go now to one, now to the other; connections break.",
        "ARP messages of two hardware addresses for one IP address within 10 s.",
        "A take-over (VRRP, keepalived) is announced by gratuitous ARP, and the old owner is silent then.",
        "Find both by their hardware addresses in the switch's table, and give one of them another address.",
    ],
    |fact| match fact.noted {
        Noted::DuplicateAddress { address, macs } => {
            let [one, other] = macs.map(mac);
            let address = Ipv4Addr::from(address);
            let headline = format!("duplicate address: {one} and {other} both claim {address}");
            Some(found(&ARP_DUPLICATE, Severity::Error, fact, headline))
        }
        _ => None,
    },
);

fn mac(of: [u8; 6]) -> String {
    of.map(|byte| format!("{byte:02x}")).join(":")
}

/// Pings without a reply.
pub static PING_UNANSWERED: Rule = rule(
    "ping_unanswered",
    "ping without a reply",
    [
        "Echo requests got neither a reply nor an ICMP error: lost on the way there or back, or dropped by a \
         firewall.",
        "An echo request without a reply for 1 s.",
        "A request at the very end of the capture.",
        "Capture on the other host: do the requests arrive there, and do replies leave?",
    ],
    |fact| match fact.noted {
        Noted::PingUnanswered {
            source,
            destination,
            lost,
            of,
        } => {
            let headline =
                format!("{lost} of {of} pings from {source} to {destination} got no reply");
            Some(found(&PING_UNANSWERED, Severity::Warning, fact, headline))
        }
        _ => None,
    },
);

/// Queries without an answer.
pub static DNS_UNANSWERED: Rule = rule(
    "dns_unanswered",
    "DNS query without an answer",
    [
        "DNS queries got no answer: the server is down or does not serve this client, or a firewall drops UDP \
         port 53. Programs wait 5 s or more for the next try.",
        "A query without an answer, and without an ICMP error, for 1 s.",
        "A query at the very end of the capture, or one that is refused: that is an answer.",
        "Ask the server yourself, over UDP and over TCP: dig @SERVER NAME, dig +tcp @SERVER NAME",
    ],
    |fact| match fact.noted {
        Noted::DnsUnanswered {
            client,
            server,
            queries,
        } => {
            let were = if queries == 1 {
                "1 DNS query".to_owned()
            } else {
                format!("{queries} DNS queries")
            };
            let headline = format!("{were} of {client} to {server} never answered");
            Some(found(&DNS_UNANSWERED, Severity::Warning, fact, headline))
        }
        _ => None,
    },
);

/// The server could not or would not answer.
pub static DNS_FAILED: Rule = rule(
    "dns_failed",
    "DNS server failure",
    [
        "The server answered that it could not resolve the name (SERVFAIL), or that it does not serve this \
         client (REFUSED).",
        "The response code of the answer (RFC 1035 section 4.1.1).",
        "NXDOMAIN is an ordinary answer: the name does not exist.",
        "SERVFAIL: look at the server's log, its upstream servers and DNSSEC. REFUSED: allow this client.",
    ],
    |fact| match fact.noted {
        Noted::DnsFailed {
            server,
            code,
            answers,
        } => {
            let word = if code == 2 { "SERVFAIL" } else { "REFUSED" };
            let counted = words::count(answers, "query").replace("querys", "queries");
            let headline = format!("DNS server {server} answered {counted} with {word}");
            Some(found(&DNS_FAILED, Severity::Warning, fact, headline))
        }
        _ => None,
    },
);

/// The answer took long.
pub static DNS_SLOW: Rule = rule(
    "dns_slow",
    "slow DNS answer",
    [
        "The answer came late: the server waited for others, or a first query was lost and sent again.",
        "1 s or more from the first query to the answer.",
        "A server that never answers.",
        "Look at the server's upstream servers, and at loss between here and there.",
    ],
    |fact| match fact.noted {
        Noted::DnsSlow {
            server,
            answers,
            longest,
        } => {
            let counted = words::count(answers, "answer");
            let headline = format!(
                "DNS server {server} was slow: {counted} took up to {}",
                millis(longest)
            );
            Some(found(&DNS_SLOW, Severity::Warning, fact, headline))
        }
        _ => None,
    },
);

/// Many ports, or many hosts, were tried.
pub static PORT_SCAN: Rule = rule(
    "port_scan",
    "port scan",
    [
        "One host tried many ports of another, or one port of many hosts, and found them closed or silent: a \
         scan, or a monitoring system.",
        "SYNs to 5 or more ports of a host, or to the same port of 16 or more hosts, refused or unanswered.",
        "A client that tries the same service again and again.",
        "If it is not yours, find the program on the scanning host: sockdoc sockets",
    ],
    |fact| match fact.noted {
        Noted::Scan {
            client,
            of,
            refused,
            silent,
        } => {
            let what = match of {
                ScanOf::Ports(host) => format!("{} ports of {host}", refused + silent),
                ScanOf::Hosts(port) => format!("port {port} of {} hosts", refused + silent),
            };
            let headline = format!(
                "scan: {client} tried {what}: {refused} refused, {silent} without an answer"
            );
            Some(found(&PORT_SCAN, Severity::Warning, fact, headline))
        }
        _ => None,
    },
);

//! What a reply, a refusal and a loss are called.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::number::short_millis;
use crate::ping::event::{Refused, Reply, Verdict};
use crate::ping::losses::{Refusal, Unsent};
use crate::ping::mpls::Label;
use crate::ping::payload::Damage;
use crate::ping::session::Session;
use crate::reference::errno;
use crate::reference::icmp::Version;

/// An ICMP error as ping prints it, with its MTU, gateway or pointer.
pub fn refused(refused: &Refused) -> String {
    let Refused {
        refusal, detail, ..
    } = refused;
    let words = refusal.words();
    match (refusal.version, refusal.r#type) {
        (Version::V4, 3) if refusal.is_too_big() => format!("{words} (mtu = {detail})"),
        (Version::V6, 2) => format!("{words}: mtu={detail}"),
        (Version::V4, 5) => format!("{words}(New nexthop: {})", Ipv4Addr::from(*detail)),
        // The code is of no interest to ping.
        (Version::V4, 12) => format!("Parameter problem: pointer = {detail}"),
        (Version::V6, 4) => format!("{words} at {detail}"),
        _ => words,
    }
}

/// What is wrong with a reply that does not count; `expected` is the length of the ICMP message that
/// was sent, `to` its destination.
pub fn wrong(reply: &Reply, expected: usize, to: &str, patience: Duration) -> String {
    match reply.verdict {
        Verdict::Good => "Reply".to_owned(),
        Verdict::Duplicate => "Duplicate reply".to_owned(),
        Verdict::Late => match reply.rtt {
            Some(rtt) => format!(
                "Late reply: after {} ms, timeout {} ms",
                short_millis(rtt),
                short_millis(patience)
            ),
            None => "Late reply: its request timed out long ago".to_owned(),
        },
        Verdict::BadChecksum => "Corrupted reply: bad checksum".to_owned(),
        Verdict::Damaged(Damage::Shorter) => {
            format!("Truncated reply: {} of {expected} bytes", reply.bytes)
        }
        Verdict::Damaged(Damage::Longer) => {
            format!("Corrupted reply: longer than the {expected} bytes that were sent")
        }
        Verdict::Damaged(Damage::Byte { at, sent, came }) => {
            format!("Corrupted reply: data byte #{at} should be 0x{sent:x} but was 0x{came:x}")
        }
        Verdict::Forged | Verdict::Damaged(Damage::Nonce) => {
            "Forged reply: its nonce does not match the request".to_owned()
        }
        Verdict::NeverSent => "Forged reply: this request was never sent".to_owned(),
        Verdict::Elsewhere => format!("Reply from elsewhere: the request went to {to}"),
    }
}

/// The same for a reply of this session.
pub fn wrong_of(session: &Session, reply: &Reply) -> String {
    let expected = session.payloads().length() + 8;
    let to = &session.target(reply.target).shown;
    wrong(reply, expected, to, session.plan().patience())
}

/// Why a request never left this host, as ping says it.
pub fn unsent(why: Unsent) -> String {
    match why {
        Unsent::Firewall => "sendmsg: Operation not permitted".to_owned(),
        Unsent::FullBuffer => "sendmsg: No buffer space available".to_owned(),
        Unsent::TooLong(Some(mtu)) => format!("local error: message too long, mtu={mtu}"),
        Unsent::TooLong(None) => "local error: message too long".to_owned(),
        Unsent::Other(number) => format!("sendmsg: {}", errno_message(number)),
    }
}

/// The same in the account of losses.
pub fn unsent_account(why: Unsent) -> String {
    match why {
        Unsent::Firewall => "a firewall of this host (EPERM)".to_owned(),
        Unsent::FullBuffer => "a full buffer of this host (ENOBUFS)".to_owned(),
        Unsent::TooLong(Some(mtu)) => format!("this host, larger than the MTU {mtu} (EMSGSIZE)"),
        Unsent::TooLong(None) => "this host, larger than the MTU (EMSGSIZE)".to_owned(),
        Unsent::Other(number) => {
            let name = errno::by_number(number).map_or("", |entry| entry.name);
            format!("this host, {} ({name})", errno_message(number))
        }
    }
}

/// An MPLS label, in the words of traceroute and mtr.
pub fn label(label: &Label) -> String {
    let Label {
        value,
        class,
        is_bottom,
        ttl,
    } = label;
    format!(
        "MPLS label {value} TC {class} S {} TTL {ttl}",
        u8::from(*is_bottom)
    )
}

/// In a word, for a program.
pub fn unsent_word(why: Unsent) -> &'static str {
    match why {
        Unsent::Firewall => "firewall",
        Unsent::FullBuffer => "full_buffer",
        Unsent::TooLong(_) => "too_long",
        Unsent::Other(_) => "error",
    }
}

/// An outage has begun.
pub fn down(since: &str, lost: u64) -> String {
    format!("down since {since}, {lost} lost in a row")
}

/// An outage is over.
pub fn up(after: Duration, lost: u64) -> String {
    format!("up again after {}, {lost} lost in a row", seconds(after))
}

/// `1.0 s`, `850 ms`: how long an outage was.
pub fn seconds(time: Duration) -> String {
    match time.as_millis() {
        millis @ 0..1000 => format!("{millis} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

fn errno_message(number: i32) -> String {
    match errno::by_number(number) {
        Some(entry) => entry.message.to_owned(),
        None => format!("error {number}"),
    }
}

/// Who refused.
pub fn by(refusal: &Refusal) -> String {
    match refusal.by {
        Some(by) => by.to_string(),
        None => "others".to_owned(),
    }
}

/// An address, with its name in front if it has one.
pub fn labelled(name: Option<&str>, address: &str) -> String {
    match name {
        Some(name) => format!("{} ({address})", crate::render::escape::text(name)),
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ping::clock::Realtime;
    use crate::ping::event::Timing;

    fn reply(verdict: Verdict) -> Reply {
        Reply {
            target: 0,
            sequence: 3,
            from: [10, 0, 0, 9].into(),
            bytes: 28,
            hop_limit: Some(63),
            rtt: Some(Duration::from_micros(1_500_383)),
            timing: Timing::default(),
            local: crate::ping::window::Local::default(),
            at: Realtime(0),
            verdict,
            counts: false,
        }
    }

    #[test]
    fn every_bad_reply_is_called_what_it_is() {
        let said = |verdict| wrong(&reply(verdict), 64, "10.0.0.2", Duration::from_secs(1));
        let byte = Damage::Byte {
            at: 40,
            sent: 0x28,
            came: 0xd7,
        };
        for (verdict, words) in [
            (Verdict::Late, "Late reply: after 1500 ms, timeout 1000 ms"),
            (Verdict::BadChecksum, "Corrupted reply: bad checksum"),
            (
                Verdict::Damaged(Damage::Shorter),
                "Truncated reply: 28 of 64 bytes",
            ),
            (
                Verdict::Damaged(Damage::Longer),
                "Corrupted reply: longer than the 64 bytes that were sent",
            ),
            (
                Verdict::Damaged(byte),
                "Corrupted reply: data byte #40 should be 0x28 but was 0xd7",
            ),
            (
                Verdict::Forged,
                "Forged reply: its nonce does not match the request",
            ),
            (
                Verdict::NeverSent,
                "Forged reply: this request was never sent",
            ),
            (
                Verdict::Elsewhere,
                "Reply from elsewhere: the request went to 10.0.0.2",
            ),
        ] {
            assert_eq!(said(verdict), words);
        }
    }

    #[test]
    fn an_icmp_error_has_the_words_of_ping() {
        let said = |version, kind, code, detail| {
            refused(&Refused {
                target: 0,
                sequence: 1,
                refusal: Refusal {
                    version,
                    r#type: kind,
                    code,
                    by: None,
                },
                detail,
                rtt: None,
                at: Realtime(0),
                labels: crate::ping::mpls::Labels::default(),
            })
        };
        for (version, kind, code, detail, words) in [
            (Version::V4, 3, 1, 0, "Destination Host Unreachable"),
            (
                Version::V4,
                3,
                4,
                1300,
                "Frag needed and DF set (mtu = 1300)",
            ),
            (Version::V4, 11, 0, 0, "Time to live exceeded"),
            (
                Version::V4,
                5,
                1,
                0x0a08_00fe,
                "Redirect Host(New nexthop: 10.8.0.254)",
            ),
            (Version::V4, 12, 0, 5, "Parameter problem: pointer = 5"),
            (Version::V6, 2, 0, 1300, "Packet too big: mtu=1300"),
            (Version::V6, 3, 0, 0, "Time exceeded: Hop limit"),
            (
                Version::V6,
                1,
                3,
                0,
                "Destination unreachable: Address unreachable",
            ),
        ] {
            assert_eq!(said(version, kind, code, detail), words);
        }
    }

    #[test]
    fn a_name_that_wants_to_move_the_cursor_is_escaped() {
        assert_eq!(
            labelled(Some("\x1b[2Jhost\n64 bytes"), "10.0.0.9"),
            "\\x1b[2Jhost\\n64 bytes (10.0.0.9)"
        );
        assert_eq!(labelled(None, "10.0.0.9"), "10.0.0.9");
    }
}

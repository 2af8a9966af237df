//! Losses on the way.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::path::PATH_LOSS;
use super::{Finding, affected, both, grown};
use crate::diagnose::{Case, Command, Fact, Severity, Subject, Value};
use crate::host::SocketAt;
use crate::sockets::{Proto, State};

/// Fewer segments sent again than these prove nothing.
const LEAST: u64 = 10;

#[derive(Default)]
struct Sent {
    segments: u64,
    again: u64,
    twice: u64,
    sockets: Vec<SocketAt>,
}

/// How many segments with data were sent again between two samples.
pub(in crate::diagnose::rules) fn sent_again(case: &Case<'_>, at: SocketAt) -> u64 {
    let both = both(case, at);
    both.and_then(|(before, now)| grown(before.total_retrans(), now.total_retrans()))
        .unwrap_or(0)
}

/// The paths of which that is proven, as findings of the rule.
pub fn losses(case: &Case<'_>) -> Vec<Finding> {
    let mut paths: BTreeMap<(u16, IpAddr), Sent> = BTreeMap::new();
    for (at, socket) in case.sample.places().zip(&case.sample.sockets) {
        // A SYN that nobody answers is no loss of a part: other rules are about it.
        let is_connection =
            socket.proto == Proto::Tcp && !matches!(socket.state, State::Listen | State::SynSent);
        let (Some(to), true) = (socket.peer.ip(), is_connection) else {
            continue;
        };
        let Some((before, now)) = both(case, at) else {
            continue;
        };
        let path = paths.entry((socket.netns, to)).or_default();
        path.segments += grown(before.data_segs_out(), now.data_segs_out()).unwrap_or(0);
        let again = sent_again(case, at);
        path.again += again;
        if again > 0 {
            path.sockets.push(at);
        }
        path.twice += grown(before.dsack_dups(), now.dsack_dups()).unwrap_or(0);
    }
    let mut found = Vec::new();
    for ((netns, to), sent) in paths {
        let lost = sent.again.saturating_sub(sent.twice);
        if lost < LEAST || lost * 50 < sent.segments {
            continue;
        }
        let percent = lost * 1000 / sent.segments.max(lost);
        let headline = format!(
            "losses on the path to {to}: {}.{} % of the segments were sent again",
            percent / 10,
            percent % 10
        );
        let fact = |name, count| Fact::new("tcp_info", name, Value::Count(count));
        found.push(Finding {
            others: affected(&sent.sockets),
            facts: vec![
                fact("tcpi_data_segs_out", sent.segments),
                fact("tcpi_total_retrans", sent.again),
                fact("tcpi_dsack_dups", sent.twice),
            ],
            ruled_out: "Not reordering alone: the peer would report segments that came twice.",
            next: vec![
                Command::of("sockdoc ping --hops -c 20").with(to).into(),
                "It shows at which hop the losses begin.".into(),
                Command::of("sockdoc sockets -i --peer").with(to).into(),
            ],
            ..Finding::new(
                &PATH_LOSS,
                Severity::Warning,
                Subject::Path { netns, to },
                headline,
            )
        });
    }
    found
}

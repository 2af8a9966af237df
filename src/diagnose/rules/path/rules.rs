//! What the rules about a path say.

use super::super::{Cause, Check, Rule, host, reach};
use crate::diagnose::Role;

const fn rule(id: &'static str, title: &'static str, words: [&'static str; 4]) -> Rule {
    Rule::new(id, title, words, Check::Path)
}

/// The own link is full.
pub static LOCAL_QUEUE_FULL: Rule = rule(
    "local_queue_full",
    "the queue of this host's link is full",
    [
        "Packets wait in this host before they leave by its link: something here sends more than the link takes.",
        "The kernel timestamped the requests when they came to the queue of the link and when they left it \
         (SO_TIMESTAMPING).",
        "A slow path or a slow host: the time from the link to the reply is measured separately, and is short.",
        "Find what sends so much, or give the link a fair queue (fq_codel, cake) so that it does not delay others.",
    ],
);

/// Packets are lost.
pub static PATH_LOSS: Rule = Rule {
    because: &[Cause::at(&host::SEND_QUEUE_FULL, Role::Affected)],
    ..Rule::new(
        "path_loss",
        "packets are lost on the path",
        [
            "Part of what is sent to the peer is lost on the way: a link is overloaded or damaged, or a host on the path \
         limits what it takes. TCP has to send it again, and each loss slows a connection down.",
            "Pings without a reply are scattered, and in a trace the loss begins at one hop and is there at every later \
         one. Or, between two samples, at least 2 % of the segments with data were sent again (at least ten), those \
         left out that the peer reported as received twice (D-SACK).",
            "A router that only limits its ICMP answers: the hops after it answer all requests. An outage: the losses \
         are in a row. A path that swaps packets makes TCP send some again that were not lost.",
            "Look at the errors and drops of the links at the hop where the loss begins, and trace the way back \
         from the other end too.",
        ],
        Check::Host(reach::losses),
    )
};

/// A router limits its answers.
pub static ROUTER_LIMITS_ANSWERS: Rule = rule(
    "router_limits_answers",
    "a router limits its answers",
    [
        "A router on the path answers only some requests that end at it. It forwards the others.",
        "The target answers every request, and they pass this router.",
        "Loss on the path would show at every later hop too.",
        "Nothing is wrong. Linux routers answer about one a second to each host (net.ipv4.icmp_ratelimit).",
    ],
);

/// A firewall says so.
pub static PATH_FILTERED: Rule = rule(
    "path_filtered",
    "a firewall on the path forbids it",
    [
        "A router or a firewall drops these packets by its rules and reports that by ICMP.",
        "An ICMP error of the kind \"administratively prohibited\" came, and it quotes a request.",
        "A host that is down or a missing route has another ICMP code.",
        "Ask who runs the sender of the ICMP error to allow it, or test with what is allowed: sockdoc ping --tcp.",
    ],
);

/// Routers send packets to each other.
pub static ROUTING_LOOP: Rule = rule(
    "routing_loop",
    "routers send the packets in a loop",
    [
        "Routers send the packets back to where they have been, so they go round until their time to live ends.",
        "The same routers answer again at greater distances, in the same order.",
        "Several routers of one hop (load balancing) answer at one distance.",
        "Compare the routes of these routers to the target: ip route get on each.",
    ],
);

/// The path changes.
pub static PATH_CHANGES: Rule = rule(
    "path_changes",
    "the path changes",
    [
        "During the trace another router answered for a hop: the routing changed, or a router balances packet by \
         packet.",
        "A hop was answered by a router that had not answered for it before.",
        "Balancing by flow keeps the requests of one trace on one path.",
        "See at which hop the routers differ; if the figures of one of them are bad, that branch is at fault.",
    ],
);

/// Large packets vanish.
pub static MTU_BLACK_HOLE: Rule = Rule::new(
    "mtu_black_hole",
    "large packets vanish",
    [
        "A link on the path is too narrow for larger packets, and the ICMP error that would say so does not \
         arrive. Connections open and then hang when they send much.",
        "Packets up to the path MTU are answered, larger ones never, and no ICMP error comes. Of a connection: a \
         full-size segment is sent again and again at the same path MTU, and the peer acknowledges a shorter one \
         that came after it (SACK), other connections to the same peer are answered meanwhile, or this host's packet \
         filter drops ICMP errors. In a capture: the same \
         large segment 4 times or more without an ACK; smaller ones were acknowledged, one of its size never.",
        "A narrow link whose router reports it is found by every program by itself. A peer that is gone \
         acknowledges nothing. A path that lost everything has delivered segments of this size before.",
        "Allow ICMP type 3 code 4 (ICMPv6 type 2) through every firewall on the path. Workaround: clamp the TCP MSS.",
    ],
    Check::Host(reach::black_holes),
);

//! What the rules about a watched sender say.

use super::super::{Check, Rule};

/// Each is distinguished from the others by [`verdict`](super::verdict), which looks at the sender once.
const fn rule(id: &'static str, title: &'static str, words: [&'static str; 4]) -> Rule {
    Rule::new(id, title, words, Check::Sender)
}

/// No network, no wait.
pub static HOST_IS_THE_LIMIT: Rule = rule(
    "host_is_the_limit",
    "the host is the limit",
    [
        "The buffers fill between two turns of the receiver, which reads as fast as the processor lets it.",
        "Both ends are on this host, and for most of the time neither the peer's window nor the send buffer \
         held the sender up.",
        "A receiver that is slow on purpose closes its window.",
        "Nothing is wrong. To see the limit of a path, send to another host.",
    ],
);

/// An option is the limit.
pub static LOWAT_IS_THE_LIMIT: Rule = rule(
    "lowat_is_the_limit",
    "TCP_NOTSENT_LOWAT is the limit",
    [
        "The option keeps the send buffer short, so that data is handed over late. send() accepts no more \
         until some of it is sent.",
        "The option is set, and for most of the time neither the peer's window nor the send buffer held the \
         sender up.",
        "A small send buffer is full; here it is not.",
        "Without the option the buffer takes more, and what is queued in it is older when it is sent.",
    ],
);

/// Neither end is the limit.
pub static NETWORK_IS_THE_LIMIT: Rule = rule(
    "network_is_the_limit",
    "the network is the limit",
    [
        "Queued data waits for its turn on the path: its bandwidth, the congestion window, or lost segments \
         that are sent again.",
        "Of tcpi_busy_time, most is neither tcpi_rwnd_limited (the peer's window) nor tcpi_sndbuf_limited \
         (the send buffer).",
        "A slow reader or a small send buffer shows in the kernel's account of the time.",
        "See the retransmissions and the congestion window of the connection with sockdoc sockets -i.",
    ],
);

/// Nothing waited.
pub static NEVER_BLOCKED: Rule = rule(
    "never_blocked",
    "send() never had to wait",
    [
        "The receiver reads at least as fast as this side writes, or the buffers hold all that was sent.",
        "No send() failed with EWOULDBLOCK.",
        "UDP never blocks: there, only the receiver knows what was dropped.",
        "Send more (--max-bytes), or ask for smaller buffers (--sndbuf, --rcvbuf).",
    ],
);

/// Nothing was read, and there is still room.
pub static NOTHING_READ: Rule = rule(
    "nothing_read",
    "the peer does not read",
    [
        "The program at the other end has read nothing so far. Its buffer still has room: the window closes \
         when that is full.",
        "All bytes that were acknowledged are unread in the Recv-Q of the other end.",
        "A slow reader would have read something.",
        "Allow more time to settle (--settle, --duration). On a real server, run sockdoc sockets --problems.",
    ],
);

/// The peer reads, but slowly.
pub static PEER_READS_SLOWLY: Rule = rule(
    "peer_reads_slowly",
    "the peer reads slowly",
    [
        "The program at the other end reads, but more slowly than this side writes: its receive buffer is \
         full most of the time.",
        "The peer's window is closed, but it has read some of what it was sent; or tcpi_rwnd_limited is most \
         of tcpi_busy_time.",
        "A peer that does not read at all has read nothing. A slow path does not close the window.",
        "Look at what the program does between two reads. A larger buffer only postpones this.",
    ],
);

/// Our buffer is the limit.
pub static SEND_BUFFER_TOO_SMALL: Rule = rule(
    "send_buffer_too_small",
    "the send buffer is too small",
    [
        "All that fits into the send buffer is in flight and waits for its acknowledgment, while the peer and \
         the network would take more.",
        "Whenever the buffer was full, nothing in it was unsent and both windows had room; or \
         tcpi_sndbuf_limited is most of tcpi_busy_time.",
        "A peer that reads slowly closes its window; here it is open.",
        "Do not set SO_SNDBUF, so that the kernel tunes it, or set it to the bandwidth times the round-trip \
         time. The maximum is net.ipv4.tcp_wmem.",
    ],
);

/// UDP says nothing to the sender.
pub static UDP_TELLS_NOTHING: Rule = rule(
    "udp_tells_nothing",
    "UDP does not tell what arrived",
    [
        "A datagram is sent and forgotten: the sender does not learn what the network or a full receive buffer \
         drops. Only a closed port answers, by ICMP.",
        "No send() failed, and the receiver is not on this host.",
        "A closed port: an ICMP error would have come back.",
        "Look at the drops of the receiver's socket on its host.",
    ],
);

/// Unix datagrams wait.
pub static UNIX_DATAGRAMS_NOT_READ: Rule = rule(
    "unix_datagrams_not_read",
    "Unix datagrams are not read",
    [
        "Unix datagrams are never dropped: the sender waits. Its buffer bounds them, each with all the memory \
         that the kernel needs for it (truesize); a receiver with a name also takes no more than \
         net.unix.max_dgram_qlen of them.",
        "The memory of the sender's unread datagrams (wmem_alloc) has reached its SO_SNDBUF.",
        "UDP would not have waited.",
        "See why the program at the other end does not read.",
    ],
);

/// A Unix peer does not read.
pub static UNIX_PEER_NOT_READING: Rule = rule(
    "unix_peer_not_reading",
    "Unix peer does not read",
    [
        "A Unix socket has one buffer: what is sent is in the receiver's queue at once and is charged to the \
         sender, with all the memory that the kernel needs for it (truesize). Small sends cost much more \
         than their bytes.",
        "The memory of what the peer has not read (wmem_alloc) has reached the sender's SO_SNDBUF.",
        "Neither a network nor a window is involved: only the program at the other end can free space.",
        "See why the program at the other end does not read.",
    ],
);

//! `struct tcp_info`: what the kernel knows of one TCP connection.
//!
//! Source: `linux/tcp.h` up to Linux 6.18 (280 bytes), filled by `tcp_get_info` in `net/ipv4/tcp.c`.
//! The struct only ever grows at its end: 104 bytes in 2.6, 192 in 4.10, 232 in 5.4, 248 in 6.7. So
//! a field is there if the length reaches to its end.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `TCPI_OPT_*`, the bits of [`TcpInfo::options`].
pub mod options {
    /// Both ends send timestamps.
    pub const TIMESTAMPS: u8 = 1;
    /// Both ends understand selective acknowledgements.
    pub const SACK: u8 = 2;
    /// Both ends scale their windows.
    pub const WINDOW_SCALE: u8 = 4;
    /// Explicit congestion notification was agreed on.
    pub const ECN: u8 = 8;
    /// A packet that can be marked was received.
    pub const ECN_SEEN: u8 = 16;
    /// The data in the SYN was acknowledged (TCP Fast Open).
    pub const SYN_DATA: u8 = 32;
    /// User-space timestamps are in microseconds (`TCPI_OPT_USEC_TS`).
    pub const MICROSECOND_TIMESTAMPS: u8 = 64;
    /// A child of Fast Open that is still in `SYN_RECV` (`TCPI_OPT_TFO_CHILD`).
    pub const FAST_OPEN_CHILD: u8 = 128;
}

/// A `struct tcp_info` of any length: an accessor gives `None` if the kernel's struct ends before
/// its field, and where the kernel writes the number that stands for "not known" or "no limit".
///
/// For a listening socket the kernel fills [`TcpInfo::unacked`] with the length of the accept queue
/// and [`TcpInfo::sacked`] with its limit, and leaves the rest at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpInfo<'a>(&'a [u8]);

impl<'a> TcpInfo<'a> {
    /// A view of what an `INET_DIAG_INFO` attribute of a TCP socket holds, or what `getsockopt` with
    /// `TCP_INFO` gave.
    pub fn new(bytes: &'a [u8]) -> Self {
        TcpInfo(bytes)
    }

    /// How long the kernel's struct is: bytes.
    #[expect(clippy::len_without_is_empty, reason = "a struct, not a collection")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The factor of the window that the peer announces, as a shift. 0 without window scaling.
    pub fn snd_wscale(&self) -> Option<u8> {
        self.bits(6, 0, 4)
    }

    /// The factor of the window that we announce, as a shift.
    pub fn rcv_wscale(&self) -> Option<u8> {
        self.bits(6, 4, 4)
    }

    /// Whether [`TcpInfo::delivery_rate_bytes_per_second`] says how much the application had to
    /// send, not how much the path carries.
    pub fn delivery_rate_app_limited(&self) -> Option<bool> {
        self.bits(7, 0, 1).map(|bit| bit != 0)
    }

    /// Why TCP Fast Open was not used: 0 unknown, 1 no cookie, 2 the SYN's data was not
    /// acknowledged, 3 the SYN was sent again. 0 also on kernels before 5.5.
    pub fn fastopen_client_fail(&self) -> Option<u8> {
        self.bits(7, 1, 2)
    }

    /// `count` bits of a byte, counted as a C compiler lays out bit fields: from the low end on
    /// little-endian machines, from the high end on the others.
    fn bits(&self, offset: usize, first: u8, count: u8) -> Option<u8> {
        let shift = if cfg!(target_endian = "big") {
            8 - first - count
        } else {
            first
        };
        let byte = *self.0.get(offset)?;
        Some((byte >> shift) & ((1 << count) - 1))
    }

    #[inline]
    fn array<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.0.get(offset..)?.first_chunk().copied()
    }
}

/// A `struct tcp_info` that is kept for as long as its socket: the kernel's own bytes, which take a third of the space of
/// the values, or the values where they come from elsewhere.
#[derive(Debug, Clone)]
pub enum KeptTcpInfo {
    /// What the kernel filled in.
    Bytes(Box<[u8]>),
    /// What a file says, or what was corrected.
    Values(Box<TcpInfoValues>),
}

impl KeptTcpInfo {
    /// All fields.
    pub fn values(&self) -> Cow<'_, TcpInfoValues> {
        match self {
            KeptTcpInfo::Bytes(bytes) => Cow::Owned(TcpInfo::new(bytes).values()),
            KeptTcpInfo::Values(values) => Cow::Borrowed(values),
        }
    }
}

impl KeptTcpInfo {
    /// As [`TcpInfo::snd_wscale`].
    pub fn snd_wscale(&self) -> Option<u8> {
        match self {
            KeptTcpInfo::Bytes(bytes) => TcpInfo::new(bytes).snd_wscale(),
            KeptTcpInfo::Values(values) => values.snd_wscale,
        }
    }

    /// As [`TcpInfo::rcv_wscale`].
    pub fn rcv_wscale(&self) -> Option<u8> {
        match self {
            KeptTcpInfo::Bytes(bytes) => TcpInfo::new(bytes).rcv_wscale(),
            KeptTcpInfo::Values(values) => values.rcv_wscale,
        }
    }
}

impl From<TcpInfo<'_>> for KeptTcpInfo {
    fn from(info: TcpInfo<'_>) -> Self {
        KeptTcpInfo::Bytes(info.0.into())
    }
}

impl From<TcpInfoValues> for KeptTcpInfo {
    fn from(values: TcpInfoValues) -> Self {
        KeptTcpInfo::Values(Box::new(values))
    }
}

impl PartialEq for KeptTcpInfo {
    fn eq(&self, other: &Self) -> bool {
        self.values() == other.values()
    }
}

impl Serialize for KeptTcpInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.values().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for KeptTcpInfo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        TcpInfoValues::deserialize(deserializer).map(Self::from)
    }
}

/// Makes an accessor and a field of the value for each line `offset => name: type`. A number after
/// `unless` is what the kernel writes when it does not know.
macro_rules! fields {
    ($($(#[$doc:meta])* $offset:literal => $name:ident: $type:ty $(, unless $unknown:expr)?;)*) => {
        impl TcpInfo<'_> {
            $(
                $(#[$doc])*
                #[inline]
                pub fn $name(&self) -> Option<$type> {
                    let value = <$type>::from_ne_bytes(self.array($offset)?);
                    $(if value == $unknown {
                        return None;
                    })?
                    Some(value)
                }
            )*

            /// All fields. Some 800 bytes: for the sockets that are shown, not for all.
            pub fn values(&self) -> TcpInfoValues {
                TcpInfoValues {
                    $($name: self.$name(),)*
                    snd_wscale: self.snd_wscale(),
                    rcv_wscale: self.rcv_wscale(),
                    delivery_rate_app_limited: self.delivery_rate_app_limited(),
                    fastopen_client_fail: self.fastopen_client_fail(),
                }
            }
        }

        /// The fields of a [`TcpInfo`]; its accessors tell what they are.
        #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
        pub struct TcpInfoValues {
            $($(#[$doc])* pub $name: Option<$type>,)*
            /// The shift of the windows that the peer announces.
            pub snd_wscale: Option<u8>,
            /// The shift of the windows that we announce.
            pub rcv_wscale: Option<u8>,
            /// Whether the delivery rate was limited by the application.
            pub delivery_rate_app_limited: Option<bool>,
            /// Why TCP Fast Open was not used.
            pub fastopen_client_fail: Option<u8>,
        }

        impl KeptTcpInfo {
            $(
                $(#[$doc])*
                #[inline]
                pub fn $name(&self) -> Option<$type> {
                    match self {
                        KeptTcpInfo::Bytes(bytes) => TcpInfo::new(bytes).$name(),
                        KeptTcpInfo::Values(values) => values.$name,
                    }
                }
            )*
        }

        /// Name, offset and size of each field.
        #[cfg(test)]
        const FIELDS: &[(&str, usize, usize)] = &[
            $((stringify!($name), $offset, size_of::<$type>()),)*
        ];
    };
}

fields! {
    /// The state, as in `net/tcp_states.h`.
    0 => state: u8;
    /// The state of congestion control: 0 open, 1 disorder, 2 CWR, 3 recovery, 4 loss.
    1 => ca_state: u8;
    /// How often the oldest unacknowledged segment's timer ran out.
    2 => retransmits: u8;
    /// Window or keepalive probes that are unanswered.
    3 => probes: u8;
    /// By how many powers of two the timer has been lengthened.
    4 => backoff: u8;
    /// What the ends agreed on: see [`options`].
    5 => options: u8;
    /// The retransmission timer's length: microseconds.
    8 => rto_us: u32;
    /// How long an acknowledgement may be delayed: microseconds.
    12 => ato_us: u32;
    /// The largest segment that is sent: bytes of payload.
    16 => snd_mss_bytes: u32;
    /// The estimate of the largest segment that is received: bytes of payload.
    20 => rcv_mss_bytes: u32;
    /// Sent and not acknowledged: segments. LISTEN: the length of the accept queue.
    24 => unacked: u32;
    /// Of these, acknowledged selectively: segments. LISTEN: the limit of the accept queue.
    28 => sacked: u32;
    /// Of these, taken for lost: segments.
    32 => lost: u32;
    /// Of these, sent again: segments.
    36 => retrans: u32;
    /// Not filled since 4.15: 0.
    40 => fackets: u32;
    /// Since data was sent last: milliseconds.
    44 => last_data_sent_ms: u32;
    /// Never filled: 0.
    48 => last_ack_sent_ms: u32;
    /// Since data was received last, or since the connection was made: milliseconds.
    52 => last_data_recv_ms: u32;
    /// Since an acknowledgement was received last: milliseconds.
    56 => last_ack_recv_ms: u32;
    /// The path's largest packet as far as known: bytes with IP header.
    60 => pmtu_bytes: u32;
    /// The limit of the window that we announce: bytes.
    64 => rcv_ssthresh_bytes: u32;
    /// The smoothed round trip: microseconds. `None`: not measured.
    68 => rtt_us: u32, unless 0;
    /// The deviation of the round trip: microseconds.
    72 => rttvar_us: u32;
    /// Where slow start ends: segments. `None`: nothing was lost yet, so it is unlimited.
    76 => snd_ssthresh: u32, unless 0x7fff_ffff;
    /// The congestion window: segments.
    80 => snd_cwnd: u32;
    /// The largest segment that we announced: bytes of payload.
    84 => advmss_bytes: u32;
    /// How far segments may be out of order before one is taken for lost: segments.
    88 => reordering: u32;
    /// The round trip as the receiver estimates it: microseconds. `None`: not measured.
    92 => rcv_rtt_us: u32, unless 0;
    /// What the application reads in a round trip, the target of receive buffer tuning: bytes.
    96 => rcv_space_bytes: u32;
    /// Sent again, in the connection's life: segments.
    100 => total_retrans: u32;
    /// The rate at which packets are released: bytes a second. `None`: no limit.
    104 => pacing_rate_bytes_per_second: u64, unless u64::MAX;
    /// The limit of that (`SO_MAX_PACING_RATE`): bytes a second. `None`: no limit.
    112 => max_pacing_rate_bytes_per_second: u64, unless u64::MAX;
    /// Acknowledged by the peer: bytes. The SYN of the end that connected counts as one, and so does a
    /// FIN.
    120 => bytes_acked: u64;
    /// Received in order: bytes. The peer's FIN counts as one.
    128 => bytes_received: u64;
    /// All segments sent, pure acknowledgements and repetitions too.
    136 => segs_out: u32;
    /// All segments received.
    140 => segs_in: u32;
    /// Written by the application and not yet sent: bytes.
    144 => notsent_bytes: u32;
    /// The shortest round trip of the last minutes: microseconds. `None`: not measured.
    148 => min_rtt_us: u32, unless u32::MAX;
    /// Received segments with data.
    152 => data_segs_in: u32;
    /// Sent segments with data, repetitions too.
    156 => data_segs_out: u32;
    /// The latest measured rate of delivery: bytes a second.
    160 => delivery_rate_bytes_per_second: u64;
    /// Time with data to send: microseconds.
    168 => busy_time_us: u64;
    /// Of that, time stopped by the peer's window: microseconds.
    176 => rwnd_limited_us: u64;
    /// Of that, time stopped by our send buffer: microseconds.
    184 => sndbuf_limited_us: u64;
    /// Segments that reached the peer, those out of order too.
    192 => delivered: u32;
    /// Of these, acknowledged as marked "congestion experienced".
    196 => delivered_ce: u32;
    /// Sent payload, repetitions too: bytes.
    200 => bytes_sent: u64;
    /// Of that, repetitions: bytes.
    208 => bytes_retrans: u64;
    /// Segments that the peer reported as received twice.
    216 => dsack_dups: u32;
    /// How often reordering was seen.
    220 => reord_seen: u32;
    /// Segments received out of order.
    224 => rcv_ooopack: u32;
    /// The window that the peer announced, unscaled: bytes. Linux 5.4 and later.
    228 => snd_wnd_bytes: u32;
    /// The window that we announced, unscaled: bytes. Linux 6.2 and later.
    232 => rcv_wnd_bytes: u32;
    /// How often the flow was sent another way, after a timeout or by PLB. Linux 6.2 and later.
    236 => rehash: u32;
    /// Timeouts in the connection's life. Linux 6.7 and later.
    240 => total_rto: u16;
    /// Recoveries from timeouts, one in progress too.
    242 => total_rto_recoveries: u16;
    /// Time in such recoveries: milliseconds.
    244 => total_rto_time_ms: u32;
    /// Received packets marked "congestion experienced". Linux 6.18 and later, as all that follows.
    248 => received_ce: u32;
    /// Accurate ECN: delivered with ECT(1): bytes.
    252 => delivered_e1_bytes: u32;
    /// Accurate ECN: delivered with ECT(0): bytes.
    256 => delivered_e0_bytes: u32;
    /// Accurate ECN: delivered and marked: bytes.
    260 => delivered_ce_bytes: u32;
    /// Accurate ECN: received with ECT(1): bytes.
    264 => received_e1_bytes: u32;
    /// Accurate ECN: received with ECT(0): bytes.
    268 => received_e0_bytes: u32;
    /// Accurate ECN: received and marked: bytes.
    272 => received_ce_bytes: u32;
    /// How Accurate ECN fared, raw: two numbers of 16 bits in 6.18 and 6.19 (the failures, the
    /// options seen), bit fields from 7.0 on, and the length does not tell which.
    276 => accecn_raw: u32;
}

#[cfg(test)]
#[path = "tcp_info_tests.rs"]
mod tests;

//! What congestion control algorithms tell of themselves.
//!
//! Source: `linux/inet_diag.h`, `union tcp_cc_info`. Asked for with
//! [`Extensions::CONGESTION_INFO`](super::inet::Extensions::CONGESTION_INFO); the kernel picks the
//! kind by the socket's algorithm.

use serde::Serialize;

use crate::netlink::{u16_at, u32_at};

/// `struct tcpvegas_info`; also sent by `illinois`, `nv`, `veno`, `westwood`, `yeah` and others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct VegasInfo {
    /// Whether the algorithm is at work, not its fallback.
    pub enabled: bool,
    /// How many round trips were measured in this window.
    pub rtt_count: u32,
    /// The round trip's time, as the algorithm sees it: microseconds.
    pub rtt_us: u32,
    /// The shortest of them: microseconds.
    pub min_rtt_us: u32,
}

impl VegasInfo {
    pub(super) const LEN: usize = 16;

    pub(super) fn new(bytes: &[u8; Self::LEN]) -> Self {
        VegasInfo {
            enabled: u32_at(bytes, 0) != 0,
            rtt_count: u32_at(bytes, 4),
            rtt_us: u32_at(bytes, 8),
            min_rtt_us: u32_at(bytes, 12),
        }
    }
}

/// `struct tcp_dctcp_info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DctcpInfo {
    /// Whether the algorithm is at work, not its fallback.
    pub enabled: bool,
    /// Whether the last packet was marked "congestion experienced".
    pub ce_state: u16,
    /// The share of marked bytes: 1024 is all.
    pub alpha: u32,
    /// Marked bytes that were acknowledged in this window.
    pub acked_ecn_bytes: u32,
    /// All bytes that were acknowledged in this window.
    pub acked_total_bytes: u32,
}

impl DctcpInfo {
    pub(super) const LEN: usize = 16;

    pub(super) fn new(bytes: &[u8; Self::LEN]) -> Self {
        DctcpInfo {
            enabled: u16_at(bytes, 0) != 0,
            ce_state: u16_at(bytes, 2),
            alpha: u32_at(bytes, 4),
            acked_ecn_bytes: u32_at(bytes, 8),
            acked_total_bytes: u32_at(bytes, 12),
        }
    }
}

/// `struct tcp_bbr_info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BbrInfo {
    /// The estimate of the bandwidth that the application gets: bytes a second.
    pub bandwidth_bytes_per_second: u64,
    /// The shortest round trip: microseconds.
    pub min_rtt_us: u32,
    /// The factor of the pacing rate: 256 is one.
    pub pacing_gain: u32,
    /// The factor of the congestion window: 256 is one.
    pub cwnd_gain: u32,
}

impl BbrInfo {
    pub(super) const LEN: usize = 20;

    pub(super) fn new(bytes: &[u8; Self::LEN]) -> Self {
        BbrInfo {
            bandwidth_bytes_per_second: u64::from(u32_at(bytes, 0))
                | u64::from(u32_at(bytes, 4)) << 32,
            min_rtt_us: u32_at(bytes, 8),
            pacing_gain: u32_at(bytes, 12),
            cwnd_gain: u32_at(bytes, 16),
        }
    }
}

//! What one look at a TCP connection says, for a diagnosis. Only figures that carry their own age or
//! limit: a rule over them needs no second look.

use serde::{Deserialize, Serialize};

use crate::sockdiag::TcpInfo;

/// The figures, packed: a host may have a hundred thousand connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "TcpFigures", into = "TcpFigures")]
pub struct TcpEvidence {
    last_data_recv_ms: u32,
    last_ack_recv_ms: u32,
    last_data_sent_ms: u32,
    rcv_wnd: u32,
    snd_wnd: u32,
    retransmits: u8,
    backoff: u8,
    /// A bit for each figure that is known, in the order of [`TcpFigures`].
    known: u8,
}

/// The figures. What the kernel does not tell is `None`, and a rule that needs it stays silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TcpFigures {
    /// Milliseconds since data was last received (`tcpi_last_data_recv`).
    pub last_data_recv_ms: Option<u32>,
    /// Milliseconds since an ACK was last received (`tcpi_last_ack_recv`).
    pub last_ack_recv_ms: Option<u32>,
    /// Milliseconds since data was last sent (`tcpi_last_data_sent`).
    pub last_data_sent_ms: Option<u32>,
    /// The window that we announce (`tcpi_rcv_wnd`), in bytes.
    pub rcv_wnd: Option<u32>,
    /// The window that the peer announces (`tcpi_snd_wnd`), in bytes.
    pub snd_wnd: Option<u32>,
    /// Unanswered retransmissions in a row (`tcpi_retransmits`).
    pub retransmits: Option<u8>,
    /// Doublings of the retransmission timeout (`tcpi_backoff`).
    pub backoff: Option<u8>,
}

impl TcpFigures {
    /// From the kernel's own structure.
    pub fn of(info: &TcpInfo<'_>) -> Self {
        TcpFigures {
            last_data_recv_ms: info.last_data_recv_ms(),
            last_ack_recv_ms: info.last_ack_recv_ms(),
            last_data_sent_ms: info.last_data_sent_ms(),
            rcv_wnd: info.rcv_wnd_bytes(),
            snd_wnd: info.snd_wnd_bytes(),
            retransmits: info.retransmits(),
            backoff: info.backoff(),
        }
    }
}

impl From<TcpFigures> for TcpEvidence {
    fn from(figures: TcpFigures) -> Self {
        let known = [
            figures.last_data_recv_ms.is_some(),
            figures.last_ack_recv_ms.is_some(),
            figures.last_data_sent_ms.is_some(),
            figures.rcv_wnd.is_some(),
            figures.snd_wnd.is_some(),
            figures.retransmits.is_some(),
            figures.backoff.is_some(),
        ];
        let bits = known.iter().enumerate();
        TcpEvidence {
            last_data_recv_ms: figures.last_data_recv_ms.unwrap_or(0),
            last_ack_recv_ms: figures.last_ack_recv_ms.unwrap_or(0),
            last_data_sent_ms: figures.last_data_sent_ms.unwrap_or(0),
            rcv_wnd: figures.rcv_wnd.unwrap_or(0),
            snd_wnd: figures.snd_wnd.unwrap_or(0),
            retransmits: figures.retransmits.unwrap_or(0),
            backoff: figures.backoff.unwrap_or(0),
            known: bits.fold(0, |mask, (bit, known)| mask | (u8::from(*known) << bit)),
        }
    }
}

impl From<TcpEvidence> for TcpFigures {
    fn from(packed: TcpEvidence) -> Self {
        let known = |bit: u8| packed.known & (1 << bit) != 0;
        TcpFigures {
            last_data_recv_ms: known(0).then_some(packed.last_data_recv_ms),
            last_ack_recv_ms: known(1).then_some(packed.last_ack_recv_ms),
            last_data_sent_ms: known(2).then_some(packed.last_data_sent_ms),
            rcv_wnd: known(3).then_some(packed.rcv_wnd),
            snd_wnd: known(4).then_some(packed.snd_wnd),
            retransmits: known(5).then_some(packed.retransmits),
            backoff: known(6).then_some(packed.backoff),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_keeps_every_figure_and_what_is_unknown() {
        let some = TcpFigures {
            last_data_recv_ms: Some(0),
            last_data_sent_ms: Some(u32::MAX),
            snd_wnd: Some(7),
            backoff: Some(255),
            ..TcpFigures::default()
        };
        let all = TcpFigures {
            last_ack_recv_ms: Some(2),
            rcv_wnd: Some(3),
            retransmits: Some(0),
            ..some
        };
        for figures in [TcpFigures::default(), some, all] {
            assert_eq!(TcpFigures::from(TcpEvidence::from(figures)), figures);
        }
        assert_eq!(size_of::<TcpEvidence>(), 24);
    }
}

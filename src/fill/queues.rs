//! What one look at both ends says, and whether it adds up.

use std::time::Duration;

use super::Variant;
use crate::sockdiag::{SkMemInfo, TcpInfoValues};

/// One end of the connection, as its own descriptor reports it. `None`: the kernel does not report it for
/// this kind of socket.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct End {
    /// Bytes accepted and not yet acknowledged (`SIOCOUTQ`, tcp(7)). For a Unix socket `truesize`:
    /// memory, not payload.
    pub send_queue: Option<u64>,
    /// Of these, bytes never sent yet (`SIOCOUTQNSD`, linux/sockios.h).
    pub not_sent: Option<u64>,
    /// Bytes to be read (`SIOCINQ`, tcp(7)). For datagrams the size of the next one.
    pub recv_queue: Option<u64>,
    /// `SO_SNDBUF`: bytes, as doubled or tuned by the kernel.
    pub send_buffer: Option<u64>,
    /// `SO_RCVBUF`: bytes, as doubled or tuned by the kernel.
    pub recv_buffer: Option<u64>,
    /// `TCP_INFO`.
    pub tcp: Option<Box<TcpInfoValues>>,
    /// `SO_MEMINFO`.
    pub memory: Option<SkMemInfo>,
}

impl End {
    /// Bytes that the peer has acknowledged: `tcpi_bytes_acked` without the SYN, which it counts.
    pub fn acknowledged(&self) -> Option<u64> {
        Some(self.tcp.as_ref()?.bytes_acked?.saturating_sub(1))
    }
}

/// Both ends at one time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// Since the start.
    pub at: Duration,
    /// The end that sends.
    pub sender: End,
    /// The end that should read; `None` if it is another program's.
    pub receiver: Option<End>,
}

/// Whether the bytes are all accounted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// What was accepted is in the queues or was read.
    Holds,
    /// Missing bytes (or, negative, surplus bytes).
    Off(i128),
    /// The figures do not tell.
    Unknown,
}

impl Sample {
    /// The account of what was accepted, when `read` bytes have been read.
    ///
    /// With both ends: accepted = Send-Q + Recv-Q + read, once everything sent is acknowledged; a byte
    /// that was received and not yet acknowledged is in both queues. With the sender alone: accepted =
    /// acknowledged + Send-Q, which holds at any time. A Unix stream has no Send-Q of payload: what is
    /// accepted is in the peer's queue at once. Datagrams are counted when they are drained.
    pub fn balance(&self, variant: Variant, accepted: u64, read: u64) -> Balance {
        let sender = &self.sender;
        let receiver = self.receiver.as_ref();
        let found = match variant {
            Variant::Tcp => sender.send_queue.and_then(|queued| {
                let beyond = match receiver {
                    Some(end) => end.recv_queue? + read,
                    None => sender.acknowledged()?,
                };
                Some(queued + beyond)
            }),
            Variant::UnixStreams => receiver.and_then(|end| Some(end.recv_queue? + read)),
            Variant::Udp | Variant::UnixDatagrams => None,
        };
        match found {
            None => Balance::Unknown,
            Some(found) if found == accepted => Balance::Holds,
            Some(found) => Balance::Off(i128::from(accepted) - i128::from(found)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(send_queue: u64, bytes_acked: u64) -> End {
        End {
            send_queue: Some(send_queue),
            tcp: Some(Box::new(TcpInfoValues {
                bytes_acked: Some(bytes_acked),
                ..TcpInfoValues::default()
            })),
            ..End::default()
        }
    }

    fn receiver(recv_queue: u64) -> End {
        End {
            recv_queue: Some(recv_queue),
            ..End::default()
        }
    }

    #[test]
    fn a_connection_adds_up_with_both_queues_and_what_was_read() {
        let sample = Sample {
            sender: sender(900, 101),
            receiver: Some(receiver(80)),
            ..Sample::default()
        };
        assert_eq!(sample.balance(Variant::Tcp, 1_000, 20), Balance::Holds);
        assert_eq!(sample.balance(Variant::Tcp, 1_000, 0), Balance::Off(20));
        assert_eq!(sample.balance(Variant::Tcp, 990, 20), Balance::Off(-10));
    }

    #[test]
    fn with_the_sender_alone_what_is_acknowledged_counts_without_the_syn() {
        let sample = Sample {
            sender: sender(900, 101),
            ..Sample::default()
        };
        assert_eq!(sample.balance(Variant::Tcp, 1_000, 0), Balance::Holds);
        let unknown = Sample::default();
        assert_eq!(unknown.balance(Variant::Tcp, 1_000, 0), Balance::Unknown);
    }

    #[test]
    fn the_send_queue_of_a_unix_socket_is_memory_and_does_not_count() {
        let sample = Sample {
            sender: End {
                send_queue: Some(5_000),
                ..End::default()
            },
            receiver: Some(receiver(1_000)),
            ..Sample::default()
        };
        let balance = |variant| sample.balance(variant, 1_000, 0);
        assert_eq!(balance(Variant::UnixStreams), Balance::Holds);
        assert_eq!(balance(Variant::UnixDatagrams), Balance::Unknown);
        assert_eq!(balance(Variant::Udp), Balance::Unknown);
    }
}

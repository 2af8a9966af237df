//! Rules about one socket of a sample.

mod accept_queue_full;
pub(super) mod both_wait_to_be_read;
mod bound_never_listened;
mod close_never_called;
mod connecting_no_answer;
mod keepalive_unanswered;
mod listener_drops;
pub mod not_accepted;
mod not_reading;
mod peer_silent;
pub(super) mod peer_window_closed;
mod reuseport_stuck;
pub(super) mod udp_receive_buffer_full;
mod unix_datagrams_unread;

pub use accept_queue_full::RULE as ACCEPT_QUEUE_FULL;
pub use both_wait_to_be_read::RULE as BOTH_WAIT_TO_BE_READ;
pub use bound_never_listened::RULE as BOUND_NEVER_LISTENED;
pub use close_never_called::RULE as CLOSE_NEVER_CALLED;
pub use connecting_no_answer::RULE as CONNECTING_NO_ANSWER;
pub use keepalive_unanswered::RULE as KEEPALIVE_UNANSWERED;
pub use listener_drops::RULE as LISTENER_DROPS;
pub(super) use listener_drops::dropped;
pub use not_accepted::RULE as NOT_ACCEPTED;
pub use not_reading::RULE as NOT_READING;
pub use peer_silent::RULE as PEER_SILENT;
pub use peer_window_closed::RULE as PEER_WINDOW_CLOSED;
pub use reuseport_stuck::RULE as REUSEPORT_STUCK;
pub use udp_receive_buffer_full::RULE as UDP_RECEIVE_BUFFER_FULL;
pub use unix_datagrams_unread::RULE as UNIX_DATAGRAM_QUEUE_FULL;
pub(super) use unix_datagrams_unread::is_full as datagrams_are_stuck;

use crate::diagnose::Case;
use crate::host::SocketAt;
use crate::sockets::{Proto, State};

/// What a TCP socket waits for that is not yet old enough to be a finding; `None` if nothing, or if its age was
/// judged.
pub fn too_young(case: &Case<'_>, at: SocketAt) -> Option<&'static str> {
    let (socket, tcp) = (case.socket(at), case.tcp(at));
    let (what, age, patience) = match (socket.state, socket.inode) {
        _ if socket.proto != Proto::Tcp => return None,
        (State::Established | State::CloseWait, 0) => (
            "not accepted yet",
            tcp.last_data_sent_ms,
            not_accepted::PATIENCE_MS,
        ),
        (State::CloseWait, _) => (
            "in CLOSE-WAIT",
            tcp.last_ack_recv_ms,
            close_never_called::PATIENCE_MS,
        ),
        (State::Established, _) if socket.recv_q > 0 => (
            "with unread data",
            tcp.last_data_recv_ms,
            not_reading::PATIENCE_MS,
        ),
        _ => return None,
    };
    (age? <= patience).then_some(what)
}

#[cfg(test)]
mod tests;

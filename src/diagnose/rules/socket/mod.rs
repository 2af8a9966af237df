//! Rules about one socket of a sample.

mod accept_queue_full;
pub(super) mod both_wait_to_be_read;
mod bound_never_listened;
mod close_never_called;
mod connecting_no_answer;
mod keepalive_unanswered;
mod listener_drops;
mod not_accepted;
mod not_reading;
mod peer_silent;
pub(super) mod peer_window_closed;
mod reuseport_stuck;
pub(super) mod udp_receive_buffer_full;

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

#[cfg(test)]
mod tests;

//! Rules about one socket of a sample.

mod accept_queue_full;
mod bound_never_listened;
mod close_never_called;
mod connecting_no_answer;
mod not_accepted;
mod not_reading;
mod peer_silent;
pub(super) mod peer_window_closed;
pub(super) mod udp_receive_buffer_full;

pub use accept_queue_full::RULE as ACCEPT_QUEUE_FULL;
pub use bound_never_listened::RULE as BOUND_NEVER_LISTENED;
pub use close_never_called::RULE as CLOSE_NEVER_CALLED;
pub use connecting_no_answer::RULE as CONNECTING_NO_ANSWER;
pub use not_accepted::RULE as NOT_ACCEPTED;
pub use not_reading::RULE as NOT_READING;
pub use peer_silent::RULE as PEER_SILENT;
pub use peer_window_closed::RULE as PEER_WINDOW_CLOSED;
pub use udp_receive_buffer_full::RULE as UDP_RECEIVE_BUFFER_FULL;

#[cfg(test)]
mod tests;

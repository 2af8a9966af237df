//! A TLS handshake as a client makes it, to learn what the server offers and what is wrong with it.
//!
//! Nothing that a certificate lacks ends the handshake: the chain is recorded as it was sent and judged
//! afterwards, so that a failure never hides what the server has.
//!
//! | file | contents |
//! |---|---|
//! | [`report`] | what a handshake gave, as values |
//! | [`session`] | the handshake itself, over rustls: bytes in, bytes out |
//! | `recorder` | what rustls asks of a client, answered so that it goes on |
//! | [`chain`] | what a certificate says |
//! | [`trust`] | the certificates that this host trusts |
//! | `judge` | what is wrong with a chain |
//! | [`records`] | the record layer, alerts, and the hello of an older client |

pub mod chain;
mod judge;
mod recorder;
pub mod records;
pub mod report;
pub mod session;
#[cfg(test)]
mod tests;
pub mod trust;

pub use chain::Certificate;
pub use records::Alert;
pub use report::{
    ClientCertificate, Clock, Failure, Offered, Progress, Report, Step, Trouble, Version,
};
pub use session::{Request, Session};
pub use trust::Trust;

//! A ping session without a socket and without a clock: what to send when, what a reply is worth,
//! what became of each request.
//!
//! | file | what it holds |
//! |---|---|
//! | [`session`] | [`Session`](session::Session): the whole of it |
//! | [`event`] | the events of a session: replies, refusals, losses |
//! | [`plan`] | how it is to run: how many, how often, how long to wait |
//! | [`schedule`] | when the next request is due: no drift, floods, many targets |
//! | [`window`] | which requests are under way, by the sixteen bits on the wire |
//! | [`payload`] | what a request carries and a reply must bring back |
//! | [`clock`] | two clocks, what they say of each other, and a step of one |
//! | [`figures`] | round-trip times: mean, deviation, percentiles, jitter |
//! | [`losses`] | the account of lost packets |
//! | [`mtu`] | the search for the MTU of a path |
//! | [`hops`] | the routers on the way |
//! | [`mpls`] | the labels that packets had on the way |
//! | [`trace`] | the routers on the way, round after round |
//! | [`tally`] | counts |
//! | [`outage`] | losses in a row |
//! | [`target`] | targets: names, addresses, CIDR blocks, ranges |
//!
//! A session takes bytes and times (`handle_*`) and gives requests, deadlines and events (`poll_*`),
//! so that a test joins it to a made-up responder and lets the time run as it likes.

pub mod clock;
pub mod event;
pub mod figures;
pub mod hops;
pub mod losses;
pub mod mpls;
pub mod mtu;
pub mod outage;
pub mod payload;
pub mod plan;
pub mod schedule;
pub mod session;
pub mod tally;
pub mod target;
pub mod trace;
pub mod window;

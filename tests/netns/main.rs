//! What needs a network namespace of its own, a firewall, or root: all of it skips without.
//!
//! | file | what it holds |
//! |---|---|
//! | [`namespace`] | a namespace that ends with its test |
//! | [`compare`] | the same sockets in ss, netstat and lsof |
//! | [`families`] | raw, ping and packet sockets; scopes of IPv6 |
//! | [`many`] | tens of thousands of sockets |
//! | [`ping_judges`] | how iputils, fping and we judge a hostile host |
//! | [`ping_rows`] | what a hostile host answers, row by row |
//! | [`pinging`] | runs of ping and what they say |
//! | [`places`] | --netns and --all-netns |
//! | [`privilege`] | as an ordinary user, and without /proc |
//! | [`responder`] | a host that answers echo requests by a script |
//! | [`routed`] | a client, a router and a server |
//! | [`states`] | states that take a firewall |

#[path = "../support/mod.rs"]
mod support;

mod compare;
mod families;
mod many;
mod namespace;
mod ping_judges;
mod ping_rows;
mod pinging;
mod places;
mod privilege;
mod responder;
mod routed;
mod states;

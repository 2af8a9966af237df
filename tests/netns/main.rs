//! What needs a network namespace of its own, a firewall, or root: all of it skips without.
//!
//! | file | what it holds |
//! |---|---|
//! | [`namespace`] | a namespace that ends with its test |
//! | [`compare`] | the same sockets in ss, netstat and lsof |
//! | [`families`] | raw, ping and packet sockets; scopes of IPv6 |
//! | [`fill`] | full buffers over a slow path, and as an ordinary user |
//! | [`many`] | tens of thousands of sockets |
//! | [`places`] | --netns and --all-netns |
//! | [`privilege`] | as an ordinary user, and without /proc |
//! | [`states`] | states that take a firewall |

#[path = "../support/mod.rs"]
mod support;

mod compare;
mod families;
mod fill;
mod many;
mod namespace;
mod places;
mod privilege;
mod states;

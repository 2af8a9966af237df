//! Name resolution without a socket: the messages of the DNS, the files that configure the resolver, and
//! what a look-up gave.
//!
//! | file | what it holds |
//! |---|---|
//! | [`name`] | a domain name: text, wire form, compression |
//! | [`message`] | a query, and the reply to it |
//! | [`config`] | resolv.conf(5), and the `hosts` line of nsswitch.conf(5) |
//! | [`choice`] | the order in which programs try addresses, and why |
//! | [`closer`] | what a closer look found: EDNS, the names of the addresses, the servers behind a stub |
//! | [`hosts`] | hosts(5) |
//! | [`lookup`] | a name as programs get it, beside the hosts file and each name server |

pub mod choice;
pub mod closer;
pub mod config;
pub mod hosts;
pub mod lookup;
pub mod message;
pub mod name;

pub use closer::{Back, BackAnswer, Closer, Edns};
pub use config::{NameServer, ResolverConfig};
pub use hosts::HostsEntry;
pub use lookup::{Answer, Asked, Lookup, Resolver, ServerAnswers, SystemAnswer};
pub use message::{Data, Query, QueryType, Record, Reply, Unusable, rcode_name};
pub use name::Name;

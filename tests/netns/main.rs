//! What needs a network namespace of its own, a firewall, or root: all of it skips without.
//!
//! | file | what it holds |
//! |---|---|
//! | [`namespace`] | a namespace that ends with its test |
//! | [`absent`] | kernels that lack an optional feature |
//! | [`capture`] | packets as they come, beside tshark |
//! | [`capture_hostile`] | hostile frames, long frames, interfaces that change |
//! | [`capture_drops`] | packets that the kernel drops, between those that are captured |
//! | [`capture_readers`] | captures whose reader goes away or is too slow |
//! | [`compare`] | the same sockets in ss, netstat and lsof |
//! | [`dns_server`] | a name server that answers by a script |
//! | [`diagnose`] | faults made on purpose, each with a healthy look-alike |
//! | [`watch`] | findings that begin and end |
//! | [`diagnose_firewall`] | this host's own firewall as the cause, and as it should be |
//! | [`documented`] | `--json` as its manual page has it |
//! | [`drops`] | packets that the kernel drops, each for a reason made on purpose |
//! | [`dropped`] | privileges that are dropped, kept for a time, or not used for files |
//! | [`families`] | raw, ping and packet sockets; scopes of IPv6 |
//! | [`faults`] | the bench of `sockdoc diagnose`: a table of faults and look-alikes |
//! | [`fill`] | full buffers over a slow path, and as an ordinary user |
//! | [`many`] | tens of thousands of sockets |
//! | [`owners`] | owners of sockets from BPF and from /proc |
//! | [`paths`] | the bench of `sockdoc check`: faults of a path by layers |
//! | [`ping_crowds`] | many pings and many targets |
//! | [`ping_ends`] | signals, a closed pipe, zones, names |
//! | [`ping_hostile`] | what a hostile host answers, counted as what it is |
//! | [`ping_judges`] | how iputils, fping and we judge a hostile host |
//! | [`ping_json`] | `--json` |
//! | [`ping_options`] | flags on the wire, and how a run ends |
//! | [`ping_parsers`] | our text and that of iputils, read by the same programs |
//! | [`ping_paths`] | MTU, black hole and hops of a routed path |
//! | [`ping_refusals`] | ICMP errors of firewalls, routes and routers |
//! | [`ping_rows`] | what a hostile host answers, row by row |
//! | [`ping_tcp`] | `--tcp PORT` |
//! | [`ping_users`] | as an ordinary user |
//! | [`ping_words`] | every ICMP error in words, and the account of a bad path |
//! | [`pinging`] | runs of ping and what they say |
//! | [`places`] | --netns and --all-netns |
//! | [`privilege`] | as an ordinary user, and without /proc |
//! | [`resolve`] | `sockdoc resolve` with name servers of the test |
//! | [`responder`] | a host that answers echo requests by a script |
//! | [`routed`] | a client, a router and a server |
//! | [`states`] | states that take a firewall |

#[path = "../support/mod.rs"]
mod support;

mod absent;
mod capture;
mod capture_drops;
mod capture_hostile;
mod capture_readers;
mod compare;
mod diagnose;
mod diagnose_firewall;
mod dns_server;
mod documented;
mod dropped;
mod drops;
mod families;
mod faults;
mod fill;
mod many;
mod namespace;
mod owners;
mod paths;
mod ping_crowds;
mod ping_ends;
mod ping_hostile;
mod ping_json;
mod ping_judges;
mod ping_options;
mod ping_parsers;
mod ping_paths;
mod ping_refusals;
mod ping_rows;
mod ping_tcp;
mod ping_time;
mod ping_users;
mod ping_words;
mod pinging;
mod places;
mod privilege;
mod resolve;
mod responder;
mod routed;
mod states;
mod watch;

//! The command line, against the real binary.

#[path = "../support/mod.rs"]
mod support;

mod app_faults;
mod app_server;
mod capture;
mod careless;
mod clients;
mod decode;
mod decode_memory;
mod decode_unpacking;
mod decode_views;
mod echo;
mod echo_answers;
mod echo_faults;
mod explain;
mod explain_corpus;
mod fill_buffers;
mod fill_server;
mod fill_variants;
mod holders;
mod limits;
mod load;
mod malformed;
mod output;
mod ping;
mod ping_many;
mod ping_parsers;
mod reach;
mod restart;
mod signals;
mod sockets;
mod sockets_causes;
mod sockets_filters;
mod sockets_from;
mod sockets_names;
mod sockets_output;
mod sockets_pid;
mod sockets_rates;
mod sockets_why;
mod speak;
mod terminal;
mod top;
mod unix;
mod verdicts;
mod waits;

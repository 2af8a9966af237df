//! sockdoc, the socket doctor: an overview of the code.
//!
//! A command-line tool that diagnoses broken network connections on Linux: it lists sockets with their
//! processes and their problems, decodes captures, pings, explains errors, and has servers and clients
//! to test with.
//!
//! # Rooms
//!
//! A room is a top-level module with a fixed list of rooms that it may import.
//!
//! | room | contents | may import |
//! |---|---|---|
//! | [`cli`] | the clap parser, the list of commands, global flags, dispatch | `commands`, `render`, `sys`, `error` |
//! | [`commands`] | one file per subcommand: its flags and `run()`: gather (`sys`), decide (pure rooms), show (`render`) | everything but `cli` |
//! | [`error`] | the error type: kind, operation, address, cause, next step | `reference` |
//! | [`message`] | pure: the application protocol: header, encoder, deframer, content | `framing` |
//! | [`framing`] | pure: message boundaries on a byte stream: raw, line, delimiter, length, fixed, close | - |
//! | [`service`] | pure: the services of a server, without a socket: `app`, `echo` | `message`, `framing` |
//! | [`load`] | pure: a load run: the schedule of requests, which replies count as success, the figures | `message`, `framing`, `service` |
//! | [`packet`] | pure: link types and packet layers, decoded through pnet's views into a flat record of a frame | `reference`, `capfile` |
//! | [`stream`] | pure: TCP connections in a capture: analysis, reassembly, application messages | `capfile`, `packet`, `message`, `framing` |
//! | [`dissect`] | pure: the dissection of a capture: frames in, typed events out: frames, streams, messages, facts | `capfile`, `dns`, `packet`, `stream`, `filter`, `tls` |
//! | [`mod@drops`] | pure: packets that the kernel dropped: where and why, which are everyday, a tally | `bpf`, `capfile`, `host`, `packet` |
//! | [`dns`] | pure: name resolution: DNS messages, the resolver's files, what a look-up gave | - |
//! | [`tls`] | pure: a TLS handshake as a client makes it: what the server offers, what is wrong with its certificates | - |
//! | [`protocol`] | pure: the first words of application protocols, and what the answers mean | `tls` |
//! | [`ping`] | pure: a ping session: sequence window, verdicts, schedule, figures, targets | `packet`, `reference` |
//! | [`fill`] | pure: the buffer experiment: when to send and when to stop, the queues, whether the bytes add up | `sockdiag`, `diagnose` |
//! | [`check`] | pure: a connection followed through its layers: targets, attempts, which layer failed first | `diagnose`, `dns`, `host`, `ping`, `protocol`, `reference`, `rtnetlink`, `sockets`, `tls` |
//! | [`bpf`] | pure: eBPF without a compiler: assembler, the kernel's types (BTF), programs and their records | - |
//! | [`capfile`] | pure: capture files, pcap and pcapng, read from a slice or in pieces, and written; unpacking | - |
//! | [`filter`] | pure: the capture filter language: tcpdump's syntax, one syntax tree, tests on the bytes of a frame | `capfile` |
//! | [`sockets`] | pure: the sockets of a host as values: the model, filters, sorting, the join with owners | `sockdiag` |
//! | [`host`] | pure: what a host looks like at one moment: who listens, who is at the other end, who owns | `nftables`, `rtnetlink`, `sockets` |
//! | [`diagnose`] | pure: a sample of a host, or a fact of a capture, in; findings out; `rules/`, one file each | `capfile`, `dns`, `host`, `nftables`, `ping`, `protocol`, `reference`, `rtnetlink`, `sockdiag`, `sockets`, `stream`, `tls` |
//! | [`top`] | pure: a live view of sockets: what it remembers from look to look, what its keys do | `diagnose`, `host`, `rtnetlink`, `sockets` |
//! | [`sockdiag`] | pure: codecs of the kernel's socket listings: netlink `sock_diag` messages, `struct tcp_info` | `netlink` |
//! | [`netlink`] | pure: netlink's framing: messages, attributes, acknowledgements, requests | - |
//! | [`nftables`] | pure: the packet filter: chains, rules and sets of `nf_tables`, and what becomes of a packet | `netlink` |
//! | [`rtnetlink`] | pure: messages of rtnetlink(7): interfaces, addresses, neighbours, routes, queues | `netlink` |
//! | [`mod@reference`] | pure: errno, ICMP, TCP-state and resolver tables, with cause and next step | - |
//! | [`render`] | tables, JSON lines, Python literals, hex dumps, escaping; writes to an `io::Write` | pure rooms, `error` |
//! | [`sys`] | the edge: the only room that uses the kernel, the clock, the terminal and the environment | pure rooms, `error` |
//!
//! # Invariants
//!
//! - Imports go one way: `main -> cli -> commands -> {sys, render, pure rooms}`. A pure room maps
//!   bytes and values to bytes and values: it never reads the clock, a socket, a file, the
//!   environment or the terminal. Time is an argument.
//! - Each foreign crate belongs to one room: clap only in `cli` and `commands`; comfy-table only in `render`; ratatui only in
//!   `render` (pictures) and `sys` (the screen);
//!   regex-lite only in `sockets`; crc32fast only in `fill`; pnet only in `packet`; flate2, ruzstd and
//!   `lz4_flex` only in `capfile`; nix, socket2, libc, mio, memmap2, idna and every `unsafe` only in `sys`;
//!   rustls and x509-parser only in `tls`, rustls-native-certs only in `sys`.
//! - Foreign data (of a peer, a file, another process) is escaped by [`render::escape`] before it
//!   reaches a terminal.
//! - A limit is checked before the memory that it limits is allocated.
//! - Named files are opened with the caller's rights, capabilities are in effect only around the calls that need
//!   them, and before a thread starts all are dropped but those in [`sys::privilege::KEPT`].
//!
//! `tests/architecture.rs` reads the sources and fails when an import breaks these rules.

pub mod bpf;
pub mod capfile;
pub mod check;
pub mod cli;
pub mod commands;
pub mod diagnose;
pub mod dissect;
pub mod dns;
pub mod drops;
pub mod error;
pub mod fill;
pub mod filter;
pub mod framing;
pub mod host;
pub mod load;
pub mod message;
pub mod netlink;
pub mod nftables;
pub mod packet;
pub mod ping;
pub mod protocol;
pub mod reference;
pub mod render;
pub mod rtnetlink;
pub mod service;
pub mod sockdiag;
pub mod sockets;
pub mod stream;
#[allow(unsafe_code)]
pub mod sys;
pub mod tls;
pub mod top;

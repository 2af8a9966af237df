//! The edge: the only place that touches the kernel, the clock, the terminal and the environment.
//!
//! | file | what it holds |
//! |---|---|
//! | [`socket`] | sockets made as the user asked: listeners, options, accept |
//! | [`resolve`] | names to addresses, with the resolver's own error |
//! | [`connect`] | several addresses tried in order and raced |
//! | [`server`] | the event loop that drives a [`Service`](crate::service::Service) |
//! | [`datagram`] | the loop of a datagram server, and one exchange of a client |
//! | [`mod@drops`] | packets that the kernel drops, as they are dropped |
//! | [`exchange`] | one connection of a client: send, stream, receive, with deadlines |
//! | [`live`] | frames as they come: packet sockets with a ring |
//! | [`load`] | many connections that drive a [`Client`](crate::load::Client) |
//! | [`names`] | the names of hosts, looked up beside the work |
//! | [`netlink`] | netlink sockets: requests to the kernel and its replies |
//! | [`outlet`] | standard output for a program that must not wait for its reader |
//! | [`privilege`] | capabilities: in effect only while they are needed, and dropped before a thread starts |
//! | [`around`] | a look at this host after a failure: what its sockets say about the address |
//! | [`refusals`] | ICMP errors for a socket, with their senders |
//! | [`activation`] | sockets passed in by a service manager |
//! | [`fill`] | the buffer experiment: full queues, their drain, a server that does not read |
//! | [`bpf`] | BPF programs loaded and run |
//! | [`capture`] | a capture file, mapped or read, and its frames |
//! | [`files`] | files read whole, or streamed |
//! | [`check`] | connections to all addresses of a target, and what is sent when one fails |
//! | [`clock`] | both clocks, read together |
//! | [`idle`] | a connection on which nothing is sent for a while |
//! | [`icmp`] | ICMP sockets, and the loop that drives a [`Session`](crate::ping::session::Session) |
//! | [`follow`] | names that are looked up again and again |
//! | [`handshake`] | the time of a TCP handshake |
//! | [`limits`] | the descriptor limit, and sysctls |
//! | [`screen`] | the terminal as a screen: keys in, pictures out, given back at the end
//! | [`signals`] | SIGINT and SIGTERM as a readable descriptor |
//! | [`sockets`] | the sockets of this host: sock_diag, /proc, namespaces, owners |
//! | [`speak`] | a talk in an application protocol over a connection |
//! | [`tls`] | a TLS handshake over a connected socket, and the trusted certificates |
//! | [`about`] | this build, its kernel and its rights, for `--version -v` |
//! | [`users`] | user numbers and names |
//! | [`unix`] | a connection to a Unix domain socket |
//! | [`waiting`] | waiting for descriptors until a deadline |
//! | [`traced`] | what the kernel's tracepoints tell: drops, look-ups and sends that fail |
//! | [`terminal`] | is it a terminal, how wide, may it be coloured; progress |

pub mod about;
pub mod activation;
pub mod around;
pub mod bpf;
pub mod capture;
pub mod check;
pub mod clock;
pub mod connect;
pub mod datagram;
pub mod datagram_probe;
pub mod drops;
pub mod exchange;
pub mod files;
pub mod fill;
pub mod follow;
pub mod handshake;
pub mod icmp;
pub mod idle;
pub mod limits;
pub mod live;
pub mod load;
pub mod names;
pub mod netlink;
pub mod network;
pub mod outlet;
pub mod privilege;
pub mod refusals;
pub mod resolve;
pub mod screen;
pub mod server;
pub mod services;
pub mod signals;
pub mod socket;
pub mod sockets;
pub mod speak;
pub mod terminal;
pub mod tls;
pub mod traced;
pub mod unix;
pub mod users;
pub mod waiting;

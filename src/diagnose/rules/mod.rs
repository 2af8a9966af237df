//! The rules.
//!
//! A rule fires on figures that carry their own age or their own limit: a healthy host shows nothing.
//! What it needs and does not know keeps it silent. Never a finding by themselves: `TIME_WAIT`, a Send-Q
//! above 0, one retransmission.
//!
//! To add one: a file in the folder of what it looks at, with a test that fires and a look-alike that
//! stays silent, and a line in [`ALL`]. `sockdoc explain` and every output know it at once.
//!
//! | folder | what its rules look at |
//! |---|---|
//! | `host` | the host as a whole: counters, tables, limits, interfaces |
//! | [`reach`] | how peers are reached whose connections wait |
//! | `process` | a process whose sockets are in trouble |
//! | `socket` | one socket of a sample, and what the index knows of its surroundings |
//! | [`sender`] | one sender that was watched for a while |
//! | [`name`] | a name that was looked up |
//! | [`path`] | a path that was probed: pings, a trace, its MTU |
//! | [`tls`] | a TLS handshake |
//! | [`protocol`] | a talk in an application protocol |
//! | [`attempt`] | an attempt to connect that failed |
//! | `stream` | a fact of a capture |

pub mod attempt;
pub mod host;
pub mod name;
pub mod path;
pub mod process;
pub mod protocol;
pub mod reach;
pub mod sender;
pub mod socket;
pub mod stream;
pub mod tls;

use super::{Case, Command, Fact, Finding, NextStep, Role, Subject, Value};
use crate::host::{ProcessStatus, SocketAt};
use crate::sockets::Address;
use crate::stream::Fact as StreamFact;

/// A rule: what it finds, its texts, and how.
#[derive(Debug)]
pub struct Rule {
    /// Stable, for programs and for `sockdoc explain`: `accept_queue_full`.
    pub id: &'static str,
    /// The condition in a few words.
    pub title: &'static str,
    /// What it means, for somebody who sees it for the first time.
    pub meaning: &'static str,
    /// What proves it.
    pub proof: &'static str,
    /// What looks like it and is not, and how they are distinguished.
    pub look_alikes: &'static str,
    /// What to do about it.
    pub next: &'static str,
    /// What may cause it.
    pub because: &'static [Cause],
    /// How it is found.
    pub check: Check,
}

impl Rule {
    /// A rule whose findings are not caused by others.
    const fn new(
        id: &'static str,
        title: &'static str,
        [meaning, proof, look_alikes, next]: [&'static str; 4],
        check: Check,
    ) -> Rule {
        Rule {
            id,
            title,
            meaning,
            proof,
            look_alikes,
            next,
            because: &[],
            check,
        }
    }
}

impl Rule {
    /// Whether it looks at a host, not at an experiment or a capture.
    pub fn is_about_a_host(&self) -> bool {
        matches!(
            self.check,
            Check::Host(_) | Check::Process(_) | Check::Socket(_)
        )
    }
}

impl PartialEq for Rule {
    /// A rule is in this program once.
    fn eq(&self, other: &Rule) -> bool {
        std::ptr::eq(self, other)
    }
}

/// Where the cause of a finding may be.
#[derive(Debug)]
pub struct Cause {
    /// A finding of this rule ...
    pub rule: &'static Rule,
    /// ... about the socket that plays this part.
    pub at: Role,
}

impl Cause {
    const fn at(rule: &'static Rule, at: Role) -> Cause {
        Cause { rule, at }
    }
}

/// How a rule is asked.
#[derive(Debug, Clone, Copy)]
pub enum Check {
    /// About the host, its network stacks and its paths.
    Host(fn(&Case<'_>) -> Vec<Finding>),
    /// About each process of which the sample knows more than the name.
    Process(fn(&Case<'_>, &ProcessStatus) -> Option<Finding>),
    /// About each socket.
    Socket(fn(&Case<'_>, SocketAt) -> Option<Finding>),
    /// About a sender that was watched: [`sender::verdict`] gives the one that applies.
    Sender,
    /// About a path that was probed: [`path`] gives those that apply.
    Path,
    /// About a name that was looked up: [`name`] gives those that apply.
    Name,
    /// About a TLS handshake: [`tls`] gives those that apply.
    Tls,
    /// About a talk in an application protocol: [`protocol`] gives the one that applies.
    Protocol,
    /// About an attempt to connect: [`attempt`] gives the one that applies.
    Attempt,
    /// About a fact of a capture.
    Fact(fn(&StreamFact) -> Option<Finding>),
}

/// All rules.
pub static ALL: &[&Rule] = &[
    &attempt::ANSWER_DROPPED,
    &attempt::FAILED_HERE,
    &attempt::PORT_CLOSED,
    &attempt::HOST_UNREACHABLE,
    &attempt::LISTENS_ELSEWHERE,
    &attempt::LOOPBACK_ONLY,
    &attempt::OTHER_NAMESPACE,
    &attempt::PORT_FILTERED,
    &attempt::PUBLISHED_NOWHERE,
    &attempt::UDP_NO_ANSWER,
    &attempt::UDP_UNREAD,
    &attempt::UNIX_SOCKET_UNREACHABLE,
    &host::ADDRESS_NOT_LOCAL,
    &host::BACKLOG_DROPS,
    &host::BROADCAST_NOT_PERMITTED,
    &host::CALLED_UNREACHABLE,
    &host::CHECKSUM_ERRORS,
    &host::CLOSED_UNREAD,
    &host::CONNTRACK_TABLE_FULL,
    &host::DUPLICATE_ADDRESS,
    &host::FORWARDING_OFF,
    &host::FRAGMENTS_LOST,
    &host::INTERFACE_ERRORS,
    &host::IPV6_AUTOCONFIGURATION_LOST,
    &host::KERNEL_DROPS,
    &host::LISTENER_ELSEWHERE,
    &host::MARTIAN_PACKETS,
    &host::NEIGHBOUR_TABLE_FULL,
    &host::NOBODY_LISTENS,
    &host::NO_NAMESERVER,
    &host::NO_RETURN_ROUTE,
    &host::ORPHANS_AT_LIMIT,
    &host::PORTS_USED_UP,
    &host::PORT_HELD,
    &host::REFUSED_BY_PEER,
    &host::RESET_BY_PEER,
    &host::REVERSE_PATH_FILTER,
    &host::SEND_QUEUE_FULL,
    &host::SYN_QUEUE_FULL,
    &host::TCP_MEMORY_PRESSURE,
    &host::TIME_JUMPED,
    &host::TIME_WAIT_TABLE_FULL,
    &host::UDP_MEMORY_USED_UP,
    &host::UDP_PORT_CLOSED,
    &host::UDP_REFUSED_BY_PEER,
    &host::UDP_SEND_ERRORS,
    &name::DNS_AAAA_BROKEN,
    &name::DNS_ANSWERS_DIFFER,
    &name::DNS_FIRST_SERVER_DEAD,
    &name::DNS_NO_ANSWER,
    &name::DNS_SERVER_REFUSES,
    &name::DNS_SERVER_SLOW,
    &name::DNS_SERVFAIL,
    &name::DNS_TCP_BLOCKED,
    &name::FAMILY_MISMATCH,
    &name::HOSTS_FILE_OVERRIDE,
    &name::NAME_UNKNOWN,
    &name::RESOLVER_DISAGREES,
    &path::LOCAL_QUEUE_FULL,
    &path::MTU_BLACK_HOLE,
    &path::PATH_CHANGES,
    &path::PATH_FILTERED,
    &path::PATH_LOSS,
    &path::ROUTER_LIMITS_ANSWERS,
    &path::ROUTING_LOOP,
    &reach::FORWARD_DROPPED,
    &reach::LINK_DOWN,
    &reach::LISTENER_FIREWALLED,
    &reach::NEIGHBOUR_FAILED,
    &reach::NO_ROUTE,
    &reach::OUTPUT_STOPPED,
    &reach::OWN_FIREWALL_DROPS,
    &reach::RECEIVE_WINDOW_SMALL,
    &reach::SEND_BUFFER_SMALL,
    &reach::WRONG_SOURCE_ADDRESS,
    &process::BLOCKED,
    &process::DESCRIPTOR_LIMIT,
    &process::INHERITED_LISTENER,
    &process::MEMORY_LIMIT,
    &process::STOPPED,
    &protocol::ANSWER_STOPS,
    &protocol::CLOSES_AT_ONCE,
    &protocol::ENDLESS_ANSWER,
    &protocol::IDLE_DROPPED,
    &protocol::NEVER_ANSWERS,
    &protocol::NOT_A_PROXY,
    &protocol::NOT_EXPECTED,
    &protocol::OTHER_PROTOCOL,
    &protocol::PROXY_CANNOT_CONNECT,
    &protocol::PROXY_REFUSES,
    &protocol::RESETS_AT_ONCE,
    &protocol::SERVICE_REFUSES,
    &protocol::STARTTLS_MISSING,
    &protocol::TLS_EXPECTED,
    &socket::ACCEPT_QUEUE_FULL,
    &socket::BOTH_WAIT_TO_BE_READ,
    &socket::BOUND_NEVER_LISTENED,
    &socket::CLOSE_NEVER_CALLED,
    &socket::CONNECTING_NO_ANSWER,
    &socket::KEEPALIVE_UNANSWERED,
    &socket::LISTENER_DROPS,
    &socket::NOT_ACCEPTED,
    &socket::NOT_READING,
    &socket::PEER_SILENT,
    &socket::PEER_WINDOW_CLOSED,
    &socket::REUSEPORT_STUCK,
    &socket::UDP_RECEIVE_BUFFER_FULL,
    &socket::UNIX_DATAGRAM_QUEUE_FULL,
    &sender::HOST_IS_THE_LIMIT,
    &sender::LOWAT_IS_THE_LIMIT,
    &sender::NETWORK_IS_THE_LIMIT,
    &sender::NEVER_BLOCKED,
    &sender::NOTHING_READ,
    &sender::PEER_READS_SLOWLY,
    &sender::SEND_BUFFER_TOO_SMALL,
    &sender::UDP_TELLS_NOTHING,
    &sender::UNIX_DATAGRAMS_NOT_READ,
    &sender::UNIX_PEER_NOT_READING,
    &stream::ARP_DUPLICATE,
    &stream::CAPTURED_TWICE,
    &stream::PACKETS_LOOP,
    &stream::CAPTURE_DROPPED,
    &stream::CHALLENGE_ACK,
    &stream::DATA_AFTER_FIN,
    &stream::DELAYED_ACKS,
    &stream::DNS_FAILED,
    &stream::DNS_SLOW,
    &stream::DNS_UNANSWERED,
    &stream::EVICTED,
    &stream::FRAGMENT_MISSING,
    &stream::FRAMES_CUT,
    &stream::FRAMES_MALFORMED,
    &stream::GAP,
    &stream::GAP_GIVEN_UP,
    &stream::HANDSHAKE_UNFINISHED,
    &stream::ACK_IGNORED,
    &stream::ICMP_ERROR,
    &stream::MESSAGE_CUT,
    &stream::MTU_IGNORED,
    &stream::NO_MESSAGE,
    &stream::ONE_SIDED,
    &stream::OVERLAP_DIFFERS,
    &stream::PATH_MTU,
    &stream::PING_UNANSWERED,
    &stream::PORT_REUSED,
    &stream::PORT_SCAN,
    &stream::REFUSED,
    &stream::REORDERED,
    &stream::RESET,
    &stream::RST_IDLE,
    &stream::RST_INJECTED,
    &stream::RST_NO_SOCKET,
    &stream::RST_UNREAD,
    &stream::SEGMENTS_LOST,
    &stream::SLOW_CLIENT,
    &stream::SLOW_CONNECT,
    &stream::SLOW_SERVER,
    &stream::SYN_UNANSWERED,
    &stream::TCP_ANALYSIS,
    &stream::TIME_BACK,
    &stream::WINDOW_WAS_CLOSED,
    &tls::TLS_ALERT,
    &tls::TLS_BAD_CERTIFICATE,
    &tls::TLS_CLIENT_CERTIFICATE,
    &tls::TLS_CLOSED,
    &tls::TLS_EXPIRED,
    &tls::TLS_INCOMPLETE_CHAIN,
    &tls::TLS_NAME_MISMATCH,
    &tls::TLS_NAME_REFUSED,
    &tls::TLS_NONSENSE,
    &tls::TLS_NOT_YET_VALID,
    &tls::TLS_NO_ANSWER,
    &tls::TLS_PLAIN_TEXT,
    &tls::TLS_SELF_SIGNED,
    &tls::TLS_UNKNOWN_CA,
    &tls::TLS_VERSION,
];

/// The rule of a name, in any case and with `-` or blanks for `_`; or of its title.
pub fn named(name: &str) -> Option<&'static Rule> {
    let plain = |text: &str| text.trim().to_lowercase().replace(['-', ' '], "_");
    let name = plain(name);
    let is_it = |rule: &&&Rule| rule.id == name || plain(rule.title) == name;
    ALL.iter().find(is_it).copied()
}

/// The rule that a message of the kernel's log, or a counter of `netstat -s`, speaks of.
pub fn logged(text: &str) -> Option<&'static Rule> {
    let text = text.to_lowercase();
    let row = LOGGED.iter().find(|(message, _)| text.contains(message));
    row.and_then(|(_, id)| named(id))
}

/// What the kernel (`net/`, by `net_warn_ratelimited`) and `netstat` (`statistics.c`) print, in lower
/// case, and the rule.
const LOGGED: &[(&str, &str)] = &[
    ("conntrack: table full", "conntrack_table_full"),
    ("neighbor table overflow", "neighbour_table_full"),
    ("neighbour table overflow", "neighbour_table_full"),
    ("possible syn flooding on port", "syn_queue_full"),
    ("tcp: too many orphaned sockets", "orphans_at_limit"),
    ("consider tuning tcp_mem", "tcp_memory_pressure"),
    ("time wait bucket table overflow", "time_wait_table_full"),
    ("listen queue of a socket overflow", "listener_drops"),
    ("syns to listen sockets dropped", "listener_drops"),
];

/// A figure of the socket itself, as `sock_diag(7)` gives it.
fn diag(field: &'static str, value: Value) -> Fact {
    Fact::new("sock_diag", field, value)
}

/// A count of the socket itself.
fn diag_count(field: &'static str, count: u32) -> Fact {
    diag(field, Value::Count(count.into()))
}

/// A figure of its `tcp_info`.
fn tcp_info(field: &'static str, value: Value) -> Fact {
    Fact::new("tcp_info", field, value)
}

/// An age of its `tcp_info`.
fn tcp_age(field: &'static str, milliseconds: u32) -> Fact {
    tcp_info(field, Value::Millis(milliseconds.into()))
}

/// A figure of its memory (`SK_MEMINFO`).
fn meminfo(field: &'static str, value: Value) -> Fact {
    Fact::new("skmeminfo", field, value)
}

/// More processes than these are not named.
const NAMED: usize = 4;

/// How to see what the program does that holds these sockets, and what that tells. Where no process is
/// known, how to learn it.
fn watch_program(case: &Case<'_>, sockets: &[SocketAt], tells: &'static str) -> Vec<NextStep> {
    let processes = case.index.processes(sockets);
    if !processes.is_empty() {
        let mut command = Command::of("strace -f");
        for process in processes.iter().take(NAMED) {
            command = command.with("-p").with(case.sample.process(*process).pid);
        }
        return vec![command.into(), tells.into()];
    }
    if case.sample.owners.were_sought() && case.sample.owners.is_complete() {
        return vec![
            "The process is not visible from here. It may belong to a container: run sockdoc on its host, \
             as root."
                .into(),
            tells_then(tells),
        ];
    }
    let mut command = Command::of("sudo sockdoc sockets");
    let first = sockets.first().map(|at| &case.socket(*at).local);
    match first {
        Some(Address::Ip { port, .. }) => command = command.with(format!(":{port}")),
        Some(Address::Unix { .. }) => command = command.with("-x"),
        _ => {}
    }
    vec![
        command.into(),
        "It names the process; only root sees those of other users.".into(),
        tells_then(tells),
    ]
}

/// What `strace` shows, if the process is not known yet.
fn tells_then(tells: &'static str) -> NextStep {
    format!("Then trace that process with strace -f -p. {tells}").into()
}

/// The sockets, as those that a finding about something else is about as well.
fn affected(sockets: &[SocketAt]) -> Vec<(Role, Subject)> {
    let role = |at: &SocketAt| (Role::Affected, Subject::Socket(*at));
    sockets.iter().map(role).collect()
}

/// The processes that hold these sockets, as far as their state may be what keeps the sockets waiting.
fn held_up_by(case: &Case<'_>, sockets: &[SocketAt]) -> Vec<(Role, Subject)> {
    if case.sample.processes.is_empty() {
        return Vec::new();
    }
    let processes = case.index.processes(sockets).into_iter();
    let known = processes.filter(|at| case.sample.status(*at).is_some());
    known
        .map(|at| (Role::Owner, Subject::Process(at)))
        .collect()
}

/// How to ask whether a peer's host answers, and which way packets go there.
fn ask_for_the_host(peer: &Address) -> Vec<NextStep> {
    let Address::Ip { addr, scope, .. } = peer else {
        return Vec::new();
    };
    let ip = addr.to_canonical();
    if ip.is_loopback() {
        return vec![
            Command::of("nft list ruleset").into(),
            "Both ends are on this host: it shows what the firewall drops.".into(),
        ];
    }
    let zone = if *scope == 0 {
        String::new()
    } else {
        format!("%{scope}")
    };
    vec![
        Command::of("sockdoc ping")
            .with(format!("{ip}{zone}"))
            .into(),
        "It shows whether the host answers.".into(),
        Command::of("ip route get").with(ip).into(),
        "It shows the route.".into(),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::diagnose::testing::{found, idle, socket, timer};
    use crate::sockets::{State, TcpFigures, TimerKind};

    #[test]
    fn each_rule_has_an_id_and_a_title_of_its_own_and_says_everything() {
        let ids: HashSet<&str> = ALL.iter().map(|rule| rule.id).collect();
        let titles: HashSet<&str> = ALL.iter().map(|rule| rule.title).collect();
        assert_eq!((ids.len(), titles.len()), (ALL.len(), ALL.len()));
        for rule in ALL {
            for text in [
                rule.title,
                rule.meaning,
                rule.proof,
                rule.look_alikes,
                rule.next,
            ] {
                assert!(!text.is_empty(), "{}", rule.id);
            }
            assert_eq!(named(rule.id), Some(*rule));
            assert_eq!(named(&rule.title.to_uppercase()), Some(*rule));
        }
        assert_eq!(
            named("close-never-called"),
            Some(&socket::CLOSE_NEVER_CALLED)
        );
        assert_eq!(named("close"), None);
    }

    #[test]
    fn no_rule_causes_itself_even_by_way_of_others() {
        fn depth(rule: &Rule, left: usize) -> usize {
            assert!(left > 0, "{} is in a circle", rule.id);
            let causes = rule.because.iter();
            causes
                .map(|cause| 1 + depth(cause.rule, left - 1))
                .max()
                .unwrap_or(0)
        }
        for rule in ALL {
            depth(rule, ALL.len());
        }
    }

    #[test]
    fn a_message_of_the_kernel_leads_to_its_rule() {
        for (_, id) in LOGGED {
            assert!(named(id).is_some(), "{id}");
        }
        let line = "[ 61.2] TCP: request_sock_TCP: Possible SYN flooding on port 0.0.0.0:80. Dropping request.";
        assert_eq!(logged(line).map(|rule| rule.id), Some("syn_queue_full"));
        assert_eq!(logged("table full"), None);
    }

    #[test]
    fn a_socket_of_which_little_is_known_has_no_finding() {
        for state in State::ALL {
            if state == State::BoundInactive {
                continue;
            }
            let mut socket = socket(state, 0, 1_000);
            let unknown = TcpFigures::default();
            assert_eq!(found(&socket, unknown), None);
            socket.inode = 0;
            socket.recv_q = 1;
            assert_eq!(found(&socket, unknown), None);
        }
    }

    #[test]
    fn an_idle_connection_an_old_time_wait_and_one_retransmission_are_healthy() {
        let old = idle();
        assert_eq!(found(&socket(State::Established, 0, 0), old), None);
        let mut over = socket(State::TimeWait, 0, 0);
        over.inode = 0;
        assert_eq!(found(&over, old), None);
        let mut sending = socket(State::Established, 0, 70_000);
        sending.timer = Some(timer(TimerKind::Retransmit, 1));
        let once = TcpFigures {
            retransmits: Some(1),
            backoff: Some(1),
            ..old
        };
        assert_eq!(found(&sending, once), None);
    }
}

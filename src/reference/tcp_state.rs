//! The states of a TCP connection, as `ss`, `netstat` and `/proc/net/tcp` name them.
//!
//! Numbers from the kernel's `include/net/tcp_states.h`, meanings from RFC 9293, section 3.3.2.

/// One state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpState {
    /// The kernel's name without its `TCP_`: `CLOSE_WAIT`.
    pub name: &'static str,
    /// The number in `/proc/net/tcp` (there in hexadecimal) and in `sock_diag`.
    pub number: u8,
    /// A short description: what the connection waits for.
    pub message: &'static str,
    /// When the state indicates a problem, and when it does not.
    pub cause: &'static str,
    /// The next thing to check if it does.
    pub next: &'static str,
    /// Spellings of `ss`, `netstat` and the RFC that differ from the name.
    pub aliases: &'static [&'static str],
    /// How to tell its causes apart: a sentence or two each.
    pub details: &'static [&'static str],
}

/// The state of a number.
pub fn by_number(number: u8) -> Option<&'static TcpState> {
    all().find(|state| state.number == number)
}

/// The state of a name in any spelling and case: `CLOSE_WAIT`, `close-wait`, `ESTAB`.
pub fn by_name(name: &str) -> Option<&'static TcpState> {
    let wanted = name.replace('-', "_");
    let is_wanted = |known: &str| known.replace('-', "_").eq_ignore_ascii_case(&wanted);
    all().find(|state| is_wanted(state.name) || state.aliases.iter().any(|alias| is_wanted(alias)))
}

/// Every state, by number.
pub fn all() -> impl Iterator<Item = &'static TcpState> {
    TABLE.iter()
}

/// Writes the table: number, name and meaning, then labelled texts.
macro_rules! states {
    ($(
        $number:literal $name:ident $message:literal
        also [$($alias:literal),*]
        cause $cause:literal
        next $next:literal
        $(details $details:literal)*;
    )*) => {
        static TABLE: &[TcpState] = &[$(TcpState {
            name: stringify!($name),
            number: $number,
            message: $message,
            cause: $cause,
            next: $next,
            aliases: &[$($alias),*],
            details: &[$($details),*],
        }),*];
    };
}

states! {
    1 ESTABLISHED "connected; both sides may send"
        also ["ESTAB"]
        cause "the normal state; a problem only if a queue stays full: Recv-Q means that this program does not read, Send-Q that the peer does not read or acknowledge"
        next "look at queues, timers and retransmissions: sockdoc sockets -tio --state established"
        details "Send-Q with timer persist: the peer's receive window is full, its program does not read. With timer on and a growing backoff: the peer or the path is down."
        details "A connection without a process (inode 0) on a listener's port is waiting for accept(): the server listens but does not accept.";

    2 SYN_SENT "connecting; waits for the peer's SYN-ACK"
        also ["SYN-SENT"]
        cause "normal for one round trip; if it persists, a firewall drops the SYN, the host is down, or its accept queue is full"
        next "see whether a reply arrives: tcpdump -ni any 'tcp[tcpflags] & tcp-syn != 0'; sockdoc explain ETIMEDOUT";

    3 SYN_RECV "half open; waits for the client's last ACK of the handshake"
        also ["SYN-RECV", "SYN_RECEIVED", "SYN-RECEIVED", "SYN_RCVD"]
        cause "normal for one round trip; many that persist mean that the SYN-ACK is lost, or a SYN flood"
        next "list them: sockdoc sockets --state syn-recv; check the return route: ip route get CLIENT";

    4 FIN_WAIT1 "this side closed; waits for the peer to acknowledge the FIN"
        also ["FIN-WAIT-1", "FIN_WAIT_1"]
        cause "normal for one round trip; if it persists with bytes in Send-Q, the peer is down or does not read"
        next "look at timer and queue: sockdoc sockets -tio --state fin-wait-1";

    5 FIN_WAIT2 "this side closed; the peer acknowledged, and has not closed yet"
        also ["FIN-WAIT-2", "FIN_WAIT_2"]
        cause "the peer may still send; many mean that the peer program fails to close the socket (in CLOSE_WAIT there)"
        next "on the peer, look for CLOSE_WAIT: sockdoc sockets --state close-wait; orphaned sockets time out after: sysctl net.ipv4.tcp_fin_timeout";

    6 TIME_WAIT "closed; waits 60 seconds so that late packets from the old connection cannot reach a new one"
        also ["TIME-WAIT"]
        cause "normal on the side that closed first; in itself never a fault, whatever the number"
        next "if connect fails with EADDRNOTAVAIL, count them per peer: sockdoc sockets --state time-wait --group peer; otherwise ignore them"
        details "A server can restart immediately despite them if it sets SO_REUSEADDR, and had set it before too."
        details "Thousands to one address and port can use up the local ports: reuse connections, or let the other side close first.";

    7 CLOSE "not connected: a new, bound or closed socket"
        also ["UNCONN", "CLOSED"]
        cause "normal; ss shows every UDP socket without a peer in this state, as UNCONN"
        next "if a socket occupies a port in this state, it is bound but unused: sockdoc sockets :PORT";

    8 CLOSE_WAIT "the peer has closed; waits for this program to close"
        also ["CLOSE-WAIT"]
        cause "if it persists, the program on this host did not close its socket: a descriptor leak"
        next "find the program: sockdoc sockets --problems --state close-wait"
        details "Recv-Q 0: the program read end of file and did not close. Recv-Q 1: it has not read end of file. More: it also has unread data."
        details "Normal while the program still sends its reply after a half-close."
        details "No sysctl clears it; it goes away only when the program closes the socket or exits.";

    9 LAST_ACK "both sides closed; waits for the last acknowledgement"
        also ["LAST-ACK"]
        cause "normal for one round trip; if it persists, the peer is unreachable, and the kernel eventually gives up"
        next "look at the timer: sockdoc sockets -to --state last-ack";

    10 LISTEN "waits for connections"
        also ["LISTENING"]
        cause "normal with Recv-Q near 0; Recv-Q above Send-Q is a full accept queue: the program does not accept"
        next "compare Recv-Q with Send-Q: sockdoc sockets -lt; look for past overflows (ListenOverflows): cat /proc/net/netstat"
        details "The local address decides which clients can connect: 127.0.0.1 and [::1] only those on this host, 0.0.0.0 and [::] all.";

    11 CLOSING "both sides closed at the same moment; waits for the peer's acknowledgement"
        also []
        cause "rare, and normal for one round trip; if it persists, the acknowledgement is lost or the peer is unreachable"
        next "look at the timer: sockdoc sockets -to --state closing";

    12 NEW_SYN_RECV "half open, stored as a request without a full socket"
        also ["NEW-SYN-RECV"]
        cause "internal to the kernel: tools show it as SYN_RECV"
        next "explain the state that tools show: sockdoc explain SYN_RECV";

    13 BOUND_INACTIVE "bound to a port, neither listening nor connected"
        also ["BOUND-INACTIVE"]
        cause "a pseudo-state of sock_diag since Linux 6.8: the socket occupies its port, so another bind() fails with EADDRINUSE"
        next "find the process: sockdoc sockets --state bound-inactive";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_states_are_numbered_as_in_the_kernel() {
        let names: Vec<&str> = all().map(|state| state.name).collect();
        let kernel = [
            "ESTABLISHED",
            "SYN_SENT",
            "SYN_RECV",
            "FIN_WAIT1",
            "FIN_WAIT2",
            "TIME_WAIT",
            "CLOSE",
            "CLOSE_WAIT",
            "LAST_ACK",
            "LISTEN",
            "CLOSING",
            "NEW_SYN_RECV",
            "BOUND_INACTIVE",
        ];
        assert_eq!(names, kernel);
        for (index, state) in all().enumerate() {
            assert_eq!(usize::from(state.number), index + 1);
        }
        assert_eq!(by_number(10).map(|state| state.name), Some("LISTEN"));
        assert_eq!(by_number(0), None);
    }

    #[test]
    fn a_state_is_found_in_every_spelling_of_ss_netstat_and_the_rfc() {
        for (spelling, name) in [
            ("ESTAB", "ESTABLISHED"),
            ("close-wait", "CLOSE_WAIT"),
            ("CLOSE_WAIT", "CLOSE_WAIT"),
            ("FIN-WAIT-1", "FIN_WAIT1"),
            ("fin_wait2", "FIN_WAIT2"),
            ("SYN-RECEIVED", "SYN_RECV"),
            ("UNCONN", "CLOSE"),
            ("closed", "CLOSE"),
            ("listen", "LISTEN"),
        ] {
            assert_eq!(
                by_name(spelling).map(|state| state.name),
                Some(name),
                "{spelling}"
            );
        }
        assert_eq!(by_name("WAITING"), None);
    }

    #[test]
    fn time_wait_is_never_called_a_fault() {
        let state = by_name("TIME_WAIT").map_or("", |state| state.cause);
        assert!(state.contains("never a fault"), "{state}");
    }
}

//! The states of a TCP connection, as `ss`, `netstat` and `/proc/net/tcp` write them.
//!
//! Numbers from the kernel's `include/net/tcp_states.h`, meanings from RFC 9293, section 3.3.2.

/// One state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpState {
    /// The kernel's name without its `TCP_`: `CLOSE_WAIT`.
    pub name: &'static str,
    /// The number in `/proc/net/tcp` (there in hexadecimal) and in `sock_diag`.
    pub number: u8,
    /// What the connection waits for, in a few words.
    pub message: &'static str,
    /// When the state is a sign of trouble, and when it is not.
    pub cause: &'static str,
    /// The next thing to look at when it is.
    pub next: &'static str,
    /// How `ss`, `netstat` and the RFC spell it, where they differ from the name.
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
        cause "the healthy state; trouble only if a queue stays full: Recv-Q means this program does not read, Send-Q that the peer does not take or acknowledge"
        next "look at queues, timers and retransmissions: ss -tnpoi state established"
        details "Send-Q with timer persist: the peer's window is closed, its program does not read. With timer on and a growing backoff: the peer or the path is gone."
        details "A connection without a process (inode 0, no users:) on a listener's port waits for accept: the server listens but does not accept.";

    2 SYN_SENT "connecting; waits for the peer's SYN+ACK"
        also ["SYN-SENT"]
        cause "healthy for the length of a round trip; if it lasts, a firewall drops the SYN, the host is down, or its accept queue is full"
        next "see whether an answer comes: tcpdump -ni any 'tcp[tcpflags] & tcp-syn != 0'; sockdoc explain ETIMEDOUT";

    3 SYN_RECV "half open; waits for the client's last ACK of the handshake"
        also ["SYN-RECV", "SYN_RECEIVED", "SYN-RECEIVED", "SYN_RCVD"]
        cause "healthy for a round trip; many that last mean that the SYN+ACK does not come through, or a SYN flood"
        next "count them: ss -tn state syn-recv; is the route back right? ip route get CLIENT";

    4 FIN_WAIT1 "this side closed; waits for the peer to acknowledge that"
        also ["FIN-WAIT-1", "FIN_WAIT_1"]
        cause "healthy for a round trip; if it lasts with bytes in Send-Q, the peer is gone or does not read"
        next "look at timer and queue: ss -tnoi state fin-wait-1";

    5 FIN_WAIT2 "this side closed; the peer acknowledged, and has not closed yet"
        also ["FIN-WAIT-2", "FIN_WAIT_2"]
        cause "the peer may go on sending; many mean that the peer's program forgets to close (it stands in CLOSE_WAIT there)"
        next "look on the peer for CLOSE_WAIT: ss -tnp state close-wait; orphans end after sysctl net.ipv4.tcp_fin_timeout";

    6 TIME_WAIT "closed; waits 60 seconds so that late packets of the old connection meet nobody"
        also ["TIME-WAIT"]
        cause "normal on the side that closed first and by itself never a fault, whatever their number"
        next "only if connect fails with EADDRNOTAVAIL count them for each peer: ss -tan state time-wait; else leave them alone"
        details "A server can be restarted at once in spite of them with SO_REUSEADDR."
        details "Thousands to one address and port can use up the local ports: reuse connections, or let the other side close first.";

    7 CLOSE "not connected: a fresh, bound or finished socket"
        also ["UNCONN", "CLOSED"]
        cause "healthy; ss writes it for every UDP socket too, as UNCONN"
        next "if a socket holds a port in this state it is bound and unused: lsof -nP -i";

    8 CLOSE_WAIT "the peer has closed; waits for this program to close"
        also ["CLOSE-WAIT"]
        cause "if it lasts, the program on this host forgot to close its socket: a leak of descriptors"
        next "name the program: ss -tnp state close-wait; then its descriptors: lsof -p PID; its log says what it did last"
        details "Recv-Q 0: the program has read the end of file and not closed. Recv-Q 1: it has not even read the end. More: unread data as well."
        details "Healthy while the program still sends its answer after a half-close."
        details "No sysctl ends it: only the program can, or its end.";

    9 LAST_ACK "both sides closed; waits for the last acknowledgement"
        also ["LAST-ACK"]
        cause "healthy for a round trip; if it lasts, the peer has vanished, and the kernel gives up by itself"
        next "look at the timer: ss -tno state last-ack";

    10 LISTEN "waits for connections"
        also ["LISTENING"]
        cause "healthy with Recv-Q near 0; Recv-Q above Send-Q is a full accept queue: the program does not accept"
        next "compare Recv-Q with Send-Q: ss -ltnp; did the queue overflow? journalctl -k -e; cat /proc/net/netstat (ListenOverflows)"
        details "The Local Address says who is served: 127.0.0.1 and [::1] only this host, 0.0.0.0 and * everybody.";

    11 CLOSING "both sides closed at the same moment; waits for the peer's acknowledgement"
        also []
        cause "rare and healthy for a round trip; if it lasts, the acknowledgement is lost or the peer has vanished"
        next "look at the timer: ss -tno state closing";

    12 NEW_SYN_RECV "half open, kept as a small request without a socket"
        also ["NEW-SYN-RECV"]
        cause "internal to the kernel: tools show it as SYN_RECV"
        next "read about the state it is shown as: sockdoc explain SYN_RECV";

    13 BOUND_INACTIVE "bound to a port, neither listening nor connected"
        also ["BOUND-INACTIVE"]
        cause "a pseudo-state of sock_diag since Linux 6.8: it holds its port, and a bind by another fails with EADDRINUSE"
        next "name the holder: lsof -nP -i; or, where ss is new enough: ss -tnp state bound-inactive";
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

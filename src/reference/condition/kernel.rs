//! What the kernel shows of a socket: its queues and its timers.

use super::{Condition, End, Remedy, conditions};

conditions! {
    RECV_Q "Data that arrived and that the program has not read"
        at Here "the program at this end: it reads too slowly, or not at all"
        cause "on a connection, bytes that the kernel has acknowledged and the program has not read; on a UDP socket, the memory that unread datagrams take; on a listening TCP socket, the connections that wait for accept()"
        next "if it stays above 0, find out what the program does instead of reading"
        run "sockdoc sockets --problems :PORT"
        finding not_reading
        finding not_accepted
        finding udp_receive_buffer_full
        details "Once the receive buffer is full, TCP advertises a window of 0 and the sender has to wait; UDP drops what arrives."
        details "ss and netstat call it Recv-Q; \"sockdoc sockets\" prints it as RECV-Q.";

    SEND_Q "Data that the program wrote and the peer has not acknowledged"
        at Unknown "the other end, if its receive window is closed; otherwise the path"
        cause "on a connection, bytes not yet sent, or sent and not yet acknowledged by the peer's TCP; on a listening TCP socket, the limit of its accept queue"
        next "find out whether the peer's window is closed (its program does not read) or packets are retransmitted (the path loses them)"
        run "sockdoc sockets --problems :PORT"
        finding peer_window_closed
        finding peer_silent
        details "An acknowledgement comes from the peer's kernel: it does not show that the program there has read the data."
        details "When the send buffer is full, send() blocks, or fails with EAGAIN on a non-blocking socket.";

    LISTEN_BACKLOG "The limit of connections that wait for accept()"
        at Here "the host of the server: its program accepts too slowly, or the limit is too low for a burst"
        cause "listen(fd, BACKLOG) sets how many established connections may wait for accept(), at most net.core.somaxconn; while they are more, the kernel drops SYNs and the ACKs that complete a handshake, and clients retry or time out"
        next "compare the connections that wait (RECV-Q) with the limit (SEND-Q); raise BACKLOG and net.core.somaxconn only if the program keeps up with accept()"
        run "sockdoc sockets -l :PORT"
        run "sockdoc sockets --problems :PORT"
        finding accept_queue_full
        finding not_accepted
        finding listener_drops
        finding syn_queue_full
        details "The kernel admits one connection more than the limit."
        details "With net.ipv4.tcp_abort_on_overflow=1 the client gets an RST instead.";

    PERSIST_TIMER "The peer's receive window is closed, and this end probes it"
        at Peer "the other end: its program does not read, so its receive buffer is full"
        cause "data waits to be sent and the peer advertises a window of 0; each time the timer expires the kernel sends a probe to learn whether the window has opened"
        next "look at the program at the other end: it is blocked, stopped or slower than this one"
        run "sockdoc sockets --problems :PORT"
        finding peer_window_closed
        finding not_reading
        finding both_wait_to_be_read
        details "A peer that answers the probes keeps the connection for as long as it likes; one that does not is given up as for retransmissions (net.ipv4.tcp_retries2)."
        details "ss -o shows it as timer:(persist,...), tshark as TCP ZeroWindow and TCP ZeroWindowProbe.";
}

//! What the rules about attempts to connect say.

use super::super::{Check, Rule};

const fn rule(id: &'static str, title: &'static str, words: [&'static str; 4]) -> Rule {
    Rule::new(id, title, words, Check::Attempt)
}

/// Nothing listens.
pub static PORT_CLOSED: Rule = rule(
    "port_closed",
    "nothing accepts at the port",
    [
        "The host answered and refused: nothing listens on that port of that address, or a firewall sends resets.",
        "A reset (RST) came for the SYN: connect() gave ECONNREFUSED without an ICMP error.",
        "A filtered port does not answer, or an ICMP error comes. A server whose queue is full does not \
         refuse: Linux drops the SYN.",
        "Start the server, or use the address and port that it listens on.",
    ],
);

/// The answer is dropped here.
pub static ANSWER_DROPPED: Rule = rule(
    "answer_dropped_here",
    "this host drops the answer",
    [
        "The server answers, and its SYN-ACK arrives at an interface of this host. The network stack drops it before the \
         socket gets it: a firewall rule that cannot be read, or a check of the kernel.",
        "A packet socket, which sees packets before the firewall does, saw the SYN-ACK; connect() still waits.",
        "If nothing arrives, the packets are lost on the way or not answered. A rule of nftables that drops the replies \
         is reported as such.",
        "See where the kernel drops them: sockdoc drops.",
    ],
);

/// An errno of this host.
pub static FAILED_HERE: Rule = rule(
    "failed_here",
    "this host does not send the packets",
    [
        "connect() failed at once with an error of this host: nothing was sent. The address that it is sent from does \
         not fit the destination, or this host does not permit it.",
        "The errno of connect(), without an ICMP error from another host.",
        "A reset and an ICMP error come from another device. A route that is absent, a link that is down, a neighbour \
         that does not answer and a firewall rule of this host are reported as such.",
        "Look at the address and the interface that the packets are sent from.",
    ],
);

/// Loopback only.
pub static LOOPBACK_ONLY: Rule = rule(
    "loopback_only",
    "the server listens on loopback only",
    [
        "A server of this host listens on a loopback address. Connections to any other address of the host are \
         refused, and so are those of other hosts.",
        "A reset came, the address is one of this host, and every listener on the port has a loopback address.",
        "A server that listens on all addresses (0.0.0.0 or ::) takes connections to each.",
        "Have the server listen on the address that its clients use, or on all.",
    ],
);

/// Another address.
pub static LISTENS_ELSEWHERE: Rule = rule(
    "listens_elsewhere",
    "the server listens on another address",
    [
        "A server of this host listens on the port, on another address than the one that was tried.",
        "A reset came, the address is one of this host, and no listener on the port takes this address.",
        "A server that listens on all addresses (0.0.0.0 or ::) takes connections to each.",
        "Connect to the address that it listens on, or have it listen on this one.",
    ],
);

/// Another namespace.
pub static OTHER_NAMESPACE: Rule = rule(
    "other_netns",
    "the server listens in another network namespace",
    [
        "A process of this host listens on the port, in a network namespace of its own, such as a container: its \
         port is not open on the addresses of the host.",
        "A reset came, nothing listens on the port in the namespace that has the address, and a listener is there \
         in another one.",
        "A published port has a listener (docker-proxy) or a rule of address translation (DNAT) in front.",
        "Publish the port of the container, or connect from inside its namespace.",
    ],
);

/// A router says that the host is not there.
pub static HOST_UNREACHABLE: Rule = rule(
    "host_unreachable",
    "a router cannot reach the host",
    [
        "A router on the way has no route to the host, or the host does not answer on its link: it is off, or the \
         address is wrong.",
        "An ICMP error (destination unreachable) came from a router, and it quotes a SYN of this attempt.",
        "This host itself gives the same errno if its own neighbour does not answer: then no ICMP error comes from \
         another host. A firewall usually says \"administratively prohibited\".",
        "Check that the host is up and has that address; then the routes of the router that sent the error.",
    ],
);

/// A port is filtered.
pub static PORT_FILTERED: Rule = rule(
    "port_filtered",
    "packets to this port are dropped",
    [
        "The host is up and answers on another port. What is sent to this port gets no answer: a firewall at the \
         host or on the way drops it, or the server does not accept and its queue of connections is full.",
        "Several SYNs to the port got no answer, and a SYN to another port of the same address was answered.",
        "A host that is off answers on no port. A closed port answers with a reset. From here a full accept queue \
         cannot be told from a firewall: Linux drops the SYN in both cases.",
        "Let the port through in the firewall of that host, or in those on the way to it. On that host, sockdoc \
         sockets --problems shows a full accept queue.",
    ],
);

/// UDP without an answer.
pub static UDP_NO_ANSWER: Rule = rule(
    "udp_no_answer",
    "no answer to a UDP packet",
    [
        "A datagram was sent and nothing came back. That alone proves little: a server answers only what it \
         understands, a firewall drops silently, and a host that is off is silent too.",
        "No datagram and no ICMP error came in the time.",
        "A closed UDP port answers with ICMP port unreachable, at most about one a second.",
        "Send what the server understands (--send), or look at the server's side: sockdoc sockets -u.",
    ],
);

/// Datagrams that are not read.
pub static UDP_UNREAD: Rule = rule(
    "udp_unread",
    "the server does not read its datagrams",
    [
        "The datagram arrived at the socket of a program of this host, and the program does not call recv(): it is \
         stopped, busy or blocked.",
        "Nothing came back, and the receive queue of the socket holds unread bytes.",
        "A server that reads and does not answer has an empty queue: it did not understand the datagram, or does not \
         answer datagrams of this kind.",
        "See what the program does instead of recv().",
    ],
);

/// A Unix socket.
pub static UNIX_SOCKET_UNREACHABLE: Rule = rule(
    "unix_socket_unreachable",
    "the Unix socket cannot be connected to",
    [
        "No server accepts at this path: the file is absent, is not a socket, is not permitted, or its server is \
         gone or does not accept.",
        "The errno of connect() to the path, and the socket that is bound to it.",
        "A server that accepts slowly lets connect() wait while its queue is full: only a queue that stays full until \
         the time is over is reported.",
        "List the Unix sockets that listen: sockdoc sockets -xl.",
    ],
);

/// A published port without a server.
pub static PUBLISHED_NOWHERE: Rule = rule(
    "published_nowhere",
    "a published port leads to a container in which nothing listens",
    [
        "A relay of the container engine (docker-proxy) accepts connections to the port of this host and forwards them \
         into the container. There, nothing listens on the port that it forwards to: clients are accepted and then \
         disconnected.",
        "The command line of the relay names the address and port in the container; the namespace that has this address \
         has no listener that takes them.",
        "A server that has just been started listens a moment later. One that listens on 127.0.0.1 inside the container \
         cannot be reached by the relay either.",
        "Start the server in the container, have it listen on all addresses (0.0.0.0), or publish the port that it uses.",
    ],
);

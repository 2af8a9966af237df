//! What the rules about application protocols say.

use super::super::{Check, Rule};

const fn rule(id: &'static str, title: &'static str, words: [&'static str; 4]) -> Rule {
    Rule::new(id, title, words, Check::Protocol)
}

/// It closes.
pub static CLOSES_AT_ONCE: Rule = rule(
    "closes_at_once",
    "the server accepts and closes at once",
    [
        "The connection is accepted and ended before the server sends a byte.",
        "The end of the connection (FIN) came first.",
        "A server that closes after its answer is healthy. A proxy or load balancer without a server behind it accepts \
         and closes, too; so does a server that allows only certain clients (tcp wrappers, sshd).",
        "Look at the log of the server. If a proxy or docker-proxy accepts, look at the server behind it.",
    ],
);

/// It resets.
pub static RESETS_AT_ONCE: Rule = rule(
    "resets_at_once",
    "the server accepts and resets at once",
    [
        "The connection is accepted and reset before the server sends a byte.",
        "A reset (RST) came first.",
        "A closed port refuses the connection itself. A server that closes without reading what it was sent resets.",
        "Look at the log of the server: it ended or crashed, or closed with unread data. A firewall on the way may \
         send the reset: sockdoc decode --expert of a capture shows its hop count.",
    ],
);

/// It is silent.
pub static NEVER_ANSWERS: Rule = rule(
    "never_answers",
    "the server accepts and never answers",
    [
        "The connection is accepted, and the server sends nothing. Its kernel accepts for it: the program itself may \
         be stuck.",
        "No byte came in the time that is shown.",
        "A server that waits for its client to speak first is silent as well: this one was asked, or its protocol has \
         the server speak first.",
        "Look at the program: whether it is stopped, busy, or waits for something else. sockdoc sockets --problems on \
         its host shows connections that are not accepted or not read.",
    ],
);

/// It stops.
pub static ANSWER_STOPS: Rule = rule(
    "answer_stops",
    "the server does not finish its answer",
    [
        "The server began to answer, and then nothing more came, or the connection ended.",
        "The bytes that came, and what was still missing.",
        "If large packets are lost on the way (an MTU black hole), the beginning of an answer may arrive and the rest \
         not.",
        "Look at the log of the server, and check the path with full packets: sockdoc ping --mtu.",
    ],
);

/// Another protocol.
pub static OTHER_PROTOCOL: Rule = rule(
    "other_protocol",
    "the server speaks another protocol",
    [
        "What listens on this port does not speak the protocol that was expected.",
        "The first bytes of its answer.",
        "An answer of a proxy on the way looks the same: its own protocol in the place of the server's.",
        "Check the port and the scheme.",
    ],
);

/// TLS is wanted.
pub static TLS_EXPECTED: Rule = rule(
    "tls_expected",
    "the port wants TLS",
    [
        "The server expects TLS on this port, and plain text was sent to it.",
        "The answer: an alert or another record of TLS, or an HTTP answer that says so.",
        "A server that offers TLS after a first exchange in plain text (STARTTLS) answers in plain text.",
        "Use the scheme with TLS: https:// for http://, rediss:// for redis://.",
    ],
);

/// It refuses.
pub static SERVICE_REFUSES: Rule = rule(
    "service_refuses",
    "the server says that it does not serve",
    [
        "The server speaks the protocol and answers with a failure of its own: an HTTP status from 500 on, a greeting \
         that turns clients away, an error; to a WebSocket handshake, any HTTP status but 101 (RFC 6455).",
        "The answer itself.",
        "HTTP status 401, 403 and 404, and a wanted password, come from a server that works.",
        "Look at the log of the server. HTTP 502, 503 and 504 come from a proxy: look at the servers behind it.",
    ],
);

/// It goes on.
pub static ENDLESS_ANSWER: Rule = rule(
    "endless_answer",
    "the server's first message has no end",
    [
        "The server sends more than a first message of this protocol can have.",
        "The bytes that were read, and that no end of the message was among them.",
        "A tarpit sends a banner without an end on purpose, slowly or fast.",
        "Check that the port is the one that you mean, and what listens there.",
    ],
);

/// What was expected did not come.
pub static NOT_EXPECTED: Rule = rule(
    "not_expected",
    "the answer is not the expected one",
    [
        "The server answered, and what was to be in the answer (--expect) is not.",
        "The whole answer was searched, or as much as came in time.",
        "An answer that comes later than the timeout is not seen.",
        "Look at the answer: sockdoc check -v shows how it begins.",
    ],
);

/// No TLS on this connection.
pub static STARTTLS_MISSING: Rule = rule(
    "starttls_missing",
    "the server does not change to TLS",
    [
        "A client that requires TLS cannot use this server: the connection began in plain text, the client asked for \
         TLS, and the server does not have it or refuses it.",
        "The server's own words: a reply to EHLO without STARTTLS, a refusal, a greeting without the capability.",
        "A port for TLS from the first byte on (465, 993, 995) does not offer it either, and does not greet in plain \
         text. A device on the way that takes STARTTLS out of the reply looks the same.",
        "Enable TLS at the server: a certificate and a key are needed for it. Or use the port that begins with TLS.",
    ],
);

/// A proxy refuses.
pub static PROXY_REFUSES: Rule = rule(
    "proxy_refuses",
    "the proxy refuses the request",
    [
        "The proxy answers, and does not open a connection to the target: its rules do not allow it, or it wants a \
         user and a password.",
        "The status of HTTP (407 wants a password) or the reply of SOCKS.",
        "A proxy that tried and could not reach the target says so: HTTP 502, 503 or 504, SOCKS replies 3 to 6.",
        "Look at the rules of the proxy, or give a user and a password: --proxy http://USER:PASSWORD@HOST:PORT.",
    ],
);

/// A proxy cannot reach the target.
pub static PROXY_CANNOT_CONNECT: Rule = rule(
    "proxy_cannot_connect",
    "the proxy cannot reach the target",
    [
        "The proxy works and took the request. Its own connection to the target failed.",
        "HTTP status 502, 503 or 504, or the SOCKS replies for an unreachable network or host, a refused connection \
         and a TTL that expired.",
        "A proxy that does not allow the target answers with another status (403, SOCKS reply 2).",
        "Check the target from the host of the proxy: sockdoc check there, without --proxy.",
    ],
);

/// It is not a proxy.
pub static NOT_A_PROXY: Rule = rule(
    "not_a_proxy",
    "what answers is not such a proxy",
    [
        "The connection to the proxy is accepted, and what accepts it does not answer as a proxy of that kind does.",
        "The first bytes of its answer, or that it closes or says nothing.",
        "A proxy that refuses says so in its own protocol.",
        "Check the address, the port and the scheme of the proxy: http:// or socks5://.",
    ],
);

/// A device on the way forgets idle connections.
pub static IDLE_DROPPED: Rule = rule(
    "idle_dropped",
    "a connection that was idle does not work any more",
    [
        "A stateful device on the way (firewall, NAT, load balancer) forgets connections over which nothing was sent for \
         some time, and then drops their packets or answers with a reset. Programs with long-lived connections see \
         timeouts after a pause.",
        "The connection was made and left idle. Afterwards keepalive probes got no answer, or a reset.",
        "A server that closes idle connections by its own timeout sends FIN during the pause.",
        "Send keepalive probes more often than the device forgets (SO_KEEPALIVE with TCP_KEEPIDLE), or raise the \
         device's timeout for established connections.",
    ],
);

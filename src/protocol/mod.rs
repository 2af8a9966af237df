//! The first words of application protocols: what a client says to learn whether a server speaks one, and
//! what the answer means.
//!
//! | file | contents |
//! |---|---|
//! | this one | the protocols, and what a talk came to |
//! | [`talk`] | the talk itself: bytes in, bytes out |
//! | `opening` | what a client sends first |
//! | `answer` | what the server's answer means |
//! | [`tunnel`] | a connection through a proxy |
//! | [`upgrade`] | from plain text to TLS on the same connection: STARTTLS and its like |
//! | [`recognise`] | which protocol bytes are of |
//! | [`bodies`] | the bodies of HTTP messages in the bytes of a connection |
//! | `http_head` | the head of such a message |

mod answer;
pub mod bodies;
mod http_head;
mod opening;
pub mod recognise;
pub mod talk;
#[cfg(test)]
mod tests;
pub mod tunnel;
pub mod upgrade;

use std::time::Duration;

use crate::tls::session::End;

pub use talk::{Plan, Talk};
pub use tunnel::{ProxyKind, Tunnel, Tunneled};
pub use upgrade::{Upgrade, Upgraded};

/// Something that is said before the talk itself, on the same connection.
pub trait Exchange {
    /// What has to be sent now.
    fn transmit(&mut self) -> Vec<u8>;
    /// These bytes came.
    fn received(&mut self, bytes: &[u8]);
    /// Nothing more will come.
    fn ended(&mut self, end: End);
    /// Whether it is known what comes of it.
    fn is_done(&self) -> bool;
}

/// An application protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// A WebSocket: an upgrade of HTTP/1.1.
    WebSocket,
    /// gRPC: HTTP/2 without an upgrade.
    Grpc,
    /// Redis.
    Redis,
    /// `PostgreSQL`.
    Postgres,
    /// `MySQL` and `MariaDB`.
    Mysql,
    /// AMQP 0-9-1.
    Amqp,
    /// MQTT 3.1.1.
    Mqtt,
    /// Mail, sent.
    Smtp,
    /// Mail, read on the server.
    Imap,
    /// Mail, fetched.
    Pop3,
    /// Files.
    Ftp,
    /// Secure shell.
    Ssh,
    /// None that is known: what the user gives is sent, and nothing otherwise.
    Plain,
}

/// A scheme of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheme {
    /// Its name.
    pub name: &'static str,
    /// What is spoken.
    pub protocol: Protocol,
    /// Whether the connection begins with TLS.
    pub tls: bool,
    /// The port if the URL has none.
    pub port: u16,
}

const fn scheme(name: &'static str, protocol: Protocol, tls: bool, port: u16) -> Scheme {
    Scheme {
        name,
        protocol,
        tls,
        port,
    }
}

/// Every scheme that is known, with the port of IANA's registry or of the protocol's own documentation.
pub static SCHEMES: &[Scheme] = &[
    scheme("http", Protocol::Http, false, 80),
    scheme("https", Protocol::Http, true, 443),
    scheme("ws", Protocol::WebSocket, false, 80),
    scheme("wss", Protocol::WebSocket, true, 443),
    scheme("grpc", Protocol::Grpc, false, 50051),
    scheme("grpcs", Protocol::Grpc, true, 443),
    scheme("redis", Protocol::Redis, false, 6379),
    scheme("rediss", Protocol::Redis, true, 6379),
    scheme("postgres", Protocol::Postgres, false, 5432),
    scheme("postgresql", Protocol::Postgres, false, 5432),
    scheme("mysql", Protocol::Mysql, false, 3306),
    scheme("mariadb", Protocol::Mysql, false, 3306),
    scheme("amqp", Protocol::Amqp, false, 5672),
    scheme("amqps", Protocol::Amqp, true, 5671),
    scheme("mqtt", Protocol::Mqtt, false, 1883),
    scheme("mqtts", Protocol::Mqtt, true, 8883),
    scheme("smtp", Protocol::Smtp, false, 25),
    scheme("smtps", Protocol::Smtp, true, 465),
    scheme("imap", Protocol::Imap, false, 143),
    scheme("imaps", Protocol::Imap, true, 993),
    scheme("pop3", Protocol::Pop3, false, 110),
    scheme("pop3s", Protocol::Pop3, true, 995),
    scheme("ftp", Protocol::Ftp, false, 21),
    scheme("ftps", Protocol::Ftp, true, 990),
    scheme("ssh", Protocol::Ssh, false, 22),
    scheme("sftp", Protocol::Ssh, false, 22),
    scheme("tcp", Protocol::Plain, false, 0),
    scheme("tls", Protocol::Plain, true, 443),
];

impl Scheme {
    /// The scheme of a name, in any case.
    pub fn named(name: &str) -> Option<&'static Scheme> {
        SCHEMES.iter().find(|it| it.name.eq_ignore_ascii_case(name))
    }

    /// The scheme of the same protocol that begins with TLS.
    pub fn with_tls(&self) -> Option<&'static Scheme> {
        let twin = |it: &&Scheme| it.tls && it.protocol == self.protocol;
        SCHEMES.iter().find(twin).filter(|_| !self.tls)
    }

    /// The scheme that a port is for, if a port is all that is known.
    pub fn of_port(port: u16) -> Option<&'static Scheme> {
        match port {
            587 => Scheme::named("smtp"),
            8080 | 8000 | 8008 => Scheme::named("http"),
            8443 => Scheme::named("https"),
            50051 | 0 => None,
            _ => SCHEMES.iter().find(|it| it.port == port),
        }
    }
}

impl Protocol {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Http => "HTTP",
            Protocol::WebSocket => "WebSocket",
            Protocol::Grpc => "gRPC (HTTP/2)",
            Protocol::Redis => "Redis",
            Protocol::Postgres => "PostgreSQL",
            Protocol::Mysql => "MySQL",
            Protocol::Amqp => "AMQP",
            Protocol::Mqtt => "MQTT",
            Protocol::Smtp => "SMTP",
            Protocol::Imap => "IMAP",
            Protocol::Pop3 => "POP3",
            Protocol::Ftp => "FTP",
            Protocol::Ssh => "SSH",
            Protocol::Plain => "plain bytes",
        }
    }

    /// Whether the server speaks first.
    pub fn server_speaks_first(self) -> bool {
        matches!(
            self,
            Protocol::Mysql
                | Protocol::Smtp
                | Protocol::Imap
                | Protocol::Pop3
                | Protocol::Ftp
                | Protocol::Ssh
        )
    }

    /// Whether a client can ask for TLS on a connection that began in plain text, and the name of that request.
    pub fn upgrade(self) -> Option<&'static str> {
        match self {
            Protocol::Smtp | Protocol::Imap => Some("STARTTLS"),
            Protocol::Pop3 => Some("STLS"),
            Protocol::Ftp => Some("AUTH TLS"),
            Protocol::Postgres | Protocol::Mysql => Some("SSLRequest"),
            _ => None,
        }
    }

    /// What a client offers in the handshake of TLS (ALPN).
    pub fn alpn(self) -> &'static [&'static str] {
        match self {
            Protocol::Http | Protocol::WebSocket => &["http/1.1"],
            Protocol::Grpc => &["h2"],
            _ => &[],
        }
    }
}

/// What became of a connection on which nothing was sent for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// It lasts: a keepalive probe was answered.
    Lasts,
    /// The other end closed it, so long after the beginning: a timeout of the server.
    Closed(Duration),
    /// A reset came, so long after the beginning.
    Reset(Duration),
    /// Afterwards probes were answered with a reset, or not at all.
    Forgotten(End),
}

/// What a talk came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// What was spoken.
    pub protocol: Protocol,
    /// What it came to.
    pub verdict: Verdict,
    /// The bytes that were sent.
    pub sent: u64,
    /// The bytes that were received.
    pub received: u64,
    /// The first of them.
    pub first: Vec<u8>,
    /// From the start of the talk to the first byte; `None`: none came.
    pub first_after: Option<Duration>,
    /// From the start of the talk to its end.
    pub took: Duration,
}

/// What came of a talk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The server answered in this protocol.
    Answered(Said),
    /// It answered, and in another protocol: its name, if the first bytes tell.
    Other(Option<&'static str>),
    /// It ended the connection before it sent a byte.
    EndedAtOnce(End),
    /// It ended the connection in the middle of its answer.
    EndedEarly(End),
    /// It sent nothing.
    Silent,
    /// It began to answer and did not finish.
    Stalled,
    /// It goes on and on without an end of the first message: the limit in bytes.
    Endless(usize),
    /// What was expected is not in what came.
    NotExpected,
    /// Nothing was asked and nothing came, which proves nothing.
    Quiet,
}

/// How an answer is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// The server is well.
    Good,
    /// It speaks the protocol, and wants something that was not given: a password, another name.
    Wants,
    /// It says that it does not serve.
    Bad,
}

/// What a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// How it is to be taken.
    pub tone: Tone,
    /// Its first line, or its meaning: `HTTP/1.1 301 Moved Permanently`.
    pub line: String,
    /// The number in it, if the protocol has one: 301.
    pub code: Option<u32>,
    /// Where it sends clients (`Location`).
    pub location: Option<String>,
    /// It says that this port wants TLS.
    pub wants_tls: bool,
    /// Whether its greeting says that TLS can be spoken on this connection.
    pub offers_tls: Option<bool>,
    /// The time of the server's clock (`Date`), in seconds since 1970.
    pub date: Option<i64>,
}

/// Adds what has come to what is kept, which grows to `most` bytes at most.
fn keep(kept: &mut Vec<u8>, bytes: &[u8], most: usize) {
    let room = most - kept.len();
    kept.extend(&bytes[..bytes.len().min(room)]);
}

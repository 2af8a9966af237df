//! What a handshake gave, as values.

use std::fmt;
use std::time::Duration;

use super::chain::Certificate;
use super::records::Alert;
use super::session::Request;
use super::trust::Trust;

/// What a handshake gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The name or address that the certificate has to be for.
    pub host: String,
    /// The name that was sent to the server (SNI, RFC 6066 section 3).
    pub sni: Option<String>,
    /// The version that was agreed on.
    pub version: Option<Version>,
    /// The cipher suite that was agreed on: `TLS13_AES_256_GCM_SHA384`.
    pub cipher: Option<String>,
    /// The group of the key exchange: `X25519`.
    pub group: Option<String>,
    /// The application protocol that the server chose (ALPN, RFC 7301).
    pub alpn: Option<String>,
    /// The certificates in the order in which the server sent them.
    pub chain: Vec<Certificate>,
    /// Whether the server asked for a certificate of the client.
    pub client_certificate: Option<ClientCertificate>,
    /// Why the handshake did not complete, or what ended the connection right after it.
    pub failure: Option<Failure>,
    /// What is wrong with the certificates.
    pub troubles: Vec<Trouble>,
    /// What the server offers to an older client, if it was asked.
    pub older: Option<Offered>,
    /// Where the trusted certificates come from, and how many there are.
    pub trusted: (String, usize),
    /// The clock that the certificates were compared with.
    pub clock: Clock,
    /// How far it came.
    pub progress: Progress,
}

impl Report {
    /// The report of a handshake that could not be tried.
    pub fn untried(request: &Request, failure: Failure, trust: &Trust, clock: Clock) -> Report {
        Report {
            host: request.host.clone(),
            sni: request.sni.clone(),
            version: None,
            cipher: None,
            group: None,
            alpn: None,
            chain: Vec::new(),
            client_certificate: None,
            failure: Some(failure),
            troubles: Vec::new(),
            older: None,
            trusted: (trust.source.clone(), trust.count()),
            clock,
            progress: Progress {
                step: Step::Hello,
                sent: 0,
                received: 0,
                inside: None,
                took: Duration::ZERO,
            },
        }
    }

    /// Whether the handshake completed and a program would accept the certificate.
    pub fn is_good(&self) -> bool {
        self.failure.is_none() && self.troubles.is_empty()
    }

    /// Whether an older hello would tell more: the server refused the versions or ciphers of today.
    pub fn wants_an_older_hello(&self) -> bool {
        let before_an_answer = self.progress.step == Step::Hello;
        match &self.failure {
            Some(Failure::Alert(alert)) => {
                before_an_answer
                    && [
                        Alert::PROTOCOL_VERSION,
                        Alert::HANDSHAKE_FAILURE,
                        Alert::INSUFFICIENT_SECURITY,
                        Alert::INTERNAL_ERROR,
                    ]
                    .contains(alert)
            }
            Some(Failure::Incompatible(_)) => true,
            Some(Failure::Closed | Failure::Reset) => before_an_answer,
            _ => false,
        }
    }
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u16);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0x0002 => f.write_str("SSL 2.0"),
            0x0300 => f.write_str("SSL 3.0"),
            other if (0x0301..=0x0304).contains(&other) => write!(f, "TLS 1.{}", other - 0x0301),
            other => write!(f, "version 0x{other:04x}"),
        }
    }
}

/// How far a handshake came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The `ClientHello` was sent; no `ServerHello` came.
    Hello,
    /// The `ServerHello` came; the certificates did not.
    ServerHello,
    /// The certificates came.
    Certificate,
    /// It is complete.
    Complete,
}

impl Step {
    /// In words.
    pub fn word(self) -> &'static str {
        match self {
            Step::Hello => "no ServerHello received",
            Step::ServerHello => "ServerHello received, no certificate",
            Step::Certificate => "certificates received, handshake not finished",
            Step::Complete => "handshake complete",
        }
    }
}

/// The figures of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How far it came.
    pub step: Step,
    /// The bytes that were sent.
    pub sent: u64,
    /// The bytes that were received.
    pub received: u64,
    /// A record that was not received whole: the bytes of it that came, and its length.
    pub inside: Option<(usize, usize)>,
    /// From the first byte sent to the end of the handshake, or until it was given up.
    pub took: Duration,
}

/// Why a handshake did not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// What came first is not a TLS record: its first bytes.
    NotTls(Vec<u8>),
    /// The server sent a fatal alert.
    Alert(Alert),
    /// The server closed the connection.
    Closed,
    /// The connection was reset.
    Reset,
    /// Nothing more came.
    Stalled,
    /// The server sent more than is read: which, and the limit in bytes.
    TooLarge(&'static str, usize),
    /// The server chose what this client does not have.
    Incompatible(String),
    /// The server sent what the protocol does not allow.
    Nonsense(String),
    /// An error of the socket, as an errno.
    Errno(i32),
    /// It was not tried: the name cannot be sent.
    Unusable(String),
}

impl Failure {
    /// Whether it shows that the other end speaks TLS.
    pub fn is_of_tls(&self) -> bool {
        matches!(
            self,
            Failure::Alert(_) | Failure::TooLarge(..) | Failure::Incompatible(_)
        )
    }
}

/// The clock that certificates were compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clock {
    /// Seconds since 1970.
    pub now: i64,
    /// Whether a time service keeps it right (adjtimex(2)); `None` if unknown.
    pub synchronised: Option<bool>,
}

/// The server asked for a certificate of the client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientCertificate {
    /// Whether it ended the connection because there was none.
    pub is_required: bool,
    /// The issuers that it accepts, at most [`ClientCertificate::MOST`] of them.
    pub issuers: Vec<String>,
}

impl ClientCertificate {
    /// More issuers are not kept.
    pub const MOST: usize = 32;
}

/// What a server offers to an older client: one hello of TLS 1.2 at most, with suites that are no longer in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offered {
    /// It chose a version and a suite.
    Chosen {
        /// The version.
        version: Version,
        /// The number of the suite.
        suite: u16,
        /// Its name in the registry of IANA, without `TLS_`.
        name: Option<&'static str>,
    },
    /// It refused that as well.
    Refused(Alert),
    /// It sent no `ServerHello` and no alert.
    Nothing,
}

/// What is wrong with a chain of certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// A certificate has expired.
    Expired {
        /// Its place in the chain: 0 is the server's.
        at: usize,
        /// Since when, in seconds since 1970.
        since: i64,
    },
    /// A certificate is not valid yet by this host's clock.
    NotYetValid {
        /// Its place in the chain.
        at: usize,
        /// From when on, in seconds since 1970.
        from: i64,
    },
    /// It is for other names.
    OtherName,
    /// It is signed by its own key, and is not trusted itself.
    SelfSigned,
    /// The chain ends at a root that the server sent and this host does not trust.
    UnknownRoot {
        /// The name of the root.
        root: String,
    },
    /// The issuer of the last certificate was not sent and is not trusted here.
    UnknownIssuer {
        /// The name of the issuer.
        issuer: String,
    },
    /// The same, and there is a reason to believe that the issuer is an intermediate authority.
    MissingIntermediate {
        /// The name of the issuer.
        issuer: String,
        /// The reason.
        hint: Hint,
    },
    /// It may not be used by a server (extended key usage).
    NotForServers,
    /// It is the certificate of an authority, not of a server.
    IsAuthority,
    /// The key of the server is weaker than programs of today accept.
    WeakKey {
        /// The kind: `RSA`.
        kind: &'static str,
        /// Its size in bits.
        bits: usize,
    },
    /// It is signed with an algorithm that programs of today do not accept.
    WeakSignature {
        /// Its place in the chain.
        at: usize,
        /// The algorithm.
        algorithm: String,
    },
    /// A signature is wrong: what it should prove.
    BadSignature(&'static str),
    /// It cannot be read.
    Damaged {
        /// Its place in the chain.
        at: usize,
    },
    /// It is X.509 version 1, which has no names and no limits.
    OldFormat,
    /// Another reason, as the library says it.
    Other(String),
}

/// Why an issuer that was not sent is taken for an intermediate authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// The certificate says where its issuer's certificate is (RFC 5280 section 4.2.2.1).
    Published(String),
    /// A trusted root has the same organisation.
    SameOrganisation(String),
    /// Its name says so.
    Name,
}

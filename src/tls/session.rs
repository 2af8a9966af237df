//! The handshake itself: bytes in, bytes out. What moves the bytes keeps the time.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{AlertDescription, ClientConfig, ClientConnection, Error, InvalidMessage};

use super::chain::Certificate;
use super::judge::{self, Chain};
use super::recorder::Recorder;
use super::records::{Alert, Boundaries, is_record};
use super::report::{Clock, Failure, Progress, Report, Step, Version};
use super::trust::Trust;

/// A handshake takes at most this many bytes of the server: a chain of the largest certificates that the
/// protocol has fits.
const MOST: u64 = 4 << 20;
/// rustls does not read a handshake message that is longer.
const MOST_MESSAGE: usize = 0xffff;
/// The bytes that are kept of what is not TLS.
const FIRST: usize = 64;

/// What is asked of the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// The name or address that the certificate has to be for.
    pub host: String,
    /// Another name to send (SNI) and to check instead of it.
    pub sni: Option<String>,
    /// The application protocols to offer (ALPN), the best first: `h2`, `http/1.1`.
    pub alpn: Vec<String>,
}

/// What ended the bytes of the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It closed.
    Closed,
    /// It reset.
    Reset,
    /// The time is over.
    Stalled,
    /// The socket failed, with an errno.
    Errno(i32),
    /// It sent a fatal alert of TLS.
    Alert(Alert),
    /// It sent what TLS does not allow.
    Nonsense,
}

/// A connection with TLS.
#[derive(Debug)]
pub struct Session {
    inner: ClientConnection,
    recorder: Arc<Recorder>,
    host: String,
    sni: Option<String>,
    /// `None` of a name that only a `ClientHello` without SNI was sent for.
    name: ServerName<'static>,
    first: Vec<u8>,
    boundaries: Boundaries,
    sent: u64,
    received: u64,
    failure: Option<Failure>,
    took: Option<Duration>,
    /// The server ended its side in an orderly way.
    is_closed: bool,
    /// The bytes that came after the handshake.
    after: u64,
}

/// The clock of rustls stands still: certificates are judged by the time that the caller gives.
#[derive(Debug)]
struct Fixed(UnixTime);

impl TimeProvider for Fixed {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.0)
    }
}

impl Session {
    /// A session that has sent nothing. `now` is in seconds since 1970.
    pub fn new(request: &Request, now: i64) -> Result<Session, Failure> {
        let wanted = request.sni.as_ref().unwrap_or(&request.host);
        let plain = wanted.strip_suffix('.').unwrap_or(wanted);
        let unusable = |why: &dyn std::fmt::Display| Failure::Unusable(why.to_string());
        let name = ServerName::try_from(plain.to_owned()).map_err(|error| unusable(&error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let recorder = Arc::new(Recorder::new(provider.clone()));
        let seconds = u64::try_from(now).unwrap_or(0);
        let clock = Fixed(UnixTime::since_unix_epoch(Duration::from_secs(seconds)));
        let mut config = ClientConfig::builder_with_details(provider, Arc::new(clock))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .dangerous()
            .with_custom_certificate_verifier(recorder.clone())
            .with_client_cert_resolver(recorder.clone());
        config.alpn_protocols = request
            .alpn
            .iter()
            .map(|it| it.clone().into_bytes())
            .collect();
        config.resumption = Resumption::disabled();
        let is_name = matches!(name, ServerName::DnsName(_));
        let inner = ClientConnection::new(Arc::new(config), name.clone())
            .map_err(|error| unusable(&error))?;
        Ok(Session {
            inner,
            recorder,
            host: plain.to_owned(),
            sni: is_name.then(|| plain.to_owned()),
            name,
            first: Vec::new(),
            boundaries: Boundaries::default(),
            sent: 0,
            received: 0,
            failure: None,
            took: None,
            is_closed: false,
            after: 0,
        })
    }

    /// The bytes that have to be sent now.
    pub fn transmit(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.inner.wants_write() {
            // Writing to memory does not fail.
            if self.inner.write_tls(&mut bytes).is_err() {
                break;
            }
        }
        self.sent += bytes.len() as u64;
        bytes
    }

    /// These bytes came, `at` after the first was sent.
    pub fn received(&mut self, mut bytes: &[u8], at: Duration) {
        let was_handshaking = self.inner.is_handshaking();
        self.received += bytes.len() as u64;
        if !was_handshaking {
            self.after += bytes.len() as u64;
        }
        if self.first.len() < FIRST {
            let room = FIRST - self.first.len();
            self.first.extend(&bytes[..bytes.len().min(room)]);
            if is_record(&self.first) == Some(false) {
                self.fail(Failure::NotTls(self.first.clone()), at);
            }
        }
        self.boundaries.advance(bytes);
        while !bytes.is_empty() && self.failure.is_none() {
            if was_handshaking && self.inner.is_handshaking() && self.received > MOST {
                let most = usize::try_from(MOST).unwrap_or(usize::MAX);
                self.fail(Failure::TooLarge("the handshake", most), at);
                return;
            }
            match self.inner.read_tls(&mut bytes) {
                Ok(0) => break,
                Ok(_) => {}
                // The plain text has to be taken first; the caller does not let it come to that.
                Err(error) => {
                    self.fail(Failure::Nonsense(error.to_string()), at);
                    return;
                }
            }
            match self.inner.process_new_packets() {
                Ok(state) => self.is_closed |= state.peer_has_closed(),
                Err(error) => self.fail(of(error), at),
            }
        }
        if was_handshaking && !self.inner.is_handshaking() && self.took.is_none() {
            self.took = Some(at);
        }
    }

    /// Nothing more will come.
    pub fn ended(&mut self, end: End, at: Duration) {
        let failure = match end {
            End::Closed => Failure::Closed,
            End::Reset => Failure::Reset,
            End::Stalled => Failure::Stalled,
            End::Errno(errno) => Failure::Errno(errno),
            End::Alert(alert) => Failure::Alert(alert),
            End::Nonsense => Failure::Nonsense("bytes that are not TLS".to_owned()),
        };
        self.fail(failure, at);
    }

    fn fail(&mut self, failure: Failure, at: Duration) {
        if self.failure.is_none() {
            if let Some(wanted) = &mut self.recorder.seen().client_certificate {
                wanted.is_required = is_for_lack_of_one(&failure);
            }
            self.failure = Some(failure);
            self.took.get_or_insert(at);
        }
    }

    /// Whether the handshake goes on.
    pub fn is_handshaking(&self) -> bool {
        self.failure.is_none() && self.inner.is_handshaking()
    }

    /// Why it failed.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// What ended the bytes of the server, if something did.
    pub fn end(&self) -> Option<End> {
        match &self.failure {
            None => self.is_closed.then_some(End::Closed),
            Some(Failure::Alert(alert)) => Some(End::Alert(*alert)),
            Some(Failure::Closed) => Some(End::Closed),
            Some(Failure::Reset) => Some(End::Reset),
            Some(Failure::Stalled) => Some(End::Stalled),
            Some(Failure::Errno(errno)) => Some(End::Errno(*errno)),
            Some(_) => Some(End::Nonsense),
        }
    }

    /// Whether the server asked for a certificate and has not said yet what it thinks of having none.
    pub fn awaits_a_verdict(&self) -> bool {
        // Of an older version, the server's last message says that it goes on without one.
        let is_late = self.inner.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3);
        let is_heard = self.after > 0 && self.boundaries.inside().is_none();
        let asked = self.recorder.seen().client_certificate.is_some();
        self.failure.is_none() && !self.is_closed && asked && is_late && !is_heard
    }

    /// Text to be sent encrypted; [`transmit`](Session::transmit) then gives the bytes.
    pub fn send(&mut self, text: &[u8]) -> io::Result<()> {
        self.inner.writer().write_all(text)
    }

    /// Ends this side in an orderly way (`close_notify`).
    pub fn close(&mut self) {
        self.inner.send_close_notify();
    }

    /// Takes the text that was received.
    pub fn take(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        // Its end, and that there is none yet, are errors of the reader here; both leave what was read.
        let _ = io::Read::read_to_end(&mut self.inner.reader(), &mut text);
        text
    }

    /// The application protocol that was agreed on.
    pub fn alpn(&self) -> Option<String> {
        let chosen = self.inner.alpn_protocol();
        chosen.map(|it| String::from_utf8_lossy(it).into_owned())
    }

    /// What it gave so far, judged by what is trusted and by a clock.
    pub fn report(&self, trust: &Trust, clock: Clock, at: Duration) -> Report {
        let provider = rustls::crypto::ring::default_provider();
        let seen = self.recorder.seen();
        let chain: Vec<Certificate> = seen.chain.iter().map(|it| Certificate::read(it)).collect();
        let troubles = if chain.is_empty() {
            Vec::new()
        } else {
            let judged = Chain {
                sent: &seen.chain,
                read: &chain,
                host: Some(&self.name),
                is_proved: seen.is_proved,
                now: clock.now,
            };
            judge::troubles(&judged, trust, &provider)
        };
        let cipher = self.inner.negotiated_cipher_suite();
        let group = self.inner.negotiated_key_exchange_group();
        Report {
            host: self.host.clone(),
            sni: self.sni.clone(),
            version: self.inner.protocol_version().map(|it| Version(it.into())),
            cipher: cipher.map(|it| format!("{:?}", it.suite())),
            group: group.map(|it| format!("{:?}", it.name())),
            alpn: self.alpn(),
            chain,
            client_certificate: seen.client_certificate.clone(),
            failure: self.failure.clone(),
            troubles,
            older: None,
            trusted: (trust.source.clone(), trust.count()),
            clock,
            progress: Progress {
                step: self.step(!seen.chain.is_empty()),
                sent: self.sent,
                received: self.received,
                inside: self.boundaries.inside(),
                took: self.took.unwrap_or(at),
            },
        }
    }

    fn step(&self, has_chain: bool) -> Step {
        if !self.inner.is_handshaking() {
            Step::Complete
        } else if has_chain {
            Step::Certificate
        } else if self.inner.protocol_version().is_some() {
            Step::ServerHello
        } else {
            Step::Hello
        }
    }
}

/// Whether a server that asked for a certificate may have ended the connection because there was none.
fn is_for_lack_of_one(failure: &Failure) -> bool {
    match failure {
        Failure::Alert(alert) => [
            Alert::CERTIFICATE_REQUIRED,
            Alert::HANDSHAKE_FAILURE,
            Alert::BAD_CERTIFICATE,
            Alert(46),
            Alert(49),
        ]
        .contains(alert),
        _ => false,
    }
}

fn of(error: Error) -> Failure {
    match error {
        Error::AlertReceived(alert) => Failure::Alert(Alert(number(alert))),
        Error::InvalidMessage(
            InvalidMessage::HandshakePayloadTooLarge | InvalidMessage::CertificatePayloadTooLarge,
        ) => Failure::TooLarge("a message of the handshake", MOST_MESSAGE),
        Error::PeerIncompatible(why) => Failure::Incompatible(format!("{why:?}")),
        other => Failure::Nonsense(other.to_string()),
    }
}

fn number(alert: AlertDescription) -> u8 {
    alert.into()
}

//! A TLS handshake over a connected socket, and the connection that it gives.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use socket2::Socket;

use crate::error::{Error, Kind, Result};
use crate::sys::icmp::random;
use crate::sys::waiting::ready_by;
use crate::sys::{clock, files};
use crate::tls::records::{older_answer, older_hello};
use crate::tls::session::End;
use crate::tls::{Clock, Offered, Report, Request, Session, Step, Trust};

/// One read takes at most this many bytes.
const CHUNK: usize = 16 * 1024;
/// After the handshake of TLS 1.3, a server that asked for a certificate is given this time to say that it wants one.
const VERDICT: Duration = Duration::from_secs(1);
/// The answer to the hello of an older client takes at most this many bytes.
const MOST_OLDER: usize = 4096;

/// A connected socket, with or without TLS on it.
#[derive(Debug)]
pub enum Wire {
    /// The bytes go as they are.
    Plain(Socket),
    /// They are encrypted.
    Tls(Box<Secured>),
}

/// A connection on which a handshake succeeded.
#[derive(Debug)]
pub struct Secured {
    socket: Socket,
    session: Session,
    /// Text that is received and not taken yet.
    text: Vec<u8>,
}

/// Makes a handshake. The report is there in any case; the connection, if the handshake completed.
pub fn shake_hands(
    socket: Socket,
    request: &Request,
    trust: &Trust,
    deadline: Instant,
) -> (Report, Option<Secured>) {
    let start = Instant::now();
    let clock = clock_of_certificates();
    let mut session = match Session::new(request, clock.now) {
        Ok(session) => session,
        Err(failure) => return (Report::untried(request, failure, trust, clock), None),
    };
    let _ = socket.set_nonblocking(true);
    let mut buffer = [0; CHUNK];
    while session.is_handshaking() {
        step(&socket, &mut session, &mut buffer, deadline, start);
    }
    // The last flight, or an alert. If it fails, reading tells why.
    let _ = send(&socket, &session.transmit(), deadline);
    let wait = deadline.min(Instant::now() + VERDICT);
    while session.awaits_a_verdict() && Instant::now() < wait {
        match receive(&socket, &mut buffer, wait) {
            Ok(length) => session.received(&buffer[..length], start.elapsed()),
            Err(End::Stalled) => break,
            Err(end) => session.ended(end, start.elapsed()),
        }
    }
    let report = session.report(trust, clock, start.elapsed());
    let is_usable = report.failure.is_none() && report.progress.step == Step::Complete;
    let text = session.take();
    let secured = is_usable.then_some(Secured {
        socket,
        session,
        text,
    });
    (report, secured)
}

/// Sends what is to be sent, and waits for one piece of the answer.
fn step(
    socket: &Socket,
    session: &mut Session,
    buffer: &mut [u8],
    deadline: Instant,
    start: Instant,
) {
    // A server that refuses may close before it has read everything: what it said is read nevertheless.
    let sent = send(socket, &session.transmit(), deadline);
    match receive(socket, buffer, deadline) {
        Ok(length) => session.received(&buffer[..length], start.elapsed()),
        Err(end) => session.ended(sent.err().unwrap_or(end), start.elapsed()),
    }
}

/// What a server offers to an older client: a new connection is needed for it.
pub fn offered_to_an_older_client(
    socket: &Socket,
    sni: Option<&str>,
    deadline: Instant,
) -> Offered {
    let _ = socket.set_nonblocking(true);
    let mut seed = [0; 32];
    let numbers = random().map(|numbers| numbers.to_vec()).unwrap_or_default();
    let bytes = numbers.iter().flat_map(|it| it.to_ne_bytes());
    seed.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    // If it fails, reading tells why.
    let _ = send(socket, &older_hello(sni, seed), deadline);
    let mut answer = Vec::new();
    let mut buffer = [0; MOST_OLDER];
    while answer.len() < MOST_OLDER {
        match receive(socket, &mut buffer, deadline) {
            Ok(length) => answer.extend(&buffer[..length]),
            Err(_) => break,
        }
        if let Some(offered) = older_answer(&answer) {
            return offered;
        }
    }
    Offered::Nothing
}

impl Secured {
    /// What the connection gave, with what came after the handshake.
    pub fn report(&self, trust: &Trust) -> Report {
        self.session
            .report(trust, clock_of_certificates(), Duration::ZERO)
    }
}

impl Wire {
    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8], deadline: Instant) -> std::result::Result<(), End> {
        match self {
            Wire::Plain(socket) => send(socket, bytes, deadline),
            Wire::Tls(secured) => {
                let Secured {
                    socket, session, ..
                } = &mut **secured;
                // rustls takes as much as its buffer has room for, which the openings here never fill.
                session.send(bytes).map_err(|_| End::Closed)?;
                send(socket, &session.transmit(), deadline)
            }
        }
    }

    /// Waits for bytes, and gives those that came; never none.
    pub fn receive(&mut self, deadline: Instant) -> std::result::Result<Vec<u8>, End> {
        let mut buffer = [0; CHUNK];
        let (socket, session, text) = match self {
            Wire::Plain(socket) => {
                let length = receive(socket, &mut buffer, deadline)?;
                return Ok(buffer[..length].to_vec());
            }
            Wire::Tls(secured) => {
                let Secured {
                    socket,
                    session,
                    text,
                } = &mut **secured;
                (socket, session, text)
            }
        };
        loop {
            text.extend(session.take());
            if !text.is_empty() {
                return Ok(std::mem::take(text));
            }
            if let Some(end) = session.end() {
                return Err(end);
            }
            match receive(socket, &mut buffer, deadline) {
                Ok(length) => session.received(&buffer[..length], Duration::ZERO),
                // Only the time is over: the connection may go on.
                Err(End::Stalled) => return Err(End::Stalled),
                Err(end) => {
                    session.ended(end, Duration::ZERO);
                    return Err(end);
                }
            }
            // Answers of the protocol itself, to a key update for example.
            let _ = send(socket, &session.transmit(), deadline);
        }
    }

    /// Leaves in an orderly way.
    pub fn close(self, deadline: Instant) {
        if let Wire::Tls(secured) = self {
            let Secured {
                socket,
                mut session,
                ..
            } = *secured;
            session.close();
            let _ = send(&socket, &session.transmit(), deadline);
        }
    }
}

fn send(socket: &Socket, mut bytes: &[u8], deadline: Instant) -> std::result::Result<(), End> {
    let mut writer = socket;
    while !bytes.is_empty() {
        match writer.write(bytes) {
            Ok(length) => bytes = &bytes[length..],
            Err(error) if is_later(&error) => wait(socket, PollFlags::POLLOUT, deadline)?,
            Err(error) => return Err(end_of(&error)),
        }
    }
    Ok(())
}

/// Waits for bytes; gives how many came, never none.
fn receive(
    socket: &Socket,
    buffer: &mut [u8],
    deadline: Instant,
) -> std::result::Result<usize, End> {
    let mut reader = socket;
    loop {
        match reader.read(buffer) {
            Ok(0) => return Err(End::Closed),
            Ok(length) => return Ok(length),
            Err(error) if is_later(&error) => wait(socket, PollFlags::POLLIN, deadline)?,
            Err(error) => return Err(end_of(&error)),
        }
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

fn wait(socket: &Socket, events: PollFlags, deadline: Instant) -> std::result::Result<(), End> {
    let mut fds = [PollFd::new(socket.as_fd(), events)];
    match ready_by(&mut fds, Some(deadline)) {
        Ok(true) => Ok(()),
        Ok(false) => Err(End::Stalled),
        Err(errno) => Err(End::Errno(errno as i32)),
    }
}

fn end_of(error: &io::Error) -> End {
    match error.raw_os_error() {
        Some(libc::ECONNRESET | libc::EPIPE) => End::Reset,
        Some(libc::ETIMEDOUT) => End::Stalled,
        errno => End::Errno(errno.unwrap_or(0)),
    }
}

/// The clock of this host, and whether a time service keeps it right.
pub fn clock_of_certificates() -> Clock {
    Clock {
        now: i64::try_from(clock::realtime().0 / 1_000_000_000).unwrap_or(0),
        synchronised: clock::is_synchronised(),
    }
}

/// The certificates that programs of this host trust: those of the distribution, or of `SSL_CERT_FILE` and
/// `SSL_CERT_DIR`.
pub fn trust_of_this_host() -> Trust {
    let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"];
    let named = named.iter().find(|it| std::env::var_os(it).is_some());
    let source = named.map_or_else(
        || "the trust store of this host".to_owned(),
        |name| format!("${name}"),
    );
    // A store that cannot be read is an empty one; the count says so.
    let certificates = rustls_native_certs::load_native_certs().certs;
    let certificates = certificates.into_iter().map(|it| it.to_vec()).collect();
    Trust::new(certificates, source)
}

/// The certificates of a PEM file (`--cacert`).
pub fn trust_of(file: &Path) -> Result<Trust> {
    let fail = |cause: String| {
        Error::new(Kind::CannotRun, "read the certificates of", cause)
            .on(file.display().to_string())
    };
    // Opened for what is said if it cannot be.
    files::open(file)?;
    let read = rustls_native_certs::load_certs_from_paths(Some(file), None);
    if let Some(error) = read.errors.first() {
        return Err(fail(format!("it is not in PEM form: {error}"))
            .next("convert it: openssl x509 -in FILE -out FILE.pem -outform PEM"));
    }
    if read.certs.is_empty() {
        return Err(fail("it has no certificate in PEM form".to_owned())
            .next("such a file has lines of -----BEGIN CERTIFICATE-----"));
    }
    let certificates = read.certs.into_iter().map(|it| it.to_vec()).collect();
    Ok(Trust::new(certificates, file.display().to_string()))
}

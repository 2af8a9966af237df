//! Several addresses of a name tried in order, and raced.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use socket2::{Socket, Type};

use crate::error::{Error, Kind};
use crate::ping::losses::Refusal;
use crate::sys::around;
use crate::sys::refusals;
use crate::sys::socket::{Options, client};
use crate::sys::waiting::ready_by;

/// An address that has not answered after this time gets the next one as a rival
/// (RFC 8305 section 5).
pub const STAGGER: Duration = Duration::from_millis(250);

/// A connection that was made.
#[derive(Debug)]
pub struct Connected {
    /// Non-blocking.
    pub socket: Socket,
    /// The address that answered first.
    pub address: SocketAddr,
    /// From the first attempt to the connection.
    pub elapsed: Duration,
    /// The addresses that failed before it.
    pub failed: Vec<Failure>,
}

/// An address that could not be connected to.
#[derive(Debug)]
pub struct Failure {
    /// The address.
    pub address: SocketAddr,
    /// Why.
    pub error: io::Error,
    /// The ICMP error that caused it.
    pub refusal: Option<Refusal>,
}

impl Failure {
    /// The failure as text.
    pub fn describe(&self) -> Error {
        let failure =
            Error::os(Kind::BadAnswer, "connect to", &self.error).on(self.address.to_string());
        match &self.refusal {
            Some(refusal) => refusals::named(failure, refusal, self.address),
            None => failure,
        }
    }
}

/// Connects to the first address that answers. `name` is what the user typed, for the error.
///
/// # Errors
/// When none answers; every address is named with its own error.
pub fn connect(
    name: &str,
    addresses: &[SocketAddr],
    options: &Options,
    timeout: Duration,
) -> Result<Connected, Error> {
    let start = Instant::now();
    let mut race = Race {
        options,
        racing: Vec::new(),
        failed: Vec::new(),
    };
    let mut waiting = addresses.iter().copied().peekable();
    let mut next_start = start;
    loop {
        let now = Instant::now();
        if now >= start + timeout {
            race.give_up();
            return Err(all_failed(name, &race.failed));
        }
        if race.racing.is_empty() || now >= next_start {
            if let Some(address) = waiting.next() {
                if let Some(socket) = race.begin(address) {
                    return Ok(race.won(socket, address, start.elapsed()));
                }
                next_start = now + STAGGER;
                continue;
            }
            if race.racing.is_empty() {
                return Err(all_failed(name, &race.failed));
            }
        }
        let until = match waiting.peek() {
            Some(_) => next_start.min(start + timeout),
            None => start + timeout,
        };
        let losses = race.failed.len();
        if let Some((socket, address)) = race.wait(until) {
            return Ok(race.won(socket, address, start.elapsed()));
        }
        if race.failed.len() > losses {
            next_start = Instant::now();
        }
    }
}

struct Race<'a> {
    options: &'a Options,
    racing: Vec<(Socket, SocketAddr)>,
    failed: Vec<Failure>,
}

impl Race<'_> {
    /// Starts an attempt; gives the socket if it is connected at once.
    fn begin(&mut self, address: SocketAddr) -> Option<Socket> {
        let attempt = client(&address, Type::STREAM, self.options).and_then(|socket| {
            refusals::hear(&socket, address)?;
            connect_started(&socket, address).map(|done| (socket, done))
        });
        match attempt {
            Ok((socket, true)) => match not_to_itself(&socket) {
                Ok(()) => return Some(socket),
                Err(error) => self.lost(address, error, None),
            },
            Ok((socket, false)) => self.racing.push((socket, address)),
            Err(error) => self.lost(address, error, None),
        }
        None
    }

    fn lost(&mut self, address: SocketAddr, error: io::Error, refusal: Option<Refusal>) {
        self.failed.push(Failure {
            address,
            error,
            refusal,
        });
    }

    /// Waits until an attempt is decided or the time has come; gives a winner.
    fn wait(&mut self, until: Instant) -> Option<(Socket, SocketAddr)> {
        let mut fds: Vec<PollFd> = self
            .racing
            .iter()
            .map(|(socket, _)| PollFd::new(socket.as_fd(), PollFlags::POLLOUT))
            .collect();
        ready_by(&mut fds, Some(until)).ok()?;
        let ready: Vec<bool> = fds
            .iter()
            .map(|fd| fd.revents().is_some_and(|events| !events.is_empty()))
            .collect();
        for index in (0..self.racing.len()).rev().filter(|&index| ready[index]) {
            let (socket, address) = self.racing.remove(index);
            let outcome = match socket.take_error() {
                Ok(None) => not_to_itself(&socket),
                Ok(Some(error)) | Err(error) => Err(error),
            };
            match outcome {
                Ok(()) => return Some((socket, address)),
                Err(error) => self.lost(address, error, refusals::take(&socket)),
            }
        }
        None
    }

    /// The time is over for all.
    fn give_up(&mut self) {
        for (_, address) in std::mem::take(&mut self.racing) {
            self.lost(address, io::Error::from_raw_os_error(libc::ETIMEDOUT), None);
        }
    }

    fn won(self, socket: Socket, address: SocketAddr, elapsed: Duration) -> Connected {
        refusals::ignore(&socket, address);
        Connected {
            socket,
            address,
            elapsed,
            failed: self.failed,
        }
    }
}

/// A connection to a port of this host without a listener can meet itself, when the kernel takes
/// that very port for our end (a simultaneous open, RFC 9293 section 3.5). No server is there.
fn not_to_itself(socket: &Socket) -> io::Result<()> {
    let peer = match socket.peer_addr() {
        // It was reset since: the socket knows by what.
        Err(error) if error.raw_os_error() == Some(libc::ENOTCONN) => {
            let reset = || io::Error::from_raw_os_error(libc::ECONNRESET);
            return Err(socket.take_error()?.unwrap_or_else(reset));
        }
        peer => peer?,
    };
    let ends = (socket.local_addr()?, peer);
    if ends.0.as_socket() == ends.1.as_socket() {
        return Err(io::Error::from_raw_os_error(libc::ECONNREFUSED));
    }
    Ok(())
}

/// Starts connecting a non-blocking socket; says whether it is connected already.
pub(crate) fn connect_started(socket: &Socket, address: SocketAddr) -> io::Result<bool> {
    match socket.connect(&address.into()) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(false),
        Err(error) => Err(error),
    }
}

/// One error for one address; for several, a summary with a line for each.
fn all_failed(name: &str, failed: &[Failure]) -> Error {
    let Some(first) = failed.first() else {
        return Error::os(
            Kind::BadAnswer,
            "connect to",
            &io::Error::from_raw_os_error(libc::ETIMEDOUT),
        )
        .on(name);
    };
    let explained = |failure: &Failure| around::connect_failed(failure.describe(), failure.address);
    let mut error = explained(first);
    if failed.len() > 1 {
        let tried = failed
            .iter()
            .map(|failure| {
                let Error { subject, cause, .. } = explained(failure);
                format!("{}: {cause}", subject.unwrap_or_default())
            })
            .collect();
        error.cause = format!("none of its {} addresses can be connected to", failed.len());
        error.subject = Some(name.to_owned());
        error.details = tried;
    }
    error
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use socket2::Domain;

    use super::*;

    fn closed_port() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
    }

    /// A listener whose accept queue is full, so that a further SYN is dropped; and what keeps it
    /// full.
    fn silent_listener() -> (Socket, Vec<Socket>, SocketAddr) {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener
            .bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into())
            .unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let fillers = (0..4)
            .map(|_| {
                let filler = client(&address, Type::STREAM, &Options::default()).unwrap();
                let _ = connect_started(&filler, address);
                filler
            })
            .collect();
        (listener, fillers, address)
    }

    #[test]
    fn a_connection_that_is_reset_at_once_is_said_to_be_reset() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let server = Socket::from(listener.accept().unwrap().0);
        server.set_linger(Some(Duration::ZERO)).unwrap();
        drop(server);
        let client = Socket::from(client);
        let mut fds = [PollFd::new(client.as_fd(), PollFlags::POLLOUT)];
        ready_by(&mut fds, Some(Instant::now() + Duration::from_secs(5))).unwrap();
        while client.peer_addr().is_ok() {}
        let error = not_to_itself(&client).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ECONNRESET));
    }

    #[test]
    fn a_refused_address_is_followed_by_the_next_one_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let closed = closed_port();
        let connected = connect(
            "name",
            &[closed, good],
            &Options::default(),
            Duration::from_secs(5),
        )
        .unwrap();
        assert_eq!(connected.address, good);
        assert_eq!(connected.failed.len(), 1);
        assert_eq!(connected.failed[0].address, closed);
        assert!(connected.elapsed < STAGGER, "{:?}", connected.elapsed);
    }

    #[test]
    fn a_silent_address_gets_a_rival_after_250_ms() {
        let (_listener, _fillers, silent) = silent_listener();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let connected = connect(
            "name",
            &[silent, good],
            &Options::default(),
            Duration::from_secs(5),
        )
        .unwrap();
        assert_eq!(connected.address, good);
        assert!(connected.elapsed >= STAGGER, "{:?}", connected.elapsed);
        assert!(connected.elapsed < STAGGER * 3, "{:?}", connected.elapsed);
    }

    #[test]
    fn every_address_that_failed_is_named() {
        let (one, two) = (closed_port(), closed_port());
        let error = connect(
            "name:1",
            &[one, two],
            &Options::default(),
            Duration::from_secs(5),
        )
        .unwrap_err();
        assert_eq!(error.kind, Kind::BadAnswer);
        assert_eq!(error.details.len(), 2);
        assert!(
            error.details[0].starts_with(&format!("{one}: Connection refused")),
            "{error}"
        );
        assert!(error.details[1].starts_with(&two.to_string()), "{error}");
    }

    #[test]
    fn a_socket_that_met_itself_is_refused() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket
            .bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into())
            .unwrap();
        socket.connect(&socket.local_addr().unwrap()).unwrap();
        let error = not_to_itself(&socket).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
    }

    #[test]
    fn an_address_that_never_answers_times_out() {
        let (_listener, _fillers, silent) = silent_listener();
        let error = connect(
            "name",
            &[silent],
            &Options::default(),
            Duration::from_millis(200),
        )
        .unwrap_err();
        assert_eq!(error.code, Some("ETIMEDOUT"));
    }
}

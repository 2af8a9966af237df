//! One UDP packet to a port of the target, and what comes back for it.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};
use socket2::Type;

use crate::error::{Error, Kind, Result};
use crate::ping::losses::Refusal;
use crate::sys::clock;
use crate::sys::handshake::{self, Outcome};
use crate::sys::icmp;
use crate::sys::refusals;
use crate::sys::signals::Signals;
use crate::sys::socket::{Options, client};
use crate::sys::waiting::ready_within;

/// Bytes that a probe carries.
const DATA: [u8; 32] = [0; 32];

/// What became of a packet.
#[derive(Debug)]
pub struct Probed {
    /// The answer.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
    /// The address and port that it was sent from.
    pub local: Option<SocketAddr>,
}

/// Sends one packet, with these bytes or others. Whoever reads at that port may answer too.
pub fn probe(
    address: SocketAddr,
    data: Option<&[u8]>,
    options: &icmp::Options,
    timeout: Duration,
    signals: &Signals,
) -> Result<Probed> {
    let fail = |operation: &str, error: &io::Error| {
        Error::os(Kind::CannotRun, operation, error).on(address.to_string())
    };
    let socket = client(&address, Type::DGRAM, &Options::default())
        .map_err(|error| fail("open a socket for", &error))?;
    handshake::prepare(&socket, address, options)
        .map_err(|error| fail("set the options of", &error))?;
    let start = clock::monotonic();
    // A connected socket gives its packets a random hash, by which routers on this host would balance
    // (`skb->l4_hash`, kept through a veth): it is connected after the packet left, to hear only the target.
    let to = address.into();
    let data = data.unwrap_or(&DATA);
    let sent = socket.send_to(data, &to).and_then(|_| socket.connect(&to));
    if let Err(error) = sent {
        return Ok(Probed {
            outcome: Outcome::Failed(error),
            took: Duration::ZERO,
            local: None,
        });
    }
    let local = socket.local_addr().ok().and_then(|it| it.as_socket());
    let mut fds = [
        PollFd::new(socket.as_fd(), PollFlags::POLLIN),
        PollFd::new(signals.as_fd(), PollFlags::POLLIN),
    ];
    let ready = ready_within(&mut fds, Some(timeout));
    let took = clock::monotonic().since(start);
    let outcome = match ready {
        Ok(false) => Outcome::Silent,
        Err(nix::Error::EINTR) => Outcome::Interrupted,
        Err(errno) => return Err(fail("wait for", &errno.into())),
        Ok(true) if !fds[0].any().unwrap_or(false) => Outcome::Interrupted,
        Ok(true) => match refusals::take_labelled(&socket) {
            Some((refusal, _)) if is_closed_port(&refusal, address) => Outcome::Refused,
            Some((refusal, labels)) => Outcome::Rejected(refusal, labels),
            None => Outcome::Open,
        },
    };
    Ok(Probed {
        outcome,
        took,
        local,
    })
}

/// The target itself says that the port is closed (`ICMP` 3/3, `ICMPv6` 1/4).
fn is_closed_port(refusal: &Refusal, target: SocketAddr) -> bool {
    let is_port = matches!((refusal.r#type, refusal.code), (3, 3) | (1, 4));
    is_port && refusal.by == Some(target.ip())
}

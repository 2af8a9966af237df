//! The sockets of each variant.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{UnixAddr, bind, getsockname};
use nix::sys::stat::fstat;
use socket2::{Domain, Socket, Type};

use crate::diagnose::rules::sender::Waits;
use crate::error::{Error, Kind, Result};
use crate::fill::{Sample, Variant};
use crate::sys::connect::connect;
use crate::sys::resolve::Family;
use crate::sys::socket::{Listener, Options, Place, client};
use crate::sys::waiting::ready_by;

use super::look;

/// A sender, and the receiver if it is ours.
#[derive(Debug)]
pub struct Ends {
    /// Of which kind.
    pub variant: Variant,
    sender: Socket,
    pub(super) receiver: Option<Socket>,
    listener: Option<Listener>,
}

impl Ends {
    /// A TCP connection over the loopback interface, both ends of it ours.
    pub fn tcp_here(family: Family, sender: &Options, receiver: &Options) -> Result<Ends> {
        // The receiver's buffer is set before the window is first announced: on the listener.
        let listener = Listener::stream(&loopback(family), 1, receiver)?;
        let name = listener.local.to_string();
        let address = address_of(&listener)?;
        let connected = connect(&name, &[address], sender, Duration::from_secs(10))?;
        let accepted = accepted(&listener).map_err(|error| {
            Error::os(Kind::CannotRun, "accept a connection on", &error).on(name)
        })?;
        Ok(Ends {
            variant: Variant::Tcp,
            sender: connected.socket,
            receiver: Some(accepted),
            listener: Some(listener),
        })
    }

    /// A TCP connection to somebody's server.
    pub fn tcp_to(
        name: &str,
        addresses: &[SocketAddr],
        options: &Options,
        timeout: Duration,
    ) -> Result<Ends> {
        let connected = connect(name, addresses, options, timeout)?;
        Ok(Ends {
            variant: Variant::Tcp,
            sender: connected.socket,
            receiver: None,
            listener: None,
        })
    }

    /// Two UDP sockets on the loopback interface.
    pub fn udp_here(family: Family, sender: &Options, receiver: &Options) -> Result<Ends> {
        let bound = Listener::datagram(&loopback(family), receiver)?;
        let address = address_of(&bound)?;
        let mut ends = Ends::udp_to(address, sender)?;
        ends.receiver = Some(bound.socket);
        Ok(ends)
    }

    /// A UDP socket that sends to somebody's.
    pub fn udp_to(address: SocketAddr, options: &Options) -> Result<Ends> {
        let open = || {
            let socket = client(&address, Type::DGRAM, options)?;
            socket.connect(&address.into())?;
            Ok(socket)
        };
        let sender = open().map_err(|error: io::Error| {
            Error::os(Kind::BadAnswer, "connect to", &error).on(address.to_string())
        })?;
        Ok(Ends {
            variant: Variant::Udp,
            sender,
            receiver: None,
            listener: None,
        })
    }

    /// A pair of Unix sockets.
    pub fn unix(variant: Variant, sender: &Options, receiver: &Options) -> Result<Ends> {
        let kind = match variant {
            Variant::UnixDatagrams => Type::DGRAM,
            _ => Type::STREAM,
        };
        let open = || {
            let (one, other) = Socket::pair(Domain::UNIX, kind.nonblocking(), None)?;
            sender.apply(&one, false)?;
            receiver.apply(&other, false)?;
            Ok((one, other))
        };
        let (sender, receiver) = open().map_err(|error: io::Error| {
            Error::os(Kind::CannotRun, "open a pair of unix sockets", &error)
        })?;
        Ok(Ends {
            variant,
            sender,
            receiver: Some(receiver),
            listener: None,
        })
    }

    /// Whether the receiver is ours too.
    pub fn has_receiver(&self) -> bool {
        self.receiver.is_some()
    }

    /// Datagrams that were dropped at the receiver (`SK_MEMINFO_DROPS`).
    pub fn drops(&self) -> Option<u64> {
        look::memory(self.receiver.as_ref()?)?.drops.map(u64::from)
    }

    /// The end that sends.
    pub fn sender(&self) -> &Socket {
        &self.sender
    }

    /// Both ends now.
    pub fn sample(&self, at: Duration) -> Sample {
        Sample {
            at,
            sender: look::end(&self.sender, self.variant),
            receiver: self
                .receiver
                .as_ref()
                .map(|receiver| look::end(receiver, self.variant)),
        }
    }

    /// Looks at the sender of a TCP connection that has no room.
    pub(super) fn look_at_wait(&self, waits: &mut Waits) {
        let end = look::end(&self.sender, self.variant);
        if let (Some(tcp), Some(memory)) = (end.tcp, end.memory) {
            waits.look(&tcp, &memory);
        }
    }

    /// The two queues now: bytes.
    pub(super) fn queues(&self) -> (Option<u64>, Option<u64>) {
        let received = self.receiver.as_ref().and_then(look::recv_queue);
        (look::send_queue(&self.sender), received)
    }

    /// The congestion control of the sender.
    pub fn congestion(&self) -> Option<String> {
        if self.variant != Variant::Tcp {
            return None;
        }
        let name = self.sender.tcp_congestion().ok()?;
        let name = name.split(|byte| *byte == 0).next()?;
        Some(String::from_utf8_lossy(name).into_owned())
    }

    /// Where the sender is and where it sends to; Unix sockets have no names.
    pub fn addresses(&self) -> Option<(SocketAddr, SocketAddr)> {
        let local = self.sender.local_addr().ok()?.as_socket()?;
        let peer = self.sender.peer_addr().ok()?.as_socket()?;
        Some((local, peer))
    }

    /// The inodes of the sockets that are ours: listener, receiver, sender.
    pub(super) fn inodes(&self) -> [Option<u32>; 3] {
        let listener = self.listener.as_ref().map(|listener| &listener.socket);
        [listener, self.receiver.as_ref(), Some(&self.sender)].map(|socket| inode(socket?))
    }

    /// The inode of the sender's socket.
    pub fn sender_inode(&self) -> Option<u32> {
        inode(&self.sender)
    }

    /// Closes the sender.
    pub(super) fn without_sender(self) -> Option<Socket> {
        self.receiver
    }
}

fn inode(socket: &Socket) -> Option<u32> {
    let stat = fstat(socket.as_fd()).ok()?;
    // As sock_diag has it: 32 bits.
    u32::try_from(stat.st_ino).ok()
}

fn loopback(family: Family) -> Place {
    let ip: IpAddr = match family {
        Family::V6 => Ipv6Addr::LOCALHOST.into(),
        Family::Any | Family::V4 => Ipv4Addr::LOCALHOST.into(),
    };
    Place::Ip(ip.to_string(), 0)
}

fn address_of(listener: &Listener) -> Result<SocketAddr> {
    let local = listener.socket.local_addr();
    local.ok().and_then(|it| it.as_socket()).ok_or_else(|| {
        Error::new(
            Kind::CannotRun,
            "read the address of the socket",
            "it has none",
        )
    })
}

/// The connection that was just made.
fn accepted(listener: &Listener) -> io::Result<Socket> {
    let mut fds = [PollFd::new(listener.socket.as_fd(), PollFlags::POLLIN)];
    ready_by(&mut fds, Some(Instant::now() + Duration::from_secs(10)))?;
    let (socket, _) = listener.accept()?;
    Ok(socket)
}

/// How many datagrams of this size a Unix socket with a name takes that no process reads, and how many
/// until the sender has to wait (`net.unix.max_dgram_qlen`, unix(7)). At most `most` are sent.
pub fn named_receiver(chunk: &[u8], most: u64) -> io::Result<u64> {
    let receiver = Socket::new(Domain::UNIX, Type::DGRAM.nonblocking(), None)?;
    // Autobind: the kernel chooses a name that is free (unix(7)).
    bind(receiver.as_raw_fd(), &UnixAddr::new_unnamed())?;
    let name: UnixAddr = getsockname(receiver.as_raw_fd())?;
    let sender = Socket::new(Domain::UNIX, Type::DGRAM.nonblocking(), None)?;
    nix::sys::socket::connect(sender.as_raw_fd(), &name)?;
    let mut taken = 0;
    while taken < most {
        match sender.send(chunk) {
            Ok(_) => taken += 1,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(taken)
}

/// What a datagram that is larger than the sender's buffer is answered with: its size and the errno.
pub fn oversize(ends: &Ends) -> Option<(usize, i32)> {
    let size = ends.sender.send_buffer_size().ok()? + 1;
    let error = ends.sender.send(&vec![0; size]).err()?;
    Some((size, error.raw_os_error()?))
}

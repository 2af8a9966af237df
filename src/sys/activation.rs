//! Sockets passed in by a service manager: `LISTEN_FDS` and `LISTEN_PID` (`sd_listen_fds(3)`).

use std::os::fd::{FromRawFd, OwnedFd};

use socket2::Type;

use crate::error::{Error, Kind, Result};
use crate::sys::socket::{Listener, Options};

/// The first descriptor that is passed (`SD_LISTEN_FDS_START`).
const FIRST: i32 = 3;

/// The listening stream socket that a service manager passed to this process, if it did.
///
/// # Errors
/// When more than one was passed, or what was passed is another thing.
pub fn stream(options: &Options) -> Result<Option<Listener>> {
    inherited(Type::STREAM, options)
}

/// The same for a datagram socket.
pub fn datagram(options: &Options) -> Result<Option<Listener>> {
    inherited(Type::DGRAM, options)
}

fn inherited(kind: Type, options: &Options) -> Result<Option<Listener>> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    let count = number("LISTEN_FDS").unwrap_or(0);
    // Without LISTEN_PID the variables may be another process's, inherited by accident.
    if count == 0 || number("LISTEN_PID") != Some(std::process::id()) {
        return Ok(None);
    }
    if count > 1 {
        let cause = format!("LISTEN_FDS says {count} sockets; one server takes one");
        return Err(
            Error::new(Kind::CannotRun, "use the inherited sockets", cause)
                .next("give each server its own socket unit"),
        );
    }
    // SAFETY: the protocol says that descriptor 3 is ours; nothing else in this process uses it,
    // for this runs once, before any descriptor is opened.
    let fd = unsafe { OwnedFd::from_raw_fd(FIRST) };
    nix::fcntl::fcntl(
        &fd,
        nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC),
    )
    .map_err(|errno| Error::os(Kind::CannotRun, "use the inherited socket", &errno.into()))?;
    Listener::inherited(fd, kind, options).map(Some)
}

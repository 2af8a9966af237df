//! Waiting for descriptors until a deadline.

use std::time::{Duration, Instant};

use nix::poll::{PollFd, ppoll};
use nix::sys::time::TimeSpec;

/// Polls until something is ready, and says so; false when the deadline came first. Without a
/// deadline it waits forever.
pub fn ready_by(fds: &mut [PollFd<'_>], deadline: Option<Instant>) -> nix::Result<bool> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match ready_within(fds, left) {
            Ok(false) if deadline.is_some_and(|deadline| Instant::now() < deadline) => {}
            Err(nix::Error::EINTR) => {}
            result => return result,
        }
    }
}

/// Polls once, for a time that is exact to the nanosecond as far as the kernel's timers are; a
/// signal ends the wait with `EINTR`.
pub fn ready_within(fds: &mut [PollFd<'_>], time: Option<Duration>) -> nix::Result<bool> {
    Ok(ppoll(fds, time.map(TimeSpec::from), None)? > 0)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use nix::poll::PollFlags;

    use super::*;

    #[test]
    fn a_deadline_is_never_said_to_have_come_before_it_has() {
        let (one, _other) = UnixStream::pair().unwrap();
        let deadline = Instant::now() + Duration::from_micros(2500);
        let mut fds = [PollFd::new(one.as_fd(), PollFlags::POLLIN)];
        assert_eq!(ready_by(&mut fds, Some(deadline)), Ok(false));
        assert!(Instant::now() >= deadline);
    }
}

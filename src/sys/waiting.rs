//! Waiting for descriptors until a deadline.

use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollTimeout, poll};

/// Polls until something is ready, and says so; false when the deadline came first. Without a
/// deadline it waits for ever.
pub fn ready_by(fds: &mut [PollFd<'_>], deadline: Option<Instant>) -> nix::Result<bool> {
    loop {
        let timeout = deadline.map_or(PollTimeout::NONE, |deadline| {
            timeout(deadline.saturating_duration_since(Instant::now()))
        });
        match poll(fds, timeout) {
            // poll(2) waits for 24 days at most.
            Ok(0) if deadline.is_some_and(|deadline| Instant::now() < deadline) => {}
            Ok(ready) => return Ok(ready > 0),
            Err(nix::Error::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// A time in the milliseconds of poll(2): rounded up, so that nobody spins through the last of
/// them, or is told that no time is left.
fn timeout(left: Duration) -> PollTimeout {
    let millis = left.as_nanos().div_ceil(1_000_000);
    PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use nix::poll::PollFlags;

    use super::*;

    #[test]
    fn a_part_of_a_millisecond_is_a_whole_one_and_ages_are_the_longest_wait_there_is() {
        assert_eq!(timeout(Duration::ZERO), PollTimeout::ZERO);
        assert_eq!(timeout(Duration::from_nanos(1)), PollTimeout::from(1_u8));
        assert_eq!(
            timeout(Duration::from_micros(1001)),
            PollTimeout::from(2_u8)
        );
        assert_eq!(timeout(Duration::from_hours(600)), PollTimeout::MAX);
    }

    #[test]
    fn a_deadline_is_never_said_to_have_come_before_it_has() {
        let (one, _other) = UnixStream::pair().unwrap();
        let deadline = Instant::now() + Duration::from_micros(2500);
        let mut fds = [PollFd::new(one.as_fd(), PollFlags::POLLIN)];
        assert_eq!(ready_by(&mut fds, Some(deadline)), Ok(false));
        assert!(Instant::now() >= deadline);
    }
}

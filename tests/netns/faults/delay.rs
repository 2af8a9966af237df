//! A link between two namespaces on which each packet takes its time.
//!
//! A TUN device at each end, held by socat(1), and a thread for each direction.

use std::collections::VecDeque;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::namespace::Namespace;
use crate::support::{Running, finish, until};

/// The address of the second end; the first has `.1`.
pub(crate) const FAR: &str = "10.78.0.2";

/// The link; it ends when this is dropped.
pub(crate) struct Delay {
    ends: [UnixDatagram; 2],
    threads: Vec<JoinHandle<()>>,
    _programs: [Running; 2],
}

impl Delay {
    /// Each packet takes `time` in each direction.
    pub(crate) fn between(near: &Namespace, far: &Namespace, time: Duration) -> Delay {
        let [(near_end, near_socat), (far_end, far_socat)] =
            [(near, "10.78.0.1"), (far, FAR)].map(|(namespace, address)| end(namespace, address));
        let clone = |end: &UnixDatagram| end.try_clone().expect("a second descriptor");
        let threads = [(&near_end, &far_end), (&far_end, &near_end)].map(|(from, to)| {
            let (from, to) = (clone(from), clone(to));
            std::thread::spawn(move || carry(&from, &to, time))
        });
        Delay {
            threads: threads.into(),
            ends: [near_end, far_end],
            _programs: [near_socat, far_socat],
        }
    }
}

fn end(namespace: &Namespace, address: &str) -> (UnixDatagram, Running) {
    let (device, theirs) = UnixDatagram::pair().expect("a pair");
    let mut socat = namespace.command("socat");
    let tun = "TUN,tun-type=tun,tun-name=slow0,iff-no-pi,iff-up";
    socat.args(["-b", "70000", tun, "FD:0"]);
    socat.stdin(OwnedFd::from(theirs)).stdout(Stdio::null());
    let socat = Running::from(socat.spawn().expect("socat starts"));
    until("the TUN device", || {
        let mut show = namespace.command("ip");
        show.args(["-o", "link", "show", "dev", "slow0", "up"]);
        let output = finish(show);
        (output.status.success() && !output.stdout.is_empty()).then_some(())
    });
    namespace.ip(&[&format!("addr add {address}/24 dev slow0")]);
    (device, socat)
}

fn carry(from: &UnixDatagram, to: &UnixDatagram, time: Duration) {
    let mut waiting: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut bytes = vec![0; 65_535];
    loop {
        let now = Instant::now();
        while waiting.front().is_some_and(|(due, _)| *due <= now) {
            let (_, packet) = waiting.pop_front().expect("one");
            // It fails when the test is over.
            let _ = to.send(&packet);
        }
        let wait = waiting.front().map(|(due, _)| *due - now);
        from.set_read_timeout(wait).expect("set");
        match from.recv(&mut bytes) {
            // Shut down: packets of IP have a length.
            Ok(0) => return,
            Ok(length) => waiting.push_back((Instant::now() + time, bytes[..length].to_vec())),
            Err(error) => match error.kind() {
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted => {}
                _ => return,
            },
        }
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        for end in &self.ends {
            let _ = end.shutdown(Shutdown::Both);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

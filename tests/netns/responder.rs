//! A host that answers echo requests by a script: right, wrong, late, twice, or with an ICMP error.
//!
//! It stands after a TUN device in a namespace of the test's own: every packet that is sent to its
//! networks comes to [`Script`], and what that says goes back, byte by byte as it is told.
//! socat(1) holds the device and hands the packets over, one datagram each.

use std::collections::HashMap;
use std::net::{IpAddr, Shutdown};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::namespace::Namespace;
use crate::support::{finish, program, skip, until};

pub(crate) mod answer;
pub(crate) mod wire;

pub(crate) use answer::{Answer, Flaw, Quote};
pub(crate) use wire::Echo;

/// What is answered to each request.
pub(crate) type Script = Box<dyn FnMut(&Echo) -> Vec<Answer> + Send>;

/// Where the responder is: any address of these networks, but for `.1`, which the namespace has.
pub(crate) const NETWORKS: [&str; 2] = ["10.99.0.", "fd99::"];

/// The longest packet of IP.
const LONGEST: usize = 65_535;

/// The running responder; it ends when this is dropped.
pub(crate) struct Responder {
    socat: Child,
    device: UnixDatagram,
    thread: Option<JoinHandle<()>>,
}

impl Responder {
    /// Starts one in this namespace; says that the test is skipped where it cannot.
    pub(crate) fn start(
        test: &str,
        namespace: &Namespace,
        script: impl FnMut(&Echo) -> Vec<Answer> + Send + 'static,
    ) -> Option<Responder> {
        if program("socat").is_none() || !std::path::Path::new("/dev/net/tun").exists() {
            skip(test, "socat or /dev/net/tun is missing");
            return None;
        }
        let (device, theirs) = UnixDatagram::pair().expect("a pair");
        let mut socat = namespace.command("socat");
        let tun = "TUN,tun-type=tun,tun-name=pong0,iff-no-pi,iff-up";
        socat.args(["-b", "70000", tun, "FD:0"]);
        socat.stdin(OwnedFd::from(theirs)).stdout(Stdio::null());
        let socat = socat.spawn().expect("socat starts");
        let here = device.try_clone().expect("a second descriptor");
        let at_work = Work::new(here, Box::new(script));
        let thread = std::thread::spawn(move || at_work.run());
        let responder = Responder {
            socat,
            device,
            thread: Some(thread),
        };
        until("the TUN device", || {
            let mut show = namespace.command("ip");
            show.args(["-o", "link", "show", "dev", "pong0", "up"]);
            let output = finish(show);
            (output.status.success() && !output.stdout.is_empty()).then_some(())
        });
        namespace.ip(&[
            &format!("addr add {}1/24 dev pong0", NETWORKS[0]),
            &format!("addr add {}1/64 dev pong0 nodad", NETWORKS[1]),
        ]);
        Some(responder)
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        let _ = self.socat.kill();
        let _ = self.socat.wait();
        let _ = self.device.shutdown(Shutdown::Both);
        let ended = self.thread.take().is_none_or(|it| it.join().is_ok());
        // A second panic during a first would end the run without a word.
        assert!(ended || std::thread::panicking(), "the script failed");
    }
}

/// What the thread of a responder holds.
struct Work {
    device: UnixDatagram,
    script: Script,
    /// How many requests of each program (by its identifier) to each address were heard.
    heard: HashMap<(IpAddr, u16), usize>,
    waiting: Vec<Waiting>,
}

/// A packet that goes out later.
struct Waiting {
    packet: Vec<u8>,
    due: Due,
}

enum Due {
    /// At this time.
    At(Instant),
    /// After what is answered to this request, the same program's to the same address.
    Behind((IpAddr, u16), usize),
}

impl Work {
    fn new(device: UnixDatagram, script: Script) -> Work {
        Work {
            device,
            script,
            heard: HashMap::new(),
            waiting: Vec::new(),
        }
    }

    fn run(mut self) {
        let mut bytes = vec![0; LONGEST];
        loop {
            let wait = self.send_what_is_due();
            self.device.set_read_timeout(wait).expect("set");
            match self.device.recv(&mut bytes) {
                // Shut down: packets of IP have a length.
                Ok(0) => return,
                Ok(length) => self.answer(&bytes[..length]),
                Err(error) => match error.kind() {
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted => {}
                    _ => return,
                },
            }
        }
    }

    fn answer(&mut self, packet: &[u8]) {
        let Some(mut echo) = wire::request(packet) else {
            return;
        };
        let who = (echo.destination, echo.identifier);
        let number = self.heard.entry(who).or_insert(0);
        *number += 1;
        echo.number = *number;
        for answer in (self.script)(&echo) {
            let packet = answer.packet(&echo);
            let due = match answer.when {
                answer::When::Now => {
                    self.send(&packet);
                    continue;
                }
                answer::When::After(time) => Due::At(Instant::now() + time),
                answer::When::Behind(number) => Due::Behind(who, number),
            };
            self.waiting.push(Waiting { packet, due });
        }
        let passed = |it: &mut Waiting| matches!(&it.due, Due::Behind(of, number) if *of == who && *number <= echo.number);
        let due: Vec<Waiting> = self.waiting.extract_if(.., passed).collect();
        for it in due {
            self.send(&it.packet);
        }
    }

    /// Sends what is due, and says for how long nothing else is.
    fn send_what_is_due(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let is_due = |it: &mut Waiting| matches!(it.due, Due::At(at) if at <= now);
        let due: Vec<Waiting> = self.waiting.extract_if(.., is_due).collect();
        for it in due {
            self.send(&it.packet);
        }
        let times = self.waiting.iter().filter_map(|it| match it.due {
            Due::At(at) => Some(at - now),
            Due::Behind(..) => None,
        });
        times.min()
    }

    fn send(&self, packet: &[u8]) {
        // It fails when the test is over.
        let _ = self.device.send(packet);
    }
}

//! The bench of `sockdoc diagnose`: faults made on purpose, each with a healthy look-alike.
//!
//! Several rows run side by side, each in namespaces of its own: what they wait for is time. A row fails if its
//! fault is not named as the one first cause, or if its look-alike gives any finding, twice: the second time
//! it runs alone, since fifty namespaces at once can hold up a small machine for a minute. The table is
//! printed with `--nocapture`; `SOCKDOC_FAULT=WORD` runs only the rows whose names have that word.
//!
//! | file | its rows |
//! |---|---|
//! | [`sockets`] | listeners and connections |
//! | [`firewalls`] | what a host's own packet filter and routes stop |
//! | [`hosts`] | what a whole network stack counts, limits or queues |
//! | [`machine`] | limits of the whole machine: on request only, and one by one |
//! | [`paths`] | the way to a peer |
//! | [`processes`] | what a process does while others wait for it |
//! | [`resets`] | connections that are reset |
//! | [`delay`] | a link on which a packet takes its time |

pub(crate) mod delay;
mod firewalls;
mod hosts;
mod machine;
mod paths;
mod processes;
mod resets;
mod sockets;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Instant;

use socket2::{Domain, Socket, Type};

use crate::diagnose::Diagnosis;
use crate::namespace::Namespace;
use crate::routed::{Path, SERVER};
use crate::support::{DEADLINE, Running, is_root, skip};

/// A fault and its look-alike.
pub(crate) struct Row {
    /// What is wrong, in a few words.
    name: &'static str,
    /// The rule that has to name it.
    rule: &'static str,
    /// Words of the finding: its text or its subject.
    about: &'static str,
    /// The rules of its effects; none: whichever they are.
    effects: &'static [&'static str],
    /// Where `sockdoc diagnose` runs.
    at: Side,
    /// Makes the fault.
    fault: fn(&Path) -> Kept,
    /// Makes what looks like it.
    look_alike: fn(&Path) -> Kept,
}

#[derive(Clone, Copy)]
pub(crate) enum Side {
    Client,
    Router,
    Server,
}

/// What has to live on while somebody looks.
pub(crate) type Kept = Vec<Box<dyn Keep>>;

pub(crate) trait Keep: Send {}

impl<T: Send> Keep for T {}

/// Boxes what has to live on.
macro_rules! kept {
    ($($it:expr),* $(,)?) => { vec![$(Box::new($it) as Box<dyn crate::faults::Keep>),*] };
}
pub(crate) use kept;

#[test]
fn each_fault_is_the_first_cause_and_its_look_alike_is_healthy() {
    let test = "each_fault_is_the_first_cause_and_its_look_alike_is_healthy";
    if !is_root() {
        return skip(test, "a network namespace requires root");
    }
    let rows = [
        sockets::ROWS,
        firewalls::ROWS,
        hosts::ROWS,
        paths::ROWS,
        processes::ROWS,
        resets::ROWS,
    ];
    run(rows.concat(), AT_ONCE);
}

#[test]
#[ignore = "changes limits of the whole machine while it runs, so nothing else should"]
fn each_fault_of_the_whole_machine_is_the_first_cause_and_its_look_alike_is_healthy() {
    let test = "each_fault_of_the_whole_machine_is_the_first_cause_and_its_look_alike_is_healthy";
    if !is_root() {
        return skip(test, "a network namespace requires root");
    }
    run(machine::ROWS.to_vec(), 1);
}

/// How many rows run side by side. With all of them at once a machine of two processors spends its time on the
/// locks of the network stack.
const AT_ONCE: usize = 6;

fn run(rows: Vec<&'static Row>, at_once: usize) {
    let word = std::env::var("SOCKDOC_FAULT").unwrap_or_default();
    let rows = rows.into_iter().filter(move |row| row.name.contains(&word));
    let mut table = String::new();
    let mut bad = 0;
    // They are removed when all rows are judged: removing one keeps the others waiting.
    let paths = Mutex::new(Vec::new());
    let next = Mutex::new(rows);
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let row = next.lock().expect("rows").next();
                    let Some(row) = row else { return };
                    let judged = std::panic::catch_unwind(|| row.judge(&paths));
                    let outcome = judged.unwrap_or(Err("it could not be made"));
                    outcomes.lock().expect("outcomes").push((row, outcome));
                }
            });
        }
    });
    for (row, outcome) in outcomes.into_inner().expect("outcomes") {
        let said = match outcome {
            Ok(seconds) => format!("found in {seconds:.1} s, look-alike silent"),
            Err(why) => {
                let alone = std::panic::catch_unwind(|| row.judge(&paths));
                let alone = alone.unwrap_or(Err("it could not be made"));
                bad += usize::from(alone.is_err());
                match alone {
                    Ok(seconds) => format!("found in {seconds:.1} s alone; among others: {why}"),
                    Err(again) => format!("FAILED: {why}; again alone: {again}"),
                }
            }
        };
        writeln!(table, "{:<48} {:<24} {said}", row.name, row.rule).expect("text");
    }
    println!("{table}");
    assert_eq!(bad, 0, "\n{table}");
}

impl Row {
    fn judge(&self, paths: &Mutex<Vec<Path>>) -> Result<f64, &'static str> {
        let keep = |path| paths.lock().expect("paths").push(path);
        let path = Path::new(self.name).ok_or("no namespaces")?;
        let kept = (self.fault)(&path);
        let found = self.find(&path);
        drop(kept);
        keep(path);
        let seconds = found?;
        let path = Path::new(self.name).ok_or("no namespaces")?;
        let kept = (self.look_alike)(&path);
        for look in ["0.5", "1.5"] {
            let diagnosis = Diagnosis::of(self.place(&path), &["--seconds", look]);
            if !diagnosis.causes().is_empty() {
                eprintln!("{}: the look-alike: {:#}", self.name, diagnosis.document());
                return Err("a finding about its look-alike");
            }
        }
        drop(kept);
        keep(path);
        Ok(seconds)
    }

    fn place<'a>(&self, path: &'a Path) -> &'a Namespace {
        match self.at {
            Side::Client => &path.client,
            Side::Router => &path.router,
            Side::Server => &path.server,
        }
    }

    /// Looks until the fault is the one first cause.
    fn find(&self, path: &Path) -> Result<f64, &'static str> {
        let start = Instant::now();
        loop {
            let diagnosis = Diagnosis::of(self.place(path), &["--seconds", "1"]);
            let causes = diagnosis.causes();
            let found = matches!(&causes[..], [(id, _)] if id == self.rule);
            let effects = diagnosis.effects(self.rule);
            let has_effects = self
                .effects
                .iter()
                .all(|it| effects.iter().any(|is| is == it));
            if found
                && has_effects
                && diagnosis.document()["findings"][0]
                    .to_string()
                    .contains(self.about)
            {
                return Ok(start.elapsed().as_secs_f64());
            }
            if start.elapsed() > DEADLINE {
                eprintln!("{}: {:#}", self.name, diagnosis.document());
                return Err(if causes.is_empty() {
                    "not found"
                } else {
                    "misnamed"
                });
            }
        }
    }
}

/// The server's address with a port.
fn server(port: u16) -> SocketAddr {
    SocketAddr::new(SERVER[0].parse().expect("an address"), port)
}

/// A listener at the server with this backlog.
fn listener_of(at: &Namespace, port: u16, backlog: i32) -> Socket {
    at.inside(|| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("set");
        socket.bind(&server(port).into()).expect("bound");
        socket.listen(backlog).expect("it listens");
        socket
    })
}

/// A connection of the client that is complete.
fn connected(from: &Namespace, port: u16) -> TcpStream {
    from.inside(|| TcpStream::connect(server(port)).expect("connected"))
}

/// A Python program, once it has printed a line.
fn python(at: &Namespace, program: &str) -> Running {
    let mut command = at.command("python3");
    command
        .args(["-c", program])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut running = Running::from(command.spawn().expect("python3 starts"));
    let said = running.stdout.take().expect("piped");
    BufReader::new(said)
        .read_line(&mut String::new())
        .expect("a line");
    running
}

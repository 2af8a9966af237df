//! `sockdoc diagnose`: faults made on purpose, each with a healthy look-alike.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::namespace::Namespace;
use crate::routed::{Path, SERVER};
use crate::support::{DEADLINE, finish, launched_by, stderr, stdout, until};

/// What `sockdoc diagnose --json ARGS...` says inside a namespace.
pub(crate) struct Diagnosis(Value);

impl Diagnosis {
    pub(crate) fn of(namespace: &Namespace, args: &[&str]) -> Diagnosis {
        let command = namespace.launched();
        // Which name servers this machine has is no matter of these tests.
        Diagnosis::by(command, &[&["--ignore", "no_nameserver"], args].concat())
    }

    /// The same by a command of its own.
    pub(crate) fn by(mut command: Command, args: &[&str]) -> Diagnosis {
        command.args(["diagnose", "--json"]);
        command.args(args).stdin(Stdio::null());
        let output = finish(command);
        let text = stdout(&output);
        let value: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let found = value["findings"].as_array().expect("findings");
        let bad = found.iter().any(|finding| finding["severity"] != "notice");
        assert_eq!(output.status.code(), Some(i32::from(bad)), "{text}");
        Diagnosis(value)
    }

    /// The first causes: rule and headline.
    pub(crate) fn causes(&self) -> Vec<(String, String)> {
        let found = self.0["findings"].as_array().expect("findings").iter();
        let text = |finding: &Value, key: &str| finding[key].as_str().expect("text").to_owned();
        found
            .map(|finding| (text(finding, "id"), text(finding, "text")))
            .collect()
    }

    /// The rules of the effects of a first cause, and of the effects of those.
    pub(crate) fn effects(&self, rule: &str) -> Vec<String> {
        fn all(finding: &Value, into: &mut Vec<String>) {
            for effect in finding["effects"].as_array().expect("effects") {
                into.push(effect["id"].as_str().expect("text").to_owned());
                all(effect, into);
            }
        }
        let found = self.0["findings"].as_array().expect("findings");
        let mut effects = Vec::new();
        if let Some(cause) = found.iter().find(|finding| finding["id"] == rule) {
            all(cause, &mut effects);
        }
        effects
    }

    /// This is the one first cause, and its headline has these words.
    #[track_caller]
    pub(crate) fn is(&self, rule: &str, words: &str) {
        let causes = self.causes();
        assert_eq!(causes.len(), 1, "{:#}", self.0);
        assert_eq!(causes[0].0, rule, "{:#}", self.0);
        assert!(causes[0].1.contains(words), "{causes:?}");
    }

    /// Looks until this is the one first cause: most findings need something that happens during the look,
    /// and on a slow machine little happens in one.
    #[track_caller]
    pub(crate) fn until(
        namespace: &Namespace,
        args: &[&str],
        rule: &str,
        words: &str,
    ) -> Diagnosis {
        Diagnosis::until_effects(namespace, args, (rule, words), None)
    }

    /// The same, until it has this one effect as well.
    #[track_caller]
    fn until_effects(
        namespace: &Namespace,
        args: &[&str],
        (rule, words): (&str, &str),
        effect: Option<&str>,
    ) -> Diagnosis {
        let start = Instant::now();
        loop {
            let diagnosis = Diagnosis::of(namespace, args);
            let causes = diagnosis.causes();
            let is_it = matches!(&causes[..], [(id, text)] if id == rule && text.contains(words))
                && effect.is_none_or(|effect| diagnosis.effects(rule) == [effect]);
            if is_it || start.elapsed() > DEADLINE {
                diagnosis.is(rule, words);
                if let Some(effect) = effect {
                    assert_eq!(diagnosis.effects(rule), [effect], "{:#}", diagnosis.0);
                }
                return diagnosis;
            }
        }
    }

    /// The whole document.
    pub(crate) fn document(&self) -> &Value {
        &self.0
    }

    #[track_caller]
    pub(crate) fn is_healthy(&self) {
        assert_eq!(self.causes(), [], "{:#}", self.0);
    }
}

/// A connection that is begun, and does not wait for its end.
pub(crate) fn connecting(from: &Namespace, to: &str) -> Socket {
    let to: SocketAddr = to.parse().expect("an address");
    from.inside(|| {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).expect("a socket");
        socket.set_nonblocking(true).expect("set");
        let _ = socket.connect(&to.into());
        socket
    })
}

/// Waits until the SYN was sent again.
pub(crate) fn until_sent_again(from: &Namespace) {
    until("the SYN to be sent again", || {
        let listed = from.run("ss", &["-tnoH", "state", "syn-sent"]);
        let again = |line: &str| !line.contains(",0)") && line.contains("timer:(on,");
        listed.lines().any(again).then_some(())
    });
}

pub(crate) fn listener(at: &Namespace, port: u16) -> TcpListener {
    at.inside(|| TcpListener::bind((SERVER[0], port)).expect("it listens"))
}

/// Work in a thread until this is dropped.
pub(crate) struct Busy {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Busy {
    /// Repeats `step` until it says that it cannot go on.
    pub(crate) fn with(mut step: impl FnMut() -> bool + Send + 'static) -> Busy {
        let end = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&end);
        let thread = std::thread::spawn(move || while !told.load(Ordering::Relaxed) && step() {});
        Busy {
            stop: end,
            thread: Some(thread),
        }
    }

    /// The same in a network namespace of ip-netns(8).
    pub(crate) fn in_namespace(
        name: &str,
        mut step: impl FnMut() -> bool + Send + 'static,
    ) -> Busy {
        let file = std::fs::File::open(format!("/run/netns/{name}")).expect("a namespace");
        let mut file = Some(file);
        Busy::with(move || {
            if let Some(file) = file.take() {
                nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET).expect("entered");
            }
            step()
        })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A connection from the client to the server, and the two ends of it.
pub(crate) fn connection(path: &Path, port: u16) -> (TcpStream, TcpStream) {
    let listener = listener(&path.server, port);
    let to: SocketAddr = (
        SERVER[0].parse::<std::net::IpAddr>().expect("an address"),
        port,
    )
        .into();
    let client = path
        .client
        .inside(|| TcpStream::connect(to).expect("connected"));
    let (server, _) = listener.accept().expect("accepted");
    (client, server)
}

/// Data from the client to the server, at most so many bytes a second.
pub(crate) fn transfer(path: &Path, port: u16, bytes_per_second: usize) -> (Busy, Busy) {
    let (mut client, mut server) = connection(path, port);
    for stream in [&client, &server] {
        let limit = Some(Duration::from_millis(100));
        stream.set_read_timeout(limit).expect("set");
        stream.set_write_timeout(limit).expect("set");
    }
    let piece = vec![7; bytes_per_second / 50];
    let writing = Busy::with(move || {
        std::thread::sleep(Duration::from_millis(20));
        let _ = client.write(&piece);
        true
    });
    let mut buffer = vec![0; 65_536];
    let reading = Busy::with(move || !matches!(server.read(&mut buffer), Ok(0)));
    (writing, reading)
}

#[test]
fn an_output_rule_of_this_host_is_told_from_one_of_another_host() {
    let Some(path) = Path::new("an_output_rule_of_this_host_is_told_from_one_of_another_host")
    else {
        return;
    };
    let _listener = listener(&path.server, 5432);
    path.client.firewall_at("output", "tcp dport 5432 drop");
    let own = connecting(&path.client, "10.77.2.1:5432");
    until_sent_again(&path.client);
    Diagnosis::until_effects(
        &path.client,
        &[],
        ("own_firewall_drops", "10.77.2.1:5432"),
        Some("connecting_no_answer"),
    );
    // The same at the other host: sending succeeds here.
    drop(own);
    path.client.run("nft", &["flush", "ruleset"]);
    path.server.firewall("tcp dport 5432 drop");
    let _remote = connecting(&path.client, "10.77.2.1:5432");
    until_sent_again(&path.client);
    Diagnosis::until(&path.client, &[], "connecting_no_answer", "SYN sent");
}

#[test]
fn clients_that_cannot_be_answered_are_told_from_a_full_queue() {
    let Some(path) = Path::new("clients_that_cannot_be_answered_are_told_from_a_full_queue") else {
        return;
    };
    let _listener = listener(&path.server, 8080);
    Diagnosis::of(&path.server, &["--seconds", "1"]).is_healthy();
    path.server.ip(&["route del default"]);
    let _waiting: Vec<Socket> = (0..4)
        .map(|_| connecting(&path.client, "10.77.2.1:8080"))
        .collect();
    Diagnosis::until(
        &path.server,
        &["--seconds", "3"],
        "no_return_route",
        "no route back to 10.77.1.1",
    );
}

#[test]
fn sends_without_a_route_are_found_and_a_closed_network_is_healthy() {
    let Some(path) = Path::new("sends_without_a_route_are_found_and_a_closed_network_is_healthy")
    else {
        return;
    };
    path.client.ip(&["route del default"]);
    Diagnosis::of(&path.client, &["--seconds", "1"]).is_healthy();
    let socket = path
        .client
        .inside(|| UdpSocket::bind("0.0.0.0:0").expect("a socket"));
    let _busy = Busy::with(move || {
        let _ = socket.send_to(b"x", "10.99.0.5:7");
        std::thread::sleep(Duration::from_millis(50));
        true
    });
    Diagnosis::until(
        &path.client,
        &["--seconds", "1"],
        "no_route",
        "could not be sent",
    );
}

#[test]
fn used_up_ports_are_found_and_half_of_them_are_healthy() {
    let Some(path) = Path::new("used_up_ports_are_found_and_half_of_them_are_healthy") else {
        return;
    };
    path.client
        .sysctl(&["net.ipv4.ip_local_port_range=40000 40019"]);
    let mut kept = Vec::new();
    let listener = listener(&path.server, 9000);
    let mut connect = |count: usize| {
        for _ in 0..count {
            let to = (SERVER[0], 9000);
            let client = path
                .client
                .inside(|| TcpStream::connect(to).expect("connected"));
            kept.push((client, listener.accept().expect("accepted").0));
        }
    };
    connect(10);
    Diagnosis::of(&path.client, &["--seconds", "1"]).is_healthy();
    connect(10);
    Diagnosis::until(
        &path.client,
        &["--seconds", "1"],
        "ports_used_up",
        "20 of 20 from 10.77.1.1 to 10.77.2.1:9000",
    );
    let listed = finish(path.client.sockdoc(&["--problems", ":9000"]));
    assert_eq!(listed.status.code(), Some(1), "{}", stderr(&listed));
    assert!(
        stdout(&listed).contains("ERROR local ports used up: 20 of 20"),
        "{}",
        stdout(&listed)
    );
    // It is kept in a file, and the file says the same.
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("host.json");
    let file = file.to_str().expect("text");
    Diagnosis::of(&path.client, &["--seconds", "1", "--save", file]);
    drop(kept);
    Diagnosis::until(&path.server, &["--from", file], "ports_used_up", "20 of 20");
}

/// What is said where /etc/resolv.conf has this text.
fn with_resolver(namespace: &Namespace, text: &str) -> Diagnosis {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("resolv.conf");
    std::fs::write(&file, text).expect("written");
    let script = format!(
        "mount --bind {} /etc/resolv.conf && exec nsenter --net={} \"$@\"",
        file.display(),
        namespace.file()
    );
    let command = launched_by(&["unshare", "--mount", "sh", "-c", &script, "sh"]);
    Diagnosis::by(command, &["--seconds", "0.5"])
}

#[test]
fn a_name_server_that_is_not_configured_or_does_not_run_is_found() {
    let test = "a_name_server_that_is_not_configured_or_does_not_run_is_found";
    let Some(host) = Namespace::new(test) else {
        return;
    };
    with_resolver(&host, "search x\n").is("no_nameserver", "none listens on 127.0.0.1:53");
    // Nobody asks.
    with_resolver(&host, "nameserver 127.0.0.53\n").is_healthy();
    with_resolver(&host, "nameserver 10.77.9.53\n").is_healthy();
    let asking = Busy::in_namespace(&host.name, || {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let _ = socket.send_to(b"question", "127.0.0.53:53");
        std::thread::sleep(Duration::from_millis(20));
        true
    });
    let start = Instant::now();
    loop {
        let diagnosis = with_resolver(&host, "nameserver 127.0.0.53\n");
        if !diagnosis.causes().is_empty() || start.elapsed() > DEADLINE {
            diagnosis.is("no_nameserver", "127.0.0.53, does not run");
            break;
        }
    }
    drop(asking);
    let _runs = host.inside(|| UdpSocket::bind("127.0.0.1:53").expect("bound"));
    with_resolver(&host, "search x\n").is_healthy();
}

#[test]
fn without_proc_the_report_says_what_it_could_not_examine() {
    let Some(host) = Namespace::new("without_proc_the_report_says_what_it_could_not_examine")
    else {
        return;
    };
    let script = format!(
        "umount -l /proc && exec nsenter --net={} \"$@\"",
        host.file()
    );
    let unshare = ["unshare", "--mount", "sh", "-c", &script, "sh"];
    let diagnosis = Diagnosis::by(launched_by(&unshare), &["--seconds", "0.2"]);
    diagnosis.is_healthy();
    let document = diagnosis.document();
    let examined = document["examined"].to_string();
    assert!(
        !examined.contains("counters") && !examined.contains("limits"),
        "{examined}"
    );
    let not_examined = document["not_examined"].to_string();
    assert!(
        not_examined.contains("/proc is not mounted"),
        "{not_examined}"
    );
    let mut command = launched_by(&unshare);
    command
        .args(["diagnose", "--seconds", "0.2"])
        .stdin(Stdio::null());
    let said = stdout(&finish(command));
    assert!(!said.contains("host's counters"), "{said}");
}

#[test]
fn healthy_transfers_idle_connections_and_short_ones_give_no_finding() {
    let Some(path) = Path::new("healthy_transfers_idle_connections_and_short_ones_give_no_finding")
    else {
        return;
    };
    let _bulk = transfer(&path, 9000, 20_000_000);
    let _idle = connection(&path, 9001);
    let listener = listener(&path.server, 9002);
    let serving = Busy::with(move || {
        let Ok((mut stream, _)) = listener.accept() else {
            return false;
        };
        let mut byte = [0];
        let _ = stream.read(&mut byte);
        let _ = stream.write(&byte);
        byte != [0xff]
    });
    let file = path.client.file();
    let asking = Busy::with(move || {
        let inside = std::fs::File::open(&file).expect("a namespace");
        nix::sched::setns(inside, nix::sched::CloneFlags::CLONE_NEWNET).expect("entered");
        let Ok(mut stream) = TcpStream::connect("10.77.2.1:9002") else {
            return true;
        };
        let _ = stream.write(&[1]);
        let _ = stream.read(&mut [0]);
        // As fast as a machine can, the ports would be used up.
        std::thread::sleep(Duration::from_millis(5));
        true
    });
    Diagnosis::of(&path.client, &[]).is_healthy();
    Diagnosis::of(&path.server, &[]).is_healthy();
    drop(asking);
    // The last request ends the server.
    let mut last = path
        .client
        .inside(|| TcpStream::connect("10.77.2.1:9002").expect("connected"));
    last.write_all(&[0xff]).expect("sent");
    drop(serving);
}

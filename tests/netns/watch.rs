//! `sockdoc watch`: findings that begin and end while it looks.

use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use sockdoc::capfile::SliceReader;

use crate::diagnose::{Diagnosis, connecting, until_sent_again};
use crate::namespace::Namespace;
use crate::routed::Path;
use crate::support::{DEADLINE, documented, finish};

/// `sockdoc watch --json ARGS...` inside a namespace.
struct Watch {
    child: Child,
    events: Receiver<Value>,
}

impl Watch {
    fn start(namespace: &Namespace, args: &[&str]) -> Watch {
        let mut command = namespace.launched();
        command.args(["watch", "--json", "--ignore", "no_nameserver"]);
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
                let _ = sender.send(event);
            }
        });
        Watch { child, events }
    }

    /// The next event.
    #[track_caller]
    fn next(&self) -> Value {
        let event = self.events.recv_timeout(DEADLINE).expect("an event");
        assert_eq!(event["schema"], "sockdoc.watch/1");
        documented::check(event.to_string().as_bytes());
        event
    }

    /// The next event of this kind; what is before it is passed over.
    #[track_caller]
    fn until(&self, kind: &str) -> Value {
        loop {
            let event = self.next();
            if event["event"] == kind {
                return event;
            }
        }
    }

    /// Ends it as Ctrl-C does; gives the last event and the exit status.
    fn interrupted(mut self) -> (Value, Option<i32>) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        kill(pid, Signal::SIGINT).expect("sent");
        let end = self.until("end");
        (end, self.child.wait().expect("it ends").code())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_finding_begins_is_saved_and_ends() {
    let Some(path) = Path::new("a_finding_begins_is_saved_and_ends") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let name = folder.path().to_str().expect("text");
    let save = ["--on-finding", "own_firewall_drops", "--bundle", name];
    let more = ["--keep", "1h", "-i", "0.3"];
    let watch = Watch::start(&path.client, &[&save[..], &more].concat());
    assert_eq!(watch.next()["event"], "start");
    path.client.inside(|| {
        let socket = UdpSocket::bind("127.0.0.1:7080").expect("bound");
        socket.send_to(b"kept", "127.0.0.1:7080").expect("sent");
    });
    path.client.firewall_at("output", "tcp dport 5432 drop");
    let waits = connecting(&path.client, "10.77.2.1:5432");
    until_sent_again(&path.client);
    // In the first look the neighbour may not be known yet.
    let began = loop {
        let event = watch.until("began");
        if event["finding"]["id"] == "own_firewall_drops" {
            break event;
        }
    };
    let text = began["finding"]["text"].as_str().expect("text");
    assert!(text.contains("tcp dport 5432 drop"), "{text}");
    let saved = watch.until("saved");
    let file = saved["text"].as_str().expect("a file").to_owned();
    assert!(file.starts_with(name), "{file}");
    let later = Diagnosis::of(&path.client, &["--from", &file]);
    later.is("own_firewall_drops", "tcp dport 5432 drop");
    // And the packets of the time before it.
    let saved = watch.until("saved");
    let file = saved["text"].as_str().expect("a file").to_owned();
    assert!(file.ends_with(".pcapng"), "{file}");
    let bytes = std::fs::read(&file).expect("a file");
    let mut frames = SliceReader::new(&bytes).map(|frame| frame.expect("whole"));
    assert!(frames.any(|frame| frame.data.ends_with(b"kept")));
    drop(waits);
    let ended = loop {
        let event = watch.until("ended");
        if event["id"] == "own_firewall_drops" {
            break event;
        }
    };
    assert!(ended["seconds"].as_f64().is_some(), "{ended}");
    let (end, status) = watch.interrupted();
    assert_eq!(end["open"], 0, "{end}");
    assert!(end["begun"].as_u64() >= Some(1), "{end}");
    assert_eq!(status, Some(1));
}

#[test]
fn a_quiet_namespace_has_no_events_and_a_limit_keeps_files_away() {
    let Some(path) = Path::new("a_quiet_namespace_has_no_events_and_a_limit_keeps_files_away")
    else {
        return;
    };
    let mut quiet = Watch::start(&path.client, &["-i", "0.2", "--for", "1"]);
    assert_eq!(quiet.next()["event"], "start");
    let end = quiet.next();
    assert_eq!(end["event"], "end", "{end}");
    assert!(end["looks"].as_u64() >= Some(2), "{end}");
    assert_eq!(quiet.child.wait().expect("it ends").code(), Some(0));
    let folder = tempfile::tempdir().expect("a folder");
    let name = folder.path().to_str().expect("text");
    path.client.firewall_at("output", "tcp dport 5432 drop");
    let _waits = connecting(&path.client, "10.77.2.1:5432");
    until_sent_again(&path.client);
    let save = ["--on-finding", "own_firewall_drops"];
    let small = ["--bundle", name, "--bundle-max", "100", "-i", "0.3"];
    let watch = Watch::start(&path.client, &[&save[..], &small].concat());
    watch.until("not_saved");
    assert_eq!(folder.path().read_dir().expect("listed").count(), 0);
    assert_eq!(watch.interrupted().1, Some(1));
}

#[test]
fn a_folder_that_is_not_there_is_an_error_before_it_begins() {
    let Some(namespace) = Namespace::new("a folder that is not there") else {
        return;
    };
    for args in [
        &["--on-finding", "stopped", "--bundle", "/nowhere"][..],
        &["--bundle", "/tmp"],
        &["--on-finding", "nonsense", "--bundle", "/tmp"],
        &["--for", "0"],
    ] {
        let mut command = namespace.launched();
        command.arg("watch").args(args).stdin(Stdio::null());
        let output = finish(command);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
    }
}

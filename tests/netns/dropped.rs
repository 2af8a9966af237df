//! What every command may still do once its sockets are open: nothing, or what the table in
//! `sys::privilege` has. And whose rights count when it opens a file that it is given.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::namespace::{NOBODY, Namespace, binary_for_all};
use crate::support::{DEADLINE, finish, program, skip, stderr, stdout};

const DAC_OVERRIDE: u64 = 1 << 1;
const NET_ADMIN: u64 = 1 << 12;
const SYS_PTRACE: u64 = 1 << 19;
/// With `CAP_DAC_READ_SEARCH`, `CAP_PERFMON` and `CAP_BPF`.
const OWNERS: u64 = SYS_PTRACE | 1 << 2 | 1 << 38 | 1 << 39;
const SYS_ADMIN: u64 = 1 << 21;

/// All that the program knows, as setcap(8) wants it.
const EVERYTHING: &str = "cap_dac_override,cap_dac_read_search,cap_setpcap,cap_net_bind_service,\
                          cap_net_admin,cap_net_raw,cap_sys_ptrace,cap_sys_admin,cap_perfmon,cap_bpf+ep";

/// Who starts the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Root,
    /// A user without any right, of a file with every capability.
    Nobody,
}

/// A namespace, and the binary with capabilities.
struct Scene {
    namespace: Namespace,
    binary: String,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new(test: &str) -> Option<Scene> {
        if ["setpriv", "setcap", "unshare"]
            .into_iter()
            .any(|name| program(name).is_none())
        {
            skip(test, "there is no setpriv, setcap or unshare");
            return None;
        }
        let namespace = Namespace::new(test)?;
        let (folder, binary) = binary_for_all();
        let set = Command::new("setcap").args([EVERYTHING, &binary]).status();
        if !set.is_ok_and(|status| status.success()) {
            skip(test, "files have no capabilities here");
            return None;
        }
        Some(Scene {
            namespace,
            binary,
            folder,
        })
    }

    fn command(&self, who: Who, args: &[&str]) -> Command {
        let mut command = match who {
            Who::Root => self.namespace.command(&self.binary),
            Who::Nobody => {
                let mut command = self.namespace.command(NOBODY[0]);
                command.args(&NOBODY[1..]).arg(&self.binary);
                command
            }
        };
        command
            .args(args)
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Starts it and waits for this many lines of output.
    fn talking(&self, who: Who, args: &[&str], lines: usize) -> Running {
        let mut command = self.command(who, args);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        for _ in 0..lines {
            let mut line = String::new();
            out.read_line(&mut line).expect("readable");
            if line.is_empty() {
                let mut said = String::new();
                let _ = child
                    .stderr
                    .take()
                    .expect("piped")
                    .read_to_string(&mut said);
                panic!("{args:?} ended: {said}");
            }
        }
        Running {
            child,
            _out: out.into_inner().into(),
        }
    }

    fn silenced(&self, who: Who, args: &[&str]) -> Running {
        Running::silenced(self.command(who, args))
    }

    /// A file that only root may read.
    fn secret(&self, name: &str, content: &[u8]) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, content).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        path.to_str().expect("text").to_owned()
    }
}

fn full_pipe() -> (OwnedFd, OwnedFd) {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC).expect("a pipe");
    fcntl(&write, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("set");
    while nix::unistd::write(&write, &[b'.'; 4096]).is_ok() {}
    fcntl(&write, FcntlArg::F_SETFL(OFlag::empty())).expect("set");
    (read, write)
}

struct Running {
    child: Child,
    /// The other end of its standard output, which nobody closes.
    _out: OwnedFd,
}

impl Running {
    /// Starts it with a standard output that takes nothing, so that it stays where it prints.
    fn silenced(mut command: Command) -> Running {
        let (read, write) = full_pipe();
        let child = command.stdout(write).spawn().expect("it starts");
        Running { child, _out: read }
    }

    /// Waits until the first thread has just these capabilities left; then so have all, none of them
    /// in effect but some of these, and none can ever get more.
    fn keeps(&mut self, kept: u64, what: &str) {
        let pid = self.child.id();
        let start = Instant::now();
        let is_there =
            |status: &str| field(status, "NoNewPrivs") == 1 && field(status, "CapPrm") == kept;
        loop {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
            if is_there(&status) {
                break;
            }
            let is_over = self.child.try_wait().expect("waits").is_some();
            assert!(
                start.elapsed() < DEADLINE && !is_over,
                "{what} has other privileges than {kept:x}:\n{status}"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        for task in fs::read_dir(format!("/proc/{pid}/task")).expect("tasks") {
            let path = task.expect("a task").path().join("status");
            // It may have ended meanwhile: the reading fails, or what is read lacks the lines.
            let Ok(status) = fs::read_to_string(path) else {
                continue;
            };
            assert!(is_there(&status), "{what}: {status}");
            assert_eq!(field(&status, "CapEff") & !kept, 0, "{what}: {status}");
            assert_eq!(field(&status, "CapInh"), 0, "{what}: {status}");
            assert_eq!(field(&status, "CapAmb"), 0, "{what}: {status}");
            assert_eq!(field(&status, "CapBnd"), 0, "{what}: {status}");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|line| line.strip_prefix(":\t")).expect(name);
    u64::from_str_radix(value, 16).expect("a number")
}

/// Commands that run until they are ended: the arguments, and the lines that they print first.
const LONG: &[(&[&str], usize)] = &[
    (&["app-server", "127.0.0.1", "80", "--threads", "3"], 1),
    (&["app-server", "127.0.0.1", "81", "-v"], 1),
    (
        &["echo-server", "127.0.0.1", "82", "--threads", "3", "-v"],
        1,
    ),
    (&["echo-server", "127.0.0.1", "83", "--udp", "-v"], 1),
    (&["fill-buffers", "--server", "127.0.0.1", "84"], 2),
    (&["ping", "-m", "7", "127.0.0.1"], 2),
    (&["ping", "-i", "1", "127.0.0.1", "127.0.0.2"], 1),
    (&["ping", "--hops", "-c", "1000", "-i", "1", "127.0.0.1"], 0),
    (&["ping", "--mtu", "-W", "20", "198.18.0.1"], 0),
    (&["ping", "--tcp", "80", "-i", "1", "127.0.0.1"], 1),
    (&["capture", "-i", "lo", "--no-process", "--no-drops"], 0),
    (&["capture", "-i", "lo", "-w", "/dev/null"], 0),
];

/// Commands that end when they have printed.
const SHORT: &[&[&str]] = &[
    &[],
    &["explain"],
    &["completions", "bash"],
    &["sockets"],
    &["sockets", "--all-netns", "--json"],
    &["fill-buffers"],
    &["diagnose", "--seconds", "0.1"],
    &["top", "--once", "-i", "0.1"],
    &["resolve", "127.0.0.1", "80"],
    &["check", "127.0.0.1", "80"],
];

#[test]
fn no_command_is_left_out() {
    let long = LONG.iter().map(|(args, _)| args);
    let tried: Vec<&str> = long
        .chain(SHORT)
        .filter_map(|args| args.first().copied())
        .chain(["echo-client", "app-client", "decode", "watch", "drops"])
        .collect();
    for command in sockdoc::cli::command().get_subcommands() {
        assert!(
            tried.contains(&command.get_name()),
            "{}",
            command.get_name()
        );
    }
}

#[test]
fn a_command_whose_sockets_are_open_keeps_nothing() {
    let Some(scene) = Scene::new("dropped privileges") else {
        return;
    };
    // Packets to it are lost, so that a search for the MTU stays where it is.
    scene
        .namespace
        .run("ip", &["route", "add", "198.18.0.1", "dev", "lo"]);
    for who in [Who::Root, Who::Nobody] {
        for (args, lines) in LONG {
            let what = format!("{who:?}: {args:?}");
            scene.talking(who, args, *lines).keeps(0, &what);
        }
        for args in SHORT {
            let what = format!("{who:?}: {args:?}");
            scene.silenced(who, args).keeps(0, &what);
        }
    }
}

#[test]
fn a_client_keeps_nothing_but_what_reaches_a_unix_socket_of_another_user() {
    let Some(scene) = Scene::new("clients and privileges") else {
        return;
    };
    let capture = scene.folder.path().join("one.pcap");
    fs::copy("tests/data/captures/tutorial.pcap", &capture).expect("copied");
    fs::set_permissions(&capture, fs::Permissions::from_mode(0o644)).expect("set");
    let socket = scene.folder.path().join("s");
    let socket = socket.to_str().expect("text");
    let _tcp = scene.talking(
        Who::Root,
        &["fill-buffers", "--server", "127.0.0.1", "80"],
        2,
    );
    let _unix = scene.talking(Who::Root, &["echo-server", "--unix", socket], 1);
    fs::set_permissions(socket, fs::Permissions::from_mode(0o666)).expect("set");
    let capture = capture.to_str().expect("text");
    for who in [Who::Root, Who::Nobody] {
        let unix = if who == Who::Root { DAC_OVERRIDE } else { 0 };
        for (args, kept) in [
            (&["echo-client", "127.0.0.1", "80"][..], 0),
            (&["echo-client", "127.0.0.1", "80", "--conns", "3"], 0),
            (&["app-client", "127.0.0.1", "80", "search", "ring"], 0),
            (&["decode", capture], 0),
            (&["fill-buffers", "127.0.0.1", "80"], OWNERS),
            (&["echo-client", "--unix", socket], unix),
        ] {
            let what = format!("{who:?}: {args:?}");
            scene.silenced(who, args).keeps(kept, &what);
        }
        let args = ["fill-buffers", "127.0.0.1", "80", "--hold", "1000"];
        scene
            .talking(who, &args, 1)
            .keeps(0, "who listens is known");
    }
}

/// Starts a program where ip-netns(8) keeps a pipe and not a namespace, which nobody else sees: who
/// opens it waits, in the middle of a listing.
const TRAP: &str = "mount -t tmpfs none /run/netns && mkfifo /run/netns/trap && exec \"$@\"";

#[test]
fn a_listing_keeps_what_the_table_has_until_it_is_done() {
    let Some(scene) = Scene::new("a listing and privileges") else {
        return;
    };
    let elsewhere = SYS_PTRACE | SYS_ADMIN;
    for (args, kept) in [
        (&["--cols", "local"][..], elsewhere),
        (&["--cols", "local,process"], elsewhere | OWNERS),
        (&["--json"], elsewhere | OWNERS | NET_ADMIN),
    ] {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", TRAP, "sh", &scene.binary]);
        command.args(["sockets", "--netns", "trap"]).args(args);
        Running::silenced(command).keeps(kept, &format!("{args:?}"));
    }
    // It looks again until it ends.
    let mut watch = scene.silenced(Who::Root, &["watch"]);
    watch.keeps(OWNERS | NET_ADMIN, "watch");
}

#[test]
fn a_live_view_keeps_what_names_owners_until_it_ends() {
    let Some(scene) = Scene::new("a live view and privileges") else {
        return;
    };
    for who in [Who::Root, Who::Nobody] {
        let mut view = scene.talking(who, &["top", "--json", "-i", "0.2"], 5);
        view.keeps(OWNERS | NET_ADMIN, &format!("{who:?}"));
        let mut lines = scene.talking(who, &["capture", "-i", "lo"], 0);
        lines.keeps(OWNERS, &format!("{who:?}: lines with processes"));
    }
}

#[test]
fn files_are_opened_with_the_rights_of_the_caller() {
    let Some(scene) = Scene::new("files and privileges") else {
        return;
    };
    let capture = scene.secret(
        "secret.pcap",
        &fs::read("tests/data/captures/tutorial.pcap").unwrap(),
    );
    let entries = scene.secret("secret.json", br#"{"a": "b"}"#);
    let reply = format!("@{entries}");
    let output = scene.folder.path().join("new.pcap");
    let output = output.to_str().unwrap();
    let socket = scene.folder.path().join("new.sock");
    let socket = socket.to_str().unwrap();
    for args in [
        &["decode", &capture][..],
        &["app-server", "127.0.0.1", "0", "--data", &entries],
        &["echo-server", "127.0.0.1", "0", "--reply", &reply],
        &["echo-server", "--unix", socket],
        &["echo-client", "--file", &entries],
        &["decode", "tests/data/captures/tutorial.pcap", "-w", output],
        &["capture", "-i", "lo", "-w", output],
    ] {
        let mut command = scene.command(Who::Nobody, args);
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        let run = finish(command);
        assert_eq!(run.status.code(), Some(2), "{args:?}: {}", stdout(&run));
        assert!(
            stderr(&run).contains("EACCES"),
            "{args:?}: {}",
            stderr(&run)
        );
    }
    let run = finish(scene.command(Who::Root, &["decode", &capture]));
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
}

#[test]
fn a_setuid_program_is_its_caller_and_may_still_open_its_sockets() {
    let Some(scene) = Scene::new("a setuid program") else {
        return;
    };
    let secret = scene.secret(
        "secret.pcap",
        &fs::read("tests/data/captures/tutorial.pcap").unwrap(),
    );
    let removed = Command::new("setcap").args(["-r", &scene.binary]).status();
    assert!(removed.expect("setcap runs").success());
    fs::set_permissions(&scene.binary, fs::Permissions::from_mode(0o4755)).expect("set");
    scene.namespace.sysctl(&["net.ipv4.ping_group_range=1 0"]);
    let run = finish(scene.command(Who::Nobody, &["decode", &secret]));
    assert_eq!(run.status.code(), Some(2), "{}", stdout(&run));
    assert!(stderr(&run).contains("EACCES"), "{}", stderr(&run));
    let mut ping = scene.talking(Who::Nobody, &["ping", "127.0.0.1"], 2);
    ping.keeps(0, "a setuid ping");
    let status = fs::read_to_string(format!("/proc/{}/status", ping.child.id())).unwrap();
    assert!(
        status.contains("Uid:\t65534\t65534\t65534\t65534"),
        "{status}"
    );
}

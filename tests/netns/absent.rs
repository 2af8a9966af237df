//! Kernels that lack something: each optional feature refused, and what is seen without it.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::namespace::Namespace;
use crate::support::sockets::inode;
use crate::support::{BINARY, finish, launched_by, program, skip, stderr, stdout};

/// Starts what follows with system calls that fail as these rules say.
const LAUNCHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/netns/without.py");

/// A namespace with a listener of this process.
struct Scene {
    namespace: Namespace,
    listener: TcpListener,
}

impl Scene {
    fn new(test: &str) -> Option<Scene> {
        if program("python3").is_none() {
            skip(test, "python3 is not installed");
            return None;
        }
        let namespace = Namespace::new(test)?;
        let listener = namespace.inside(|| TcpListener::bind("127.0.0.1:0").expect("binds"));
        Some(Scene {
            namespace,
            listener,
        })
    }

    /// What `sockdoc ARGS...` prints where the rules make calls fail, on both outputs, and its exit status.
    fn without(&self, rules: &[&str], args: &[&str]) -> (String, String, Option<i32>) {
        let net = format!("--net={}", self.namespace.file());
        let launcher = [&["nsenter", &net, "python3", LAUNCHER], rules, &["--"]].concat();
        let mut command = launched_by(&launcher);
        command.args(args).stdin(Stdio::null());
        said(command)
    }

    /// The document of a run that succeeds or finds something.
    fn document(&self, rules: &[&str], args: &[&str]) -> Value {
        let (text, errors, status) = self.without(rules, args);
        assert!(
            matches!(status, Some(0 | 1)),
            "{rules:?} {args:?}: {errors}"
        );
        let value = serde_json::from_str(&text);
        value.unwrap_or_else(|error| panic!("{rules:?} {args:?}: {error}: {text}{errors}"))
    }

    /// Whether the listener is listed with this process as its owner.
    fn is_listed(&self, document: &Value) -> bool {
        let mut sockets = document["sockets"].as_array().expect("sockets").iter();
        let number = inode(&self.listener);
        let found = sockets.find(|it| it["inode"] == number);
        let pid = std::process::id();
        found.is_some_and(|it| {
            it["owners"]
                .as_array()
                .is_some_and(|all| all.iter().any(|it| it["pid"] == pid))
        })
    }
}

fn said(command: Command) -> (String, String, Option<i32>) {
    let output = finish(command);
    (stdout(&output), stderr(&output), output.status.code())
}

/// The text of the note with this name.
fn note<'a>(notes: &'a Value, id: &str) -> &'a str {
    let mut all = notes.as_array().expect("a list").iter();
    let found = all.find(|note| note["id"] == id);
    let found = found.unwrap_or_else(|| panic!("no note {id}: {notes}"));
    found["text"].as_str().expect("text")
}

const NO_SOCK_DIAG: &str = "socket 0=16 2=4 EPROTONOSUPPORT";
const NO_NETFILTER: &str = "socket 0=16 2=12 EPROTONOSUPPORT";
const NO_GROUPS: &str = "setsockopt 1=270 2=1 EINVAL";
const NO_RINGS: &str = "setsockopt 1=263 2=10 EINVAL";
const NO_BPF: &str = "bpf ENOSYS";
/// `SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC` and `SOCK_DGRAM` with the same, `IPPROTO_ICMP`.
const NO_RAW_ICMP: &str = "socket 0=2 1=0x80803 2=1 EPERM";
const NO_PING_SOCKETS: &str = "socket 0=2 1=0x80802 2=1 EPROTONOSUPPORT";
/// `SO_TIMESTAMPING`, with 32 and with 64 bits of time.
const NO_STAMPS: [&str; 2] = [
    "setsockopt 1=1 2=37 ENOPROTOOPT",
    "setsockopt 1=1 2=65 ENOPROTOOPT",
];

#[test]
fn sockets_are_listed_without_sock_diag_bpf_and_calls_that_look_into_processes() {
    let Some(scene) = Scene::new("sockets without features") else {
        return;
    };
    let listing = ["sockets", "--json", "-t", "-l"];
    for rules in [
        &[][..],
        &[NO_SOCK_DIAG],
        &[NO_BPF],
        &["kcmp ENOSYS", "pidfd_getfd ENOSYS"],
    ] {
        let document = scene.document(rules, &listing);
        assert!(scene.is_listed(&document), "{rules:?}: {document}");
        let refused = rules == [NO_SOCK_DIAG];
        assert_eq!(
            document["complete"] == false && refused,
            refused,
            "{document}"
        );
        if refused {
            let text = note(&document["notes"], "no_sock_diag");
            assert!(
                text.contains("(EPROTONOSUPPORT)); using /proc/net"),
                "{text}"
            );
            assert!(!text.contains("os error"), "{text}");
        }
    }
}

#[test]
fn connections_that_close_unannounced_are_said_not_to_be_counted() {
    let Some(scene) = Scene::new("no announcements") else {
        return;
    };
    let measured = ["sockets", "--json", "-t", "-l", "--seconds", "0.1"];
    let document = scene.document(&[NO_GROUPS], &measured);
    let text = note(&document["notes"], "closings_missed");
    assert!(
        text.ends_with("the kernel does not announce them here"),
        "{text}"
    );
    let (lines, errors, _) =
        scene.without(&[NO_GROUPS], &["top", "--json", "-c", "1", "-i", "0.1"]);
    let first = lines.lines().next().unwrap_or_else(|| panic!("{errors}"));
    let first: Value = serde_json::from_str(first).expect("JSON");
    assert_eq!(first["closed_incomplete"], true, "{first}");
}

#[test]
fn a_diagnosis_names_what_the_kernel_does_not_show() {
    let Some(scene) = Scene::new("a diagnosis without features") else {
        return;
    };
    let diagnose = ["diagnose", "--json", "--seconds", "0.1"];
    let examined = |document: &Value, what: &str| {
        let all = document["examined"].as_array().expect("a list");
        all.iter().any(|it| it == what)
    };
    let document = scene.document(&[NO_NETFILTER], &diagnose);
    assert!(!examined(&document, "firewall rules"), "{document}");
    let text = note(&document["not_examined"], "firewall_hidden");
    assert!(text.ends_with("it may lack nf_tables"), "{text}");

    let document = scene.document(&[NO_BPF], &diagnose);
    assert!(!examined(&document, "kernel drop reasons"), "{document}");
    let text = note(&document["not_examined"], "drop_reasons_hidden");
    assert!(
        text.ends_with("Function not implemented (ENOSYS)"),
        "{text}"
    );
    assert!(
        examined(&document, "sockets") && examined(&document, "counters"),
        "{document}"
    );

    // Without the types of the kernel: a folder without them over the real one.
    if program("unshare").is_none() {
        return skip("a kernel without BTF", "unshare is not installed");
    }
    let net = format!("--net={}", scene.namespace.file());
    let hide = "mount -t tmpfs none /sys/kernel && exec \"$@\"";
    let mut command = Command::new("nsenter");
    command.args([&net, "unshare", "-m", "sh", "-c", hide, "sh", BINARY]);
    command.args(diagnose).stdin(Stdio::null());
    let (text, errors, _) = said(command);
    let document: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {errors}"));
    let text = note(&document["not_examined"], "drop_reasons_hidden");
    assert!(text.contains("the kernel has no BTF"), "{text}");
}

#[test]
fn ping_falls_back_from_raw_to_datagram_sockets_and_from_the_clock_of_the_kernel_to_its_own() {
    let Some(scene) = Scene::new("ping without features") else {
        return;
    };
    scene
        .namespace
        .sysctl(&["net.ipv4.ping_group_range=0 2147483647"]);
    let ping = ["ping", "--json", "-c", "1", "127.0.0.1"];
    let summary = |rules: &[&str]| {
        let (lines, errors, status) = scene.without(rules, &ping);
        assert_eq!(status, Some(0), "{rules:?}: {lines}{errors}");
        let last = lines.lines().last().expect("a line").to_owned();
        serde_json::from_str::<Value>(&last).expect("JSON")
    };
    assert_eq!(summary(&[NO_RAW_ICMP])["received"], 1);
    let own = summary(&NO_STAMPS);
    assert_eq!(
        (&own["timing"]["kernel"], &own["timing"]["user"]),
        (&0.into(), &1.into()),
        "{own}"
    );

    let (_, errors, status) = scene.without(
        &[NO_RAW_ICMP, NO_PING_SOCKETS],
        &ping[..1]
            .iter()
            .chain(&ping[2..])
            .copied()
            .collect::<Vec<_>>(),
    );
    assert_eq!(status, Some(2), "{errors}");
    assert!(
        errors.contains("CAP_NET_RAW") && errors.contains("the kernel has no such sockets"),
        "{errors}"
    );
}

#[test]
fn a_capture_without_packet_rings_says_so() {
    let Some(scene) = Scene::new("capture without rings") else {
        return;
    };
    let (_, errors, status) =
        scene.without(&[NO_RINGS], &["capture", "-c", "1", "-a", "duration:1s"]);
    assert_eq!(status, Some(2), "{errors}");
    assert!(
        errors.contains("no packet rings of version 3 (TPACKET_V3)"),
        "{errors}"
    );
    assert!(
        errors.contains("next: capture with another program"),
        "{errors}"
    );
}

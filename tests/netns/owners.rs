//! The source of socket owners on a host with many open files: BPF if permitted, otherwise /proc, with
//! the same owners.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::namespace::Namespace;
use crate::support::sockets::Holder;
use crate::support::{BINARY, finish, program, skip, stderr, stdout};

/// 8,000 sockets, half of them shared with a child.
const SHARED: &str = r#"
import os, resource, socket, sys
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
pairs = [socket.socketpair() for _ in range(2000)]
child = os.fork()
pairs += [socket.socketpair() for _ in range(2000 if child else 0)]
if child:
    print("ready", flush=True)
sys.stdin.read()
"#;

/// The source that -v names, and the sockets.
fn listed(namespace: &Namespace, launcher: &[&str]) -> (String, Value) {
    let mut command: Command = namespace.command(launcher[0]);
    command
        .args(&launcher[1..])
        .args([BINARY, "sockets", "-x", "-v", "--json"])
        .stdin(Stdio::null());
    let output = finish(command);
    let said = stderr(&output);
    let source = said.lines().find(|line| line.contains("socket owners"));
    let document: Value = serde_json::from_str(&stdout(&output)).expect("a document");
    let source = source.unwrap_or_else(|| panic!("no source in {said:?}"));
    (source.to_owned(), document["sockets"].clone())
}

#[test]
fn a_busy_host_has_the_same_owners_from_bpf_and_from_proc() {
    let test = "owners from BPF";
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    let tools = ["python3", "setpriv", "unshare"];
    if tools.iter().any(|tool| program(tool).is_none())
        || !Path::new("/sys/kernel/btf/vmlinux").exists()
    {
        return skip(test, "python3, setpriv, unshare or BTF is missing");
    }
    let mut command = namespace.command("python3");
    command.args(["-c", SHARED]);
    let holder = Holder::spawn(command);
    assert_eq!(holder.line(), "ready");

    let (source, from_bpf) = listed(&namespace, &["env"]);
    if source.contains("initial PID namespace") || source.contains("CAP_BPF") {
        return skip(test, &source);
    }
    assert!(source.ends_with("with a BPF iterator"), "{source}");
    let rows = from_bpf.as_array().expect("a list");
    assert_eq!(rows.len(), 8000);
    let owners = |row: &Value| row["owners"].as_array().map_or(0, Vec::len);
    assert_eq!(rows.iter().map(owners).sum::<usize>(), 12_000);

    let no_btf = "mount -t tmpfs none /sys/kernel/btf && exec \"$@\"";
    let ways: [(&[&str], &str); 3] = [
        (
            &["setpriv", "--bounding-set=-bpf,-sys_admin"],
            "BPF needs CAP_BPF and CAP_PERFMON",
        ),
        (
            &["unshare", "--mount", "sh", "-c", no_btf, "sh"],
            "the kernel has no BTF: No such file or directory (ENOENT)",
        ),
        (
            &["unshare", "--pid", "--fork", "env"],
            "BPF is used only in the initial PID namespace",
        ),
    ];
    for (launcher, why) in ways {
        let (source, from_proc) = listed(&namespace, launcher);
        assert!(source.ends_with(why), "{source}");
        assert!(source.contains("from /proc"), "{source}");
        assert_eq!(from_bpf, from_proc, "{why}");
    }
}

#[test]
fn the_socket_of_a_tunnel_is_the_kernels_and_no_right_is_missing_for_it() {
    let test = "the owner of a VXLAN port";
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    let add = [
        "link",
        "add",
        "vx",
        "type",
        "vxlan",
        "id",
        "5",
        "dstport",
        "8472",
        "local",
        "127.0.0.1",
    ];
    let mut command = namespace.command("ip");
    if !finish_quietly(command.args(add)) {
        return skip(test, "this kernel has no VXLAN");
    }
    namespace.run("ip", &["link", "set", "vx", "up"]);
    let listing = namespace.listing(&["-u", ":8472"]);
    assert_eq!(listing.only()["owner_reason"], "kernel");
    let notes = listing.notes();
    assert!(!notes.contains(&"owners_not_seen"), "{notes:?}");
}

/// Whether a command succeeds.
fn finish_quietly(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

//! Unix domain sockets that cannot be reached: what is said has nothing to do with hosts and ports.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::support::{self, DEADLINE, is_root, run, skip, stderr, until};

/// A listener whose accept queue is full, and what fills it.
pub(crate) fn full_listener(path: &Path) -> (Socket, Vec<Socket>) {
    let address = SockAddr::unix(path).expect("a path");
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
    listener.bind(&address).expect("binds");
    listener.listen(0).expect("listens");
    let mut waiting = Vec::new();
    until("the queue to be full", || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None).expect("one");
        let full = socket.connect(&address).is_err();
        waiting.push(socket);
        full.then_some(())
    });
    (listener, waiting)
}

fn assert_told(said: &str, what: &str, next: &str) {
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.contains(what), "{what} is not in: {said}");
    assert!(said.contains(next), "{next} is not in: {said}");
    for wrong in [
        "firewall",
        "the host is up",
        "ip_unprivileged_port",
        "sockets -t",
    ] {
        assert!(!said.contains(wrong), "{wrong} in {said}");
    }
}

#[test]
fn a_path_that_is_no_socket_is_called_what_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "data").expect("written");
    for (path, what) in [
        (&*file, "it is a regular file, not a socket"),
        (folder.path(), "it is a directory, not a socket"),
    ] {
        let path = path.to_str().expect("text");
        for more in [&[][..], &["--conns", "2"]] {
            let output = run(&[&["echo-client", "--unix", path], more].concat());
            assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
            assert_told(&stderr(&output), what, "sockdoc sockets -xl");
        }
    }
}

#[test]
fn a_stale_a_missing_and_a_datagram_socket_are_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let stale = folder.path().join("stale");
    drop(UnixListener::bind(&stale).expect("binds"));
    let datagrams = folder.path().join("datagrams");
    let _held = UnixDatagram::bind(&datagrams).expect("binds");
    for (path, status, what, next) in [
        (
            &*stale,
            1,
            "an earlier server left the socket file",
            "sockdoc sockets -xl",
        ),
        (
            &folder.path().join("missing"),
            2,
            "no socket file exists at that path",
            "sockdoc sockets -xl",
        ),
        (&*datagrams, 2, "it is a datagram socket", "u_dgr"),
    ] {
        let path = path.to_str().expect("text");
        for more in [&[][..], &["--conns", "2"]] {
            let output = run(&[&["echo-client", "--unix", path], more].concat());
            assert_eq!(output.status.code(), Some(status), "{}", stderr(&output));
            assert_told(&stderr(&output), what, next);
        }
    }
}

#[test]
fn a_full_accept_queue_is_waited_for_as_long_as_the_timeout_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("full");
    let _full = full_listener(&path);
    let path = path.to_str().expect("text");
    for more in [&[][..], &["--conns", "2"]] {
        let start = Instant::now();
        let args = ["echo-client", "--unix", path, "--timeout", "200ms"];
        let output = run(&[&args, more].concat());
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert_told(
            &stderr(&output),
            "its accept queue is full",
            "sockdoc sockets -xl",
        );
        let elapsed = start.elapsed();
        assert!(elapsed >= Duration::from_millis(200), "{elapsed:?}");
        assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    }
}

#[test]
fn in_a_load_run_a_full_accept_queue_is_the_kind_of_the_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    // Room for one; it is never accepted.
    let address = SockAddr::unix(&path).expect("a path");
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
    listener.bind(&address).expect("binds");
    listener.listen(0).expect("listens");
    let path = path.to_str().expect("text");
    let args = [
        "echo-client",
        "--unix",
        path,
        "--conns",
        "5",
        "--count",
        "5",
    ];
    let output = run(&[&args[..], &["--timeout", "200ms", "--json"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let errors = report["errors"].to_string();
    assert!(errors.contains("its accept queue is full"), "{report}");
}

#[test]
fn a_socket_or_a_file_that_one_may_not_use_is_told_with_the_permissions_to_look_at() {
    if !is_root() || support::program("setpriv").is_none() {
        return skip(
            "a forbidden socket",
            "it takes root and setpriv to become an ordinary user",
        );
    }
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("sockdoc");
    std::fs::copy(support::BINARY, &copy).expect("copied");
    let socket = folder.path().join("socket");
    let _listener = UnixListener::bind(&socket).expect("binds");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "data").expect("written");
    for (path, mode) in [
        (folder.path(), 0o755),
        (&copy, 0o755),
        (&socket, 0o700),
        (&secret, 0o600),
    ] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("set");
    }
    let (socket, secret) = (
        socket.to_str().expect("text"),
        secret.to_str().expect("text"),
    );
    for (args, what, next) in [
        (
            ["echo-client", "--unix", socket],
            "lacks write permission on the socket file",
            format!("namei -l {socket}"),
        ),
        (
            ["echo-client", "--file", secret],
            "lacks permission on the file",
            format!("namei -l {secret}"),
        ),
    ] {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg("--no-new-privs")
            .arg(&copy)
            .args(args)
            .stdin(Stdio::null());
        let output = support::finish(command);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert_told(&stderr(&output), what, &next);
    }
}

#[test]
fn a_file_that_is_not_there_is_told_with_the_folder_to_look_into() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().to_str().expect("text");
    let missing = format!("{folder}/missing");
    for (path, what) in [
        (&*missing, "no file or directory of that name exists"),
        (folder, "Is a directory (EISDIR)"),
    ] {
        let start = Instant::now();
        let output = run(&["echo-client", "--file", path]);
        assert_eq!(output.status.code(), Some(2));
        assert_told(&stderr(&output), what, path);
        assert!(start.elapsed() < DEADLINE);
    }
}

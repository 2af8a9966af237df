//! `--netns` and `--all-netns`.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::namespace::{Namespace, binary_for_all};
use crate::support::sockets::{Holder, Listing, inode, is_owned_by, pids};
use crate::support::{self, Running, finish, program, skip, stderr};

fn listen(namespace: &Namespace) -> TcpListener {
    namespace.inside(|| TcpListener::bind("127.0.0.1:0").expect("binds"))
}

/// What an ordinary user who asks for this namespace is told, and nothing else.
fn refusal(netns: &str) -> String {
    let (_folder, binary) = binary_for_all();
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            &binary,
        ])
        .args(["sockets", "--netns", netns])
        .stdin(Stdio::null());
    let output = finish(command);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    stderr(&output)
}

#[test]
fn a_namespace_is_looked_into_by_name_and_its_owners_are_shown() {
    let Some(namespace) = Namespace::new("--netns NAME") else {
        return;
    };
    let socket = listen(&namespace);
    let listing = Listing::take(&["--netns", &namespace.name]);
    let row = listing.only();
    assert_eq!(row["inode"], inode(&socket));
    assert_eq!(row["netns"], namespace.inode());
    // The owner is in another namespace than its socket.
    assert!(is_owned_by(row, std::process::id(), &socket), "{row:#}");
    assert_eq!(
        listing.document["namespaces"][0]["label"],
        namespace.name.as_str()
    );
    let output = support::run(&[
        "sockets",
        "--netns",
        &namespace.name,
        "--cols",
        "netns,local",
    ]);
    let text = support::stdout(&output);
    assert!(
        text.contains(&format!("\n{}  127.0.0.1:", namespace.name)),
        "{text}"
    );
    let port = support::sockets::port(&socket);
    let outside = Listing::take(&[&port]);
    assert!(
        outside
            .rows()
            .iter()
            .all(|row| row["inode"] != inode(&socket))
    );
}

#[test]
fn a_namespace_is_looked_into_by_a_process_and_by_all() {
    let Some(namespace) = Namespace::new("--netns PID") else {
        return;
    };
    let socket = listen(&namespace);
    let mut sleep = namespace.command("sleep");
    sleep.arg("1000");
    let holder = Holder::spawn(sleep);
    let pid = holder.pid().to_string();
    let link = format!("/proc/{pid}/ns/net");
    support::until("the process to be inside", || {
        let link = std::fs::read_link(&link).ok()?;
        (link.to_str()? == format!("net:[{}]", namespace.inode())).then_some(())
    });
    let listing = Listing::take(&["--netns", &pid]);
    assert_eq!(listing.only()["inode"], inode(&socket));

    let own = TcpListener::bind("127.0.0.1:0").expect("binds");
    let everywhere = |socket| {
        let port = support::sockets::port(socket);
        Listing::take(&["--all-netns", "-l", &port])
    };
    let row = everywhere(&socket).with_inode(inode(&socket)).clone();
    assert_eq!(row["netns"], namespace.inode());
    let row = everywhere(&own).with_inode(inode(&own)).clone();
    assert_ne!(row["netns"], namespace.inode());
    assert!(pids(&row).contains(&u64::from(std::process::id())));
    let port = support::sockets::port(&socket);
    let groups = Listing::take(&["--all-netns", "-l", "--group", "netns", &port]).document;
    let groups = groups["groups"].as_array().expect("a list");
    let ours = |group: &&Value| group["key"]["netns"] == namespace.inode();
    assert_eq!(groups.iter().find(ours).expect("a group")["sockets"], 1);
}

#[test]
fn an_ordinary_user_is_told_which_capability_a_named_namespace_takes() {
    let test = "another namespace as an ordinary user";
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    if program("setpriv").is_none() {
        return skip(test, "setpriv is not installed");
    }
    let said = refusal(&namespace.name);
    assert!(
        said.contains(&namespace.name) && said.contains("CAP_SYS_ADMIN"),
        "{said}"
    );
}

#[test]
fn an_ordinary_user_is_told_which_capability_the_namespace_of_a_process_takes() {
    let test = "the namespace of a process as an ordinary user";
    let Some(_namespace) = Namespace::new(test) else {
        return;
    };
    if program("setpriv").is_none() {
        return skip(test, "setpriv is not installed");
    }
    let said = refusal(&std::process::id().to_string());
    assert!(said.contains("CAP_SYS_"), "{said}");
}

#[test]
fn namespaces_that_end_during_the_look_do_no_harm() {
    let Some(namespace) = Namespace::new("--all-netns") else {
        return;
    };
    let socket = listen(&namespace);
    let done = &AtomicBool::new(false);
    let outputs: Vec<_> = std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let ended = Command::new("unshare").args(["-n", "true"]).status();
                    assert!(ended.expect("unshare runs").success());
                }
            });
        }
        let port = support::sockets::port(&socket);
        let look = |_| support::run(&["sockets", "--all-netns", "-lt", "--json", &port]);
        let outputs = (0..60).map(look).collect();
        done.store(true, Ordering::Relaxed);
        outputs
    });
    for output in outputs {
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let document: Value = serde_json::from_slice(&output.stdout).expect("a document");
        let rows = document["sockets"].as_array().expect("a list");
        assert!(
            rows.iter().any(|row| row["inode"] == inode(&socket)),
            "{document:#}"
        );
    }
}

#[test]
fn an_interface_in_a_filter_is_one_of_the_namespace_that_is_looked_into() {
    let Some(namespace) = Namespace::new("--netns and a scope") else {
        return;
    };
    let add = [
        "link", "add", "there0", "type", "veth", "peer", "name", "there1",
    ];
    namespace.run("ip", &add);
    for name in ["there0", "there1"] {
        namespace.run("ip", &["link", "set", name, "up"]);
    }
    namespace.run(
        "ip",
        &["-6", "addr", "add", "fe80::9/64", "dev", "there0", "nodad"],
    );
    let text = namespace.run("ip", &["-o", "link", "show", "dev", "there0"]);
    let index: u32 = text
        .split(':')
        .next()
        .expect("a number")
        .parse()
        .expect("a number");
    let socket = namespace.inside(|| {
        let address = "fe80::9".parse().expect("an address");
        TcpListener::bind(std::net::SocketAddrV6::new(address, 0, 0, index)).expect("binds")
    });
    let args = [
        "sockets",
        "--json",
        "--netns",
        &namespace.name,
        "fe80::9%there0",
    ];
    let output = support::run(&args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let document: Value = serde_json::from_slice(&output.stdout).expect("a document");
    assert_eq!(document["sockets"][0]["inode"], inode(&socket));
}

/// A namespace that only a mount keeps, as container engines have them.
#[test]
fn a_namespace_without_a_process_or_a_name_is_found_by_its_mount_path_and_inode() {
    let test = "a mounted namespace";
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    // In a mount namespace of its own the name is gone, and the mount is elsewhere.
    let script = "
        mount -t tmpfs none /mnt && touch /mnt/kept
        mount --bind \"$1\" /mnt/kept
        mount -t tmpfs none /run/netns
        inode=$(stat -Lc %i /mnt/kept)
        nsenter --net=/mnt/kept ip link add sockdocvx type vxlan id 5 dstport 4789 || exit 77
        nsenter --net=/mnt/kept ip link set sockdocvx up || exit 77
        for place in --all-netns \"--netns /mnt/kept\" \"--netns $inode\" \"--netns net:[$inode]\"; do
            \"$2\" sockets -u $place --cols netns,local :4789 || exit 1
        done";
    let (_folder, binary) = binary_for_all();
    let path = namespace.file();
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh", &path, &binary]);
    let output = finish(command);
    if output.status.code() == Some(77) {
        return skip(test, "this kernel has no VXLAN");
    }
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = support::stdout(&output);
    assert_eq!(shown.matches("0.0.0.0:4789").count(), 4, "{shown}");
    assert_eq!(shown.matches("/mnt/kept").count(), 4, "{shown}");
}

#[test]
fn sockets_that_a_process_has_in_another_namespace_are_counted_with_the_command_that_lists_them() {
    let Some(namespace) = Namespace::new("--pid in another namespace") else {
        return;
    };
    let socket = listen(&namespace);
    let (pid, net) = (
        std::process::id().to_string(),
        format!("--net={}", namespace.file()),
    );
    let notes = Listing::take(&["--pid", &pid]).note_texts();
    let command = format!(
        " in another network namespace not shown: sockdoc sockets --netns {} --pid {pid}",
        namespace.name
    );
    assert!(notes.contains(&command), "{notes}");
    let listing = Listing::take(&["--netns", &namespace.name, "--pid", &pid]);
    let row = listing.with_inode(inode(&socket));
    assert_eq!(row["state"], "listen");
    // A namespace that only a descriptor keeps.
    let script = "import ctypes, os, socket, sys\n\
        libc = ctypes.CDLL(None)\n\
        own = os.open('/proc/self/ns/net', os.O_RDONLY)\n\
        assert libc.unshare(0x40000000) == 0\n\
        kept = socket.socket(); kept.bind(('0.0.0.0', 7802)); kept.listen()\n\
        assert libc.setns(own, 0) == 0\n\
        print('ready', flush=True)\n\
        sys.stdin.read()\n";
    let mut command = Command::new("nsenter");
    command.args([&net, "python3", "-c", script]);
    let holder = Holder::spawn(command);
    assert_eq!(holder.line(), "ready");
    let notes = Listing::take(&[
        "--netns",
        &namespace.name,
        "--pid",
        &holder.pid().to_string(),
    ]);
    let notes = notes.note_texts();
    assert!(
        notes.contains("1 socket in the network namespace net:["),
        "{notes}"
    );
}

#[test]
fn the_next_step_names_the_namespace_and_works_as_it_is_typed() {
    let Some(namespace) = Namespace::new("next steps in a namespace") else {
        return;
    };
    let socket = namespace.inside(|| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let address: SocketAddr = "127.0.0.1:7013".parse().expect("an address");
        socket.bind(&address.into()).expect("bound");
        socket
    });
    let name = &namespace.name;
    let command = format!("sockdoc sockets --netns {name} :7013");
    for place in [&["--netns", name][..], &["--all-netns"]] {
        let output = support::run(&[&["sockets", "--problems", ":7013"], place].concat());
        let text = support::stdout(&output);
        assert!(
            text.contains(&format!("  next       {command}\n")),
            "{text}"
        );
        // A process is the same one from everywhere.
        assert!(text.contains("\n             strace -f -p "), "{text}");
    }
    let words: Vec<&str> = command.split(' ').skip(2).collect();
    let listing = Listing::take(&words);
    assert_eq!(listing.only()["inode"], inode(&socket));
    let output = support::run(&["sockets", "--problems", "--netns", name, ":7014"]);
    let next = format!("sockdoc sockets --netns {name} -a\n");
    assert!(stderr(&output).ends_with(&next), "{output:?}");
    let output = support::run(&["sockets", "--netns", name, "fe80::1%there9"]);
    let next = format!("ip netns exec {name} ip link show\n");
    assert!(stderr(&output).ends_with(&next), "{output:?}");
}

/// A process with the command line of a docker-proxy that holds this socket.
fn docker_proxy(socket: OwnedFd, proto: &str, port: &str) -> Running {
    let mut command = Command::new("sh");
    let words = ["-host-ip", "0.0.0.0", "-container-ip", "10.9.11.2"];
    command
        .arg0("/usr/bin/docker-proxy")
        .args(["-c", "read x", "-proto", proto, "-container-port", port])
        .args(words)
        .stdin(Stdio::piped())
        .stdout(socket);
    Running::from(command.spawn().expect("sh runs"))
}

#[test]
fn the_process_that_a_docker_proxy_forwards_to_is_named_whatever_port_is_asked_for() {
    let name = "docker-proxy";
    let (Some(host), Some(container)) = (Namespace::new(name), Namespace::new(name)) else {
        return;
    };
    container.ip(&["addr add 10.9.11.2/32 dev lo"]);
    let _tcp = container.inside(|| TcpListener::bind("0.0.0.0:8011").expect("binds"));
    let _udp = container.inside(|| UdpSocket::bind("10.9.11.2:5311").expect("binds"));
    let published: (OwnedFd, OwnedFd) = host.inside(|| {
        let tcp = TcpListener::bind("0.0.0.0:8012").expect("binds");
        (
            tcp.into(),
            UdpSocket::bind("0.0.0.0:5312").expect("binds").into(),
        )
    });
    let _tcp_proxy = docker_proxy(published.0, "tcp", "8011");
    let _udp_proxy = docker_proxy(published.1, "udp", "5311");
    for (args, port, to) in [
        (&["-l", ":8012"][..], 8012, "10.9.11.2:8011"),
        (&[":8012"], 8012, "10.9.11.2:8011"),
        (&["-ul", ":5312"], 5312, "10.9.11.2:5311"),
    ] {
        let args = [&["--all-netns"], args].concat();
        let row = support::until("the proxy to be there", || {
            let listing = Listing::take(&args);
            let rows = listing.rows().iter();
            let mut rows = rows.filter(|row| row["netns"] == host.inode());
            let row = rows.next().expect("the listener of the proxy").clone();
            row["forwards_to"].is_string().then_some(row)
        });
        assert_eq!(
            (&row["local"]["port"], &row["forwards_to"]),
            (&port.into(), &to.into())
        );
        assert_eq!(row["other_end"]["pid"], std::process::id(), "{row:#}");
        let output = support::run(&[&["sockets"], &args[..]].concat());
        let shown = support::stdout(&output);
        let process = format!("->{to} ");
        let line = shown.lines().find(|line| line.contains(&process));
        let line = line.unwrap_or_else(|| panic!("no process in {shown}"));
        assert!(
            line.contains(&format!("({})", std::process::id())),
            "{line}"
        );
        // What was looked for is no row.
        assert!(!shown.contains("0.0.0.0:8011"), "{shown}");
    }
}

#[test]
fn multicast_memberships_are_listed_with_their_interface_and_how_often_they_were_joined() {
    let Some(namespace) = Namespace::new("--groups") else {
        return;
    };
    let group = [239, 1, 2, 3].into();
    let join = || {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("binds");
        socket
            .join_multicast_v4(&group, &[127, 0, 0, 1].into())
            .expect("joined");
        socket
    };
    let _both = namespace.inside(|| (join(), join()));
    let run = |args: &[&str]| {
        let output = finish(namespace.sockdoc(args));
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        support::stdout(&output)
    };
    let text = run(&["--groups"]);
    let row = text.lines().find(|line| line.contains("239.1.2.3"));
    let row: Vec<&str> = row.expect("a row").split_whitespace().collect();
    assert_eq!(row, ["lo", "239.1.2.3", "2"]);
    assert!(text.contains("ff02::1"), "{text}");
    assert!(!run(&["--groups", "-4"]).contains("ff02::1"));
    let document: Value = serde_json::from_str(&run(&["-g", "-4", "--json"])).expect("a document");
    let rows = document["memberships"].as_array().expect("a list");
    let row = rows.iter().find(|row| row["group"] == "239.1.2.3");
    let row = row.expect("a row");
    assert_eq!(
        (&row["interface"], &row["users"]),
        (&"lo".into(), &2.into())
    );
    assert_eq!(row["netns"], namespace.inode());
}

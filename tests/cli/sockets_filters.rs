//! `sockdoc sockets`: the flags and words that choose among sockets.

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixListener;

use socket2::Socket;

use crate::sockets::{address_of, bound, join, listener, place, word};
use crate::support::sockets::{Holder, Listing, inode, pids, table, wait_for_row};
use crate::support::{run, stderr, stdout};

/// A listener, a connection to it (both ends), a UDP socket and one that is only bound, at one
/// address.
struct Scene {
    listener: Socket,
    address: SocketAddr,
    client: TcpStream,
    server: TcpStream,
    udp: UdpSocket,
    idle: Socket,
}

impl Scene {
    fn new() -> Scene {
        let (listener, address) = listener(9);
        let client = join(address);
        let (server, _) = listener.accept().expect("accepts");
        let udp = UdpSocket::bind((address.ip(), 0)).expect("binds");
        let idle = bound(address.ip());
        Scene {
            listener,
            address,
            client,
            server: server.into(),
            udp,
            idle,
        }
    }

    /// Which of its sockets `sockdoc sockets ARGS...` shows among those at its address.
    fn shown(&self, args: &[&str]) -> Vec<&'static str> {
        let here = word(self.address);
        self.shown_by(&[args, &[&here]].concat())
    }

    fn shown_by(&self, args: &[&str]) -> Vec<&'static str> {
        let listing = Listing::take(args);
        let known = [
            ("listener", inode(&self.listener)),
            ("client", inode(&self.client)),
            ("server", inode(&self.server)),
            ("udp", inode(&self.udp)),
            ("idle", inode(&self.idle)),
        ];
        let is_shown =
            |(_, inode): &&(_, u64)| listing.rows().iter().any(|row| row["inode"] == *inode);
        let names: Vec<_> = known
            .iter()
            .filter(is_shown)
            .map(|(name, _)| *name)
            .collect();
        let status = i32::from(listing.rows().is_empty());
        assert_eq!(listing.code, Some(status), "{args:?}");
        names
    }
}

#[test]
fn protocols_and_listening_choose_among_sockets() {
    let scene = Scene::new();
    let tcp = ["listener", "client", "server", "idle"];
    let all = ["listener", "client", "server", "udp", "idle"];
    let nothing: [&str; 0] = [];
    assert_eq!(scene.shown(&[]), all);
    assert_eq!(scene.shown(&["-t"]), tcp);
    assert_eq!(scene.shown(&["-u"]), ["udp"]);
    assert_eq!(scene.shown(&["-t", "-u"]), all);
    assert_eq!(scene.shown(&["--proto", "tcp,udp"]), all);
    assert_eq!(scene.shown(&["--proto", "UDP"]), ["udp"]);
    assert_eq!(scene.shown(&["-x"]), nothing);
    assert_eq!(scene.shown(&["-4"]), all);
    assert_eq!(scene.shown(&["-6"]), nothing);
    assert_eq!(scene.shown(&["-l"]), ["listener", "udp"]);
    assert_eq!(scene.shown(&["-lt"]), ["listener"]);
    assert_eq!(scene.shown(&["-a"]), all);
}

#[test]
fn states_are_named_in_the_words_of_each_tool() {
    let scene = Scene::new();
    for word in ["listen", "LISTEN", "listening"] {
        assert_eq!(scene.shown(&["--state", word]), ["listener"], "{word}");
    }
    for word in ["estab", "ESTABLISHED", "established"] {
        assert_eq!(
            scene.shown(&["--state", word]),
            ["client", "server"],
            "{word}"
        );
    }
    assert_eq!(
        scene.shown(&["--state", "listen,bound-inactive"]),
        ["listener", "idle"]
    );
    assert_eq!(scene.shown(&["--state", "connected"]), ["client", "server"]);
    assert_eq!(scene.shown(&["--state", "unconn"]), ["udp"]);
    let nothing: [&str; 0] = [];
    assert_eq!(scene.shown(&["--state", "close-wait,syn-sent"]), nothing);
}

#[test]
fn ports_are_found_at_either_end_and_alternatives_are_added_up() {
    let scene = Scene::new();
    let port = scene.address.port().to_string();
    let of_udp = scene
        .udp
        .local_addr()
        .expect("an address")
        .port()
        .to_string();
    let connected = ["listener", "client", "server"];
    assert_eq!(scene.shown(&["-p", &port]), connected);
    assert_eq!(scene.shown(&["--port", &of_udp]), ["udp"]);
    let both = ["listener", "client", "server", "udp"];
    assert_eq!(scene.shown(&["-p", &port, "-p", &of_udp]), both);
    assert_eq!(scene.shown(&[&format!(":{port}")]), connected);
    assert_eq!(scene.shown(&[&port]), connected);
    assert_eq!(scene.shown(&["-u", "-p", &port]), [""; 0]);
}

#[test]
fn addresses_of_one_end_and_prefixes_choose_among_sockets() {
    let scene = Scene::new();
    let at = scene.address.to_string();
    let ip = scene.address.ip();
    assert_eq!(scene.shown(&["--local", &at]), ["listener", "server"]);
    assert_eq!(scene.shown(&["--peer", &at]), ["client"]);
    assert_eq!(
        scene.shown(&["--peer", &ip.to_string()]),
        ["client", "server"]
    );
    for prefix in [
        "127.0.0.0/8",
        &format!("{ip}/24"),
        &format!("{ip}/32"),
        "localhost",
    ] {
        assert_eq!(
            scene.shown(&["--peer", prefix]),
            ["client", "server"],
            "{prefix}"
        );
    }
    let with_port = format!("127.0.0.0/8:{}", scene.address.port());
    assert_eq!(
        scene.shown(&["--local", &with_port]),
        ["listener", "server"]
    );
    let elsewhere = [
        ["--peer", "10.0.0.0/8"],
        ["--local", "128.0.0.0/1"],
        ["--local", "::1"],
    ];
    for args in elsewhere {
        assert_eq!(scene.shown(&args), [""; 0], "{args:?}");
    }
    // The word for the address is one more condition, at either end.
    assert_eq!(scene.shown_by(&[&at]), ["listener", "client", "server"]);
}

#[test]
fn a_unix_path_finds_its_socket_and_all_below_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("control");
    let socket = UnixListener::bind(&path).expect("binds");
    let longer = UnixListener::bind(folder.path().join("control2")).expect("binds");
    let path = path.to_str().expect("text");
    assert_eq!(Listing::take(&[path]).only()["inode"], inode(&socket));
    assert_eq!(
        Listing::take(&["-x", "--local", path]).only()["inode"],
        inode(&socket)
    );
    let both = Listing::take(&[&format!("{path}*")]);
    both.with_inode(inode(&longer));
    assert_eq!(both.rows().len(), 2);
    let below = Listing::take(&[folder.path().to_str().expect("text")]);
    assert_eq!(below.rows().len(), 2);
}

#[test]
fn processes_are_found_by_number_name_pattern_and_user() {
    let folder = tempfile::tempdir().expect("a folder");
    let (socket, address) = listener(5);
    let (other, _) = listener(5);
    let name = format!("holder{}", std::process::id());
    let Some(holder) = Holder::of(socket.into(), folder.path(), name.as_ref()) else {
        return;
    };
    let pid = holder.pid().to_string();
    wait_for_row(&[&word(address)], "only the holder", |row| {
        pids(row) == [u64::from(holder.pid())]
    });
    let path = format!("^{name}$");
    let user = nix::unistd::geteuid().to_string();
    for args in [
        &["--pid", &pid][..],
        &[&name],
        &["HOLDER", &name.to_uppercase()],
        &["--process", &path],
        &["--process", "^sleep 1000$", "--pid", &pid],
        &["--user", &user, "--pid", &pid],
    ] {
        let listing = Listing::take(args);
        let row = listing.only();
        assert_eq!(row["local"]["addr"], address.ip().to_string(), "{args:?}");
        assert_eq!(pids(row), [u64::from(holder.pid())]);
    }
    let mine = Listing::take(&["--pid", &std::process::id().to_string()]);
    mine.with_inode(inode(&other));
    for args in [
        &["--process", "^holder$", "--pid", &pid][..],
        &["--user", "4294967294", "--pid", &pid],
        &["--pid", "4194304"],
    ] {
        let listing = Listing::take(args);
        assert_eq!(
            (listing.rows().len(), listing.code),
            (0, Some(1)),
            "{args:?}"
        );
    }
}

#[test]
fn expressions_of_ss_choose_among_sockets() {
    let scene = Scene::new();
    let port = scene.address.port();
    let client = scene.client.local_addr().expect("an address").port();
    for (line, shown) in [
        (format!("sport = :{port}"), &["listener", "server"][..]),
        (format!("dport = :{port}"), &["client"]),
        (format!("sport=:{port} state established"), &["server"]),
        (
            format!("( sport = :{port} or sport = {client} ) and not LISTEN"),
            &["client", "server"],
        ),
        (
            format!("sport = :{port} src {}", scene.address.ip()),
            &["listener", "server"],
        ),
    ] {
        assert_eq!(scene.shown(&[&line]), shown, "{line}");
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(scene.shown(&words), shown, "{line}");
    }
    let ports = format!("{port},{client}");
    for args in [
        &["-p", &ports][..],
        &[&ports],
        &["-tp", &ports],
        &["-tulpen", "-p", &ports],
    ] {
        let shown = scene.shown(args);
        assert!(shown.contains(&"listener"), "{args:?}: {shown:?}");
    }
    assert_eq!(scene.shown(&["tcp", "LISTEN"]), ["listener"]);
    assert_eq!(scene.shown(&["udp"]), ["udp"]);
    assert_eq!(scene.shown(&["bound-inactive"]), ["idle"]);
    let pid = format!("pid:1,{}", std::process::id());
    assert_eq!(scene.shown(&[&pid, "listen"]), ["listener"]);
    let pid = format!("1,{}", std::process::id());
    assert_eq!(scene.shown(&["--pid", &pid, "listen"]), ["listener"]);
}

#[test]
fn an_empty_answer_says_how_it_was_asked_for_and_what_would_match() {
    let idle = bound("127.0.0.1".parse().expect("an address"));
    let port = address_of(&idle).port();
    let output = run(&[
        "sockets",
        "-tlnp",
        &format!(":{port}"),
        "nothing-of-this-name",
    ]);
    let text = stdout(&output);
    let read =
        format!("the filter was read as: listening and tcp and port {port} and process \"nothing");
    assert!(text.contains(&read), "{text}");
    let output = run(&["sockets", "-tlnp", &format!(":{port}")]);
    let text = stdout(&output);
    // Connections of other tests on the same port may be over and still in TIME-WAIT.
    let without = text.lines().find(|line| line.starts_with("without -l: "));
    assert!(
        without.is_some_and(|line| line.contains("BOUND-INACTIVE")),
        "{text}"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_time_wait_of_a_port_that_is_asked_for_is_shown_with_what_it_means_for_bind() {
    let (listener, address) = listener(9);
    let mut client = join(address);
    let (server, _) = listener.accept().expect("accepts");
    drop(server);
    std::io::Read::read(&mut client, &mut [0]).expect("the end of the stream");
    drop((client, listener));
    let port = address.port();
    let wanted = format!(":{port}");
    wait_for_row(&[&wanted], "TIME-WAIT", |row| row["state"] == "time_wait");
    let meaning =
        format!("binding port {port} fails (EADDRINUSE) until the last TIME-WAIT ends (in ");
    let shown = stdout(&run(&["sockets", &wanted]));
    assert!(shown.contains(&meaning), "{shown}");
    // Of rows alone, each line is one.
    let rows = run(&["sockets", "-H", &address.to_string()]);
    assert!(stderr(&rows).contains(&meaning), "{}", stderr(&rows));
    assert_eq!(stdout(&rows).lines().count(), 1, "{}", stdout(&rows));
}

#[test]
fn sockets_are_sorted_by_the_columns_asked_for() {
    let ip = place();
    let sockets: Vec<Socket> = [5, 1, 9]
        .iter()
        .map(|backlog| {
            let socket = bound(ip.into());
            socket.listen(*backlog).expect("listens");
            socket
        })
        .collect();
    let here = ip.to_string();
    let limits = |sort: &str| -> Vec<u64> {
        let listing = Listing::take(&["--sort", sort, &here]);
        let rows = listing.rows().iter();
        rows.map(|row| row["queue"]["accept_max"].as_u64().expect("a limit"))
            .collect()
    };
    assert_eq!(limits("send-q"), [1, 5, 9]);
    assert_eq!(limits("-send-q"), [9, 5, 1]);
    assert_eq!(limits("recv-q,-send-q"), [9, 5, 1]);
    let mut by_port: Vec<(u16, u64)> = sockets
        .iter()
        .map(|socket| address_of(socket).port())
        .zip([5, 1, 9])
        .collect();
    by_port.sort_unstable();
    let by_port: Vec<u64> = by_port.into_iter().map(|(_, limit)| limit).collect();
    assert_eq!(limits("local"), by_port);
}

#[test]
fn groups_and_the_summary_count_what_is_shown() {
    let scene = Scene::new();
    let here = word(scene.address);
    let output = run(&["sockets", "--group", "state", &here]);
    let rows = table(&output);
    assert_eq!(rows[0][..2], ["STATE", "SOCKETS"]);
    let counts: Vec<&[String]> = rows[1..5].iter().map(|row| &row[..2]).collect();
    assert_eq!(counts[0], ["ESTAB", "2"]);
    for state in ["LISTEN", "UNCONN", "BOUND-INACTIVE"] {
        assert!(
            counts.contains(&&[state.to_owned(), "1".to_owned()][..]),
            "{rows:?}"
        );
    }
    let groups = Listing::take(&["--group", "peer", &here]).document;
    let of_peer = groups["groups"].as_array().expect("a list").iter();
    let ours = of_peer
        .clone()
        .find(|group| group["key"]["addr"] == here.as_str());
    assert_eq!(ours.expect("a group")["sockets"], 2);
    let summary = Listing::take(&["--summary", &here]).document;
    let protos = summary["summary"]["protos"].clone();
    assert_eq!(summary["summary"]["sockets"], 5, "{protos:#}");
    let output = run(&["sockets", "-s", &here]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        table(&output).iter().any(|row| row[0] == "tcp"),
        "{output:?}"
    );
    for by in ["process", "port", "user", "netns"] {
        let output = run(&["sockets", "--group", by, &here]);
        assert_eq!(output.status.code(), Some(0), "{by}");
        assert_eq!(table(&output)[0][0], by.to_uppercase());
        let document = Listing::take(&["--group", by, &here]).document;
        let groups = document["groups"].as_array().expect("a list");
        let counted = |group: &serde_json::Value| group["sockets"].as_u64().expect("a number");
        let sum: u64 = groups.iter().map(counted).sum();
        // Each process counts what it holds; a child that is being started holds all of ours.
        assert!(sum == 5 || (by == "process" && sum > 5), "{document:#}");
    }
}

#[test]
fn what_is_not_understood_is_status_2_with_what_would_be() {
    for (args, said) in [
        (&["--state", "open"][..], "no state"),
        (&["--proto", "tpc"], "'tpc' is not a protocol"),
        (&["10.0.0.256"], "at most 255"),
        (&["--local", "10.0.0.0/33"], "prefix length"),
        (&["--process", "("], "regular expression"),
        (&["--user", "nobody-of-this-name"], "no user has that name"),
        (&["--cols", "proto,colour"], "'colour'"),
        (&["--sort", "colour"], "is not a column to sort by"),
        (&["--netns", "no/name"], "does not exist"),
        (&["--netns", "nowhere-at-all"], "(ENOENT)"),
        (&["fe80::1%no-such-link"], "no-such-link"),
        (&["sport", "="], "a port follows it"),
        (&["(", ":80"], "the ) is missing"),
        (&["--pid", "abc"], "'--pid <N>': not a whole number"),
        (
            &["--pid", "99999999999999999999"],
            "the number is too large",
        ),
        (&["--port", "80,x"], "not a port"),
        (&["-K"], "ss -K does"),
    ] {
        let output = run(&[&["sockets"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        let text = stderr(&output);
        assert!(text.contains(said), "{args:?}: {text}");
        assert!(output.stdout.is_empty());
    }
}

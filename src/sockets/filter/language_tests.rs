use super::*;
use crate::sockets::owners::Process;
use crate::sockets::testing::{listener, owners, tcp};
use crate::sockets::{Details, Owner};

pub(super) const NOTHING: LookUp<'_> = LookUp {
    service: &|_| None,
    user: &|_| None,
};

fn look_up() -> LookUp<'static> {
    LookUp {
        service: &|name| match name {
            "http" => Some(80),
            "https" => Some(443),
            "ssh" => Some(22),
            _ => None,
        },
        user: &|name| (name == "www").then_some(33),
    }
}

fn query(line: &[&str]) -> Filter {
    let words: Vec<&[u8]> = line.iter().map(|word| word.as_bytes()).collect();
    read(&words, look_up()).unwrap_or_else(|error| panic!("{line:?}: {error}"))
}

fn reading(line: &[&str]) -> String {
    query(line).to_string()
}

#[test]
fn every_way_to_ask_is_read_as_it_is_meant() {
    for (line, text) in [
        (&["sport = :22"][..], "local *:22"),
        (&["sport", "=", ":ssh"], "local *:22"),
        (&["sport=22"], "local *:22"),
        (&["dport", "eq", "443"], "peer *:443"),
        (&["dport > 1024"], "peer *:1025-65535"),
        (&["sport le :1023"], "local *:1-1023"),
        (&["sport", "!=", ":22"], "not local *:22"),
        (&["dst 10.0.0.0/8"], "peer 10.0.0.0/8"),
        (&["src", "=", "[::1]:80"], "local [::1]:80"),
        (&["dst", "10.0.0.1:https"], "peer 10.0.0.1:443"),
        (&["state established"], "ESTAB"),
        (
            &["state", "established", "sport = :22"],
            "ESTAB and local *:22",
        ),
        (&["exclude time-wait"], "not TIME-WAIT"),
        (&["dev", "lo"], "local *%lo"),
        (&[":7301", "or", ":7302"], "(port 7301 or port 7302)"),
        (&["7301,7302"], "port 7301 or 7302"),
        (&[":80,8000-8010"], "port 80 or 8000-8010"),
        (
            &["( :80 or :443 )", "and", "not", "nginx"],
            "(port 80 or port 443) and not process \"nginx\"",
        ),
        (&["!tcp"], "not tcp"),
        (
            &["(tcp", "or", "udp)", "10.0.0.1"],
            "address 10.0.0.1 and (tcp or udp)",
        ),
        (&["tcp", "udp"], "tcp or udp"),
        (&["tcp,udp"], "tcp or udp"),
        (&["udp6"], "udp and IPv6"),
        (&["unix"], "u_str or u_dgr or u_seq"),
        (&["LISTEN"], "LISTEN"),
        (&["close-wait"], "CLOSE-WAIT"),
        (&["CLOSE_WAIT", "nginx"], "CLOSE-WAIT and process \"nginx\""),
        (&["http"], "process \"http\" or port 80"),
        (
            &["http,https"],
            "process \"http\" or process \"https\" or port 80 or port 443",
        ),
        (&[":http"], "port 80"),
        (&["localhost:http"], "address localhost:80"),
        (&["ping"], "process \"ping\" or ping"),
        (&["user:www"], "uid 33"),
        (&["pid:7,8"], "pid 7 or 8"),
        (&["unit:nginx"], "unit \"nginx\""),
        (&["container:3f4e"], "container \"3f4e\""),
        (&["process:http"], "process \"http\""),
        (&["port:http"], "port 80"),
        (&["state:listen,established"], "ESTAB or LISTEN"),
        (&["app.py"], "process \"app.py\""),
        (&["tmux: server"], "process \"tmux: server\""),
        (&["a,b)(fd3"], "process \"a,b)(fd3\""),
        (&["/run/a or b"], "address /run/a or b"),
        (&["/run/a", "or", "b"], "(address /run/a or process \"b\")"),
        (&["/tmp/a b"], "address /tmp/a b"),
        (
            &[":80", ":443", "nginx"],
            "port 80 or 443 and process \"nginx\"",
        ),
        (&["sport = :80", "sport = :81"], "local *:80 and local *:81"),
    ] {
        assert_eq!(reading(line), text, "{line:?}");
    }
}

#[test]
fn what_cannot_be_read_is_answered_in_words() {
    for (line, part, what) in [
        (&["sport"][..], "sport", "a port follows"),
        (&["sport", "=", "x"], "x", "not a port"),
        (&["sport", "=", ":99999"], "99999", "at most 65535"),
        (&["dport > 65535"], "65535", "no port"),
        (&["dst", "example.com"], "example.com", "no address"),
        (&["dst > 10.0.0.1"], "dst", "only ports"),
        (&["state", "open"], "open", "no state"),
        (&["(", ":80"], "(", ") is missing"),
        (&[":80", ")"], ")", "closes"),
        (&["or", ":80"], "or", "missing before"),
        (&[":80", "and"], "and", "missing after"),
        (&["pid:x"], "x", "a process id is a number"),
        (
            &["user:nobody-of-this-name"],
            "nobody-of-this-name",
            "no user",
        ),
        (&["db:5432"], "db", "not looked up"),
    ] {
        let words: Vec<&[u8]> = line.iter().map(|word| word.as_bytes()).collect();
        let error = read(&words, look_up()).expect_err(line[0]);
        assert_eq!(error.part(), part, "{line:?}: {error}");
        assert!(error.to_string().contains(what), "{line:?}: {error}");
    }
    let deep: Vec<&[u8]> = vec![b"("; 10_000];
    assert!(read(&deep, look_up()).is_err());
    let deep: Vec<&[u8]> = vec![b"not"; 10_000];
    assert!(read(&deep, look_up()).is_err());
}

#[test]
fn an_expression_is_decided_by_the_socket_if_it_can_be_and_by_its_owners_if_not() {
    let held = |inode| Socket {
        inode,
        ..listener(&format!("0.0.0.0:{}", 8000 + inode))
    };
    let owners = owners(&[
        (10, "nginx", None, &[1, 2]),
        (20, "python3", Some("python3\0/srv/App.py"), &[3]),
    ]);
    let matching = |line: &[&str]| -> Vec<u32> {
        let filter = query(line);
        let owned = filter.for_owners(&owners);
        (1..=4)
            .filter(|inode| {
                let socket = held(*inode);
                let is_it = filter.matches(&socket, &owners);
                assert_eq!(
                    is_it,
                    filter.matches_socket(&socket) && owned.matches(&socket)
                );
                is_it
            })
            .collect()
    };
    for (line, inodes) in [
        (&["nginx", "or", ":8003"][..], &[1, 2, 3][..]),
        (&["not", "nginx"], &[3, 4]),
        (&["nginx", "and", "not", ":8001"], &[2]),
        (&["not (nginx or :8003)"], &[4]),
        (&["app.py"], &[3]),
        (&["pid:10,20", "python"], &[3]),
        (
            &["state listen", "and", "( sport = :8001 or sport = :8004 )"],
            &[1, 4],
        ),
        (&["nginx", "udp"], &[]),
    ] {
        assert_eq!(matching(line), inodes, "{line:?}");
    }
}

#[test]
fn a_word_with_two_meanings_finds_both() {
    let on = |port: u16, inode| Socket {
        inode,
        ..listener(&format!("0.0.0.0:{port}"))
    };
    let owners = owners(&[(10, "sshd", None, &[1, 2]), (20, "systemd", None, &[3])]);
    let filter = query(&["ssh"]);
    assert!(filter.is_ambiguous() && filter.needs_owners());
    for (socket, is_it) in [
        (on(22, 1), true),
        (on(2222, 2), true),
        (on(22, 3), true),
        (on(22, 4), true),
        (on(80, 3), false),
    ] {
        assert_eq!(filter.matches(&socket, &owners), is_it, "{socket:?}");
    }
    // Another word for a process is one more alternative.
    assert!(query(&["ssh", "systemd"]).matches(&on(80, 3), &owners));
    // And one process must be both.
    assert!(!query(&["ssh", "pid:10"]).matches(&on(22, 3), &owners));
}

#[test]
fn a_unit_and_a_container_are_those_of_an_owner_or_of_the_socket_itself() {
    let id = "3f4e8a90c1d2b3a4".repeat(4);
    let docker = format!("/system.slice/docker-{id}.scope");
    let process = |pid, path: &str| Process {
        pid,
        cgroup: Some(path.into()),
        ..Process::default()
    };
    let processes = vec![
        process(1, "/system.slice/nginx.service"),
        process(2, &docker),
    ];
    let links = vec![
        Owner {
            inode: 1,
            process: 0,
            fd: 3,
        },
        Owner {
            inode: 2,
            process: 1,
            fd: 3,
        },
    ];
    let owners = Owners::new(processes, links, false);
    let held = |inode| Socket {
        inode,
        ..tcp("10.0.0.1:80", "10.0.0.2:5000")
    };
    let in_group = |id| Socket {
        details: Some(Box::new(Details {
            cgroup_id: Some(id),
            ..Details::default()
        })),
        ..held(9)
    };
    let paths = [(70, "/system.slice/nginx.service"), (71, &*docker)];
    let paths = paths.map(|(id, path)| (id, path.to_owned())).into();
    for (word, inode, group) in [
        ("unit:nginx", 1, 70),
        ("unit:nginx.service", 1, 70),
        ("container:docker", 2, 71),
        ("container:3F4E8a90", 2, 71),
    ] {
        let mut filter = query(&[word]);
        filter.resolve_groups(&paths);
        for other in [1, 2] {
            let is_it = filter.matches(&held(other), &owners);
            assert_eq!(is_it, other == inode, "{word}");
        }
        for other in [70, 71] {
            let is_it = filter.matches(&in_group(other), &owners);
            assert_eq!(is_it, other == group, "{word}");
        }
    }
}

#[test]
fn a_port_and_time_wait_are_known_to_be_asked_for_wherever_they_stand() {
    for (line, port, time_wait) in [
        (&[":80"][..], true, false),
        (&["nginx", "or", "sport = :80"], true, false),
        (&["10.0.0.1"], false, false),
        (&["not", "state", "time-wait"], false, true),
        (&["http"], true, false),
    ] {
        let filter = query(line);
        assert_eq!(filter.asks_for_port(), port, "{line:?}");
        assert_eq!(filter.asks_for_time_wait(), time_wait, "{line:?}");
    }
    let row = tcp("10.0.0.1:80", "10.0.0.2:5000");
    let wanted = query(&["sport", "=", ":80"]);
    assert!(wanted.asks_for_port_of(&row.local) && !wanted.asks_for_port_of(&row.peer));
}

proptest::proptest! {
    #[test]
    fn any_words_are_read_without_a_panic(
        words in proptest::collection::vec(r"(sport|dport|src|dst|state|and|or|not|[()!=<>:,0-9a-f./ ]{0,8})", 0..8),
    ) {
        let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
        if let Ok(filter) = read(&words, look_up()) {
            let _ = filter.to_string();
        }
    }
}

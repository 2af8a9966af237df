use super::*;
use crate::error::{Error, Kind};
use crate::reference::{errno, resolver};
use proptest::prelude::*;
use std::io;

fn names(query: &str) -> Vec<&'static str> {
    let entries = look_up(query).entries;
    entries.iter().map(|entry| entry.name()).collect()
}

#[test]
fn a_name_is_found_in_any_case_and_with_its_number() {
    for query in [
        "ECONNREFUSED",
        "econnrefused",
        " EConnRefused ",
        "111",
        "-111",
        "errno 111",
        "Errno=111",
        "[Errno 111]",
        "error 111",
        "os error 111",
        "(os error 111)",
        "`ECONNREFUSED`",
        "ECONNREFUSED:",
    ] {
        assert_eq!(names(query), ["ECONNREFUSED"], "{query}");
    }
    assert_eq!(names("EWOULDBLOCK"), ["EAGAIN"]);
}

#[test]
fn every_name_and_every_message_leads_to_its_own_entry() {
    for entry in all() {
        for text in [entry.name(), entry.message()] {
            assert!(look_up(text).entries.contains(&entry), "{text}");
            assert!(
                look_up(&text.to_uppercase()).entries.contains(&entry),
                "{text}"
            );
        }
        assert_eq!(look_up(entry.name()).entries, [entry], "{}", entry.name());
    }
}

#[test]
fn a_negative_number_is_a_code_of_the_resolver() {
    assert_eq!(names("-2"), ["EAI_NONAME"]);
    assert_eq!(names("[Errno -3]"), ["EAI_AGAIN"]);
    assert_eq!(names("-104"), ["ECONNRESET", "EAI_INTR"]);
    assert_eq!(names("-2147483648"), Vec::<&str>::new());
    assert_eq!(names("41"), ["EPROTOTYPE"], "only macOS has it");
    assert_eq!(names("-41"), Vec::<&str>::new());
}

#[test]
fn a_message_may_come_from_the_c_library_in_any_case() {
    assert_eq!(names("Connection refused"), ["ECONNREFUSED"]);
    assert_eq!(names("no route to HOST"), ["EHOSTUNREACH"]);
    assert_eq!(names("Name or service not known"), ["EAI_NONAME"]);
    assert_eq!(names("Host is unreachable"), ["EHOSTUNREACH"]);
}

#[test]
fn lines_of_every_language_are_understood() {
    for (line, name) in [
        (
            "ConnectionRefusedError: [Errno 111] Connection refused",
            "ECONNREFUSED",
        ),
        (
            "BlockingIOError: [Errno 115] Operation now in progress",
            "EINPROGRESS",
        ),
        (
            "OSError: [Errno 99] Cannot assign requested address",
            "EADDRNOTAVAIL",
        ),
        (
            "socket.gaierror: [Errno -2] Name or service not known",
            "EAI_NONAME",
        ),
        ("connect: Connection refused", "ECONNREFUSED"),
        ("bash: connect: No route to host", "EHOSTUNREACH"),
        (
            "dial tcp 127.0.0.1:9: connect: connection refused",
            "ECONNREFUSED",
        ),
        ("dial tcp 10.0.0.1:80: i/o timeout", "ETIMEDOUT"),
        (
            "dial tcp: lookup nosuch.example on 10.0.0.2:53: no such host",
            "EAI_NONAME",
        ),
        (
            "write tcp 10.0.0.1:5->10.0.0.2:80: write: broken pipe",
            "EPIPE",
        ),
        ("read: connection reset by peer", "ECONNRESET"),
        (
            "java.net.ConnectException: Connection refused (Connection refused)",
            "ECONNREFUSED",
        ),
        (
            "java.net.NoRouteToHostException: unreachable",
            "EHOSTUNREACH",
        ),
        ("Error: connect ECONNREFUSED 127.0.0.1:9", "ECONNREFUSED"),
        ("Error: getaddrinfo ENOTFOUND nosuch.example", "EAI_NONAME"),
        ("Error: Connection refused (os error 111)", "ECONNREFUSED"),
        (
            "Os { code: 98, kind: AddrInUse, message: \"Address already in use\" }",
            "EADDRINUSE",
        ),
        (
            "Errno::EADDRINUSE (Address already in use - bind(2))",
            "EADDRINUSE",
        ),
        (
            "connect() failed (111: Connection refused) while connecting to upstream",
            "ECONNREFUSED",
        ),
        ("accept4: Too many open files in system", "ENFILE"),
        (
            "From 10.9.1.1 icmp_seq=1 Destination Host Unreachable",
            "ICMP_HOST_UNREACH",
        ),
        (
            "From 10.9.1.1 icmp_seq=1 Frag needed and DF set (mtu = 1300)",
            "ICMP_FRAG_NEEDED",
        ),
        (
            "From fd09:1::1 icmp_seq=1 Packet too big: mtu=1300",
            "ICMPV6_PKT_TOOBIG",
        ),
        ("ping: sendmsg: Operation not permitted", "EPERM"),
        (
            "tcp 1 0 10.0.0.1:22 10.0.0.2:4711 CLOSE_WAIT -",
            "CLOSE_WAIT",
        ),
        ("ESTAB 0 0 127.0.0.1:22 127.0.0.1:4711", "ESTABLISHED"),
    ] {
        assert_eq!(names(line), [name], "{line}");
    }
}

#[test]
fn lines_of_java_browsers_curl_and_windows_are_understood() {
    for (line, name) in [
        ("java.net.SocketException: Connection reset", "ECONNRESET"),
        (
            "Caused by: java.net.SocketException: Connection reset",
            "ECONNRESET",
        ),
        ("Connection reset", "ECONNRESET"),
        ("net::ERR_CONNECTION_REFUSED", "ECONNREFUSED"),
        (
            "This site can't be reached ERR_CONNECTION_RESET",
            "ECONNRESET",
        ),
        ("ERR_CONNECTION_TIMED_OUT", "ETIMEDOUT"),
        ("NS_ERROR_CONNECTION_REFUSED", "ECONNREFUSED"),
        ("Error code: NS_ERROR_NET_RESET", "ECONNRESET"),
        (
            "curl: (56) Recv failure: Connection reset by peer",
            "ECONNRESET",
        ),
        ("(56) Recv failure: Connection reset by peer", "ECONNRESET"),
        (
            "curl: (7) Failed to connect to h port 9: Connection refused",
            "ECONNREFUSED",
        ),
        (
            "[WinError 10061] No connection could be made",
            "ECONNREFUSED",
        ),
        (
            "connectex: No connection could be made because the target machine actively refused it.",
            "ECONNREFUSED",
        ),
        ("Socket error # 10054", "ECONNRESET"),
        ("WSAECONNREFUSED", "ECONNREFUSED"),
        ("connect failed: WSAETIMEDOUT (10060)", "ETIMEDOUT"),
    ] {
        assert_eq!(names(line), [name], "{line}");
    }
}

#[test]
fn every_error_line_of_sockdoc_itself_leads_to_its_errno() {
    for entry in errno::all() {
        let error = io::Error::from_raw_os_error(entry.number);
        let error = Error::os(Kind::BadAnswer, "connect to", &error).on("127.0.0.1:9");
        assert_eq!(names(&format!("sockdoc: {error}")), [entry.name], "{error}");
        let first_line = format!("sockdoc: {error}");
        let first_line = first_line.lines().next().unwrap_or_default();
        assert_eq!(names(first_line), [entry.name], "{first_line}");
    }
}

#[test]
fn every_error_line_of_sockdoc_leads_back_under_every_circumstance_too() {
    for entry in errno::all() {
        for (circumstance, advice) in entry.variants {
            let subject = match circumstance {
                Circumstance::Bind | Circumstance::Connect | Circumstance::Send => "127.0.0.1:9",
                _ => "/run/some/path",
            };
            let operation = match circumstance {
                Circumstance::Bind | Circumstance::UnixBind => "bind",
                Circumstance::Send => "send to",
                Circumstance::File => "read",
                Circumstance::Connect | Circumstance::UnixSocket => "connect to",
            };
            let error = io::Error::from_raw_os_error(entry.number);
            let error = Error::os(Kind::BadAnswer, operation, &error);
            let line = format!("sockdoc: {}", error.under(*circumstance).on(subject));
            let found = look_up(&line);
            assert_eq!(names(&line), [entry.name], "{line}");
            assert_eq!(
                found.entries[0].advice(found.circumstance),
                *advice,
                "{line}"
            );
        }
    }
}

#[test]
fn a_pasted_line_chooses_what_is_said_of_it() {
    let said = |line: &str| {
        let found = look_up(line);
        found.entries[0].advice(found.circumstance)
    };
    let docker = said("dial unix /var/run/docker.sock: connect: permission denied");
    assert!(docker.cause.contains("socket file"), "{docker:?}");
    assert!(docker.next.contains("namei -l PATH") && docker.next.contains("group"));
    assert!(
        said("bind: Permission denied")
            .next
            .contains("cap_net_bind_service")
    );
    assert!(
        said("open /etc/shadow: permission denied")
            .cause
            .contains("on the file")
    );
    assert!(
        said("dial unix /run/x.sock: connect: connection refused")
            .cause
            .contains("the file exists")
    );
    assert!(
        !said("cat: /nonexist: No such file or directory")
            .next
            .contains("sockdoc sockets")
    );
    assert!(
        said("read unix @->/run/x.sock: read: connection reset by peer")
            .cause
            .contains("without reading all")
    );
}

#[test]
fn a_word_of_browsers_curl_and_windows_stands_for_all_that_it_can_mean() {
    let resolving = ["EAI_NONAME", "EAI_AGAIN"];
    assert_eq!(names("ERR_NAME_NOT_RESOLVED"), resolving);
    assert_eq!(names("(6) Could not resolve host"), resolving);
    assert_eq!(
        names("curl: (6) Could not resolve host: nosuch.example"),
        resolving
    );
    assert_eq!(
        names("fatal: unable to access: Could not resolve host: x.example"),
        resolving
    );
    assert_eq!(
        names("ERR_ADDRESS_UNREACHABLE"),
        ["ENETUNREACH", "EHOSTUNREACH"]
    );
    let connecting = ["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH"];
    assert_eq!(names("(7) Failed to connect"), connecting);
    assert_eq!(names("curl: (7)"), connecting);
    assert_eq!(names("(28)"), ["ENOSPC", "ETIMEDOUT", "READ_TIMEOUT"]);
    assert_eq!(names("28"), ["ENOSPC"]);
}

#[test]
fn a_number_of_windows_is_known_bare_and_marked_and_not_in_passing() {
    for (number, name) in [
        (10013, "EACCES"),
        (10038, "ENOTSOCK"),
        (10048, "EADDRINUSE"),
        (10049, "EADDRNOTAVAIL"),
        (10051, "ENETUNREACH"),
        (10053, "ECONNABORTED"),
        (10054, "ECONNRESET"),
        (10060, "ETIMEDOUT"),
        (10061, "ECONNREFUSED"),
        (11001, "EAI_NONAME"),
    ] {
        for query in [
            format!("{number}"),
            format!("error {number}"),
            format!("[WinError {number}] x"),
        ] {
            assert_eq!(names(&query), [name], "{query}");
        }
    }
    assert_eq!(names("listening on port 10061"), Vec::<&str>::new());
    assert_eq!(names("WinError 5"), ["EACCES"]);
}

#[test]
fn an_unknown_code_of_icmp_is_told_and_its_type_shown() {
    let unknown = |query: &str| -> Vec<(&str, u32)> {
        let found = look_up(query).unknown_codes;
        found.iter().map(|it| (it.r#type.name, it.code)).collect()
    };
    for query in ["icmp 3/99", "icmp 3 99", "icmp type 3 code 99"] {
        assert_eq!(names(query), ["ICMP_DEST_UNREACH"], "{query}");
        assert_eq!(unknown(query), [("ICMP_DEST_UNREACH", 99)], "{query}");
    }
    assert_eq!(unknown("icmp 3/300"), [("ICMP_DEST_UNREACH", 300)]);
    assert_eq!(unknown("icmp 8/7"), [("ICMP_ECHO", 7)]);
    assert_eq!(
        unknown("3/99"),
        [("ICMP_DEST_UNREACH", 99), ("ICMPV6_TIME_EXCEED", 99)]
    );
    assert_eq!(
        unknown("icmp 3/4, then icmp 3/99"),
        [("ICMP_DEST_UNREACH", 99)]
    );
    for known in ["icmp 3/4", "icmp 8/0", "icmp6 2/0", "icmp 3", "111"] {
        assert_eq!(unknown(known), [], "{known}");
    }
}

#[test]
fn what_differs_in_the_word_that_matters_is_not_suggested() {
    for query in [
        "Connection rejected",
        "ECONNCLOSED",
        "Network is up",
        "FIN_WAIT3",
    ] {
        let found = look_up(query);
        assert_eq!(found.entries, [], "{query}");
        assert_eq!(found.nearest, Vec::<&str>::new(), "{query}");
    }
    assert_eq!(
        look_up("Conection reset by peer").nearest.first(),
        Some(&"Connection reset by peer")
    );
    assert_eq!(names("Connection was refused"), ["ECONNREFUSED"]);
    assert_eq!(
        look_up("ERR_CONECTION_RESET").nearest.first(),
        Some(&"ERR_CONNECTION_RESET")
    );
}

#[test]
fn every_line_about_a_name_that_did_not_resolve_leads_to_its_code() {
    for code in resolver::all() {
        let line = format!(
            "resolve x.example: {} ({}): {}",
            code.message, code.name, code.cause
        );
        assert_eq!(names(&line), [code.name], "{line}");
    }
}

#[test]
fn every_python_name_stands_for_its_errnos() {
    assert_eq!(
        names("BlockingIOError"),
        ["EAGAIN", "EALREADY", "EINPROGRESS"]
    );
    assert_eq!(names("permissionerror"), ["EPERM", "EACCES"]);
    for exception in super::super::python::EXCEPTIONS {
        let found = names(exception.word);
        assert_eq!(found.len(), exception.names.len(), "{}", exception.word);
        for name in exception.names {
            assert!(found.contains(name), "{} {name}", exception.word);
        }
    }
}

#[test]
fn icmp_is_found_by_type_and_code_in_many_forms() {
    for query in [
        "icmp 3/4",
        "ICMP 3 4",
        "icmp type 3 code 4",
        "icmpv4 type 3, code 4",
    ] {
        assert_eq!(names(query), ["ICMP_FRAG_NEEDED"], "{query}");
    }
    assert_eq!(names("icmp 3"), ["ICMP_DEST_UNREACH"]);
    assert_eq!(names("icmp 8/0"), ["ICMP_ECHO"]);
    assert_eq!(names("icmp6 1/4"), ["ICMPV6_PORT_UNREACH"]);
    assert_eq!(names("icmpv6 2"), ["ICMPV6_PKT_TOOBIG"]);
    assert_eq!(names("3/0"), ["ICMP_NET_UNREACH", "ICMPV6_EXC_HOPLIMIT"]);
    assert_eq!(names("1/4"), ["ICMPV6_PORT_UNREACH"]);
    assert_eq!(
        names("type 3 code 13"),
        ["ICMP_PKT_FILTERED", "ICMPV6_TIME_EXCEED"]
    );
    assert_eq!(names("icmp 250/1"), Vec::<&str>::new());
    assert_eq!(names("ICMP 10.0.0.1 whatever"), Vec::<&str>::new());
}

#[test]
fn a_tcp_state_is_found_in_every_spelling() {
    for query in [
        "CLOSE_WAIT",
        "close-wait",
        "Close Wait",
        "tcp close-wait",
        "tcp 8",
        "state 8",
    ] {
        assert_eq!(names(query), ["CLOSE_WAIT"], "{query}");
    }
    assert_eq!(names("estab"), ["ESTABLISHED"]);
    assert_eq!(names("unconn"), ["CLOSE"]);
}

#[test]
fn ordinary_words_of_a_line_mean_nothing() {
    assert_eq!(
        names("the server will listen and close"),
        Vec::<&str>::new()
    );
    assert_eq!(names("it was not found on page 111"), Vec::<&str>::new());
    assert_eq!(names(""), Vec::<&str>::new());
}

#[test]
fn several_names_in_one_query_are_all_explained() {
    assert_eq!(names("EPIPE ECONNRESET"), ["EPIPE", "ECONNRESET"]);
}

#[test]
fn a_slip_of_the_finger_is_forgiven() {
    let first = |query: &str| look_up(query).nearest.first().copied();
    assert_eq!(first("ECONREFUSED"), Some("ECONNREFUSED"));
    assert_eq!(first("ECONNREFSUED"), Some("ECONNREFUSED"));
    assert_eq!(first("Conection refused"), Some("Connection refused"));
    assert_eq!(
        first("connect: conection refused"),
        Some("Connection refused")
    );
    assert_eq!(
        first("ConectionRefusedError"),
        Some("ConnectionRefusedError")
    );
    assert_eq!(first("close_wiat"), Some("CLOSE_WAIT"));
    assert!(look_up("refused").nearest.contains(&"ECONNREFUSED"));
}

#[test]
fn at_most_five_are_suggested_and_none_for_what_is_like_nothing() {
    assert!(look_up("unreach").nearest.len() <= 5);
    assert_eq!(look_up("xyzzy plugh").nearest, Vec::<&str>::new());
    assert_eq!(look_up(&"q".repeat(100_000)).nearest, Vec::<&str>::new());
}

#[test]
fn of_a_long_paste_the_front_and_the_end_are_looked_at() {
    let filler = "é \n".repeat(100_000);
    assert_eq!(names(&format!("{filler}ECONNREFUSED")), ["ECONNREFUSED"]);
    assert_eq!(names(&format!("ECONNREFUSED\n{filler}")), ["ECONNREFUSED"]);
    let middle = format!("{filler}ECONNREFUSED\n{filler}");
    assert_eq!(names(&middle), Vec::<&str>::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_query_makes_it_panic(query in any::<String>()) {
        let found = look_up(&query);
        prop_assert!(found.entries.is_empty() || found.nearest.is_empty());
        prop_assert!(found.nearest.len() <= 5);
    }

    #[test]
    fn no_query_made_of_its_own_words_makes_it_panic(
        query in "([Ee]rrno|icmp6?|type|code|os|error|-|/|[0-9]{0,12}|é|\\.|_| |\\[|EPIPE){0,12}"
    ) {
        look_up(&query);
    }
}

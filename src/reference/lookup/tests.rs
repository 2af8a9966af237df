use super::*;
use crate::error::{Error, Kind};
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
    assert_eq!(names("41"), Vec::<&str>::new());
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
        ("TimeoutError: timed out", "ETIMEDOUT"),
        ("socket.timeout: timed out", "ETIMEDOUT"),
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
fn only_the_front_of_a_long_query_is_looked_at() {
    let long = format!("{}ECONNREFUSED", "é ".repeat(2000));
    assert_eq!(names(&long), Vec::<&str>::new());
    let long = format!("ECONNREFUSED {}", "é ".repeat(100_000));
    assert_eq!(names(&long), ["ECONNREFUSED"]);
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

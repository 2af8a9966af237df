//! `sockdoc resolve` with name servers of the test's own, in a namespace of its own.

use std::net::{TcpListener, UdpSocket};

use serde_json::Value;

use crate::dns_server::Script::{Alias, Bogus, Dead, Denies, Fails, Good, Refuses, Truncates};
use crate::dns_server::{DnsServer, Etc, Script};
use crate::namespace::Namespace;
use crate::support::{finish, program, skip, stdout, until};

/// The addresses of two servers. A short timeout, so that no test waits for long; long enough for a busy machine.
const TWO: &str = "nameserver 127.0.0.2\nnameserver 127.0.0.3\noptions timeout:3 attempts:1\n";

struct Scene {
    namespace: Namespace,
}

impl Scene {
    fn new(test: &str) -> Option<Scene> {
        for file in ["/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf"] {
            if !std::path::Path::new(file).exists() || program("ip").is_none() {
                skip(test, "there is no ip or no file to bind a test's file to");
                return None;
            }
        }
        let namespace = Namespace::new(test)?;
        Some(Scene { namespace })
    }

    /// Starts these servers on 127.0.0.2 and 127.0.0.3.
    fn servers(&self, scripts: &[Script]) -> Vec<DnsServer> {
        let addresses = ["127.0.0.2", "127.0.0.3"].iter().zip(scripts);
        addresses
            .map(|(address, script)| DnsServer::start(&self.namespace, address, *script))
            .collect()
    }

    /// What `sockdoc resolve --json ARGS...` says, and its exit status.
    fn resolve(etc: &Etc<'_>, args: &[&str]) -> (Value, i32) {
        let args = [&["resolve", "--json", "--timeout", "60"], args].concat();
        let output = finish(etc.sockdoc(&args));
        let text = stdout(&output);
        let value = serde_json::from_str(&text);
        let value = value.unwrap_or_else(|error| panic!("{error}: {output:?}"));
        (value, output.status.code().expect("it ends"))
    }
}

fn rule_and_severity(finding: &Value) -> (&str, &str) {
    let [rule, severity] = ["id", "severity"].map(|key| finding[key].as_str().expect("text"));
    (rule, severity)
}

/// The rules of the findings, with their severity.
fn found(value: &Value) -> Vec<(&str, &str)> {
    let findings = value["findings"].as_array().expect("findings").iter();
    // How fast the machine is decides about this one.
    let findings = findings.filter(|finding| finding["id"] != "dns_server_slow");
    findings.map(rule_and_severity).collect()
}

#[test]
fn each_fault_of_the_name_servers_is_named_and_a_healthy_pair_is_not() {
    let Some(scene) = Scene::new("faults of name servers") else {
        return;
    };
    let etc = Etc::new(&scene.namespace, TWO, "");
    let none: &[(&str, &str)] = &[];
    for (scripts, status, expected) in [
        (&[Good, Good][..], "resolved", none),
        (&[Alias, Good], "resolved", none),
        (&[Truncates, Good], "resolved", none),
        (
            &[Dead, Good],
            "resolved",
            &[("dns_first_server_dead", "warning")],
        ),
        (&[Good, Dead], "resolved", &[("dns_no_answer", "notice")]),
        (&[Dead, Dead], "failed", &[("dns_no_answer", "error")]),
        (&[Fails, Good], "resolved", &[("dns_servfail", "warning")]),
        (&[Fails, Fails], "failed", &[("dns_servfail", "error")]),
        (&[Bogus, Bogus], "failed", &[("dns_servfail", "error")]),
        (
            &[Refuses, Refuses],
            "failed",
            &[("dns_server_refuses", "error")],
        ),
        (
            &[Denies, Good],
            "failed",
            &[("dns_answers_differ", "warning")],
        ),
        (&[Denies, Denies], "failed", &[("name_unknown", "error")]),
    ] {
        let servers = scene.servers(scripts);
        let (value, exit) = Scene::resolve(&etc, &["shop.test"]);
        assert_eq!(value["status"], status, "{scripts:?}: {value:#}");
        assert_eq!(found(&value), expected, "{scripts:?}: {value:#}");
        let findings = value["findings"].as_array().expect("findings");
        let is_bad = findings.iter().any(|it| it["severity"] != "notice");
        assert_eq!(exit, i32::from(is_bad), "{scripts:?}: {value:#}");
        if scripts[0] == Bogus {
            let text = value["findings"][0]["text"].as_str().expect("text");
            assert!(text.contains("DNSSEC"), "{text}");
        }
        drop(servers);
    }
}

#[test]
fn an_answer_that_does_not_fit_and_queries_that_are_dropped_are_named() {
    let Some(scene) = Scene::new("truncated answers and dropped queries") else {
        return;
    };
    let one = "nameserver 127.0.0.2\noptions timeout:3 attempts:1\n";
    let etc = Etc::new(&scene.namespace, one, "");
    for (script, rule) in [
        (Script::TruncatesWithoutTcp, "dns_tcp_blocked"),
        (Script::DropsAaaa, "dns_aaaa_broken"),
        (Script::Hostile, "dns_servfail"),
    ] {
        let server = scene.servers(&[script]);
        let (value, exit) = Scene::resolve(&etc, &["shop.test"]);
        assert_eq!(found(&value)[0].0, rule, "{script:?}: {value:#}");
        assert_eq!(exit, 1, "{script:?}");
        if script == Script::Hostile {
            let ignored = &value["servers"][0]["queries"][0]["ignored"];
            assert_eq!(ignored, 2, "{value:#}");
        }
        drop(server);
    }
    // No server at all: nothing listens on port 53.
    let (value, _) = Scene::resolve(&etc, &["shop.test"]);
    assert_eq!(
        found(&value),
        [("dns_server_refuses", "error")],
        "{value:#}"
    );
    etc.write("resolv.conf", "options timeout:3 attempts:1\n");
    let (value, _) = Scene::resolve(&etc, &["shop.test"]);
    assert_eq!(found(&value), [("no_nameserver", "error")], "{value:#}");
}

#[test]
fn the_hosts_file_the_search_list_and_the_sources_are_told() {
    let Some(scene) = Scene::new("files of the resolver") else {
        return;
    };
    let etc = Etc::new(&scene.namespace, TWO, "10.9.1.66 shop.test\n");
    let _servers = scene.servers(&[Script::Good, Script::Good]);
    let (value, exit) = Scene::resolve(&etc, &["shop.test"]);
    assert_eq!(
        found(&value),
        [("hosts_file_override", "warning")],
        "{value:#}"
    );
    assert_eq!(value["addresses"][0]["address"], "10.9.1.66");
    assert_eq!(exit, 1);
    etc.write("hosts", "10.9.1.1 shop.test\n");
    let (value, _) = Scene::resolve(&etc, &["shop.test"]);
    assert_eq!(found(&value), [], "{value:#}");
    // By a search domain.
    etc.write("hosts", "");
    etc.write("resolv.conf", &format!("search other.test test\n{TWO}"));
    let (value, _) = Scene::resolve(&etc, &["shop"]);
    assert_eq!(found(&value), [], "{value:#}");
    let queries = value["servers"][0]["queries"].as_array().expect("queries");
    let names: Vec<&Value> = queries.iter().map(|query| &query["name"]).collect();
    let [other, own] = ["shop.other.test", "shop.test"];
    assert_eq!(names, [other, other, own, own], "{value:#}");
    // Without dns among the sources.
    etc.write("nsswitch.conf", "hosts: files\n");
    let (value, exit) = Scene::resolve(&etc, &["shop"]);
    assert_eq!(
        found(&value),
        [("resolver_disagrees", "error")],
        "{value:#}"
    );
    assert_eq!(exit, 1);
}

#[test]
fn who_listens_on_which_address_of_localhost_is_told() {
    let Some(scene) = Scene::new("listeners of localhost") else {
        return;
    };
    let etc = Etc::new(&scene.namespace, TWO, "::1 localhost\n");
    let _listener = scene
        .namespace
        .inside(|| TcpListener::bind("127.0.0.1:8080").expect("it listens"));
    let (value, exit) = Scene::resolve(&etc, &["localhost", "8080"]);
    assert_eq!(found(&value), [("family_mismatch", "notice")], "{value:#}");
    assert_eq!(exit, 0);
    let own = format!("(pid {})", std::process::id());
    for end in value["addresses"].as_array().expect("addresses") {
        let who = end["listeners"].as_str().unwrap_or_default();
        let is_v4 = end["address"] == "127.0.0.1";
        assert_eq!(who.contains(&own), is_v4, "{value:#}");
    }
    assert_eq!(value["servers"], Value::Array(vec![]));
    let output = finish(etc.sockdoc(&["resolve", "localhost", "8080"]));
    let text = stdout(&output);
    assert!(text.contains("nothing listens on port 8080"), "{text}");
    let (value, exit) = Scene::resolve(&etc, &["-4", "localhost", "8080"]);
    assert_eq!((found(&value), exit), (vec![], 0), "{value:#}");
}

#[test]
fn the_size_of_edns_and_the_name_of_the_address_are_told() {
    let Some(scene) = Scene::new("EDNS and PTR") else {
        return;
    };
    let etc = Etc::new(&scene.namespace, TWO, "");
    let servers = scene.servers(&[Script::Good, Script::DropsEdns]);
    let (value, exit) = Scene::resolve(&etc, &["shop.test"]);
    assert_eq!((found(&value), exit), (vec![], 0), "{value:#}");
    let edns = |at: usize, key: &str| value["edns"][at][key].clone();
    assert_eq!(edns(0, "server"), "127.0.0.2", "{value:#}");
    assert_eq!(
        (edns(0, "outcome"), edns(0, "size_bytes")),
        ("spoken".into(), 1232.into())
    );
    assert_eq!(edns(1, "outcome"), "no_reply", "{value:#}");
    let back = &value["back"][0];
    assert_eq!(
        (&back["address"], &back["names"][0]),
        (&"10.9.1.1".into(), &"shop.test".into())
    );
    assert_eq!(value["resolver"], "getaddrinfo(3)");
    drop(servers);
    let output = finish(etc.sockdoc(&["resolve", "--quiet-network", "shop.test"]));
    assert!(!stdout(&output).contains("back"), "{output:?}");
}

#[test]
fn the_order_of_the_sources_and_a_module_that_is_not_installed_are_told() {
    let Some(scene) = Scene::new("sources of names") else {
        return;
    };
    let etc = Etc::new(&scene.namespace, TWO, "");
    let _servers = scene.servers(&[Script::Good, Script::Good]);
    etc.write(
        "nsswitch.conf",
        "hosts: files nosuch9 [NOTFOUND=return] dns\n",
    );
    let (value, _) = Scene::resolve(&etc, &["shop.test"]);
    let module = &value["modules"][0];
    assert_eq!(
        (&module["name"], &module["installed"]),
        (&"nosuch9".into(), &false.into())
    );
    let output = finish(etc.sockdoc(&["resolve", "shop.test"]));
    let text = stdout(&output);
    assert!(
        text.contains("files nosuch9 [NOTFOUND=return] dns (nsswitch.conf)"),
        "{text}"
    );
    assert!(text.contains("not installed, so it is skipped"), "{text}");
}

#[test]
fn thousands_of_addresses_and_a_long_row_of_aliases_are_bounded() {
    let Some(scene) = Scene::new("hostile answers") else {
        return;
    };
    let one = "nameserver 127.0.0.2\noptions timeout:3 attempts:1\n";
    let etc = Etc::new(&scene.namespace, one, "");
    let server = scene.servers(&[Script::Many]);
    let (value, _) = Scene::resolve(&etc, &["shop.test"]);
    let query = &value["servers"][0]["queries"][0];
    assert_eq!(
        query["records"].as_array().map(Vec::len),
        Some(256),
        "{query:#}"
    );
    assert_eq!(query["records_left_out"], 3000 - 256);
    // Programs get them all, and a few are connected to.
    let addresses = value["addresses"].as_array().map_or(0, Vec::len);
    assert!(addresses >= 2_900, "{addresses} {}", value["status"]);
    let output = finish(etc.sockdoc(&["check", "--json", "shop.test:9"]));
    let checked: Value = serde_json::from_str(&stdout(&output)).expect("a document");
    assert_eq!(checked["attempts"].as_array().map(Vec::len), Some(16));
    assert_eq!(checked["cause"], "port_closed");
    drop(server);
    let _server = scene.servers(&[Script::Chain]);
    let (value, exit) = Scene::resolve(&etc, &["shop.test"]);
    assert_eq!(
        value["servers"][0]["queries"][0]["outcome"], "alias_loop",
        "{value:#}"
    );
    assert_eq!((found(&value)[0].0, exit), ("dns_servfail", 1), "{value:#}");
}

/// A socket in the place of a name server, which only takes queries.
fn silent_server(scene: &Scene) -> UdpSocket {
    scene.namespace.inside(|| {
        let socket = until("port 53", || UdpSocket::bind("127.0.0.2:53").ok());
        socket.set_nonblocking(true).expect("set");
        socket
    })
}

#[test]
fn an_address_and_what_only_looks_like_one_are_not_asked_of_a_name_server() {
    let Some(scene) = Scene::new("addresses are no names") else {
        return;
    };
    let one = "nameserver 127.0.0.2\noptions timeout:1 attempts:1\n";
    let etc = Etc::new(&scene.namespace, one, "127.0.0.1 localhost\n");
    let server = silent_server(&scene);
    let mut query = [0; 512];
    for (name, exit, says) in [
        ("256.1.1.1", 2, "not an IPv4 address"),
        ("10.0.0.1.5", 2, "not an IPv4 address"),
        ("127.1", 0, "127.1 resolves to 127.0.0.1"),
        ("localhost", 0, "localhost resolves to 127.0.0.1"),
    ] {
        let output = finish(etc.sockdoc(&["resolve", name]));
        let text = stdout(&output) + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{name}: {text}");
        assert!(text.contains(says), "{name}: {text}");
        let asked = server.recv(&mut query);
        assert!(asked.is_err(), "{name}: {asked:?}");
    }
    for (command, target) in [("resolve", "127.0.0.1"), ("check", "127.0.0.1:80")] {
        let output = finish(etc.sockdoc(&[command, "-6", target]));
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("it is an IPv4 address, and -6"), "{text}");
    }
    // The file has no IPv6 address of it, so the C library asks the DNS.
    let (value, exit) = Scene::resolve(&etc, &["-6", "localhost"]);
    assert_eq!((&value["not_asked"], exit), (&Value::Null, 1), "{value:#}");
    assert_eq!(
        value["servers"][0]["queries"][0]["type"], "AAAA",
        "{value:#}"
    );
    assert!(server.recv(&mut query).is_ok());
}

#[test]
fn what_is_worked_out_for_another_namespace_is_what_the_c_library_says_there() {
    let Some(scene) = Scene::new("codes of the resolver") else {
        return;
    };
    let hosts = "127.0.0.1 localhost\n10.9.1.7 many.test\n127.0.0.1 many.test\n::1 many.test\n10.9.2.7 many.test\n";
    let etc = Etc::new(&scene.namespace, TWO, hosts);
    scene
        .namespace
        .ip(&["link set lo up", "addr add 10.9.2.1/24 dev lo"]);
    let told = |output: &std::process::Output| {
        let value: Value = serde_json::from_str(&stdout(output)).expect("a document");
        let addresses = value["addresses"].as_array().expect("a list").iter();
        let addresses: Vec<Value> = addresses.map(|it| it["address"].clone()).collect();
        (value["error"]["code"].clone(), addresses)
    };
    for (scripts, name) in [
        (&[Dead, Dead][..], "shop.test"),
        (&[Fails, Fails], "shop.test"),
        (&[Refuses, Refuses], "shop.test"),
        (&[Fails, Good], "shop.test"),
        (&[Denies, Good], "shop.test"),
        (&[Good, Good], "shop.test"),
        (&[Good, Good], "localhost"),
        (&[Good, Good], "many.test"),
    ] {
        let servers = scene.servers(scripts);
        for flag in [&["-4"][..], &["-6"], &[]] {
            let args = [&["resolve", "--json", "--timeout", "60"], flag].concat();
            let own = finish(etc.sockdoc(&[&args[..], &[name]].concat()));
            let place = ["--netns", &scene.namespace.name, name];
            let other = crate::support::run(&[&args[..], &place].concat());
            assert_eq!(told(&other), told(&own), "{scripts:?} {flag:?} {name}");
            // What is to be done is done there.
            let value: Value = serde_json::from_str(&stdout(&other)).expect("a document");
            for finding in value["findings"].as_array().expect("a list") {
                let text = finding["commands"].to_string();
                let goes = text == "[]" || text.contains(&scene.namespace.name);
                assert!(goes, "{scripts:?} {flag:?}: {text}");
            }
        }
        drop(servers);
    }
    drop(etc);
}

#[test]
fn another_namespace_has_its_own_files_and_servers() {
    let Some(scene) = Scene::new("files of another namespace") else {
        return;
    };
    let etc = Etc::new(&scene.namespace, TWO, "10.9.1.7 files.test\n");
    let _servers = scene.servers(&[Script::Good, Script::Good]);
    let resolve = |name: &str| {
        let args = ["resolve", "--json", "--netns", &scene.namespace.name, name];
        let output = crate::support::run(&args);
        let value: Value = serde_json::from_str(&stdout(&output)).expect("a document");
        assert_eq!(
            value["resolver"],
            "the files and name servers of that namespace"
        );
        value
    };
    assert_eq!(resolve("shop.test")["addresses"][0]["address"], "10.9.1.1");
    assert_eq!(resolve("files.test")["addresses"][0]["address"], "10.9.1.7");
    assert_eq!(resolve("nowhere.test")["status"], "failed");
    drop(etc);
}

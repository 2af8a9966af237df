//! `sockdoc diagnose` and this host's own firewall: which rule it is, and when it is none of its business.

use std::net::UdpSocket;
use std::time::Duration;

use crate::diagnose::{Busy, Diagnosis, connecting, listener, transfer, until_sent_again};
use crate::namespace::Namespace;
use crate::routed::Path;

/// Begins connections to this end until it is dropped.
fn knocking(from: &Namespace, to: &'static str) -> Busy {
    let (name, file) = (from.name.clone(), from.file());
    Busy::with(move || {
        let from = Namespace { name: name.clone() };
        let attempt = connecting(&from, to);
        std::mem::forget(from);
        std::thread::sleep(Duration::from_millis(100));
        drop(attempt);
        std::path::Path::new(&file).exists()
    })
}

/// A chain of the hook input that drops what its rules do not let in.
fn closed_but_for(at: &Namespace, rules: &str) {
    let table = format!(
        "flush ruleset\ntable inet test {{\n chain input {{\n  \
         type filter hook input priority 0; policy drop;\n  {rules}\n }}\n}}\n"
    );
    at.fed("nft", &["-f", "-"], &table);
}

#[test]
fn the_rule_that_drops_what_a_connection_sends_is_named_with_its_counter() {
    let test = "the_rule_that_drops_what_a_connection_sends_is_named_with_its_counter";
    let Some(path) = Path::new(test) else { return };
    let rules = "tcp dport { 22, 80 } accept\n  tcp dport 5432 counter drop";
    path.client.firewall_at("output", rules);
    let _waits = connecting(&path.client, "10.77.2.1:5432");
    until_sent_again(&path.client);
    let rule = "table inet test, chain output: tcp dport 5432 drop";
    Diagnosis::until(&path.client, &[], "own_firewall_drops", rule);
    Diagnosis::until(
        &path.client,
        &[],
        "own_firewall_drops",
        "its counter rose by",
    );
}

#[test]
fn replies_that_the_own_firewall_drops_are_told_from_a_silent_peer() {
    let test = "replies_that_the_own_firewall_drops_are_told_from_a_silent_peer";
    let Some(path) = Path::new(test) else { return };
    let _listener = listener(&path.server, 5432);
    path.client.firewall_at("input", "tcp sport 5432 drop");
    let own = connecting(&path.client, "10.77.2.1:5432");
    until_sent_again(&path.client);
    let rule = "the replies of 10.77.2.1:5432: table inet test, chain input";
    Diagnosis::until(&path.client, &[], "own_firewall_drops", rule);
    // The usual rules let replies in, and the peer is silent.
    drop(own);
    closed_but_for(
        &path.client,
        "ct state established,related accept; iif lo accept; tcp dport 22 accept;",
    );
    path.server.firewall("tcp dport 5432 drop");
    let _remote = connecting(&path.client, "10.77.2.1:5432");
    until_sent_again(&path.client);
    Diagnosis::of(&path.client, &[]).is("connecting_no_answer", "SYN sent");
}

#[test]
fn what_programs_send_and_the_firewall_rejects_is_found_and_scans_are_not() {
    let test = "what_programs_send_and_the_firewall_rejects_is_found_and_scans_are_not";
    let Some(path) = Path::new(test) else { return };
    path.client
        .firewall_at("output", "udp dport 53 counter reject");
    path.server.firewall("udp dport 54 counter drop");
    let socket = path
        .client
        .inside(|| UdpSocket::bind("0.0.0.0:0").expect("a socket"));
    let _sending = Busy::with(move || {
        for port in [53, 54] {
            let _ = socket.send_to(b"x", ("10.77.2.1", port));
        }
        std::thread::sleep(Duration::from_millis(20));
        true
    });
    let rule = "table inet test, chain output: udp dport 53 reject";
    Diagnosis::until(&path.client, &[], "output_stopped", rule);
    Diagnosis::of(&path.server, &[]).is_healthy();
}

#[test]
fn a_rule_against_all_clients_of_a_listener_is_found_and_one_against_some_is_healthy() {
    let test = "a_rule_against_all_clients_of_a_listener_is_found_and_one_against_some_is_healthy";
    let Some(path) = Path::new(test) else { return };
    let _listener = listener(&path.server, 8080);
    path.server
        .firewall("ip saddr 10.77.1.1 tcp dport 8080 counter drop");
    // Each ruleset takes the place of the one before in one step.
    let _knocking = knocking(&path.client, "10.77.2.1:8080");
    Diagnosis::of(&path.server, &[]).is_healthy();
    closed_but_for(&path.server, "ip saddr 10.77.1.2 tcp dport 8080 accept");
    Diagnosis::of(&path.server, &[]).is_healthy();
    closed_but_for(&path.server, "tcp dport 22 counter accept; counter;");
    let policy = "chain input: policy drop";
    Diagnosis::until(&path.server, &[], "listener_firewalled", policy);
    path.server
        .firewall("iif lo accept; tcp dport 8080 counter drop");
    let rule = "chain input: tcp dport 8080 drop";
    Diagnosis::until(&path.server, &[], "listener_firewalled", rule);
}

#[test]
fn an_ordinary_ruleset_and_what_it_drops_are_healthy() {
    let Some(path) = Path::new("an_ordinary_ruleset_and_what_it_drops_are_healthy") else {
        return;
    };
    closed_but_for(
        &path.server,
        "iif lo accept; ct state vmap { established : accept, related : accept, invalid : drop }; \
         tcp dport { 22, 9000 } accept; counter log drop;",
    );
    let _transfer = transfer(&path, 9000, 1_000_000);
    let _knocking = knocking(&path.client, "10.77.2.1:23");
    Diagnosis::of(&path.server, &[]).is_healthy();
}

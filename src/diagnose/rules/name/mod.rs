//! What a look-up of a name proves.

mod listeners;
mod rules;
#[cfg(test)]
mod tests;

pub use listeners::of_listeners;
pub use rules::*;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::host::NO_NAMESERVER;
use crate::diagnose::{Command, Fact, Finding, NextStep, Rule, Severity, Subject, Value};
use crate::dns::config::ends_before_dns;
use crate::dns::lookup::Outcome;
use crate::dns::message::rcode_name;
use crate::dns::{Asked, Lookup, QueryType, ServerAnswers, SystemAnswer};

/// The time of an answer from which on a server is slow.
const SLOW: Duration = Duration::from_secs(1);

/// What a look-up proves, the worst first.
pub fn of_lookup(lookup: &Lookup) -> Vec<Finding> {
    let mut found = Vec::new();
    if !lookup.servers.is_empty() {
        found.extend(dead_servers(lookup));
        found.extend(all_failures(lookup));
        found.extend(slow(lookup));
        found.extend(contradiction(lookup));
        found.extend(hidden_by_the_hosts_file(lookup));
        found.extend(unknown(lookup));
        found.extend(not_given(lookup));
    }
    if is_of_the_hosts_file(lookup) {
        // Programs that look this name up do not ask them.
        let of_servers = found
            .iter_mut()
            .filter(|it| it.rule != &HOSTS_FILE_OVERRIDE);
        of_servers.for_each(|it| it.severity = Severity::Notice);
    }
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found
}

/// Whether programs get the addresses from hosts(5).
fn is_of_the_hosts_file(lookup: &Lookup) -> bool {
    let is_there = |to: &SocketAddr| lookup.hosts.iter().any(|it| it.address == to.ip());
    let addresses = lookup.addresses();
    lookup.uses("files") && !addresses.is_empty() && addresses.iter().all(is_there)
}

fn finding(
    rule: &'static Rule,
    severity: Severity,
    headline: String,
    facts: Vec<Fact>,
    commands: Vec<Command>,
) -> Finding {
    let mut next: Vec<NextStep> = commands.into_iter().map(NextStep::Command).collect();
    next.push(NextStep::Sentence(rule.next.into()));
    Finding {
        facts,
        ruled_out: rule.look_alikes,
        next,
        ..Finding::new(rule, severity, Subject::Host, headline)
    }
}

fn word(text: String) -> Value {
    Value::Word(text.into())
}

/// Milliseconds as people say them.
fn shown(time: Duration) -> String {
    match time.as_secs_f64() {
        s if s >= 1.0 => format!("{s:.1} s"),
        s => format!("{:.0} ms", s * 1e3),
    }
}

/// An error, unless programs get an address all the same.
fn unless_resolved(lookup: &Lookup) -> Severity {
    if lookup.addresses().is_empty() {
        Severity::Error
    } else {
        Severity::Warning
    }
}

fn ip_of(server: &ServerAnswers) -> IpAddr {
    server.address.ip()
}

/// What a server answered, as evidence.
fn facts_of(server: &ServerAnswers) -> Vec<Fact> {
    let told = |asked: &Asked| word(format!("{} at {}", told(asked), ip_of(server)));
    let asked = server.asked.iter();
    asked
        .map(|asked| Fact::new("DNS query", asked.kind.word(), told(asked)))
        .collect()
}

fn told(asked: &Asked) -> String {
    let time = shown(asked.time);
    match asked.outcome() {
        Outcome::Silent => format!("no reply to {} queries in {time}", asked.sent),
        Outcome::Failed(errno) => format!("{} after {time}", errno_name(errno)),
        Outcome::Addresses(addresses) => match &addresses[..] {
            [(address, _)] => format!("{address} in {time}"),
            many => format!("{} addresses in {time}", many.len()),
        },
        Outcome::NoData => format!("no such record, in {time}"),
        Outcome::NoSuchName => format!("NXDOMAIN in {time}"),
        Outcome::Failure(rcode) => match rcode_name(rcode) {
            Some(name) => format!("{name} in {time}"),
            None => format!("response code {rcode} in {time}"),
        },
        Outcome::AliasLoop => "aliases in a circle".to_owned(),
        Outcome::Damaged => "a damaged reply".to_owned(),
        Outcome::NotByTcp => "truncated, and no reply by TCP".to_owned(),
    }
}

fn errno_name(errno: i32) -> String {
    let entry = crate::reference::errno::by_number(errno);
    entry.map_or_else(|| format!("errno {errno}"), |entry| entry.name.to_owned())
}

/// Servers from which nothing comes.
fn dead_servers(lookup: &Lookup) -> Vec<Finding> {
    let servers = &lookup.servers;
    let Some(alive) = servers.iter().position(ServerAnswers::is_alive) else {
        return vec![all_dead(lookup)];
    };
    let mut found = Vec::new();
    for (at, server) in servers.iter().enumerate() {
        if server.is_alive() {
            continue;
        }
        let ip = ip_of(server);
        if let Some(errno) = server.errno() {
            let headline = format!("name server {ip} cannot be asked: {}", errno_name(errno));
            let commands = vec![Command::of("ip route get").with(ip)];
            let facts = facts_of(server);
            found.push(finding(
                &DNS_SERVER_REFUSES,
                Severity::Notice,
                headline,
                facts,
                commands,
            ));
        } else if at == 0 && !lookup.config.rotate {
            found.push(first_dead(lookup, server, &servers[alive]));
        } else {
            let severity = if at < alive || lookup.config.rotate {
                Severity::Warning
            } else {
                Severity::Notice
            };
            let headline = format!("name server {ip} does not answer");
            let commands = vec![Command::of("sockdoc ping -c 3").with(ip)];
            found.push(finding(
                &DNS_NO_ANSWER,
                severity,
                headline,
                facts_of(server),
                commands,
            ));
        }
    }
    found
}

/// The first is dead: what it costs.
fn first_dead(lookup: &Lookup, server: &ServerAnswers, other: &ServerAnswers) -> Finding {
    let (ip, other) = (ip_of(server), ip_of(other));
    let cost = shown(lookup.config.timeout);
    let headline = format!(
        "the first name server, {ip}, does not answer: each look-up waits {cost} before {other} is asked"
    );
    let mut facts = facts_of(server);
    let timeout = u64::try_from(lookup.config.timeout.as_millis()).unwrap_or(u64::MAX);
    facts.push(Fact::new("resolv.conf", "timeout", Value::Millis(timeout)));
    let time = u64::try_from(lookup.time.as_millis()).unwrap_or(u64::MAX);
    facts.push(Fact::new("getaddrinfo", "time", Value::Millis(time)));
    let commands = vec![Command::of("sockdoc ping -c 3").with(ip)];
    finding(
        &DNS_FIRST_SERVER_DEAD,
        Severity::Warning,
        headline,
        facts,
        commands,
    )
}

fn all_dead(lookup: &Lookup) -> Finding {
    let servers = &lookup.servers;
    let facts = servers.iter().flat_map(facts_of).collect();
    let severity = unless_resolved(lookup);
    let addresses: Vec<String> = servers.iter().map(|it| ip_of(it).to_string()).collect();
    let list = addresses.join(", ");
    if lookup.config.servers.is_empty() {
        let headline = "no name server in /etc/resolv.conf, and none answers on 127.0.0.1:53";
        let commands = vec![Command::of("cat /etc/resolv.conf")];
        return finding(
            &NO_NAMESERVER,
            severity,
            headline.to_owned(),
            facts,
            commands,
        );
    }
    let ping = Command::of("sockdoc ping -c 3").with(&addresses[0]);
    if let Some(errno) = servers.iter().find_map(ServerAnswers::errno) {
        let errno = errno_name(errno);
        let headline = match servers.len() {
            1 => format!("the name server, {list}, cannot be asked: {errno}"),
            _ => format!("no name server can be asked ({list}): {errno}"),
        };
        return finding(&DNS_SERVER_REFUSES, severity, headline, facts, vec![ping]);
    }
    let headline = match servers.len() {
        1 => format!("the name server, {list}, does not answer"),
        _ => format!("none of the name servers answers: {list}"),
    };
    finding(&DNS_NO_ANSWER, severity, headline, facts, vec![ping])
}

/// What the servers that answer do wrong: what several do is told once.
fn all_failures(lookup: &Lookup) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for server in &lookup.servers {
        for failure in failures(lookup, server) {
            match found.iter_mut().find(|it| it.rule == failure.rule) {
                Some(same) => {
                    let both = format!("{}; {} does the same", same.headline, ip_of(server));
                    same.headline = both;
                    same.facts.extend(failure.facts);
                }
                None => found.push(failure),
            }
        }
    }
    found
}

/// What a server that answers does wrong.
fn failures(lookup: &Lookup, server: &ServerAnswers) -> Vec<Finding> {
    let ip = ip_of(server);
    if !server.is_alive() {
        return Vec::new();
    }
    if let Some(broken) = aaaa_broken(lookup, server) {
        return vec![broken];
    }
    let severity = unless_resolved(lookup);
    let facts = facts_of(server);
    for asked in &server.asked {
        let (name, kind) = (&asked.name, asked.kind.word());
        let found = match asked.outcome() {
            Outcome::Failure(2) if asked.unchecked == Some(0) => (
                &DNS_SERVFAIL,
                format!(
                    "{ip} answers SERVFAIL for {name}: DNSSEC does not confirm the answer that it has"
                ),
            ),
            Outcome::Failure(2) => (&DNS_SERVFAIL, format!("{ip} answers SERVFAIL for {name}")),
            Outcome::Failure(5) => (
                &DNS_SERVER_REFUSES,
                format!("{ip} answers REFUSED for {name}"),
            ),
            Outcome::Failure(rcode) => {
                let code = rcode_name(rcode).map_or_else(|| rcode.to_string(), str::to_owned);
                (&DNS_SERVFAIL, format!("{ip} answers {code} for {name}"))
            }
            Outcome::NotByTcp => (
                &DNS_TCP_BLOCKED,
                format!(
                    "the {kind} answer of {ip} is truncated, and TCP port 53 there does not give it"
                ),
            ),
            Outcome::AliasLoop => (
                &DNS_SERVFAIL,
                format!("{ip} gives aliases of {name} that go in a circle"),
            ),
            Outcome::Damaged => (
                &DNS_SERVFAIL,
                format!("{ip} sends a damaged reply for {name}"),
            ),
            _ => continue,
        };
        let ping = Command::of("sockdoc ping -c 3 --tcp 53").with(ip);
        let commands = (found.0 == &DNS_TCP_BLOCKED).then_some(ping);
        return vec![finding(
            found.0,
            severity,
            found.1,
            facts,
            commands.into_iter().collect(),
        )];
    }
    Vec::new()
}

/// A is answered and AAAA is not.
fn aaaa_broken(lookup: &Lookup, server: &ServerAnswers) -> Option<Finding> {
    let mut pairs = server
        .asked
        .iter()
        .filter(|asked| asked.kind == QueryType::Aaaa);
    let (v4, v6) = pairs.find_map(|v6| {
        let same = |asked: &&Asked| asked.kind == QueryType::A && asked.name == v6.name;
        let v4 = server.asked.iter().find(same)?;
        let has_address = matches!(v4.outcome(), Outcome::Addresses(_));
        let fails =
            v6.is_dead() || matches!(v6.outcome(), Outcome::Failure(_) | Outcome::NoSuchName);
        (has_address && fails).then_some((v4, v6))
    })?;
    let (ip, name) = (ip_of(server), &v6.name);
    let headline = format!(
        "{ip} has the A record of {name} and fails for AAAA: {}",
        told(v6)
    );
    let mut facts = vec![
        Fact::new("DNS query", "A", word(told(v4))),
        Fact::new("DNS query", "AAAA", word(told(v6))),
    ];
    let time = u64::try_from(lookup.time.as_millis()).unwrap_or(u64::MAX);
    facts.push(Fact::new("getaddrinfo", "time", Value::Millis(time)));
    Some(finding(
        &DNS_AAAA_BROKEN,
        unless_resolved(lookup),
        headline,
        facts,
        Vec::new(),
    ))
}

/// The first server is slow.
fn slow(lookup: &Lookup) -> Option<Finding> {
    let first = lookup.servers.first().filter(|server| server.is_alive())?;
    let answered = first.asked.iter().filter(|asked| !asked.is_dead());
    let time = answered
        .map(Asked::best_time)
        .max()
        .filter(|time| *time >= SLOW)?;
    let headline = format!(
        "the first name server, {}, takes {} to answer",
        ip_of(first),
        shown(time)
    );
    let commands = vec![Command::of("sockdoc ping -c 5").with(ip_of(first))];
    Some(finding(
        &DNS_SERVER_SLOW,
        Severity::Warning,
        headline,
        facts_of(first),
        commands,
    ))
}

/// Whether a server says for certain that there is no address.
fn denies(server: &ServerAnswers) -> bool {
    let mut asked = server.asked.iter();
    !server.asked.is_empty()
        && asked.all(|it| matches!(it.outcome(), Outcome::NoSuchName | Outcome::NoData))
}

/// One server has an address and another one has none.
fn contradiction(lookup: &Lookup) -> Option<Finding> {
    let has = lookup
        .servers
        .iter()
        .find(|it| !it.addresses().is_empty())?;
    let denying = lookup.servers.iter().find(|it| denies(it))?;
    let (with, without) = (ip_of(has), ip_of(denying));
    let address = has.addresses()[0];
    let headline =
        format!("{with} answers with the address {address}, {without} that the name has none");
    let facts = [facts_of(denying), facts_of(has)].concat();
    Some(finding(
        &DNS_ANSWERS_DIFFER,
        Severity::Warning,
        headline,
        facts,
        Vec::new(),
    ))
}

/// The hosts file has other addresses than the DNS.
fn hidden_by_the_hosts_file(lookup: &Lookup) -> Option<Finding> {
    let entry = lookup.hosts.first().filter(|_| lookup.uses("files"))?;
    let of_dns: Vec<IpAddr> = lookup
        .servers
        .iter()
        .flat_map(ServerAnswers::addresses)
        .collect();
    let first = of_dns.first()?;
    if lookup
        .hosts
        .iter()
        .any(|entry| of_dns.contains(&entry.address))
    {
        return None;
    }
    let severity = if entry.address.is_loopback() {
        Severity::Notice
    } else {
        Severity::Warning
    };
    let headline = format!("/etc/hosts gives {}, the DNS gives {first}", entry.address);
    let facts = vec![
        Fact::new("/etc/hosts", "line", Value::Count(entry.line as u64)),
        Fact::new("/etc/hosts", "address", word(entry.address.to_string())),
        Fact::new("DNS", "address", word(first.to_string())),
    ];
    let commands = vec![
        Command::of("grep -n -F")
            .with(&lookup.name)
            .with("/etc/hosts"),
    ];
    Some(finding(
        &HOSTS_FILE_OVERRIDE,
        severity,
        headline,
        facts,
        commands,
    ))
}

/// Nobody knows the name.
fn unknown(lookup: &Lookup) -> Option<Finding> {
    let is_failure = matches!(lookup.system, SystemAnswer::Failed { .. });
    let alive = || lookup.servers.iter().filter(|server| server.is_alive());
    if !is_failure || alive().next().is_none() || !alive().all(denies) {
        return None;
    }
    let asked = || alive().flat_map(|server| &server.asked);
    let mut names: Vec<String> = asked().map(|asked| asked.name.to_string()).collect();
    names.dedup();
    names.sort();
    names.dedup();
    let exists = asked().any(|asked| asked.outcome() == Outcome::NoData);
    let headline = match (exists, &names[..]) {
        (true, _) => format!("{} exists in the DNS, and has no such address", lookup.name),
        (false, [one]) => format!("no such name in the DNS: {one} (NXDOMAIN)"),
        (false, many) => format!(
            "no such name in the DNS: tried {} (NXDOMAIN)",
            many.join(", ")
        ),
    };
    let facts = alive().flat_map(facts_of).collect();
    let commands = vec![Command::of("cat /etc/resolv.conf")];
    Some(finding(
        &NAME_UNKNOWN,
        Severity::Error,
        headline,
        facts,
        commands,
    ))
}

/// A server has the address, and programs do not get it.
fn not_given(lookup: &Lookup) -> Option<Finding> {
    let SystemAnswer::Failed { code, .. } = &lookup.system else {
        return None;
    };
    // What is wrong at the first server that answers explains it.
    let first = lookup.servers.iter().find(|server| server.is_alive())?;
    let address = *first.addresses().first()?;
    let is_broken = first
        .asked
        .iter()
        .any(|asked| !matches!(asked.outcome(), Outcome::Addresses(_) | Outcome::NoData));
    if is_broken && lookup.uses("dns") {
        return None;
    }
    let ends = lookup.sources.as_ref();
    let ends = ends.and_then(|it| ends_before_dns(it, &lookup.name));
    let headline = match ends {
        Some(source) => format!(
            "{} has {address}, and programs get {code}: nsswitch.conf ends the search after {source}",
            ip_of(first)
        ),
        None => format!("{} has {address}, and programs get {code}", ip_of(first)),
    };
    let sources = lookup.sources.as_ref();
    let sources = sources.map_or_else(|| "files dns (default)".to_owned(), |it| it.join(" "));
    let mut facts = vec![Fact::new("nsswitch.conf", "hosts", word(sources))];
    facts.extend(facts_of(first));
    let commands = vec![Command::of("grep ^hosts: /etc/nsswitch.conf")];
    Some(finding(
        &RESOLVER_DISAGREES,
        Severity::Error,
        headline,
        facts,
        commands,
    ))
}

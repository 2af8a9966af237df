//! A name: what programs get, the files, each name server. `json` writes the same for programs.

mod json;

pub use json::json;

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

use super::finding::{self, Layout};
use super::steps::{self, Step};
use super::{Paint, counted, escape};
use crate::diagnose::Finding;
use crate::dns::choice::{self, Candidate};
use crate::dns::config::{MOST_USED, ends_before_dns, source_words};
use crate::dns::lookup::Outcome;
use crate::dns::message::rcode_name;
use crate::dns::{
    Answer, Asked, BackAnswer, Closer, Data, Edns, Lookup, Resolver, ServerAnswers, SystemAnswer,
};
use crate::reference::errno::by_number;

/// Addresses that are listed.
const MOST_SHOWN: usize = 32;

/// What is shown.
#[derive(Debug)]
pub struct Resolved<'a> {
    /// The look-up.
    pub lookup: &'a Lookup,
    /// What else was found out.
    pub closer: Closer,
    /// The port that was named.
    pub port: Option<u16>,
    /// The addresses that programs get.
    pub ends: Vec<End>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl Resolved<'_> {
    /// Why the first address comes first; `None` of a single one.
    fn order(&self) -> Option<String> {
        let candidate = |end: &End| Candidate {
            to: end.address.ip(),
            from: end.source.ok(),
        };
        let [first, second] = [self.ends.first()?, self.ends.get(1)?].map(candidate);
        let (one, other) = (first.to, second.to);
        Some(format!(
            "{one} before {other}: {}",
            choice::why(&first, &second)
        ))
    }
}

/// An address that programs get.
#[derive(Debug)]
pub struct End {
    /// The address.
    pub address: SocketAddr,
    /// From which address of this host packets to it are sent; or why none are.
    pub source: Result<IpAddr, i32>,
    /// Of an address of this host with a port: the processes that listen there.
    pub listeners: Option<Option<String>>,
}

/// Writes it for people.
pub fn write(out: &mut impl Write, it: &Resolved<'_>, layout: Layout) -> io::Result<()> {
    let is_good = !it.ends.is_empty();
    let headline = headline(it);
    let headline = escape::text(&headline);
    let paint = if is_good { Paint::Bold } else { Paint::Bad };
    writeln!(out, "{}\n", layout.style.paint(paint, headline))?;
    let mut steps = programs(it);
    steps.extend(files(it, layout.verbose));
    for server in &it.lookup.servers {
        steps.extend(of_server(it.lookup, server, layout.verbose));
        steps.extend(edns(&it.closer, server));
    }
    let behind = it.closer.behind.iter();
    let behind = behind.map(|server| of_server(it.lookup, server, layout.verbose));
    for (at, mut rows) in behind.enumerate() {
        if at == 0 {
            steps.push(Step::new(
                "behind it",
                "the servers that systemd-resolved asks:",
            ));
        }
        steps.append(&mut rows);
    }
    steps.extend(back(&it.closer));
    steps::write(out, &steps, layout.style, layout.width)?;
    if let SystemAnswer::Failed {
        next: Some(next), ..
    } = &it.lookup.system
        && it.findings.is_empty()
    {
        steps::write(out, &[Step::new("next", next)], layout.style, layout.width)?;
    }
    for one in &it.findings {
        writeln!(out)?;
        finding::write_all(out, vec![one.clone()], layout)?;
    }
    Ok(())
}

fn headline(it: &Resolved<'_>) -> String {
    let name = &it.lookup.name;
    match &it.lookup.system {
        SystemAnswer::Addresses { .. } => {
            let all: Vec<String> = it.ends.iter().map(|end| bare(end.address)).collect();
            match &all[..] {
                [one] if one == name => format!("{name} is an address"),
                [one] => format!("{name} resolves to {one}"),
                [one, two] => format!("{name} resolves to {one} and {two}"),
                [first, ..] => format!(
                    "{name} resolves to {}, the first is {first}",
                    super::counted(all.len() as u64, "address")
                ),
                [] => format!("{name} has no address"),
            }
        }
        SystemAnswer::Failed { code, .. } => format!("{name} cannot be resolved ({code})"),
        SystemAnswer::Pending => format!(
            "{name} is not resolved after {}",
            steps::shown(it.lookup.time)
        ),
    }
}

/// An address without its port; with its zone.
fn bare(address: SocketAddr) -> String {
    match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
        address => address.ip().to_string(),
    }
}

/// What programs get.
fn programs(it: &Resolved<'_>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    match &it.lookup.system {
        SystemAnswer::Addresses { canonical, .. } => {
            let wide = it.ends.iter().map(|end| bare(end.address).len()).max();
            let wide = wide.unwrap_or(0);
            for end in it.ends.iter().take(MOST_SHOWN) {
                let address = bare(end.address);
                steps.push(Step::new(
                    "",
                    format!("{address:wide$}  {}", about(end, it.port)),
                ));
            }
            if it.ends.len() > MOST_SHOWN {
                let more = counted((it.ends.len() - MOST_SHOWN) as u64, "more address");
                steps.push(Step::new("", format!("and {more} (--json lists all)")));
            }
            if let Some(why) = it.order() {
                steps.push(Step::new("", why));
            }
            if let Some(canonical) = canonical {
                steps.push(Step::new("", format!("canonical name {canonical}")));
            }
        }
        SystemAnswer::Failed { cause, .. } => {
            steps.push(Step::new("", cause).painted(Paint::Bad));
        }
        SystemAnswer::Pending => {
            let resolver = it.lookup.resolver.words();
            let text = format!("{resolver} has not returned (--timeout waits longer)");
            steps.push(Step::new("", text).painted(Paint::Bad));
        }
    }
    match it.lookup.resolver {
        Resolver::CLibrary => {}
        Resolver::Getent => steps.push(Step::new(
            "",
            "from getent ahosts: this static build has another resolver than the programs of this host",
        )),
        Resolver::Static => steps.push(Step::new(
            "",
            "from the resolver of this static build, which does not read nsswitch.conf; getent is not installed",
        )),
        Resolver::WorkedOut => steps.push(Step::new(
            "",
            "worked out from the files and name servers of that namespace; no program of it was asked",
        )),
    }
    if let Some(first) = steps.first_mut() {
        "programs".clone_into(&mut first.title);
        first.time = Some(it.lookup.time);
    }
    steps
}

/// How an address is reached, and who listens there.
fn about(end: &End, port: Option<u16>) -> String {
    let source = match end.source {
        Ok(source) if source == end.address.ip() => "an address of this host".to_owned(),
        Ok(source) => format!("reached from {source}"),
        Err(errno) => format!("cannot be reached: {}", errno_name(errno)),
    };
    match (&end.listeners, port) {
        (Some(Some(who)), Some(port)) => format!("{source}, {who} listens on port {port}"),
        (Some(None), Some(port)) => format!("{source}, nothing listens on port {port}"),
        _ => source,
    }
}

fn errno_name(errno: i32) -> String {
    by_number(errno).map_or_else(|| format!("errno {errno}"), |it| it.name.to_owned())
}

/// What the files say.
fn files(it: &Resolved<'_>, verbose: bool) -> Vec<Step> {
    let lookup = it.lookup;
    let sources = match &lookup.sources {
        Some(sources) => format!("{} (nsswitch.conf), asked in this order", sources.join(" ")),
        None => "files dns (the default: nsswitch.conf has no line `hosts`)".to_owned(),
    };
    let hosts = match &lookup.hosts[..] {
        [] => "no entry in /etc/hosts".to_owned(),
        entries => {
            let entries = entries.iter().take(MOST_SHOWN);
            let entries = entries.map(|it| format!("{} (line {})", it.address, it.line));
            entries.collect::<Vec<_>>().join(", ")
        }
    };
    let mut steps = vec![Step::new("sources", sources)];
    for (module, is_there) in &it.closer.modules {
        let words = source_words(module).unwrap_or("a source that sockdoc does not know");
        steps.push(if *is_there {
            Step::new("", format!("{module}: {words}"))
        } else {
            let text = format!("{module}: {words}; not installed, so it is skipped");
            Step::new("", text)
        });
    }
    let ends = lookup.sources.as_ref();
    if let Some(source) = ends.and_then(|it| ends_before_dns(it, &lookup.name)) {
        let text = format!("if {source} does not have it, the name servers are not asked");
        steps.push(Step::new("", text));
    }
    steps.push(Step::new("hosts", hosts));
    let config = &lookup.config;
    if let Some(why) = lookup.not_asked {
        steps.push(Step::new("servers", format!("not asked: {why}")));
    } else if !config.search.is_empty() {
        steps.push(Step::new("search", config.search.join(" ")));
    }
    if verbose {
        let text = format!(
            "timeout:{} attempts:{} ndots:{}{}",
            config.timeout.as_secs(),
            config.attempts,
            config.ndots,
            if config.rotate { " rotate" } else { "" }
        );
        steps.push(Step::new("options", text));
    }
    if config.servers.len() > MOST_USED && lookup.not_asked.is_none() {
        let unused: Vec<String> = config.servers[MOST_USED..]
            .iter()
            .map(|server| server.ip.to_string())
            .collect();
        let text = format!(
            "{} (the C library uses the first 3 servers)",
            unused.join(" ")
        );
        steps.push(Step::new("not used", text));
    }
    steps
}

/// What a name server says.
fn of_server(lookup: &Lookup, server: &ServerAnswers, verbose: bool) -> Vec<Step> {
    let own = crate::dns::Name::new(&lookup.name);
    let mut steps = Vec::new();
    for asked in &server.asked {
        let kind = asked.kind.word();
        let name = if own.as_ref() == Some(&asked.name) {
            String::new()
        } else {
            format!("{} ", asked.name)
        };
        let mut step = Step::new("", format!("{name}{kind:<4}  {}", told(asked))).took(asked.time);
        let outcome = asked.outcome();
        if !matches!(
            outcome,
            Outcome::Addresses(_) | Outcome::NoData | Outcome::NoSuchName
        ) {
            step = step.painted(Paint::Warn);
        }
        if steps.is_empty() {
            step.title = server.address.ip().to_string();
        }
        steps.push(step);
        if verbose && let Some(reply) = asked.reply() {
            let records = reply.records.iter().take(MOST_SHOWN);
            steps.extend(records.map(|record| {
                let data = data_words(&record.data);
                Step::new("", format!("      {} {} s {data}", record.name, record.ttl))
            }));
        }
    }
    steps
}

/// How a server takes EDNS.
fn edns(closer: &Closer, server: &ServerAnswers) -> Option<Step> {
    let ip = server.address.ip();
    let (_, edns) = closer.edns.iter().find(|(of, _)| *of == ip)?;
    Some(match edns {
        Edns::Size(size) => Step::new("", format!("EDNS  datagrams of up to {size} bytes")),
        Edns::Ignored => Step::new("", "EDNS  not spoken: datagrams of up to 512 bytes"),
        Edns::Failure(rcode) => {
            let name = rcode_name(*rcode).map_or_else(|| rcode.to_string(), str::to_owned);
            Step::new(
                "",
                format!("EDNS  not spoken ({name}): datagrams of up to 512 bytes"),
            )
        }
        Edns::Silent => {
            let text = "EDNS  no reply: a query with EDNS is dropped on the way, or by the server";
            Step::new("", text).painted(Paint::Warn)
        }
    })
}

/// The names of the addresses.
fn back(closer: &Closer) -> Vec<Step> {
    let rows = (0..).zip(&closer.back);
    rows.map(|(at, back): (usize, _)| {
        let text = match &back.answer {
            BackAnswer::Names(names) => {
                let names: Vec<String> = names.iter().map(ToString::to_string).collect();
                names.join(" ")
            }
            BackAnswer::None => "no name (no PTR record)".to_owned(),
            BackAnswer::Failure(rcode) => match rcode_name(*rcode) {
                Some(name) => format!("fails: {name}"),
                None => format!("fails: response code {rcode}"),
            },
            BackAnswer::Silent => "no reply".to_owned(),
        };
        let title = if at == 0 { "back" } else { "" };
        Step::new(title, format!("{}  {text}", back.address)).took(back.time)
    })
    .collect()
}

fn data_words(data: &Data) -> String {
    match data {
        Data::Address(IpAddr::V4(address)) => format!("A {address}"),
        Data::Address(IpAddr::V6(address)) => format!("AAAA {address}"),
        Data::Alias(name) => format!("CNAME {name}"),
        Data::Pointer(name) => format!("PTR {name}"),
        Data::Other(number) => format!("TYPE{number}"),
    }
}

/// What an answer comes to, in words.
fn told(asked: &Asked) -> String {
    let mut text = match asked.outcome() {
        Outcome::Addresses(addresses) => {
            let ttl = addresses.iter().map(|(_, ttl)| *ttl).min().unwrap_or(0);
            let shown = addresses.iter().take(8);
            let shown: Vec<String> = shown.map(|(address, _)| address.to_string()).collect();
            let more = match addresses.len().saturating_sub(8) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("{}{more} (TTL {ttl} s)", shown.join(" "))
        }
        Outcome::NoData => "no such record (NOERROR)".to_owned(),
        Outcome::NoSuchName => "no such name (NXDOMAIN)".to_owned(),
        Outcome::Failure(rcode) => match rcode_name(rcode) {
            Some(name) => format!("fails: {name}"),
            None => format!("fails: response code {rcode}"),
        },
        Outcome::AliasLoop => "its aliases (CNAME) go in a circle, or are too many".to_owned(),
        Outcome::Damaged => "the reply is damaged".to_owned(),
        Outcome::Silent => format!(
            "no reply ({} sent)",
            if asked.sent == 1 {
                "1 query".to_owned()
            } else {
                format!("{} queries", asked.sent)
            }
        ),
        Outcome::Failed(errno) => format!("cannot be asked: {}", errno_name(errno)),
        Outcome::NotByTcp => "truncated".to_owned(),
    };
    if let Some((answer, time)) = &asked.over_tcp {
        let by_tcp = match answer {
            Answer::Reply(_) => "then whole by TCP".to_owned(),
            Answer::Silent => "and no reply by TCP".to_owned(),
            Answer::Failed(errno) => format!("and TCP fails: {}", errno_name(*errno)),
            Answer::Unusable => "and the reply by TCP is not one".to_owned(),
        };
        text = format!("{text}, {by_tcp} in {}", steps::shown(*time));
    }
    if asked.unchecked == Some(0) {
        text.push_str(", without DNSSEC it has an answer");
    }
    if asked.ignored > 0 {
        let count = counted(asked.ignored.into(), "datagram");
        text = format!("{text}, {count} ignored that do not answer the query");
    }
    if let Some(again) = asked.again {
        text = format!("{text}, the second time in {}", steps::shown(again));
    }
    text
}

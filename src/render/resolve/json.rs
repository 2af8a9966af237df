//! A name as one JSON document.

use std::io::{self, Write};
use std::net::IpAddr;

use serde_json::{Value, json};

use super::super::finding;
use super::super::json::{line, maybe_micros, micros};
use super::{Resolved, bare, errno_name};
use crate::dns::lookup::Outcome;
use crate::dns::message::rcode_name;
use crate::dns::{
    Answer, Asked, Back, BackAnswer, Data, Edns, Record, ServerAnswers, SystemAnswer,
};

/// Writes one JSON document.
pub fn json(out: &mut impl Write, it: &Resolved<'_>) -> io::Result<()> {
    let lookup = it.lookup;
    let (status, error, canonical) = match &lookup.system {
        SystemAnswer::Addresses { canonical, .. } => ("resolved", Value::Null, canonical.as_ref()),
        SystemAnswer::Failed { code, cause, .. } => {
            ("failed", json!({ "code": code, "cause": cause }), None)
        }
        SystemAnswer::Pending => ("pending", Value::Null, None),
    };
    let ends = it.ends.iter().map(|end| {
        json!({
            "address": bare(end.address),
            "family": if end.address.is_ipv4() { "ipv4" } else { "ipv6" },
            "source": end.source.ok(),
            "source_error": end.source.err().map(errno_name),
            "is_local": end.listeners.as_ref().map(|_| true),
            "listeners": end.listeners.as_ref().and_then(Option::as_ref),
        })
    });
    let config = &lookup.config;
    let document = json!({
        "schema": "sockdoc.resolve/1",
        "name": lookup.name,
        "port": it.port,
        "status": status,
        "error": error,
        "time_us": micros(lookup.time),
        "canonical": canonical,
        "addresses": ends.collect::<Value>(),
        "order": it.order(),
        "sources": lookup.sources,
        "hosts": lookup.hosts.iter().map(|entry| {
            json!({ "line": entry.line, "address": entry.address })
        }).collect::<Value>(),
        "search": config.search,
        "options": {
            "timeout_s": config.timeout.as_secs(),
            "attempts": config.attempts,
            "ndots": config.ndots,
            "rotate": config.rotate,
        },
        "nameservers": config.servers.iter().map(|it| it.ip.to_string()).collect::<Value>(),
        "not_asked": lookup.not_asked,
        "servers": lookup.servers.iter().map(server_json).collect::<Value>(),
        "resolver": lookup.resolver.words(),
        "modules": it.closer.modules.iter().map(|(name, installed)| {
            json!({ "name": name, "installed": installed })
        }).collect::<Value>(),
        "edns": it.closer.edns.iter().map(edns_json).collect::<Value>(),
        "back": it.closer.back.iter().map(back_json).collect::<Value>(),
        "behind": it.closer.behind.iter().map(server_json).collect::<Value>(),
        "findings": finding::values(&it.findings),
    });
    line(out, &document)
}

fn edns_json((server, edns): &(IpAddr, Edns)) -> Value {
    let (outcome, size) = match edns {
        Edns::Size(size) => ("spoken", Some(size)),
        Edns::Ignored => ("not_spoken", None),
        Edns::Failure(_) => ("failure", None),
        Edns::Silent => ("no_reply", None),
    };
    json!({ "server": server, "outcome": outcome, "size_bytes": size })
}

fn back_json(back: &Back) -> Value {
    let (outcome, names) = match &back.answer {
        BackAnswer::Names(names) => ("names", &names[..]),
        BackAnswer::None => ("no_name", &[][..]),
        BackAnswer::Failure(_) => ("failure", &[][..]),
        BackAnswer::Silent => ("no_reply", &[][..]),
    };
    json!({
        "address": back.address,
        "outcome": outcome,
        "names": names.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "time_us": micros(back.time),
    })
}

fn server_json(server: &ServerAnswers) -> Value {
    json!({
        "address": bare(server.address),
        "queries": server.asked.iter().map(asked_json).collect::<Value>(),
    })
}

fn asked_json(asked: &Asked) -> Value {
    let reply = asked.reply();
    let (outcome, errno) = match asked.outcome() {
        Outcome::Addresses(_) => ("addresses", None),
        Outcome::NoData => ("no_data", None),
        Outcome::NoSuchName => ("no_such_name", None),
        Outcome::Failure(_) => ("failure", None),
        Outcome::AliasLoop => ("alias_loop", None),
        Outcome::Damaged => ("damaged", None),
        Outcome::Silent => ("no_reply", None),
        Outcome::Failed(errno) => ("error", Some(errno_name(errno))),
        Outcome::NotByTcp => ("truncated", None),
    };
    let records = reply.map(|reply| {
        let one = |record: &Record| {
            let (kind, data) = match &record.data {
                Data::Address(IpAddr::V4(address)) => ("A".to_owned(), json!(address)),
                Data::Address(IpAddr::V6(address)) => ("AAAA".to_owned(), json!(address)),
                Data::Alias(name) => ("CNAME".to_owned(), json!(name.to_string())),
                Data::Pointer(name) => ("PTR".to_owned(), json!(name.to_string())),
                Data::Other(number) => (format!("TYPE{number}"), Value::Null),
            };
            json!({ "name": record.name.to_string(), "type": kind, "ttl_s": record.ttl, "data": data })
        };
        reply.records.iter().map(one).collect::<Value>()
    });
    let truncated = match &asked.answer {
        Answer::Reply(reply) => Some(reply.truncated),
        _ => None,
    };
    json!({
        "name": asked.name.to_string(),
        "type": asked.kind.word(),
        "outcome": outcome,
        "rcode": reply.map(|reply| reply.rcode),
        "rcode_name": reply.and_then(|reply| rcode_name(reply.rcode)),
        "error": errno,
        "time_us": micros(asked.time),
        "again_us": maybe_micros(asked.again),
        "sent": asked.sent,
        "ignored": asked.ignored,
        "truncated": truncated,
        "tcp_us": maybe_micros(asked.over_tcp.as_ref().map(|(_, time)| *time)),
        "rcode_unchecked": asked.unchecked,
        "authenticated": reply.map(|reply| reply.authenticated),
        "records": records,
        "records_left_out": reply.map(|reply| reply.left_out),
    })
}

//! The JSON document of `sockdoc explain`.

use std::io::{self, Write};

use serde::Serialize;

use super::reasons::{KernelReason, ReasonJson};
use super::rules::RuleJson;
use super::unknown_codes;
use crate::diagnose::Rule;
use crate::reference::icmp;
use crate::reference::remedy::End;
use crate::reference::{Advice, Circumstance, Entry, Lookup, System, spelling};
use crate::render::json;

/// The document of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    query: Option<&'a str>,
    /// The circumstance that the query names; it selects cause and next of the entries.
    circumstance: Option<&'static str>,
    entries: Vec<EntryDocument>,
    /// Findings of the diagnosis.
    rules: Vec<RuleJson>,
    /// Reasons for which the kernel drops packets.
    drop_reasons: Vec<ReasonJson<'a>>,
    nearest: &'a [&'static str],
    /// The system that the query comes from: `linux`, `bsd`, `windows`, `lwip`.
    system: Option<&'static str>,
    host: Option<&'a str>,
    port: Option<u16>,
    path: Option<&'a str>,
    /// The names of what earlier statements of the query come to.
    others: Vec<&'static str>,
}

/// An entry in the document. Every entry has every key; keys that its kind lacks are null.
#[derive(Serialize)]
struct EntryDocument {
    kind: &'static str,
    name: &'static str,
    number: Option<i32>,
    message: &'static str,
    cause: &'static str,
    next: String,
    general_cause: &'static str,
    general_next: &'static str,
    under: Vec<UnderDocument>,
    details: &'static [&'static str],
    aliases: &'static [&'static str],
    known_as: Vec<KnownAs>,
    caused_by_icmp: Vec<&'static str>,
    icmp_version: Option<u8>,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
    unknown_icmp_codes: Vec<u32>,
    errno: Option<&'static str>,
    errno_fatal: Option<bool>,
    /// `here`, `peer`, `path` or `unknown`.
    end: Option<&'static str>,
    #[serde(rename = "where")]
    at: Option<&'static str>,
    run: Vec<String>,
    findings: &'static [&'static str],
    /// The numbers of the query that are this entry, each on its system.
    numbers: Vec<NumberDocument>,
}

#[derive(Serialize)]
struct NumberDocument {
    system: &'static str,
    number: i32,
}

/// The texts of an errno for a circumstance.
#[derive(Serialize)]
struct UnderDocument {
    circumstance: &'static str,
    cause: &'static str,
    next: &'static str,
}

#[derive(Serialize)]
struct KnownAs {
    language: &'static str,
    word: &'static str,
}

impl EntryDocument {
    fn new(entry: Entry, found: &Lookup) -> Self {
        let message = match entry {
            Entry::Icmp(message) => Some(message),
            _ => None,
        };
        let on_socket = message.and_then(|it| it.on_socket);
        let advice = found.advice(entry);
        let remedy = found.remedy(entry);
        let run = remedy.map_or(&[][..], |it| it.run).iter();
        let numbers = found.numbers.iter().filter(|it| it.name == entry.name());
        let words = spelling::of(entry.name());
        EntryDocument {
            kind: entry.kind(),
            name: entry.name(),
            number: match entry {
                Entry::Errno(entry) => Some(entry.number),
                Entry::Resolver(entry) => Some(entry.number),
                Entry::TcpState(entry) => Some(entry.number.into()),
                Entry::Icmp(_) | Entry::Condition(_) => None,
            },
            message: entry.message(),
            cause: advice.cause,
            next: found.place.fill(advice.next),
            general_cause: entry.cause(),
            general_next: entry.next(),
            under: entry.variants().iter().map(UnderDocument::from).collect(),
            details: entry.details(),
            aliases: entry.aliases(),
            known_as: words
                .map(|it| KnownAs {
                    language: it.language,
                    word: it.word,
                })
                .collect(),
            caused_by_icmp: entry.caused_by_icmp().map(|it| it.name).collect(),
            icmp_version: message.map(|it| match it.version {
                icmp::Version::V4 => 4,
                icmp::Version::V6 => 6,
            }),
            icmp_type: message.map(|it| it.r#type),
            icmp_code: message.and_then(|it| it.code),
            unknown_icmp_codes: unknown_codes(found, entry).collect(),
            errno: on_socket.map(|it| it.errno),
            errno_fatal: on_socket.map(|it| it.fatal),
            end: remedy.map(|it| End::word(it.end)),
            at: remedy.map(|it| it.at),
            run: run.map(|command| found.place.fill(command)).collect(),
            findings: remedy.map_or(&[], |it| it.findings),
            numbers: numbers
                .map(|it| NumberDocument {
                    system: it.system.word(),
                    number: it.number,
                })
                .collect(),
        }
    }
}

impl From<&(Circumstance, Advice)> for UnderDocument {
    fn from((circumstance, advice): &(Circumstance, Advice)) -> Self {
        UnderDocument {
            circumstance: circumstance.word(),
            cause: advice.cause,
            next: advice.next,
        }
    }
}

/// The document of `--json`.
pub fn write_json(
    out: &mut dyn Write,
    query: Option<&str>,
    found: &Lookup,
    rules: &[&'static Rule],
    reasons: &[KernelReason],
) -> io::Result<()> {
    let document = Document {
        schema: "sockdoc.explain/1",
        query,
        circumstance: found.circumstance.map(Circumstance::word),
        entries: found
            .entries
            .iter()
            .map(|entry| EntryDocument::new(*entry, found))
            .collect(),
        rules: rules.iter().map(RuleJson::from).collect(),
        drop_reasons: reasons.iter().map(ReasonJson::from).collect(),
        nearest: &found.nearest,
        system: found.system.map(System::word),
        host: found.place.host.as_deref(),
        port: found.place.port,
        path: found.place.path.as_deref(),
        others: found.others.iter().map(|it| it.name()).collect(),
    };
    json::line(out, &document)
}

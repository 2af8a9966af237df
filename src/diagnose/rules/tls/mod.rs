//! What a TLS handshake proves.

mod rules;
#[cfg(test)]
mod tests;

pub use rules::*;

use std::net::{IpAddr, SocketAddr};

use crate::diagnose::words::{age, duration};
use crate::diagnose::{Command, Fact, Finding, NextStep, Rule, Severity, Subject, Value};
use crate::protocol::recognise::recognise;
use crate::reference::errno;
use crate::tls::report::Hint;
use crate::tls::{Alert, Certificate, Failure, Offered, Report, Step, Trouble, Version};

/// More names of a certificate are counted in a headline.
const NAMED: usize = 4;

/// What a handshake proves, the worst first. With `is_insecure` the certificates are shown and not judged.
pub fn of_handshake(report: &Report, to: SocketAddr, is_insecure: bool) -> Vec<Finding> {
    let at = At { report, to };
    let severity = if is_insecure {
        Severity::Notice
    } else {
        Severity::Error
    };
    let failure = report.failure.as_ref().map(|it| at.failure(it));
    let troubles = report.troubles.iter().map(|it| at.trouble(it, severity));
    failure.into_iter().chain(troubles).collect()
}

/// A handshake with an address.
struct At<'a> {
    report: &'a Report,
    to: SocketAddr,
}

fn word(text: impl Into<String>) -> Value {
    Value::Word(text.into().into())
}

/// From one time to another, in seconds, as an age.
fn between(from: i64, to: i64) -> String {
    let seconds = u64::try_from(to.saturating_sub(from)).unwrap_or(0);
    match seconds {
        // An age has its own words up to 49 days.
        0..4_000_000 => age(u32::try_from(seconds * 1000).unwrap_or(u32::MAX)),
        _ => format!("{} days", seconds / 86_400),
    }
}

impl At<'_> {
    fn finding(
        &self,
        rule: &'static Rule,
        headline: String,
        facts: Vec<Fact>,
        command: Option<Command>,
    ) -> Finding {
        let mut next: Vec<NextStep> = command.map(NextStep::Command).into_iter().collect();
        next.push(NextStep::Sentence(rule.next.into()));
        let to: IpAddr = self.to.ip();
        Finding {
            facts,
            ruled_out: rule.look_alikes,
            next,
            ..Finding::new(
                rule,
                Severity::Error,
                Subject::Path { netns: 0, to },
                headline,
            )
        }
    }

    /// `openssl s_client`, which shows the same from another side.
    fn s_client(&self) -> Command {
        let command = Command::of("openssl s_client -connect").with(self.to);
        match &self.report.sni {
            Some(name) => command.with("-servername").with(name),
            None => command,
        }
    }

    /// How far the handshake came.
    fn progress(&self) -> Vec<Fact> {
        let progress = &self.report.progress;
        let mut facts = vec![
            Fact::new("handshake", "state", word(progress.step.word())),
            Fact::new("handshake", "sent", Value::Bytes(progress.sent)),
            Fact::new("handshake", "received", Value::Bytes(progress.received)),
        ];
        if let Some((have, length)) = progress.inside {
            let text = format!("{have} of {length} bytes");
            facts.push(Fact::new("handshake", "last record", word(text)));
        }
        let name = self.report.sni.clone();
        let name = name.unwrap_or_else(|| "none sent".to_owned());
        facts.push(Fact::new("handshake", "SNI", word(name)));
        facts
    }

    fn failure(&self, failure: &Failure) -> Finding {
        let host = self.to;
        let step = self.report.progress.step;
        let after = match step {
            Step::Hello => "the ClientHello",
            Step::ServerHello => "the ServerHello",
            Step::Certificate => "the server's certificate",
            Step::Complete => "the handshake",
        };
        if let Some(found) = self.older(failure) {
            return found;
        }
        let mut facts = self.progress();
        match failure {
            Failure::NotTls(first) => self.plain_text(first),
            Failure::Alert(alert) => self.alert(*alert),
            Failure::Closed | Failure::Reset => {
                let how = if *failure == Failure::Closed {
                    "closes"
                } else {
                    "resets"
                };
                let headline = format!("{host} {how} the connection after {after}");
                self.finding(&TLS_CLOSED, headline, facts, Some(self.s_client()))
            }
            Failure::Errno(errno) => {
                let words = errno::words(*errno);
                let headline = format!("the connection to {host} failed after {after}: {words}");
                self.finding(&TLS_CLOSED, headline, facts, Some(self.s_client()))
            }
            Failure::Stalled => {
                let took = self.report.progress.took.as_millis();
                let waited = duration(u64::try_from(took).unwrap_or(u64::MAX));
                let headline = match self.report.progress.inside {
                    Some((have, length)) => format!(
                        "{host} stops in the middle of the TLS handshake: {have} of the {length} bytes of a record came, \
                         and nothing more in {waited}"
                    ),
                    None => format!("{host} sends nothing after {after} in {waited}"),
                };
                let command = Command::of("sockdoc ping --mtu").with(host.ip());
                self.finding(&TLS_NO_ANSWER, headline, facts, Some(command))
            }
            Failure::TooLarge(what, most) => {
                let headline = format!("{host} sends {what} of more than {most} bytes");
                self.finding(&TLS_NONSENSE, headline, facts, Some(self.s_client()))
            }
            Failure::Incompatible(why) | Failure::Nonsense(why) => {
                facts.push(Fact::new("rustls", "error", word(why.clone())));
                let headline = format!("{host} breaks the rules of TLS: {why}");
                self.finding(&TLS_NONSENSE, headline, facts, Some(self.s_client()))
            }
            Failure::Unusable(why) => {
                let name = &self.report.host;
                let headline = format!("the name {name} cannot be sent to a TLS server: {why}");
                self.finding(&TLS_NAME_REFUSED, headline, Vec::new(), None)
            }
        }
    }

    /// The server took the hello of an older client, and what it chose is old.
    fn older(&self, failure: &Failure) -> Option<Finding> {
        let mut facts = self.progress();
        if let Failure::Alert(alert) = failure {
            facts.push(Fact::new("handshake", "alert", word(alert.to_string())));
        }
        let command = self.s_client();
        let Some(Offered::Chosen {
            version,
            suite,
            name,
        }) = self.report.older
        else {
            let is_version = *failure == Failure::Alert(Alert::PROTOCOL_VERSION);
            let headline = format!("{} refuses TLS 1.2 and TLS 1.3", self.to);
            return is_version.then(|| self.finding(&TLS_VERSION, headline, facts, Some(command)));
        };
        let cipher = name.map_or_else(|| format!("0x{suite:04x}"), str::to_owned);
        facts.push(Fact::new(
            "older hello",
            "version",
            word(version.to_string()),
        ));
        facts.push(Fact::new("older hello", "cipher", word(cipher.clone())));
        let headline = if version < Version(0x0303) {
            format!("{} has {version} at most, clients need TLS 1.2", self.to)
        } else if !Self::is_of_today(name?) {
            format!(
                "{} has {version} with old ciphers only ({cipher}), which clients of today do not offer",
                self.to
            )
        } else {
            return None;
        };
        Some(self.finding(&TLS_VERSION, headline, facts, Some(command)))
    }

    /// Whether clients of today have a cipher suite of TLS 1.2: with forward secrecy and authenticated encryption.
    fn is_of_today(suite: &str) -> bool {
        suite.starts_with("ECDHE") && suite.contains("GCM")
    }

    fn plain_text(&self, first: &[u8]) -> Finding {
        let bytes = first.escape_ascii().to_string();
        let facts = vec![Fact::new("handshake", "first bytes", word(bytes.clone()))];
        let headline = match recognise(first) {
            Some(name) => format!("{} speaks {name}, not TLS", self.to),
            None => format!("{} does not speak TLS: it answers \"{bytes}\"", self.to),
        };
        self.finding(&TLS_PLAIN_TEXT, headline, facts, None)
    }

    fn alert(&self, alert: Alert) -> Finding {
        let mut facts = self.progress();
        facts.push(Fact::new("handshake", "alert", word(alert.to_string())));
        let wanted = self.report.client_certificate.as_ref();
        if let Some(wanted) = wanted.filter(|it| it.is_required) {
            if !wanted.issuers.is_empty() {
                let issuers = wanted.issuers.join(", ");
                facts.push(Fact::new("handshake", "issuers accepted", word(issuers)));
            }
            let headline = format!(
                "{} wants a certificate of the client: alert {alert}",
                self.to
            );
            let command = self.s_client().with("-cert").with("FILE");
            let command = command.with("-key").with("FILE");
            return self.finding(&TLS_CLIENT_CERTIFICATE, headline, facts, Some(command));
        }
        let is_early = self.report.progress.step == Step::Hello;
        let may_need_one = is_early
            && self.report.sni.is_none()
            && [Alert::HANDSHAKE_FAILURE, Alert::INTERNAL_ERROR].contains(&alert);
        let (rule, headline) = match &self.report.sni {
            Some(name) if alert == Alert::UNRECOGNIZED_NAME => (
                &TLS_NAME_REFUSED,
                format!("{} has no site with the name {name}", self.to),
            ),
            None if may_need_one || alert == Alert::UNRECOGNIZED_NAME => (
                &TLS_NAME_REFUSED,
                format!(
                    "{} refuses a hello without a name (SNI): alert {alert}",
                    self.to
                ),
            ),
            _ => (
                &TLS_ALERT,
                format!("{} refuses the TLS handshake: alert {alert}", self.to),
            ),
        };
        self.finding(rule, headline, facts, Some(self.s_client()))
    }

    fn trouble(&self, trouble: &Trouble, severity: Severity) -> Finding {
        let host = &self.report.host;
        let (rule, headline, mut facts) = match trouble {
            Trouble::Expired { at, since } => self.expired(*at, *since),
            Trouble::NotYetValid { at, from } => self.not_yet_valid(*at, *from),
            Trouble::OtherName => self.other_name(),
            Trouble::SelfSigned => (
                &TLS_SELF_SIGNED,
                format!("the certificate of {host} is self-signed and not trusted here"),
                Vec::new(),
            ),
            Trouble::UnknownRoot { root } => (
                &TLS_UNKNOWN_CA,
                format!(
                    "the certificate of {host} leads to the root \"{root}\", which is not trusted here"
                ),
                Vec::new(),
            ),
            Trouble::UnknownIssuer { issuer } => (
                &TLS_UNKNOWN_CA,
                format!(
                    "the certificate of {host} is signed by \"{issuer}\", which is not trusted here and was not sent"
                ),
                Vec::new(),
            ),
            Trouble::MissingIntermediate { issuer, hint } => missing(host, issuer, hint),
            other => (
                &TLS_BAD_CERTIFICATE,
                format!("the certificate of {host} {}", self.defect(other)),
                Vec::new(),
            ),
        };
        let mut all = self.chain_facts();
        all.append(&mut facts);
        let mut found = self.finding(rule, headline, all, Some(self.s_client()));
        found.severity = severity;
        found
    }

    /// What is wrong with the certificate itself, as the end of a sentence.
    fn defect(&self, trouble: &Trouble) -> String {
        let subject = |at: usize| self.report.chain.get(at).map_or("", |it| &it.subject);
        match trouble {
            Trouble::NotForServers => "is not for servers (extended key usage)".to_owned(),
            Trouble::IsAuthority => "is that of an authority, not of a server".to_owned(),
            Trouble::WeakKey { kind, bits } => {
                format!("has an {kind} key of {bits} bits; clients want 2048")
            }
            Trouble::WeakSignature { at: 0, algorithm } => {
                format!("is signed with {algorithm}, which clients do not accept")
            }
            Trouble::WeakSignature { at, algorithm } => format!(
                "depends on that of \"{}\", signed with {algorithm}, which clients do not accept",
                subject(*at)
            ),
            Trouble::BadSignature(proof) => {
                format!("does not fit: a signature does not prove {proof}")
            }
            Trouble::Damaged { at: 0 } => "cannot be read".to_owned(),
            Trouble::Damaged { at } => format!("comes with one that cannot be read (number {at})"),
            Trouble::OldFormat => "is X.509 version 1, which clients do not accept".to_owned(),
            other => match other {
                Trouble::Other(why) => format!("is not accepted: {why}"),
                _ => "is not accepted".to_owned(),
            },
        }
    }

    /// Which certificate of the chain is meant.
    fn which(&self, at: usize) -> String {
        let host = &self.report.host;
        match self.report.chain.get(at) {
            Some(above) if at > 0 => {
                format!(
                    "the certificate of \"{}\", above that of {host},",
                    above.subject
                )
            }
            _ => format!("the certificate of {host}"),
        }
    }

    fn expired(&self, at: usize, since: i64) -> (&'static Rule, String, Vec<Fact>) {
        let ago = between(since, self.report.clock.now);
        let day = self.report.chain.get(at).map_or("", |it| &it.last_day);
        let headline = format!("{} expired {ago} ago, on {day}", self.which(at));
        (&TLS_EXPIRED, headline, self.clock_facts())
    }

    fn not_yet_valid(&self, at: usize, from: i64) -> (&'static Rule, String, Vec<Fact>) {
        let ahead = between(self.report.clock.now, from);
        let day = self.report.chain.get(at).map_or("", |it| &it.first_day);
        let clock = match self.report.clock.synchronised {
            Some(false) => " which is not synchronised,",
            _ => "",
        };
        let headline = format!(
            "{} is valid from {day} on: by this host's clock,{clock} in {ahead}",
            self.which(at)
        );
        (&TLS_NOT_YET_VALID, headline, self.clock_facts())
    }

    fn clock_facts(&self) -> Vec<Fact> {
        let state = match self.report.clock.synchronised {
            Some(true) => "synchronised",
            Some(false) => "not synchronised",
            None => "unknown",
        };
        vec![Fact::new("adjtimex", "clock", word(state))]
    }

    fn other_name(&self) -> (&'static Rule, String, Vec<Fact>) {
        let host = &self.report.host;
        let leaf = self.report.chain.first();
        let names = leaf.map_or(&[][..], |it| &it.names);
        let count = leaf.map_or(0, |it| it.name_count);
        let headline = if names.is_empty() {
            format!("the certificate has no subject alternative names, and is used for {host}")
        } else {
            let some = names[..names.len().min(NAMED)].join(", ");
            let more = match count.saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("the certificate is for {some}{more}, not for {host}")
        };
        (&TLS_NAME_MISMATCH, headline, Vec::new())
    }

    /// The chain as it was sent, and what it was compared with.
    fn chain_facts(&self) -> Vec<Fact> {
        let shown = |it: &Certificate| {
            word(format!(
                "{}, by {}, {} to {}",
                it.subject, it.issuer, it.first_day, it.last_day
            ))
        };
        let chain = self.report.chain.iter().take(NAMED);
        let mut facts: Vec<Fact> = chain
            .map(|it| Fact::new("chain", "certificate", shown(it)))
            .collect();
        let (source, count) = &self.report.trusted;
        let trusted = format!("{count} of {source}");
        facts.push(Fact::new("trust store", "certificates", word(trusted)));
        facts
    }
}

fn missing(host: &str, issuer: &str, hint: &Hint) -> (&'static Rule, String, Vec<Fact>) {
    let reason = match hint {
        Hint::Published(url) => format!("its certificate is published at {url}"),
        Hint::SameOrganisation(root) => {
            format!("the trusted root {root} has the same organisation")
        }
        Hint::Name => "by its name".to_owned(),
    };
    let headline = format!("{host} does not send the intermediate certificate of \"{issuer}\"");
    let facts = vec![Fact::new("chain", "intermediate", word(reason))];
    (&TLS_INCOMPLETE_CHAIN, headline, facts)
}

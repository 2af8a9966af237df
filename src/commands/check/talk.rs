//! What is said on a connection: TLS, and the first words of the protocol.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::Args;
use super::gather::unescaped;
use crate::check::report::Line;
use crate::check::{Layer, Target, words};
use crate::diagnose::rules::{protocol, tls};
use crate::diagnose::{Finding, Severity};
use crate::error::Result;
use crate::protocol::{Plan, Protocol, Scheme, Spoken};
use crate::sys::check as probes;
use crate::sys::icmp::Options;
use crate::sys::speak::speak;
use crate::sys::tls::{
    Wire, offered_to_an_older_client, shake_hands, trust_of, trust_of_this_host,
};
use crate::tls::report::Report;
use crate::tls::session::Request;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Where nothing is to be said and nothing is due: how long an end, or a greeting, is waited for.
const MOMENT: Duration = Duration::from_millis(300);

/// What was said, as lines of the report and as findings.
#[derive(Debug, Default)]
pub(super) struct Talked {
    wire: Option<Wire>,
    pub(super) lines: Vec<(Layer, Line)>,
    pub(super) findings: Vec<Finding>,
}

/// What is spoken at a target: what its URL says, or a port that has one use only.
pub(super) fn scheme(target: &Target) -> Option<&'static Scheme> {
    let of_port = || match target.port()? {
        80 => Scheme::named("http"),
        443 => Scheme::named("https"),
        _ => None,
    };
    target.scheme.or_else(of_port)
}

/// Says what a client would say.
pub(super) fn talk(
    args: &Args,
    target: &Target,
    (socket, to): (probes::Connection, SocketAddr),
    options: &Options,
    end: Instant,
) -> Result<Talked> {
    let scheme = scheme(target);
    let protocol = scheme.map_or(Protocol::Plain, |it| it.protocol);
    let host = target.host().unwrap_or_default();
    let patience = PATIENCE.min(end.saturating_duration_since(Instant::now()).mul_f64(0.7));
    let mut talked = Talked::default();
    let mut wire = Wire::Plain(socket);
    if scheme.is_some_and(|it| it.tls) {
        let request = Request {
            host: host.to_owned(),
            sni: args.sni.clone(),
            alpn: protocol.alpn().iter().map(|it| (*it).to_owned()).collect(),
        };
        let Wire::Plain(socket) = wire else {
            return Ok(talked);
        };
        let Some(secured) = talked.in_tls(args, &request, (socket, to), options, patience)? else {
            return Ok(talked);
        };
        wire = secured;
    }
    let usual = scheme.map_or(0, |it| it.port);
    let named = match target.port() {
        Some(port) if port != usual => crate::check::target::joined(host, port),
        _ => host.to_owned(),
    };
    let plan = Plan {
        path: target.path.clone(),
        send: args.send.as_deref().map(unescaped),
        expect: args.expect.as_deref().map(unescaped),
        ..Plan::new(protocol, named)
    };
    let is_due = protocol != Protocol::Plain || plan.send.is_some() || plan.expect.is_some();
    let patience = if is_due {
        patience
    } else {
        MOMENT.min(patience)
    };
    let spoken = speak(&mut wire, plan, Instant::now() + patience);
    talked.wire = Some(wire);
    talked.spoken(to, &spoken, target.scheme.is_some() || is_due);
    Ok(talked)
}

impl Talked {
    /// Ends the connection.
    pub(super) fn close(&mut self) {
        if let Some(wire) = self.wire.take() {
            wire.close(Instant::now() + MOMENT);
        }
    }

    /// Makes a handshake; the connection, if it can be used.
    fn in_tls(
        &mut self,
        args: &Args,
        request: &Request,
        (socket, to): (probes::Connection, SocketAddr),
        options: &Options,
        patience: Duration,
    ) -> Result<Option<Wire>> {
        let trust = match &args.cacert {
            Some(file) => trust_of(file)?,
            None => trust_of_this_host(),
        };
        let (mut report, secured) = shake_hands(socket, request, &trust, Instant::now() + patience);
        if report.wants_an_older_hello() {
            let again = probes::attempts(&[to], options, patience, patience).sockets;
            if let Some(socket) = again.into_iter().flatten().next() {
                let sni = request.sni.as_deref().or(Some(&request.host));
                let sni = sni.filter(|it| it.parse::<std::net::IpAddr>().is_err());
                report.older = Some(offered_to_an_older_client(
                    &socket,
                    sni,
                    Instant::now() + patience,
                ));
            }
        }
        self.handshake(to, &report, args.insecure);
        Ok(secured.map(|it| Wire::Tls(Box::new(it))))
    }

    fn handshake(&mut self, to: SocketAddr, report: &Report, is_insecure: bool) {
        let line = Line {
            time: Some(report.progress.took),
            ..Line::new(words::of_handshake(report), report.failure.is_none())
        };
        self.lines.push((Layer::Tls, line));
        self.findings
            .extend(tls::of_handshake(report, to, is_insecure));
    }

    /// `is_certain`: the user said what is spoken; otherwise the port suggests it.
    fn spoken(&mut self, to: SocketAddr, spoken: &Spoken, is_certain: bool) {
        let Some(words) = words::of_talk(spoken) else {
            return;
        };
        let mut found = protocol::of_talk(spoken, to);
        if let Some(found) = found.as_mut().filter(|_| !is_certain) {
            // A server of a protocol that is not known may close when it likes.
            let knows =
                spoken.protocol != Protocol::Plain && found.rule != &protocol::OTHER_PROTOCOL;
            let most = if knows {
                Severity::Warning
            } else {
                Severity::Notice
            };
            found.severity = found.severity.min(most);
        }
        let line = Line {
            time: Some(spoken.took),
            ..Line::new(words, found.is_none())
        };
        self.lines.push((Layer::Protocol, line));
        self.findings.extend(found);
    }
}

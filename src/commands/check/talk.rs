//! What is said on a connection: TLS, and the first words of the protocol.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::Args;
use super::gather::unescaped;
use super::proxy::Proxy;
use crate::check::report::Line;
use crate::check::target::joined;
use crate::check::{Layer, Target, words};
use crate::diagnose::rules::{protocol, tls};
use crate::diagnose::{Command, Finding, Severity};
use crate::error::Result;
use crate::protocol::{
    Plan, Protocol, ProxyKind, Said, Scheme, Spoken, Tone, Tunnel, Tunneled, Upgrade, Upgraded,
    Verdict,
};
use crate::sys::check as probes;
use crate::sys::icmp::Options;
use crate::sys::speak::{exchange, speak};
use crate::sys::tls::{
    Wire, offered_to_an_older_client, shake_hands, trust_of, trust_of_this_host,
};
use crate::tls::report::Report;
use crate::tls::session::{End, Request};

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
    (target, proxy): (&Target, Option<&Proxy>),
    (socket, to): (probes::Connection, SocketAddr),
    options: &Options,
    end: Instant,
) -> Result<Talked> {
    let scheme = scheme(target);
    let protocol = scheme.map_or(Protocol::Plain, |it| it.protocol);
    // Of a port of this host no name is known that its certificate should be for.
    let host = target.host().unwrap_or("localhost");
    let is_insecure = args.insecure || target.host().is_none();
    let patience = PATIENCE.min(end.saturating_duration_since(Instant::now()).mul_f64(0.7));
    let mut talked = Talked::default();
    let mut wire = Wire::Plain(socket);
    // A page is asked of an HTTP proxy itself.
    let of_page = |it: &&Proxy| {
        let is_page = matches!(protocol, Protocol::Http) && scheme.is_some_and(|it| !it.tls);
        it.kind == ProxyKind::Http && is_page
    };
    let asked_for_page = proxy.filter(of_page);
    if let Some(proxy) = proxy.filter(|it| !of_page(it))
        && !talked.tunnel(proxy, target, (&mut wire, to), Instant::now() + patience)
    {
        talked.wire = Some(wire);
        return Ok(talked);
    }
    if scheme.is_some_and(|it| it.tls) {
        let request = Request {
            host: host.to_owned(),
            sni: args.sni.clone(),
            alpn: protocol.alpn().iter().map(|it| (*it).to_owned()).collect(),
        };
        let Wire::Plain(socket) = wire else {
            return Ok(talked);
        };
        let Some(secured) = talked.in_tls(
            (args, is_insecure),
            &request,
            (socket, to),
            options,
            patience,
        )?
        else {
            return Ok(talked);
        };
        wire = secured;
    }
    let usual = scheme.map_or(0, |it| it.port);
    let named = match target.port() {
        Some(port) if port != usual => joined(host, port),
        _ => host.to_owned(),
    };
    let plan = Plan {
        path: match asked_for_page {
            Some(_) => format!("http://{named}{}", target.path),
            None => target.path.clone(),
        },
        proxy_user: asked_for_page.and_then(|it| it.user.clone()),
        send: args.send.as_deref().map(unescaped),
        expect: args.expect.as_deref().map(unescaped),
        ..Plan::new(protocol, named.clone())
    };
    let is_due = protocol != Protocol::Plain || plan.send.is_some() || plan.expect.is_some();
    let patience = if is_due {
        patience
    } else {
        MOMENT.min(patience)
    };
    let is_plain = matches!(wire, Wire::Plain(_));
    let upgrades = is_plain && protocol.upgrade().is_some() && args.send.is_none();
    let plan = Plan {
        stays: upgrades,
        ..plan
    };
    let spoken = speak(&mut wire, plan, Instant::now() + patience);
    let twin = scheme.and_then(Scheme::with_tls).filter(|_| is_plain);
    let is_ended = matches!(spoken.verdict, Verdict::EndedAtOnce(_) | Verdict::Silent);
    let may_ask = is_ended && proxy.is_none() && !args.quiet_network;
    if twin.is_some() && may_ask && speaks_tls((to, host), options, end) {
        let words = words::of_talk(&spoken).unwrap_or_default();
        talked
            .lines
            .push((Layer::Protocol, Line::new(words, false)));
        talked.findings.push(protocol::only_with_tls(&spoken, to));
    } else {
        talked.spoken(to, &spoken, target.scheme.is_some() || is_due);
    }
    if let Some(twin) = twin {
        let url = format!("{}://{}", twin.name, joined(host, to.port()));
        let command = Command::of("sockdoc check").with(url);
        let found = talked.findings.iter_mut();
        let found = found.filter(|it| it.rule == &protocol::TLS_EXPECTED);
        found.for_each(|it| it.next.insert(0, command.clone().into()));
    }
    match &spoken.verdict {
        Verdict::Answered(said) if upgrades && said.tone == Tone::Good => {
            let request = Request {
                host: host.to_owned(),
                sni: args.sni.clone(),
                alpn: Vec::new(),
            };
            talked.upgraded(args, (protocol, said), &request, (wire, to), end)?;
        }
        _ => talked.wire = Some(wire),
    }
    Ok(talked)
}

/// Whether a server answers a handshake on a new connection: many close one in plain text without a word.
fn speaks_tls((to, host): (SocketAddr, &str), options: &Options, end: Instant) -> bool {
    let wait = MOMENT.max(end.saturating_duration_since(Instant::now()) / 4);
    let again = probes::attempts(&[to], options, wait, wait).sockets;
    let Some(socket) = again.into_iter().flatten().next() else {
        return false;
    };
    let request = Request {
        host: host.to_owned(),
        sni: None,
        alpn: Vec::new(),
    };
    // Whether the certificate is trusted does not matter here.
    let trust = trust_of_this_host();
    let (report, _) = shake_hands(socket, &request, &trust, Instant::now() + wait);
    report.version.is_some() || report.failure.is_some_and(|it| it.is_of_tls())
}

impl Talked {
    /// Asks a proxy for the way to the target; whether it is open.
    fn tunnel(
        &mut self,
        proxy: &Proxy,
        target: &Target,
        (wire, to): (&mut Wire, SocketAddr),
        deadline: Instant,
    ) -> bool {
        let start = Instant::now();
        let (host, port) = (
            target.host().unwrap_or_default(),
            target.port().unwrap_or(0),
        );
        let mut asked = Tunnel::new(proxy.kind, host, port, proxy.user.clone());
        exchange(wire, &mut asked, deadline);
        let answer = asked.done().cloned();
        let answer = answer.unwrap_or(Tunneled::Ended(End::Stalled));
        let found = protocol::of_proxy(&answer, to, &joined(host, port));
        let line = Line {
            time: Some(start.elapsed()),
            ..Line::new(words::of_proxy(&answer), found.is_none())
        };
        self.lines.push((Layer::Proxy, line));
        self.findings.extend(found);
        answer == Tunneled::Open
    }

    /// Ends the connection.
    pub(super) fn close(&mut self) {
        if let Some(wire) = self.wire.take() {
            wire.close(Instant::now() + MOMENT);
        }
    }

    /// Asks a server that has greeted in plain text for TLS, and makes a handshake if it agrees. Clients use such
    /// TLS if it is there and often without looking at the certificate: what is wrong with it counts if the user
    /// asks for it.
    fn upgraded(
        &mut self,
        args: &Args,
        (protocol, said): (Protocol, &Said),
        request: &Request,
        (mut wire, to): (Wire, SocketAddr),
        end: Instant,
    ) -> Result<()> {
        let left = || end.saturating_duration_since(Instant::now()).mul_f64(0.7);
        let deadline = Instant::now() + PATIENCE.min(left());
        let mut asked = Upgrade::new(protocol, said.offers_tls);
        exchange(&mut wire, &mut asked, deadline);
        let answer = asked.done().cloned();
        let answer = answer.unwrap_or(Upgraded::Ended(End::Stalled));
        let found = protocol::of_upgrade(protocol, &answer, to, args.starttls);
        match (answer, wire) {
            (Upgraded::Ready, Wire::Plain(socket)) => {
                let trust = match &args.cacert {
                    Some(file) => trust_of(file)?,
                    None => trust_of_this_host(),
                };
                let deadline = Instant::now() + PATIENCE.min(left());
                let (report, secured) = shake_hands(socket, request, &trust, deadline);
                let at = self.lines.len();
                self.handshake(to, &report, args.insecure || !args.starttls);
                for (_, line) in &mut self.lines[at..] {
                    line.text =
                        format!("after {}: {}", protocol.upgrade().unwrap_or(""), line.text);
                }
                self.wire = secured.map(|it| Wire::Tls(Box::new(it)));
            }
            (answer, wire) => {
                let line = Line::new(words::of_upgrade(protocol, &answer), found.is_none());
                self.lines.push((Layer::Tls, line));
                self.wire = Some(wire);
            }
        }
        self.findings.extend(found);
        Ok(())
    }

    /// Makes a handshake; the connection, if it can be used.
    fn in_tls(
        &mut self,
        (args, is_insecure): (&Args, bool),
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
        self.handshake(to, &report, is_insecure);
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

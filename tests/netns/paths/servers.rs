//! Servers with TLS and without, that do one thing right or wrong.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::chain::Chain;
use super::rows::named_at;

/// What a server does with each connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// Answers HTTP with 200.
    Answers,
    /// The same after a second and a half.
    AnswersLate,
    /// Answers HTTP with 200 in TLS, and closes a connection that begins in plain text.
    ClosesPlainText,
    /// Answers HTTP with 503.
    Fails,
    /// Closes it.
    Closes,
    /// Reads, and says nothing.
    Reads,
    /// Greets as an SSH server.
    Greets,
    /// Greets as a mail server, and changes to TLS if it has a certificate.
    Mails,
    /// Says that it is a mail server with TLS, and refuses it.
    RefusesTls,
    /// Takes the request for TLS of `PostgreSQL`; without a certificate it has none.
    Stores,
    /// Speaks TLS 1.1 at most.
    IsOld,
    /// Sends records that look like TLS and are not.
    Raves,
    /// Sends a banner that has no end.
    Rambles,
    /// Sends a byte of an HTTP answer each tenth of a second.
    Dribbles,
    /// A proxy that answers CONNECT with this status, and then reads.
    Proxies(&'static str),
    /// A proxy of SOCKS 5 that is refused by the target.
    ProxiesSocks,
}

/// Its certificate, if it speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shows {
    Good,
    Expired,
    NotYetValid,
    OtherName,
    SelfSigned,
    /// A good one of an intermediate authority, whose certificate is not sent.
    Incomplete,
    /// A good one after a long chain.
    LongChain,
    /// A good one, and it wants one of the client.
    AsksForOne,
    /// A good one, with one of a million bytes behind it.
    Huge,
}

/// A server that ends when this is dropped.
pub(super) struct Serving {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The most that a connection of a client is kept.
const PATIENCE: Duration = Duration::from_mins(1);

/// Serves port 8443 of shop.test; the name server and what it needs are kept with it.
pub(super) fn serve(
    chain: &Chain,
    does: Does,
    shows: Option<Shows>,
) -> (Serving, crate::faults::Kept) {
    let kept = named_at(chain, &[crate::dns_server::Script::Good]);
    let (config, root) = config(shows.unwrap_or(Shows::Good));
    let folder = format!("/etc/netns/{}", chain.client().name);
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(format!("{folder}/ca.pem"), root).expect("written");
    let config = shows.map(|_| Arc::new(config));
    let listener = chain
        .server()
        .inside(|| TcpListener::bind("10.9.1.1:8443").expect("it listens"));
    listener.set_nonblocking(true).expect("set");
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let thread = std::thread::spawn(move || {
        let mut connections = Vec::new();
        while !told.load(Ordering::Relaxed) {
            let Ok((client, _)) = listener.accept() else {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            };
            let (config, told) = (config.clone(), Arc::clone(&told));
            connections.push(std::thread::spawn(move || {
                with(client, config, does, &told);
            }));
        }
        for connection in connections {
            let _ = connection.join();
        }
    });
    let serving = Serving {
        stop,
        thread: Some(thread),
    };
    (serving, kept)
}

fn with(client: TcpStream, config: Option<Arc<ServerConfig>>, does: Does, told: &AtomicBool) {
    client.set_nonblocking(false).expect("set");
    client.set_read_timeout(Some(PATIENCE)).expect("set");
    let greets = matches!(does, Does::Mails | Does::RefusesTls | Does::Stores);
    let next = if greets {
        greet(&client, does, config.is_some())
    } else {
        Some((does, true))
    };
    let Some((does, changes)) = next else {
        return;
    };
    match config.filter(|_| changes) {
        None => talk(client, does, told),
        Some(config) => {
            let mut first = [0];
            let is_tls = matches!(client.peek(&mut first), Ok(1)) && first[0] == 22;
            if does == Does::ClosesPlainText && !is_tls {
                let _ = heard(&client);
                return;
            }
            let session = ServerConnection::new(config).expect("a session");
            talk(StreamOwned::new(session, client), does, told);
        }
    }
}

/// Whether the client says something.
fn heard(mut client: &TcpStream) -> Option<()> {
    matches!(client.read(&mut [0; 512]), Ok(1..)).then_some(())
}

/// Says what comes before TLS; what follows, and whether it is TLS.
fn greet(mut client: &TcpStream, does: Does, has_tls: bool) -> Option<(Does, bool)> {
    if does == Does::Stores {
        heard(client)?;
        client.write_all(if has_tls { b"S" } else { b"N" }).ok()?;
        return Some((Does::Reads, has_tls));
    }
    client.write_all(b"220 mx.test ESMTP\r\n").ok()?;
    heard(client)?;
    let offers: &[u8] = if has_tls || does == Does::RefusesTls {
        b"250-mx.test\r\n250 STARTTLS\r\n"
    } else {
        b"250 mx.test\r\n"
    };
    client.write_all(offers).ok()?;
    heard(client)?;
    if !has_tls {
        client.write_all(b"454 TLS not available\r\n").ok()?;
        return Some((Does::Reads, false));
    }
    client.write_all(b"220 go ahead\r\n").ok()?;
    Some((Does::Reads, true))
}

/// Sends what a hostile or an old server sends, until the test is over or the client is gone.
fn rave(client: &mut (impl Read + Write), does: Does, told: &AtomicBool) {
    let mut hello = [0; 4096];
    let length = match does {
        Does::Rambles => 0,
        _ => client.read(&mut hello).unwrap_or(0),
    };
    let hello = &hello[..length];
    let answer: Vec<u8> = match does {
        // An alert, protocol_version, if the hello names versions (supported_versions); or TLS 1.1 with an old cipher.
        Does::IsOld if hello.windows(6).any(|it| it == [0, 43, 0, 5, 4, 3]) => {
            b"\x15\x03\x01\0\x02\x02\x46".to_vec()
        }
        Does::IsOld => {
            let head = b"\x16\x03\x02\0\x2a\x02\0\0\x26\x03\x02";
            [&head[..], &[7; 32], b"\0\0\x2f\0"].concat()
        }
        Does::Raves => [&b"\x16\x03\x03\0\x20"[..], &[0xee; 32]].concat(),
        Does::Dribbles => b"HTTP/1.1 200 OK\r\nX: ".to_vec(),
        _ => Vec::new(),
    };
    let _ = client.write_all(&answer).and_then(|()| client.flush());
    while !told.load(Ordering::Relaxed) {
        let (piece, pause): (&[u8], _) = match does {
            Does::Rambles => (&[b'x'; 4096], Duration::ZERO),
            Does::Dribbles => (b"x", Duration::from_millis(100)),
            _ => (b"", Duration::from_millis(5)),
        };
        if client.write_all(piece).is_err() {
            return;
        }
        std::thread::sleep(pause);
    }
}

fn talk(mut client: impl Read + Write, does: Does, told: &AtomicBool) {
    let mut request = [0; 4096];
    if matches!(
        does,
        Does::IsOld | Does::Raves | Does::Rambles | Does::Dribbles
    ) {
        return rave(&mut client, does, told);
    }
    match does {
        Does::Closes => {
            let _ = client.read(&mut request);
            return;
        }
        Does::Greets => {
            let _ = client.write_all(b"SSH-2.0-OpenSSH_9.6\r\n");
        }
        Does::Proxies(status) => {
            let _ = client.read(&mut request).is_ok();
            let answer = format!("HTTP/1.1 {status}\r\n\r\n");
            let _ = client.write_all(answer.as_bytes());
        }
        Does::ProxiesSocks => {
            for answer in [&b"\x05\x00"[..], b"\x05\x05\x00\x01\0\0\0\0\0\0"] {
                let _ = client.read(&mut request).is_ok();
                let _ = client.write_all(answer);
            }
        }
        _ => {
            if !matches!(client.read(&mut request), Ok(1..)) {
                return;
            }
        }
    }
    let answer: &[u8] = match does {
        Does::Fails => b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        Does::AnswersLate => {
            std::thread::sleep(Duration::from_millis(1_500));
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        }
        Does::Answers | Does::ClosesPlainText => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        _ => b"",
    };
    if answer.is_empty() {
        // Until the test is over.
        while !told.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        return;
    }
    let _ = client.write_all(answer).and_then(|()| client.flush());
    while matches!(client.read(&mut request), Ok(1..)) {}
}

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str, above: Option<&Issuer>) -> Issuer {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    match above {
        None => CertifiedIssuer::self_signed(params, key).expect("signed"),
        Some(above) => CertifiedIssuer::signed_by(params, key, above).expect("signed"),
    }
}

/// What the server has, and the root in PEM.
fn config(shows: Shows) -> (ServerConfig, String) {
    let root = authority("Test Root", None);
    let mut above = vec![authority("Test Intermediate CA", Some(&root))];
    if shows == Shows::LongChain {
        for number in 2..6 {
            let next = authority(&format!("Test Intermediate CA {number}"), above.last());
            above.push(next);
        }
    }
    let name = if shows == Shows::OtherName {
        "other.test"
    } else {
        "shop.test"
    };
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2090, 1, 1);
    match shows {
        Shows::Expired => params.not_after = date_time_ymd(2024, 1, 1),
        Shows::NotYetValid => params.not_before = date_time_ymd(2080, 1, 1),
        _ => {}
    }
    let key = KeyPair::generate().expect("a key");
    let own = match shows {
        Shows::SelfSigned => params.self_signed(&key),
        _ => params.signed_by(&key, above.last().expect("an authority")),
    };
    let mut sent = vec![own.expect("signed").der().clone()];
    if !matches!(shows, Shows::SelfSigned | Shows::Incomplete) {
        sent.extend(above.iter().rev().map(|it| it.der().clone()));
    }
    if shows == Shows::Huge {
        sent.push(CertificateDer::from(vec![0; 1_000_000]));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = if shows == Shows::AsksForOne {
        let mut roots = RootCertStore::empty();
        roots.add(root.der().clone()).expect("a root");
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
        builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
    } else {
        builder.with_no_client_auth()
    };
    let chain: Vec<CertificateDer<'static>> =
        sent.into_iter().map(CertificateDer::into_owned).collect();
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = builder
        .with_single_cert(chain, key)
        .expect("a configuration");
    (config, pem(root.der()))
}

/// A certificate as text (RFC 7468), in base64 (RFC 4648).
fn pem(der: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for (at, piece) in der.chunks(3).enumerate() {
        if at % 16 == 0 {
            text.push('\n');
        }
        let mut bytes = [0; 4];
        bytes[1..=piece.len()].copy_from_slice(piece);
        let bits = u32::from_be_bytes(bytes);
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) & 63;
            let digit = ALPHABET[index as usize].into();
            text.push(if place > piece.len() { '=' } else { digit });
        }
    }
    format!("-----BEGIN CERTIFICATE-----{text}\n-----END CERTIFICATE-----\n")
}

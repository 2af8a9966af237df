//! Handshakes between a session and a server of rustls, in memory.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};

use super::report::Hint;
use super::session::End;
use super::*;

/// 2026-06-01.
const NOW: i64 = 1_780_272_000;
const DAY: i64 = 86_400;
const AT: Duration = Duration::from_millis(3);

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str, above: Option<&Issuer>) -> Issuer {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    match above {
        None => CertifiedIssuer::self_signed(params, key).unwrap(),
        Some(above) => CertifiedIssuer::signed_by(params, key, above).unwrap(),
    }
}

/// A certificate of a server with its key.
struct Site {
    der: Vec<u8>,
    key: KeyPair,
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params
}

fn site(params: &CertificateParams, issuer: &Issuer) -> Site {
    let key = KeyPair::generate().unwrap();
    let der = params.signed_by(&key, issuer).unwrap().der().to_vec();
    Site { der, key }
}

fn self_signed(params: &CertificateParams) -> Site {
    let key = KeyPair::generate().unwrap();
    let der = params.self_signed(&key).unwrap().der().to_vec();
    Site { der, key }
}

fn server_config(site: &Site, above: &[&[u8]], clients: Option<(&Issuer, bool)>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some((issuer, is_required)) => {
            let mut roots = RootCertStore::empty();
            roots.add(issuer.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            let verifier = if is_required {
                verifier
            } else {
                verifier.allow_unauthenticated()
            };
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let all = std::iter::once(&site.der[..]).chain(above.iter().copied());
    let chain = all.map(|der| CertificateDer::from(der.to_vec())).collect();
    let key = PrivateKeyDer::try_from(site.key.serialize_der()).unwrap();
    builder.with_single_cert(chain, key).unwrap()
}

fn trust(roots: &[&Issuer]) -> Trust {
    let all = roots.iter().map(|it| it.der().to_vec()).collect();
    Trust::new(all, "the test")
}

fn clock() -> Clock {
    Clock {
        now: NOW,
        synchronised: Some(true),
    }
}

/// Joins a session and a server until neither has anything to send.
fn join(session: &mut Session, server: &mut ServerConnection) {
    loop {
        let mut to_server = &session.transmit()[..];
        let mut to_client = Vec::new();
        let is_over = to_server.is_empty();
        while !to_server.is_empty() {
            server.read_tls(&mut to_server).unwrap();
            // A refusal is what some tests are about: it is sent as an alert.
            let _ = server.process_new_packets();
        }
        while server.wants_write() {
            server.write_tls(&mut to_client).unwrap();
        }
        if !to_client.is_empty() {
            session.received(&to_client, AT);
        } else if is_over {
            return;
        }
    }
}

fn session(host: &str) -> Session {
    let request = Request {
        host: host.to_owned(),
        ..Request::default()
    };
    Session::new(&request, NOW).unwrap()
}

fn report_of(host: &str, config: ServerConfig, trust: &Trust) -> Report {
    let mut session = session(host);
    let mut server = ServerConnection::new(Arc::new(config)).unwrap();
    join(&mut session, &mut server);
    session.report(trust, clock(), AT)
}

fn report(host: &str, site: &Site, above: &[&[u8]], trust: &Trust) -> Report {
    report_of(host, server_config(site, above, None), trust)
}

#[test]
fn a_good_server_has_no_trouble() {
    let root = authority("Test Root", None);
    let middle = authority("Test Intermediate", Some(&root));
    let site = site(&params(&["shop.test", "10.9.1.1"]), &middle);
    let trust = trust(&[&root]);
    let mut config = server_config(&site, &[middle.der()], None);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let request = Request {
        host: "shop.test".to_owned(),
        alpn: vec!["h2".to_owned(), "http/1.1".to_owned()],
        ..Request::default()
    };
    let mut session = Session::new(&request, NOW).unwrap();
    let mut server = ServerConnection::new(Arc::new(config)).unwrap();
    join(&mut session, &mut server);
    let found = session.report(&trust, clock(), AT);
    assert!(found.is_good(), "{found:?}");
    assert_eq!(found.version, Some(Version(0x0304)));
    assert_eq!(found.alpn.as_deref(), Some("http/1.1"));
    assert_eq!(found.sni.as_deref(), Some("shop.test"));
    assert_eq!(found.chain.len(), 2);
    assert_eq!(found.chain[0].names, ["shop.test", "10.9.1.1"]);
    assert_eq!(found.chain[0].issuer, "Test Intermediate");
    assert_eq!(found.progress.step, Step::Complete);
    assert_eq!(found.progress.took, AT);

    session.send(b"ping").unwrap();
    server.read_tls(&mut &session.transmit()[..]).unwrap();
    server.process_new_packets().unwrap();
    let mut text = [0; 4];
    std::io::Read::read_exact(&mut server.reader(), &mut text).unwrap();
    assert_eq!(&text, b"ping");

    // The same by its address, without SNI.
    let found = report("10.9.1.1", &site, &[middle.der()], &trust);
    assert!(found.is_good() && found.sni.is_none(), "{found:?}");
}

#[test]
fn dates_are_told_with_the_time_and_hide_nothing() {
    let root = authority("Test Root", None);
    let mut old = params(&["shop.test"]);
    old.not_before = date_time_ymd(2025, 1, 1);
    old.not_after = date_time_ymd(2026, 5, 30);
    let old = site(&old, &root);
    let expired = Trouble::Expired {
        at: 0,
        since: 1_780_099_200,
    };
    assert_eq!(1_780_099_200 + 2 * DAY, NOW);
    let found = report("shop.test", &old, &[], &trust(&[&root]));
    assert_eq!(found.troubles, std::slice::from_ref(&expired));
    assert!(found.failure.is_none(), "the handshake goes on");

    let found = report("other.test", &old, &[], &trust(&[]));
    let issuer = "Test Root".to_owned();
    let all = [
        expired,
        Trouble::OtherName,
        Trouble::UnknownIssuer { issuer },
    ];
    assert_eq!(found.troubles, all);

    let mut early = params(&["shop.test"]);
    early.not_before = date_time_ymd(2026, 6, 3);
    let early = site(&early, &root);
    let found = report("shop.test", &early, &[], &trust(&[&root]));
    let from = NOW + 2 * DAY;
    assert_eq!(found.troubles, [Trouble::NotYetValid { at: 0, from }]);
}

#[test]
fn an_intermediate_that_has_expired_is_named_by_its_place() {
    let root = authority("Test Root", None);
    let mut middle = CertificateParams::default();
    middle
        .distinguished_name
        .push(DnType::CommonName, "Old Intermediate");
    middle.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    middle.not_before = date_time_ymd(2020, 1, 1);
    middle.not_after = date_time_ymd(2026, 3, 1);
    let middle = CertifiedIssuer::signed_by(middle, KeyPair::generate().unwrap(), &root).unwrap();
    let site = site(&params(&["shop.test"]), &middle);
    let found = report("shop.test", &site, &[middle.der()], &trust(&[&root]));
    assert!(
        matches!(found.troubles[..], [Trouble::Expired { at: 1, .. }]),
        "{:?}",
        found.troubles
    );
}

#[test]
fn who_signed_it_is_told_apart() {
    let root = authority("Test Root", None);
    let middle = authority("Test Intermediate", Some(&root));
    let signed = site(&params(&["shop.test"]), &middle);
    let known = trust(&[&root]);

    let missing = report("shop.test", &signed, &[], &known);
    let issuer = "Test Intermediate".to_owned();
    let hint = Hint::Name;
    assert_eq!(
        missing.troubles,
        [Trouble::MissingIntermediate { issuer, hint }]
    );

    let foreign = authority("Foreign Root", None);
    let found = report(
        "shop.test",
        &signed,
        &[middle.der(), root.der()],
        &trust(&[&foreign]),
    );
    let name = "Test Root".to_owned();
    assert_eq!(found.troubles, [Trouble::UnknownRoot { root: name }]);

    let direct = site(&params(&["shop.test"]), &foreign);
    let found = report("shop.test", &direct, &[], &known);
    let issuer = "Foreign Root".to_owned();
    assert_eq!(found.troubles, [Trouble::UnknownIssuer { issuer }]);

    // With a place where the issuer is published, which only intermediate authorities need.
    let own = self_signed(&params(&["shop.test"]));
    let found = report("shop.test", &own, &[], &known);
    assert_eq!(found.troubles, [Trouble::SelfSigned]);
    let trusted = Trust::new(vec![own.der.clone()], "a file");
    assert!(report("shop.test", &own, &[], &trusted).is_good());

    // As `openssl req -x509` makes them: an authority that is its own server.
    let mut both = params(&["shop.test"]);
    both.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let both = self_signed(&both);
    let found = report("shop.test", &both, &[], &known);
    assert_eq!(found.troubles, [Trouble::SelfSigned]);
    let trusted = Trust::new(vec![both.der.clone()], "a file");
    assert!(report("shop.test", &both, &[], &trusted).is_good());
}

#[test]
fn a_certificate_for_others_names_them() {
    let root = authority("Test Root", None);
    let names: Vec<String> = (0..300).map(|it| format!("n{it}.test")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let site_of_many = site(&params(&names), &root);
    let found = report("shop.test", &site_of_many, &[], &trust(&[&root]));
    assert_eq!(found.troubles, [Trouble::OtherName]);
    assert_eq!(found.chain[0].names.len(), chain::MOST_NAMES);
    assert_eq!(found.chain[0].name_count, 300);

    let wild = site(&params(&["*.shop.test"]), &root);
    assert!(report("a.shop.test", &wild, &[], &trust(&[&root])).is_good());
    let found = report("a.b.shop.test", &wild, &[], &trust(&[&root]));
    assert_eq!(found.troubles, [Trouble::OtherName]);

    let mut client = params(&["shop.test"]);
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let client = site(&client, &root);
    let found = report("shop.test", &client, &[], &trust(&[&root]));
    assert_eq!(found.troubles, [Trouble::NotForServers]);
}

#[test]
fn a_certificate_of_the_client_is_wanted_or_only_asked_for() {
    let root = authority("Test Root", None);
    let clients = authority("Client Root", None);
    let site = site(&params(&["shop.test"]), &root);
    let known = trust(&[&root]);
    let config = |is_required| server_config(&site, &[], Some((&clients, is_required)));
    let found = report_of("shop.test", config(true), &known);
    let wanted = found.client_certificate.clone().unwrap();
    assert!(wanted.is_required, "{found:?}");
    assert_eq!(wanted.issuers, ["Client Root"]);
    assert_eq!(
        found.failure,
        Some(Failure::Alert(Alert::CERTIFICATE_REQUIRED))
    );
    assert_eq!(found.progress.step, Step::Complete);

    let found = report_of("shop.test", config(false), &known);
    assert!(found.is_good());
    assert!(found.client_certificate.is_some_and(|it| !it.is_required));
}

#[test]
fn what_is_not_tls_and_what_stops_is_told_with_its_bytes() {
    let mut plain = session("shop.test");
    assert!(!plain.transmit().is_empty());
    plain.received(b"HTTP/1.1 400 Bad Request\r\n", AT);
    let first = b"HTTP/1.1 400 Bad Request\r\n".to_vec();
    assert_eq!(plain.failure(), Some(&Failure::NotTls(first)));

    let mut alert = session("shop.test");
    alert.received(b"\x15\x03\x01\x00\x02\x02\x46", AT);
    let found = alert.report(&trust(&[]), clock(), AT);
    assert_eq!(found.failure, Some(Failure::Alert(Alert::PROTOCOL_VERSION)));
    assert!(found.wants_an_older_hello());

    let mut stalled = session("shop.test");
    let sent = stalled.transmit().len() as u64;
    stalled.received(b"\x16\x03\x03\x00\x7aabcdefgh", AT);
    stalled.ended(End::Stalled, AT * 2);
    let found = stalled.report(&trust(&[]), clock(), AT * 3);
    assert_eq!(found.failure, Some(Failure::Stalled));
    assert_eq!(found.progress.step, Step::Hello);
    assert_eq!(found.progress.inside, Some((13, 127)));
    assert_eq!((found.progress.sent, found.progress.received), (sent, 13));
    assert_eq!(found.progress.took, AT * 2);
    assert!(!found.wants_an_older_hello());
}

#[test]
fn a_server_that_stalls_at_each_byte_is_followed() {
    let root = authority("Test Root", None);
    let site = site(&params(&["shop.test"]), &root);
    let trust = trust(&[&root]);
    // What the server sends up to where it waits for the client.
    let mut server = ServerConnection::new(Arc::new(server_config(&site, &[], None))).unwrap();
    let mut first = session("shop.test");
    server.read_tls(&mut &first.transmit()[..]).unwrap();
    server.process_new_packets().unwrap();
    let mut flight = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut flight).unwrap();
    }
    for (at, byte) in flight.iter().enumerate() {
        assert!(first.is_handshaking(), "byte {at}");
        first.received(&[*byte], AT);
    }
    assert!(!first.is_handshaking());
    let found = first.report(&trust, clock(), AT);
    assert!(found.is_good(), "{found:?}");
    assert_eq!(found.progress.received, flight.len() as u64);
}

#[test]
fn nonsense_and_floods_end_the_handshake() {
    let flood = |bytes: &[u8]| {
        let mut session = session("shop.test");
        let mut count = 0_u64;
        while session.is_handshaking() && count < 100 << 20 {
            session.received(bytes, AT);
            count += bytes.len() as u64;
        }
        (session.failure().cloned(), count)
    };
    // A record of 16 KiB that says it is part of a handshake message of 1 MB.
    let mut large = b"\x16\x03\x03\x40\x00\x0b\x10\x00\x00".to_vec();
    large.resize(5 + 0x4000, 0);
    let (failure, count) = flood(&large);
    assert!(
        matches!(
            failure,
            Some(Failure::TooLarge("a message of the handshake", _))
        ),
        "{failure:?}"
    );
    assert!(count < 1 << 20, "{count}");
    for bytes in [
        &b"\x16\x03\x03\x00\x00"[..],
        b"\x14\x03\x03\x00\x01\x01",
        b"\x17\x03\x03\x00\x05hello",
        b"\x16\x03\x03\xff\xff",
        b"\x16\x03\x03\x00\x04\x02\x00\x00\x00",
        b"\x15\x03\x03\x00\x02\x01\x70",
    ] {
        let (failure, count) = flood(bytes);
        assert!(failure.is_some(), "{bytes:?}");
        assert!(count < 5 << 20, "{bytes:?} took {count}");
    }
}

#[test]
fn any_bytes_are_read_as_a_certificate_without_a_panic() {
    let root = authority("Test Root", None);
    let der = root.der().to_vec();
    for at in 0..der.len() {
        let _ = Certificate::read(&der[..at]);
        let mut changed = der.clone();
        changed[at] ^= 0xff;
        let _ = Certificate::read(&changed);
    }
    let large = vec![0x30; 1 << 20];
    let read = Certificate::read(&large);
    assert!(read.is_damaged);
    assert_eq!(read.length, 1 << 20);
}

#[test]
fn a_name_that_cannot_be_sent_is_refused() {
    let request = |host: &str| Request {
        host: host.to_owned(),
        ..Request::default()
    };
    for bad in ["", "a b", "a..b", "-"] {
        let refused = Session::new(&request(bad), NOW);
        assert!(matches!(refused, Err(Failure::Unusable(_))), "{bad:?}");
    }
    assert!(Session::new(&request("shop.test."), NOW).is_ok());
    assert!(Session::new(&request("::1"), NOW).is_ok());
}

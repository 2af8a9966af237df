use std::time::Duration;

use super::*;
use crate::tls::{ClientCertificate, Clock, Progress};

/// 2026-06-01.
const NOW: i64 = 1_780_272_000;
const DAY: i64 = 86_400;

fn to() -> SocketAddr {
    ([10, 9, 1, 1], 443).into()
}

fn certificate() -> Certificate {
    Certificate {
        subject: "shop.test".to_owned(),
        issuer: "Shop CA".to_owned(),
        names: ["a", "b", "c", "d", "e"]
            .map(|it| format!("{it}.test"))
            .to_vec(),
        name_count: 7,
        first_day: "2026-06-04".to_owned(),
        last_day: "2026-05-30".to_owned(),
        ..Certificate::default()
    }
}

fn report() -> Report {
    Report {
        host: "shop.test".to_owned(),
        sni: Some("shop.test".to_owned()),
        version: None,
        cipher: None,
        group: None,
        alpn: None,
        chain: vec![certificate(), certificate()],
        client_certificate: None,
        failure: None,
        troubles: Vec::new(),
        older: None,
        trusted: ("the test".to_owned(), 3),
        clock: Clock {
            now: NOW,
            synchronised: Some(false),
        },
        progress: Progress {
            step: Step::Hello,
            sent: 240,
            received: 7,
            inside: None,
            took: Duration::from_secs(3),
        },
    }
}

fn of_trouble(trouble: Trouble) -> (&'static str, String) {
    let report = Report {
        troubles: vec![trouble],
        ..report()
    };
    let found = of_handshake(&report, to(), false);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].severity, Severity::Error);
    let lax = of_handshake(&report, to(), true);
    assert_eq!(lax[0].severity, Severity::Notice);
    (found[0].rule.id, found[0].headline.clone())
}

fn of_failure(failure: Failure, change: impl FnOnce(&mut Report)) -> (&'static str, String) {
    let mut report = Report {
        failure: Some(failure),
        ..report()
    };
    change(&mut report);
    let found = of_handshake(&report, to(), true);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].severity, Severity::Error);
    (found[0].rule.id, found[0].headline.clone())
}

#[track_caller]
fn says((rule, headline): (&str, String), expected: &str, words: &str) {
    assert_eq!(rule, expected, "{headline}");
    assert!(headline.contains(words), "{headline}");
}

#[test]
fn a_good_handshake_has_no_finding() {
    assert!(of_handshake(&report(), to(), false).is_empty());
}

#[test]
fn each_trouble_of_a_certificate_has_its_rule_and_names_it() {
    let since = NOW - 2 * DAY;
    let expired = Trouble::Expired { at: 0, since };
    says(
        of_trouble(expired),
        "tls_expired",
        "expired 2 days ago, on 2026-05-30",
    );
    let above = Trouble::Expired {
        at: 1,
        since: NOW - 400 * DAY,
    };
    says(
        of_trouble(above),
        "tls_expired",
        "above that of shop.test, expired 400 days ago",
    );
    let from = NOW + 3 * DAY;
    let early = Trouble::NotYetValid { at: 0, from };
    says(
        of_trouble(early),
        "tls_not_yet_valid",
        "which is not synchronised, in 3 days",
    );
    let other = "for a.test, b.test, c.test, d.test and 3 more, not for shop.test";
    says(of_trouble(Trouble::OtherName), "tls_name_mismatch", other);
    says(
        of_trouble(Trouble::SelfSigned),
        "tls_self_signed",
        "self-signed",
    );
    let root = "My Root".to_owned();
    says(
        of_trouble(Trouble::UnknownRoot { root }),
        "tls_unknown_ca",
        "\"My Root\"",
    );
    let issuer = "X".to_owned();
    says(
        of_trouble(Trouble::UnknownIssuer { issuer }),
        "tls_unknown_ca",
        "\"X\"",
    );
    let missing = Trouble::MissingIntermediate {
        issuer: "X".to_owned(),
        hint: Hint::Name,
    };
    says(of_trouble(missing), "tls_incomplete_chain", "does not send");
    for (trouble, words) in [
        (Trouble::NotForServers, "not for servers"),
        (Trouble::IsAuthority, "of an authority"),
        (Trouble::OldFormat, "version 1"),
        (Trouble::Damaged { at: 0 }, "cannot be read"),
        (
            Trouble::WeakKey {
                kind: "RSA",
                bits: 1024,
            },
            "RSA key of 1024 bits",
        ),
    ] {
        says(of_trouble(trouble), "tls_bad_certificate", words);
    }
}

#[test]
fn each_failure_has_its_rule_and_says_how_far_it_came() {
    let nothing = |_: &mut Report| {};
    let first = b"SSH-2.0-OpenSSH\r\n".to_vec();
    says(
        of_failure(Failure::NotTls(first), nothing),
        "tls_plain_text",
        "speaks SSH",
    );
    let first = b"\x1b[2J".to_vec();
    says(
        of_failure(Failure::NotTls(first), nothing),
        "tls_plain_text",
        "\\x1b[2J",
    );
    says(
        of_failure(Failure::Closed, nothing),
        "tls_closed",
        "closes the connection after the ClientHello",
    );
    says(of_failure(Failure::Reset, nothing), "tls_closed", "resets");
    says(
        of_failure(Failure::Stalled, nothing),
        "tls_no_answer",
        "after the ClientHello in 3.0 s",
    );
    let inside = |it: &mut Report| it.progress.inside = Some((37, 127));
    says(
        of_failure(Failure::Stalled, inside),
        "tls_no_answer",
        "37 of the 127 bytes",
    );
    let alert = |it| Failure::Alert(it);
    says(
        of_failure(alert(Alert(49)), nothing),
        "tls_alert",
        "access_denied (49)",
    );
    says(
        of_failure(alert(Alert::UNRECOGNIZED_NAME), nothing),
        "tls_sni",
        "name shop.test",
    );
    says(
        of_failure(alert(Alert::PROTOCOL_VERSION), nothing),
        "tls_version",
        "refuses TLS 1.2",
    );
    let unnamed = |it: &mut Report| it.sni = None;
    says(
        of_failure(alert(Alert::HANDSHAKE_FAILURE), unnamed),
        "tls_sni",
        "without a name",
    );
    let wanted = |it: &mut Report| {
        it.client_certificate = Some(ClientCertificate {
            is_required: true,
            issuers: vec!["Clients".to_owned()],
        });
    };
    let certificate = "tls_client_certificate";
    says(
        of_failure(alert(Alert::CERTIFICATE_REQUIRED), wanted),
        certificate,
        "wants a certificate",
    );
}

#[test]
fn what_an_older_client_is_offered_tells_a_version_from_a_cipher_and_from_neither() {
    let chosen = |version, name: &'static str| {
        move |it: &mut Report| {
            it.older = Some(Offered::Chosen {
                version: Version(version),
                suite: 0x2f,
                name: Some(name),
            });
        }
    };
    let refused = || Failure::Alert(Alert::HANDSHAKE_FAILURE);
    let old = chosen(0x0302, "RSA_WITH_AES_128_CBC_SHA");
    says(
        of_failure(refused(), old),
        "tls_version",
        "has TLS 1.1 at most",
    );
    let old = chosen(0x0303, "RSA_WITH_AES_128_CBC_SHA");
    says(
        of_failure(refused(), old),
        "tls_version",
        "old ciphers only (RSA_WITH_AES_128_CBC_SHA)",
    );
    let new = chosen(0x0303, "ECDHE_RSA_WITH_AES_128_GCM_SHA256");
    says(of_failure(refused(), new), "tls_alert", "handshake_failure");
}

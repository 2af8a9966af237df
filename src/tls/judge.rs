//! What is wrong with a chain of certificates: everything, not only what a program meets first.

use std::time::Duration;

use rustls::CertificateError as Reason;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;

use super::chain::Certificate;
use super::report::{Hint, Trouble};
use super::trust::Trust;

/// Programs of today do not accept a smaller RSA key (the CA/Browser Forum's requirements, section 6.1.5).
const RSA_BITS: usize = 2048;

/// What is to be judged.
pub(super) struct Chain<'a> {
    /// The certificates as they were sent, and what each says; never empty.
    pub(super) sent: &'a [Vec<u8>],
    pub(super) read: &'a [Certificate],
    /// The name or address that it has to be for.
    pub(super) host: Option<&'a ServerName<'a>>,
    /// Whether the server proved that it has the key.
    pub(super) is_proved: Option<bool>,
    /// Seconds since 1970.
    pub(super) now: i64,
}

/// What is wrong with a chain, the server's own certificate first.
pub(super) fn troubles(
    chain: &Chain<'_>,
    trust: &Trust,
    provider: &CryptoProvider,
) -> Vec<Trouble> {
    let mut found = dates(chain);
    let leaf = &chain.read[0];
    if leaf.is_damaged {
        found.push(Trouble::Damaged { at: 0 });
        return found;
    }
    if !leaf.is_version_3 {
        found.push(Trouble::OldFormat);
    }
    let (kind, bits) = leaf.key;
    let is_weak = kind == "RSA" && bits > 0 && bits < RSA_BITS;
    if is_weak {
        found.push(Trouble::WeakKey { kind, bits });
    }
    if chain.is_proved == Some(false) && !is_weak && leaf.is_version_3 {
        found.push(Trouble::BadSignature(
            "that the server has the key of its certificate",
        ));
    }
    let der = CertificateDer::from(&chain.sent[0][..]);
    // A certificate of version 1 is refused here; what is wrong with it is said already.
    let parsed = match ParsedCertificate::try_from(&der) {
        Ok(parsed) => parsed,
        Err(_) if !leaf.is_version_3 => return found,
        Err(_) => {
            found.push(Trouble::Damaged { at: 0 });
            return found;
        }
    };
    if let Some(host) = chain.host
        && verify_server_name(&parsed, host).is_err()
    {
        found.push(Trouble::OtherName);
    }
    if !trust.has(&chain.sent[0]) {
        found.extend(untrusted(chain, trust, &parsed, provider));
    }
    found
}

/// Certificates that are not valid now. Of those above the server's own, only those that an issuer name leads to.
fn dates(chain: &Chain<'_>) -> Vec<Trouble> {
    let mut found = Vec::new();
    for (at, certificate) in chain.read.iter().enumerate() {
        let signs = |it: &Certificate| it.issuer == certificate.subject;
        let is_used = at == 0 || chain.read[..at].iter().any(signs);
        // A root's dates do not count: it is trusted by itself, or not at all.
        if certificate.is_damaged || !is_used || (at > 0 && certificate.is_self_issued) {
            continue;
        }
        if chain.now > certificate.not_after {
            let since = certificate.not_after;
            found.push(Trouble::Expired { at, since });
        } else if chain.now < certificate.not_before {
            let from = certificate.not_before;
            found.push(Trouble::NotYetValid { at, from });
        }
    }
    found
}

/// Why a chain is not trusted, its dates aside.
fn untrusted(
    chain: &Chain<'_>,
    trust: &Trust,
    parsed: &ParsedCertificate<'_>,
    provider: &CryptoProvider,
) -> Option<Trouble> {
    let above: Vec<CertificateDer<'_>> = chain.sent[1..]
        .iter()
        .map(|der| CertificateDer::from(&der[..]))
        .collect();
    let verify = |now: i64| {
        let seconds = u64::try_from(now).unwrap_or(0);
        verify_server_cert_signed_by_trust_anchor(
            parsed,
            &trust.roots,
            &above,
            UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
            provider.signature_verification_algorithms.all,
        )
    };
    let error = verify(a_good_time(chain)).err()?;
    let rustls::Error::InvalidCertificate(reason) = error else {
        return Some(Trouble::Other(error.to_string()));
    };
    let leaf = &chain.read[0];
    Some(match reason {
        // Which date it is was found before.
        Reason::Expired
        | Reason::ExpiredContext { .. }
        | Reason::NotValidYet
        | Reason::NotValidYetContext { .. } => return None,
        Reason::InvalidPurpose | Reason::InvalidPurposeContext { .. } => Trouble::NotForServers,
        _ if leaf.is_self_issued => Trouble::SelfSigned,
        Reason::UnknownIssuer => unknown_issuer(chain, trust),
        Reason::BadSignature => Trouble::BadSignature("that the issuer signed a certificate"),
        Reason::BadEncoding => Trouble::Damaged {
            at: chain.read.iter().position(|it| it.is_damaged).unwrap_or(0),
        },
        Reason::UnsupportedSignatureAlgorithmContext { .. }
        | Reason::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => weak(chain),
        _ if leaf.is_authority => Trouble::IsAuthority,
        other => Trouble::Other(rustls::Error::InvalidCertificate(other).to_string()),
    })
}

/// A time at which every certificate of the chain is valid, or at least the server's: what a date is to blame for
/// is told by itself, and must not hide an issuer that is unknown.
fn a_good_time(chain: &Chain<'_>) -> i64 {
    let used = || chain.read.iter().filter(|it| !it.is_damaged);
    let from = used().map(|it| it.not_before).max().unwrap_or(chain.now);
    let until = used().map(|it| it.not_after).min().unwrap_or(chain.now);
    if from <= until {
        chain.now.clamp(from, until)
    } else {
        let leaf = &chain.read[0];
        chain
            .now
            .clamp(leaf.not_before, leaf.not_after.max(leaf.not_before))
    }
}

/// Nobody whom this host trusts signed it: how far it leads.
fn unknown_issuer(chain: &Chain<'_>, trust: &Trust) -> Trouble {
    let last = top(chain.read);
    if last.is_self_issued {
        let root = last.subject.clone();
        return Trouble::UnknownRoot { root };
    }
    let issuer = last.issuer.clone();
    let same = last.issuer_organisation.as_deref();
    let hint = if let Some(url) = &last.issuer_url {
        Some(Hint::Published(url.clone()))
    } else if let Some(root) = same.and_then(|it| trust.of_organisation(it)) {
        Some(Hint::SameOrganisation(root.to_owned()))
    } else {
        is_named_intermediate(&issuer).then_some(Hint::Name)
    };
    match hint {
        Some(hint) => Trouble::MissingIntermediate { issuer, hint },
        None => Trouble::UnknownIssuer { issuer },
    }
}

/// The certificate at the top of those that were sent, by the names of the issuers.
fn top(read: &[Certificate]) -> &Certificate {
    let mut at = &read[0];
    // Each step goes to another certificate, or it ends: a circle of names is as long as the list at most.
    for _ in 0..read.len() {
        let above = |it: &&Certificate| !it.is_damaged && it.subject == at.issuer;
        match read.iter().find(above) {
            Some(next) if !at.is_self_issued => at = next,
            _ => break,
        }
    }
    at
}

/// Names of intermediate authorities have one of these words; those of roots do not.
fn is_named_intermediate(name: &str) -> bool {
    let name = name.to_lowercase();
    let mut words = name.split(|c: char| !c.is_alphanumeric());
    words.any(|it| ["intermediate", "issuing", "sub", "subca", "subordinate"].contains(&it))
}

/// The first certificate with a signature that is not accepted.
fn weak(chain: &Chain<'_>) -> Trouble {
    let is_old = |it: &Certificate| {
        let name = it.signature.to_lowercase();
        name.contains("sha1") || name.contains("md5") || name.contains("sha-1")
    };
    let at = chain.read.iter().position(is_old).unwrap_or(0);
    let algorithm = chain.read[at].signature.clone();
    Trouble::WeakSignature { at, algorithm }
}

//! What a certificate says (RFC 5280), for people.

use std::net::{Ipv4Addr, Ipv6Addr};

use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::{OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS, OidRegistry};
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Name, X509Version};
use x509_parser::public_key::PublicKey;

/// More names of a certificate are counted and not kept.
pub const MOST_NAMES: usize = 100;

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Certificate {
    /// The subject, to whom it was issued.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The organisation of the issuer.
    pub issuer_organisation: Option<String>,
    /// From when on it is valid, in seconds since 1970.
    pub not_before: i64,
    /// Until when.
    pub not_after: i64,
    /// The day of the first, in UTC: `2026-05-30`.
    pub first_day: String,
    /// The day of the last.
    pub last_day: String,
    /// The names and addresses of a server that it is for (subject alternative names).
    pub names: Vec<String>,
    /// How many names it has in all.
    pub name_count: usize,
    /// The kind of its key (`RSA`, `EC`, `Ed25519`), and its size in bits.
    pub key: (&'static str, usize),
    /// How the issuer signed it: `sha256WithRSAEncryption`.
    pub signature: String,
    /// Whether it may sign others.
    pub is_authority: bool,
    /// Whether subject and issuer are the same.
    pub is_self_issued: bool,
    /// Whether it may be used by a server; `true` if it does not say.
    pub is_for_servers: bool,
    /// Where the certificate of its issuer is published.
    pub issuer_url: Option<String>,
    /// Whether it is of X.509 version 3.
    pub is_version_3: bool,
    /// The bytes that it takes.
    pub length: usize,
    /// Whether it cannot be read: nothing else is known then.
    pub is_damaged: bool,
}

impl Certificate {
    /// Reads a certificate in DER.
    pub fn read(der: &[u8]) -> Certificate {
        let unreadable = Certificate {
            length: der.len(),
            is_damaged: true,
            ..Certificate::default()
        };
        let Ok((_, read)) = X509Certificate::from_der(der) else {
            return unreadable;
        };
        let mut certificate = Certificate {
            subject: name_of(read.subject()),
            issuer: name_of(read.issuer()),
            issuer_organisation: organisation(read.issuer()),
            not_before: read.validity().not_before.timestamp(),
            not_after: read.validity().not_after.timestamp(),
            first_day: read.validity().not_before.to_datetime().date().to_string(),
            last_day: read.validity().not_after.to_datetime().date().to_string(),
            key: key_of(&read),
            signature: signature_of(&read),
            is_self_issued: read.subject().as_raw() == read.issuer().as_raw(),
            is_for_servers: true,
            is_version_3: read.version() == X509Version::V3,
            length: der.len(),
            ..Certificate::default()
        };
        for extension in read.iter_extensions() {
            certificate.take(extension.parsed_extension());
        }
        certificate
    }

    fn take(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::SubjectAlternativeName(list) => {
                let names = list.general_names.iter().filter_map(shown);
                for name in names {
                    self.name_count += 1;
                    if self.names.len() < MOST_NAMES {
                        self.names.push(name);
                    }
                }
            }
            ParsedExtension::BasicConstraints(it) => self.is_authority = it.ca,
            ParsedExtension::ExtendedKeyUsage(usage) => {
                self.is_for_servers = usage.server_auth || usage.any;
            }
            ParsedExtension::AuthorityInfoAccess(access) => {
                let mut issuers = access
                    .accessdescs
                    .iter()
                    .filter(|it| it.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS);
                self.issuer_url = issuers.find_map(|it| match &it.access_location {
                    GeneralName::URI(url) => Some((*url).to_owned()),
                    _ => None,
                });
            }
            _ => {}
        }
    }
}

/// A name of a server; none of other kinds.
fn shown(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(|it| Ipv4Addr::from(it).to_string());
            let v6 = || <[u8; 16]>::try_from(*bytes).map(|it| Ipv6Addr::from(it).to_string());
            v4.or_else(|_| v6()).ok()
        }
        _ => None,
    }
}

/// The common name if there is one, and the whole otherwise.
pub(super) fn name_of(name: &X509Name<'_>) -> String {
    let mut common = name.iter_common_name().filter_map(|it| it.as_str().ok());
    common
        .next()
        .map_or_else(|| name.to_string(), str::to_owned)
}

/// The name of an authority in DER, as a server sends it.
pub(super) fn name_in(der: &[u8]) -> Option<String> {
    let (_, name) = X509Name::from_der(der).ok()?;
    Some(name_of(&name))
}

pub(super) fn organisation(name: &X509Name<'_>) -> Option<String> {
    let mut all = name.iter_organization().filter_map(|it| it.as_str().ok());
    all.next().map(str::to_owned)
}

fn key_of(read: &X509Certificate<'_>) -> (&'static str, usize) {
    match read.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => ("RSA", key.key_size()),
        Ok(PublicKey::EC(point)) => ("EC", point.key_size()),
        Ok(PublicKey::DSA(_)) => ("DSA", 0),
        // Ed25519 has no parser there, and one size.
        _ if read.public_key().algorithm.algorithm.to_id_string() == "1.3.101.112" => {
            ("Ed25519", 256)
        }
        _ => ("unknown", 0),
    }
}

fn signature_of(read: &X509Certificate<'_>) -> String {
    let oid = &read.signature_algorithm.algorithm;
    let registry = OidRegistry::default().with_crypto();
    let entry = registry.get(oid);
    entry.map_or_else(|| oid.to_id_string(), |entry| entry.sn().to_owned())
}

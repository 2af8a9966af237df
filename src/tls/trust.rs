//! The certificates that this host trusts.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::chain::{name_of, organisation};

/// The certificates that this host trusts.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Where they come from: `/etc/ssl/certs`.
    pub source: String,
    pub(super) roots: Arc<RootCertStore>,
    /// Each whole: a server's own certificate may be among them.
    whole: HashSet<Vec<u8>>,
    /// The name of one root of each organisation.
    organisations: BTreeMap<String, String>,
    /// Those that cannot be used.
    pub unusable: usize,
}

impl Trust {
    /// Trusts these certificates (DER), which come from a place.
    pub fn new(certificates: Vec<Vec<u8>>, source: impl Into<String>) -> Trust {
        let mut roots = RootCertStore::empty();
        let mut organisations = BTreeMap::new();
        let mut whole = HashSet::new();
        let mut unusable = 0;
        for der in certificates {
            if let Ok((_, read)) = X509Certificate::from_der(&der)
                && let Some(organisation) = organisation(read.subject())
            {
                organisations.insert(organisation, name_of(read.subject()));
            }
            if roots.add(CertificateDer::from(&der[..])).is_err() {
                unusable += 1;
            }
            whole.insert(der);
        }
        Trust {
            source: source.into(),
            roots: Arc::new(roots),
            whole,
            organisations,
            unusable,
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.whole.len()
    }

    /// Whether this very certificate is trusted.
    pub(super) fn has(&self, der: &[u8]) -> bool {
        self.whole.contains(der)
    }

    /// The name of a root of an organisation.
    pub(super) fn of_organisation(&self, organisation: &str) -> Option<&str> {
        self.organisations.get(organisation).map(String::as_str)
    }
}

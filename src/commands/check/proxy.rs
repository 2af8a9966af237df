//! The proxy that a client would use.

use super::Args;
use super::talk::scheme;
use crate::check::Target;
use crate::check::target::joined;
use crate::error::{Error, Kind, Result};
use crate::protocol::ProxyKind;

/// The port of a proxy without one, as curl(1) has it.
const PORT: u16 = 1080;

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    pub(super) kind: ProxyKind,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: Option<(String, String)>,
}

impl Proxy {
    /// That of `--proxy`: a URL, or what the environment has for the target. `None`: it is not to be used.
    pub(super) fn of(args: &Args, target: &Target) -> Result<Option<Proxy>> {
        match args.proxy.as_deref() {
            None => Ok(None),
            Some("env") => of_environment(target),
            Some(text) => read(text).map(Some),
        }
    }

    /// How it is shown: without user and password.
    pub(super) fn shown(&self) -> String {
        joined(&self.host, self.port)
    }
}

fn read(text: &str) -> Result<Proxy> {
    // A password is not shown.
    let shown = text.rsplit('@').next().unwrap_or_default();
    let fail = |cause: &str| {
        Error::new(Kind::CannotRun, "read the proxy", cause)
            .on(shown)
            .next("sockdoc check --proxy http://HOST:PORT, or socks5://HOST:PORT, or env")
    };
    let (name, rest) = text.split_once("://").unwrap_or(("http", text));
    let kind = match name.to_ascii_lowercase().as_str() {
        "http" => ProxyKind::Http,
        "socks5" | "socks5h" | "socks" => ProxyKind::Socks,
        "https" => return Err(fail("a proxy that is spoken to with TLS is not supported")),
        _ => return Err(fail("its scheme is neither http nor socks5")),
    };
    let rest = rest.split('/').next().unwrap_or_default();
    let (user, end) = match rest.rsplit_once('@') {
        Some((user, end)) => {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            (Some((decoded(user), decoded(password))), end)
        }
        None => (None, rest),
    };
    let port = |text: &str| text.parse().ok().filter(|port: &u16| *port > 0);
    let wrong = || fail("it is not HOST:PORT");
    let (host, port) = match end.rsplit_once(':').filter(|_| !end.ends_with(']')) {
        Some((host, _)) if host.contains(':') && !host.ends_with(']') => return Err(wrong()),
        Some((host, number)) => (host, port(number).ok_or_else(wrong)?),
        None => (end, PORT),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || host.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(wrong());
    }
    Ok(Proxy {
        kind,
        host: host.to_owned(),
        port,
        user,
    })
}

/// `%40` and the like.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|it| std::str::from_utf8(it).ok());
        let hex = hex.and_then(|it| u8::from_str_radix(it, 16).ok());
        let escaped = hex.filter(|_| *first == b'%');
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() {
            &after[2..]
        } else {
            after
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The variables that curl(1) reads: in capitals all but that of http, which a web server sets for its programs.
fn of_environment(target: &Target) -> Result<Option<Proxy>> {
    let variable = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
    let except = variable("no_proxy").or_else(|| variable("NO_PROXY"));
    let host = target.host().unwrap_or_default();
    if is_excepted(host, &except.unwrap_or_default()) {
        return Ok(None);
    }
    let names: &[&str] = match scheme(target) {
        Some(scheme) if scheme.tls => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        Some(scheme) if scheme.name == "http" || scheme.name == "ws" => {
            &["http_proxy", "all_proxy", "ALL_PROXY"]
        }
        _ => &["all_proxy", "ALL_PROXY"],
    };
    let found = names.iter().find_map(|name| variable(name));
    found.map(|text| read(&text)).transpose()
}

/// Whether a host is in a list of names and of domains.
fn is_excepted(host: &str, list: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let mut words = list.split([',', ' ']).filter(|it| !it.is_empty());
    words.any(|word| {
        let word = word.trim_start_matches('.').to_ascii_lowercase();
        let ends = host
            .strip_suffix(&word)
            .is_some_and(|rest| rest.ends_with('.'));
        word == "*" || host == word || ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_read_with_its_kind_user_and_port() {
        let proxy = |text: &str| read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let plain = proxy("proxy.test:3128");
        assert_eq!(
            (plain.kind, plain.shown().as_str()),
            (ProxyKind::Http, "proxy.test:3128")
        );
        let socks = proxy("socks5h://me:p%40ss@[::1]");
        assert_eq!(
            (socks.kind, socks.shown().as_str()),
            (ProxyKind::Socks, "[::1]:1080")
        );
        assert_eq!(socks.user, Some(("me".into(), "p@ss".into())));
        for text in [
            "https://a:1",
            "ftp://a:1",
            "http://",
            "a:0",
            "a:x",
            "::1:80",
            "a b:1",
        ] {
            let error = read(text).unwrap_err();
            assert!(error.next.is_some(), "{text}");
        }
        let error = read("ftp://me:secret@a:1").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn a_host_is_excepted_by_its_name_or_domain() {
        for (host, list, is) in [
            ("shop.test", "localhost,.test", true),
            ("shop.test", "shop.test", true),
            ("shop.test", "op.test", false),
            ("10.9.1.1", "10.9.1.1", true),
            ("shop.test", "*", true),
            ("shop.test", "", false),
        ] {
            assert_eq!(is_excepted(host, list), is, "{host} {list}");
        }
    }
}

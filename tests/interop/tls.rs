//! Handshakes with the servers of `OpenSSL`.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use sockdoc::diagnose::rules::tls::of_handshake;
use sockdoc::protocol::{Plan, Protocol, Verdict};
use sockdoc::sys::speak::speak;
use sockdoc::sys::tls::{Wire, offered_to_an_older_client, shake_hands, trust_of};
use sockdoc::tls::{Offered, Report, Request, Trust, Version};

use crate::support::{program, skip};

const DEADLINE: Duration = Duration::from_mins(1);

/// A folder with the certificates of an authority, of its intermediate one and of a server.
struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    /// `None` where there is no openssl.
    fn make(test: &str) -> Option<Certificates> {
        if program("openssl").is_none() {
            skip(test, "openssl is not installed");
            return None;
        }
        let made = Certificates {
            folder: tempfile::tempdir().expect("a folder"),
        };
        let authority = "basicConstraints=critical,CA:TRUE";
        made.issue("root", "/O=Shop/CN=Shop Root", authority, None);
        made.issue("middle", "/O=Shop/CN=Shop CA 2", authority, Some("root"));
        let names = "subjectAltName=DNS:shop.test,IP:127.0.0.1";
        made.issue("server", "/CN=shop.test", names, Some("middle"));
        made.issue("self", "/CN=shop.test", names, None);
        Some(made)
    }

    fn issue(&self, name: &str, subject: &str, extension: &str, issuer: Option<&str>) {
        let mut command = Command::new("openssl");
        command.args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
        ]);
        command.args(["-subj", subject, "-addext", extension]);
        if extension.starts_with("subjectAltName") {
            command.args(["-addext", "basicConstraints=CA:FALSE"]);
        }
        command.arg("-out").arg(self.path(name, "pem"));
        command.arg("-keyout").arg(self.path(name, "key"));
        if let Some(issuer) = issuer {
            command.arg("-CA").arg(self.path(issuer, "pem"));
            command.arg("-CAkey").arg(self.path(issuer, "key"));
        }
        let output = command.output().expect("openssl runs");
        assert!(output.status.success(), "{command:?}: {output:?}");
    }

    fn path(&self, name: &str, ending: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.{ending}"))
    }
}

/// A running `openssl s_server`.
struct Openssl {
    child: Child,
    address: SocketAddr,
}

impl Drop for Openssl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Openssl {
    fn start(certificates: &Certificates, name: &str, args: &[&str]) -> Openssl {
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", "127.0.0.1:0", "-www"]);
        command.arg("-cert").arg(certificates.path(name, "pem"));
        command.arg("-key").arg(certificates.path(name, "key"));
        command.args(args).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("openssl starts");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = mpsc::channel();
        // It says where it listens, and prints a line for each connection: all are read, so that it goes on.
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Some(address) = line.strip_prefix("ACCEPT ") {
                    let _ = sender.send(address.parse().expect("an address"));
                }
            }
        });
        let address = lines.recv_timeout(DEADLINE);
        let address = address.unwrap_or_else(|_| panic!("{command:?} does not listen"));
        Openssl { child, address }
    }

    fn connect(&self) -> socket2::Socket {
        TcpStream::connect(self.address).expect("connects").into()
    }

    fn shake_hands(&self, trust: &Trust) -> (Report, Option<Wire>) {
        let request = Request {
            host: "shop.test".to_owned(),
            ..Request::default()
        };
        let deadline = Instant::now() + DEADLINE;
        let (mut report, secured) = shake_hands(self.connect(), &request, trust, deadline);
        if report.wants_an_older_hello() {
            let offered = offered_to_an_older_client(&self.connect(), Some("shop.test"), deadline);
            report.older = Some(offered);
        }
        (report, secured.map(|it| Wire::Tls(Box::new(it))))
    }

    /// The rules that apply.
    fn rules(&self, trust: &Trust) -> Vec<&'static str> {
        let (report, _) = self.shake_hands(trust);
        let found = of_handshake(&report, self.address, false);
        found.iter().map(|it| it.rule.id).collect()
    }
}

fn trust(file: &Path) -> Trust {
    trust_of(file).expect("certificates")
}

#[test]
fn the_chain_of_a_server_of_openssl_is_shown_and_judged() {
    let Some(made) = Certificates::make("tls_chain") else {
        return;
    };
    let root = trust(&made.path("root", "pem"));
    let middle = made.path("middle", "pem");
    let whole = ["-cert_chain", middle.to_str().expect("a path")];
    let good = Openssl::start(&made, "server", &whole);
    let (report, wire) = good.shake_hands(&root);
    assert!(report.is_good(), "{report:?}");
    assert_eq!(report.version, Some(Version(0x0304)));
    assert_eq!(report.chain.len(), 2);
    assert_eq!(report.chain[0].names, ["shop.test", "127.0.0.1"]);
    let mut wire = wire.expect("a connection");
    let plan = Plan::new(Protocol::Http, "shop.test");
    let spoken = speak(&mut wire, plan, Instant::now() + DEADLINE);
    let Verdict::Answered(said) = &spoken.verdict else {
        panic!("{spoken:?}");
    };
    assert_eq!(said.code, Some(200), "{said:?}");
    // It serves one connection at a time.
    wire.close(Instant::now() + DEADLINE);

    let foreign = trust(&made.path("self", "pem"));
    assert_eq!(good.rules(&foreign), ["tls_unknown_ca"]);
    let incomplete = Openssl::start(&made, "server", &[]);
    assert_eq!(incomplete.rules(&root), ["tls_incomplete_chain"]);
    let alone = Openssl::start(&made, "self", &[]);
    assert_eq!(alone.rules(&root), ["tls_self_signed"]);
    assert_eq!(alone.rules(&foreign), [""; 0]);
}

#[test]
fn old_versions_and_ciphers_are_found_by_a_second_hello() {
    let Some(made) = Certificates::make("tls_versions") else {
        return;
    };
    let known = trust(&made.path("self", "pem"));
    let weak = "ALL:@SECLEVEL=0";
    let old = Openssl::start(&made, "self", &["-tls1_1", "-cipher", weak]);
    let (report, _) = old.shake_hands(&known);
    let Some(Offered::Chosen { version, .. }) = report.older else {
        panic!("{report:?}");
    };
    assert_eq!(version, Version(0x0302));
    assert_eq!(old.rules(&known), ["tls_version"]);

    let plain = Openssl::start(
        &made,
        "self",
        &["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"],
    );
    let (report, _) = plain.shake_hands(&known);
    let chosen = Offered::Chosen {
        version: Version(0x0303),
        suite: 0x2f,
        name: Some("RSA_WITH_AES_128_CBC_SHA"),
    };
    assert_eq!(report.older, Some(chosen), "{report:?}");
    assert_eq!(plain.rules(&known), ["tls_version"]);

    let enough = Openssl::start(&made, "self", &["-tls1_2"]);
    let (report, _) = enough.shake_hands(&known);
    assert!(report.is_good(), "{report:?}");
    assert_eq!(report.version, Some(Version(0x0303)));
}

#[test]
fn a_wanted_certificate_of_the_client_is_told_from_an_optional_one() {
    let Some(made) = Certificates::make("tls_client_certificate") else {
        return;
    };
    let known = trust(&made.path("self", "pem"));
    let root = made.path("root", "pem");
    let root = root.to_str().expect("a path");
    for version in ["-tls1_2", "-tls1_3"] {
        let strict = Openssl::start(&made, "self", &[version, "-Verify", "1", "-CAfile", root]);
        let (report, _) = strict.shake_hands(&known);
        let wanted = report.client_certificate.clone().expect("asked for");
        assert!(wanted.is_required, "{report:?}");
        assert_eq!(wanted.issuers, ["Shop Root"]);
        assert_eq!(
            strict.rules(&known),
            ["tls_client_certificate"],
            "{version}"
        );

        let lax = Openssl::start(&made, "self", &[version, "-verify", "1", "-CAfile", root]);
        let (report, _) = lax.shake_hands(&known);
        assert!(report.is_good(), "{report:?}");
        assert!(report.client_certificate.is_some_and(|it| !it.is_required));
    }
}

//! getent(1): what the programs of this host get, asked by a build that has another resolver than they.

use std::io::Read as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::Family;
use crate::dns::SystemAnswer;

/// A static build brings a resolver of its own, which does not read nsswitch.conf(5).
pub(super) const IS_STATIC: bool = cfg!(any(target_env = "musl", target_feature = "crt-static"));

/// Where it is installed.
const PLACES: [&str; 2] = ["/usr/bin/getent", "/bin/getent"];
/// Of its output no more is read.
const MOST_BYTES: u64 = 1 << 20;
/// How often it is looked whether it has ended.
const TICK: Duration = Duration::from_millis(5);

/// What `getent ahosts NAME` says; `None`: it is not installed.
pub(super) fn ask(name: &str, family: Family, deadline: Instant) -> Option<SystemAnswer> {
    let program = PLACES.iter().find(|it| std::path::Path::new(it).exists())?;
    let table = match family {
        Family::Any => "ahosts",
        Family::V4 => "ahostsv4",
        Family::V6 => "ahostsv6",
    };
    let mut command = Command::new(program);
    command.args([table, "--", name]).stdin(Stdio::null());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let out = child.stdout.take()?;
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        let _ = out.take(MOST_BYTES).read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if Instant::now() < deadline => thread::sleep(TICK),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
        }
    };
    let text = reader.join().unwrap_or_default();
    let Some(status) = status else {
        return Some(SystemAnswer::Pending);
    };
    let (addresses, canonical) = read(&text);
    Some(if addresses.is_empty() {
        let code = status
            .code()
            .map_or_else(|| "a signal".to_owned(), |it| it.to_string());
        SystemAnswer::Failed {
            code: "EAI_NONAME",
            cause: format!("getent found no address (exit status {code})"),
            next: None,
        }
    } else {
        SystemAnswer::Addresses {
            addresses,
            canonical: canonical.filter(|it| !it.eq_ignore_ascii_case(name)),
        }
    })
}

/// Lines of an address, a type of socket, and on the first the canonical name.
fn read(text: &str) -> (Vec<SocketAddr>, Option<String>) {
    let mut addresses = Vec::new();
    let mut canonical = None;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let address = words.next().and_then(|it| it.parse().ok());
        let Some(address) = address.map(|ip| SocketAddr::new(ip, 0)) else {
            continue;
        };
        if !addresses.contains(&address) {
            addresses.push(address);
        }
        canonical = canonical.or_else(|| words.nth(1).map(str::to_owned));
    }
    (addresses, canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_lines_are_addresses_each_once_and_the_canonical_name() {
        let text = "10.9.1.1        STREAM www.shop.test\n10.9.1.1        DGRAM  \n10.9.1.1        RAW    \n\
                    fd00::1         STREAM \nnonsense\n";
        let (addresses, canonical) = read(text);
        let shown: Vec<String> = addresses.iter().map(|it| it.ip().to_string()).collect();
        assert_eq!(shown, ["10.9.1.1", "fd00::1"]);
        assert_eq!(canonical.as_deref(), Some("www.shop.test"));
    }

    #[test]
    fn it_gives_the_addresses_of_localhost_where_it_is_installed() {
        let deadline = Instant::now() + Duration::from_mins(1);
        match ask("localhost", Family::V4, deadline) {
            None => {}
            Some(SystemAnswer::Addresses { addresses, .. }) => {
                assert!(
                    addresses.iter().all(|it| it.ip().is_loopback()),
                    "{addresses:?}"
                );
            }
            other => panic!("{other:?}"),
        }
        let late = ask("localhost", Family::V4, Instant::now());
        assert!(
            !matches!(late, Some(SystemAnswer::Failed { .. })),
            "{late:?}"
        );
    }
}

//! A client, some routers in a row, a server.

use std::process::Command;
use std::sync::atomic::AtomicU32;

use crate::namespace::Namespace;
use crate::support::until;

/// Hosts in a row: link `i` is between host `i` (10.81.i.1, `right`) and host `i + 1` (10.81.i.2, `left`).
pub(crate) struct Chain {
    /// The client first, the server last.
    pub(crate) hosts: Vec<Namespace>,
    /// The process that a row is about.
    pub(crate) pid: AtomicU32,
    /// A folder for sockets.
    pub(crate) folder: tempfile::TempDir,
}

impl Chain {
    /// Makes a row with this many routers, each with a route to every link.
    pub(crate) fn new(test: &str, routers: usize) -> Option<Chain> {
        let hosts: Option<Vec<Namespace>> =
            (0..routers + 2).map(|_| Namespace::new(test)).collect();
        let chain = Chain {
            hosts: hosts?,
            pid: AtomicU32::new(0),
            folder: tempfile::tempdir().expect("a folder"),
        };
        let last = routers + 1;
        for (link, pair) in chain.hosts.windows(2).enumerate() {
            let peer = format!(
                "link add right type veth peer name left netns {}",
                pair[1].name
            );
            pair[0].ip(&[
                &peer,
                &format!("addr add 10.81.{link}.1/24 dev right"),
                "link set right up",
            ]);
            pair[1].ip(&[
                &format!("addr add 10.81.{link}.2/24 dev left"),
                "link set left up",
            ]);
        }
        for (at, host) in chain.hosts.iter().enumerate() {
            if at > 0 && at < last {
                host.sysctl(&["net.ipv4.ip_forward=1"]);
            }
            for link in 0..last {
                if link + 1 < at {
                    host.ip(&[&format!(
                        "route add 10.81.{link}.0/24 via 10.81.{}.1",
                        at - 1
                    )]);
                } else if link > at {
                    host.ip(&[&format!("route add 10.81.{link}.0/24 via 10.81.{at}.2")]);
                }
            }
            for side in ["left", "right"]
                .iter()
                .filter(|side| at > 0 || **side == "right")
            {
                if at == last && *side == "right" {
                    continue;
                }
                // The end that came up first learns a little later that the other one is there.
                until("both ends of a link", || {
                    let shown = host.run("ip", &["-o", "link", "show", "dev", side]);
                    let carries = shown.contains(" qdisc noqueue ") && shown.contains(" state UP ");
                    carries.then_some(())
                });
            }
        }
        Some(chain)
    }

    /// The client.
    pub(crate) fn client(&self) -> &Namespace {
        &self.hosts[0]
    }

    /// The server.
    pub(crate) fn server(&self) -> &Namespace {
        &self.hosts[self.hosts.len() - 1]
    }

    /// The server's address.
    pub(crate) fn address(&self) -> String {
        format!("10.81.{}.2", self.hosts.len() - 2)
    }

    /// The first letters of the id of the container of a process.
    pub(crate) fn container_of(pid: u32) -> String {
        format!("5d0c{pid:08x}")
    }

    /// `sockdoc ARGS...` at a host.
    pub(crate) fn sockdoc(&self, at: usize, args: &[&str]) -> Command {
        let mut command = self.hosts[at].launched();
        command.args(args);
        command
    }
}

//! Three namespaces in a row: a client, a router, a server.

use crate::namespace::Namespace;
use crate::support::until;

/// The path from the client over the router to the server, for IPv4 and IPv6.
///
/// | | client | router | server |
/// |---|---|---|---|
/// | first link | `near0`: 10.77.1.1, fd77:1::1 | `near1`: 10.77.1.254, fd77:1::fe | |
/// | second link | | `far0`: 10.77.2.254, fd77:2::fe | `far1`: 10.77.2.1, fd77:2::1 |
pub(crate) struct Path {
    /// Where the tests run.
    pub(crate) client: Namespace,
    /// In between.
    pub(crate) router: Namespace,
    /// What they reach.
    pub(crate) server: Namespace,
}

/// The server's addresses.
pub(crate) const SERVER: [&str; 2] = ["10.77.2.1", "fd77:2::1"];

/// The router's addresses on the side of the client.
pub(crate) const ROUTER: [&str; 2] = ["10.77.1.254", "fd77:1::fe"];

impl Path {
    /// Makes it; says that the test is skipped where it cannot.
    pub(crate) fn new(test: &str) -> Option<Path> {
        let client = Namespace::new(test)?;
        let router = Namespace::new(test)?;
        let server = Namespace::new(test)?;
        router.sysctl(&["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]);
        router.ip(&[
            &format!(
                "link add near1 type veth peer name near0 netns {}",
                client.name
            ),
            &format!(
                "link add far0 type veth peer name far1 netns {}",
                server.name
            ),
            "addr add 10.77.1.254/24 dev near1",
            "addr add fd77:1::fe/64 dev near1 nodad",
            "addr add 10.77.2.254/24 dev far0",
            "addr add fd77:2::fe/64 dev far0 nodad",
            "link set near1 up",
            "link set far0 up",
        ]);
        client.ip(&[
            "addr add 10.77.1.1/24 dev near0",
            "addr add fd77:1::1/64 dev near0 nodad",
            "link set near0 up",
            "route add default via 10.77.1.254",
            "route add ::/0 via fd77:1::fe",
        ]);
        server.ip(&[
            "addr add 10.77.2.1/24 dev far1",
            "addr add fd77:2::1/64 dev far1 nodad",
            "link set far1 up",
            "route add default via 10.77.2.254",
            "route add ::/0 via fd77:2::fe",
        ]);
        // The end that came up first learns a little later that the other one is there; until then
        // it drops what it is to send.
        for (place, link) in [
            (&client, "near0"),
            (&router, "near1"),
            (&router, "far0"),
            (&server, "far1"),
        ] {
            until("both ends of a link", || {
                let shown = place.run("ip", &["-o", "link", "show", "dev", link]);
                let carries = shown.contains(" qdisc noqueue ") && shown.contains(" state UP ");
                carries.then_some(())
            });
            until("its own address of IPv6", || {
                let own = ["-6", "route", "show", "table", "local", "dev", link];
                let own = place.run("ip", &own);
                own.contains("local fe80::").then_some(())
            });
        }
        Some(Path {
            client,
            router,
            server,
        })
    }

    /// The second link carries packets of this many bytes at most.
    pub(crate) fn narrow(&self, mtu: u32) {
        self.router.ip(&[&format!("link set far0 mtu {mtu}")]);
        self.server.ip(&[&format!("link set far1 mtu {mtu}")]);
    }
}

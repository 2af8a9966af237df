//! Sockets that take root: raw, ping, packet; and addresses that mean something on one link only.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6, TcpListener, TcpStream};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::namespace::Namespace;
use crate::support::sockets::{inode, is_owned_by};

fn any_v4() -> SockAddr {
    std::net::SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0).into()
}

#[test]
fn raw_sockets_are_shown_with_their_protocol() {
    let Some(namespace) = Namespace::new("raw sockets") else {
        return;
    };
    let socket = namespace.inside(|| {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).expect("made");
        socket.bind(&any_v4()).expect("binds");
        socket
    });
    for args in [&["--raw"][..], &["-a"], &["-l"], &["--proto", "raw"], &[]] {
        let listing = namespace.listing(args);
        let row = listing.with_inode(inode(&socket));
        assert_eq!(row["proto"], "raw");
        assert_eq!(row["local"]["addr"], "127.0.0.1");
        // What stands where a port does is the protocol of IP.
        assert_eq!(row["local"]["port"], 1);
        assert!(is_owned_by(row, std::process::id(), &socket), "{row:#}");
        // Owners may be hidden even from root, and some kernels cannot list vsock; nothing else may
        // be missing.
        let mut notes = listing.notes();
        notes.retain(|note| !["owners_hidden", "family_missing"].contains(note));
        assert!(notes.is_empty(), "{:#}", listing.document);
    }
    assert_eq!(namespace.listing(&["--raw", "-p", "1"]).rows().len(), 0);
    assert_eq!(namespace.listing(&["-t", "-u"]).rows().len(), 0);
}

#[test]
fn ping_sockets_are_shown_which_ss_does_not() {
    let Some(namespace) = Namespace::new("ping sockets") else {
        return;
    };
    let range = "net.ipv4.ping_group_range=0 2147483647";
    namespace.run("sysctl", &["-q", "-w", range]);
    let socket = namespace.inside(|| {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::ICMPV4)).expect("made");
        socket.bind(&any_v4()).expect("binds");
        socket
    });
    for args in [&[][..], &["--proto", "ping"], &["--proto", "icmp"]] {
        let listing = namespace.listing(args);
        assert_eq!(listing.only()["inode"], inode(&socket), "{args:?}");
        assert_eq!(listing.only()["proto"], "ping");
        assert!(is_owned_by(listing.only(), std::process::id(), &socket));
    }
    assert_eq!(namespace.run("ss", &["-Htuwan"]), "");
}

#[test]
fn a_socket_of_the_tables_in_proc_has_no_peer_where_it_is_not_connected() {
    let Some(namespace) = Namespace::new("raw sockets without a peer") else {
        return;
    };
    let raw = |domain, protocol| {
        namespace.inside(|| Socket::new(domain, Type::RAW, Some(protocol)).expect("made"))
    };
    let sockets = [
        raw(Domain::IPV4, Protocol::ICMPV4),
        raw(Domain::IPV6, Protocol::ICMPV6),
    ];
    let listing = namespace.listing(&["--raw"]);
    for socket in &sockets {
        let row = listing.with_inode(inode(socket));
        // As it is with sockets of TCP and UDP.
        assert_eq!(row["peer"], serde_json::Value::Null, "{row:#}");
    }
}

#[test]
fn packet_sockets_are_shown_with_what_they_capture() {
    let Some(namespace) = Namespace::new("packet sockets") else {
        return;
    };
    let all = i32::from(0x0003_u16.to_be());
    let socket = namespace.inside(|| {
        Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(all))).expect("made")
    });
    let listing = namespace.listing(&["--proto", "packet"]);
    let row = listing.only();
    assert_eq!(row["inode"], inode(&socket));
    assert_eq!(row["family"], "packet");
    assert_eq!(row["local"]["protocol"], 3);
    assert_eq!(row["local"]["interface"], serde_json::Value::Null);
    assert!(is_owned_by(row, std::process::id(), &socket), "{row:#}");
}

#[test]
fn a_link_local_address_has_its_scope_and_is_found_by_it() {
    let Some(namespace) = Namespace::new("scopes") else {
        return;
    };
    let links: [[&str; 2]; 2] = [["near0", "near1"], ["far0", "far1"]];
    for [one, other] in links {
        namespace.run(
            "ip",
            &["link", "add", one, "type", "veth", "peer", "name", other],
        );
        for name in [one, other] {
            namespace.run("ip", &["link", "set", name, "up"]);
        }
        // The same address on two links.
        let add = ["-6", "addr", "add", "fe80::7/64", "dev", one, "nodad"];
        namespace.run("ip", &add);
    }
    let index = |name: &str| {
        let text = namespace.run("ip", &["-o", "link", "show", "dev", name]);
        text.split(':')
            .next()
            .expect("a number")
            .parse::<u32>()
            .expect("a number")
    };
    let address: Ipv6Addr = "fe80::7".parse().expect("an address");
    let listen = |scope: u32| {
        namespace.inside(|| {
            let at = SocketAddrV6::new(address, 4000, 0, scope);
            TcpListener::bind(at).expect("binds")
        })
    };
    let (near, far) = (listen(index("near0")), listen(index("far0")));
    let listing = namespace.listing(&["-l"]);
    for (socket, name) in [(&near, "near0"), (&far, "far0")] {
        let row = listing.with_inode(inode(socket));
        assert_eq!(row["local"]["addr"], "fe80::7");
        assert_eq!(row["local"]["scope"], index(name));
        assert_eq!(row["local"]["interface"], name);
        for filter in [
            format!("fe80::7%{name}"),
            format!("[fe80::7%{name}]:4000"),
            format!("fe80::7%{}", index(name)),
        ] {
            let found = namespace.listing(&["--local", &filter]);
            assert_eq!(found.only()["inode"], inode(socket), "{filter}");
        }
    }
    assert_eq!(namespace.listing(&["fe80::7"]).rows().len(), 2);
    let text = crate::support::stdout(&crate::support::finish(namespace.sockdoc(&["-l"])));
    assert!(text.contains(" [fe80::7%near0]:4000 "), "{text}");
    let client = namespace.inside(|| {
        TcpStream::connect(SocketAddrV6::new(address, 4000, 0, index_of(&near))).expect("connects")
    });
    let listing = namespace.listing(&["--state", "estab", "--local", "fe80::7%near0"]);
    assert_eq!(
        listing.with_inode(inode(&client))["peer"]["scope"],
        index("near0")
    );
}

fn index_of(listener: &TcpListener) -> u32 {
    match listener.local_addr().expect("an address") {
        std::net::SocketAddr::V6(address) => address.scope_id(),
        std::net::SocketAddr::V4(_) => 0,
    }
}

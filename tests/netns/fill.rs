//! `sockdoc fill-buffers` over a path that is not the loopback interface, and as an ordinary user.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use serde_json::Value;

use crate::namespace::{Namespace, binary_for_all};
use crate::support::{finish, is_root, program, skip, stderr, stdout};

/// Two hosts on one cable, `near` and `far`.
struct Cable {
    near: Namespace,
    far: Namespace,
}

const FAR: &str = "10.77.0.2";

impl Cable {
    fn new(test: &str) -> Option<Cable> {
        let (near, far) = (Namespace::new(test)?, Namespace::new(test)?);
        let add = [
            "link", "add", "here", "type", "veth", "peer", "name", "there",
        ];
        near.run("ip", &[&add[..], &["netns", &far.name]].concat());
        for (host, device, address) in [
            (&near, "here", "10.77.0.1/24"),
            (&far, "there", "10.77.0.2/24"),
        ] {
            host.run("ip", &["addr", "add", address, "dev", device]);
            host.run("ip", &["link", "set", device, "up"]);
        }
        Some(Cable { near, far })
    }

    /// A server on the far host that reads as fast as it can.
    fn sink(&self) -> SocketAddr {
        let listener = self
            .far
            .inside(|| TcpListener::bind((FAR, 0)).expect("binds"));
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = std::io::copy(&mut stream.expect("accepts"), &mut std::io::sink());
            }
        });
        address
    }

    /// What a run from the near host to the server says.
    fn filled(&self, server: SocketAddr, args: &[&str]) -> Value {
        let mut command = self.near.launched();
        command.args([
            "fill-buffers",
            "--json",
            "--duration",
            "2s",
            &server.to_string(),
        ]);
        command.args(args);
        let output = finish(command);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        serde_json::from_str(&stdout(&output)).expect("JSON")
    }
}

#[test]
fn a_path_that_is_slow_is_told_from_ends_that_are() {
    let Some(cable) = Cable::new("a_path_that_is_slow_is_told_from_ends_that_are") else {
        return;
    };
    let slow = "qdisc add dev here root tbf rate 8mbit burst 16k latency 100ms";
    cable.near.run("tc", &slow.split(' ').collect::<Vec<_>>());
    let document = cable.filled(cable.sink(), &[]);
    assert_eq!(document["stopped"]["reason"], "time_up");
    assert_eq!(
        document["verdict"]["id"], "network_is_the_limit",
        "{}",
        document["verdict"]
    );
    assert_eq!(document["conserved"], true);
}

#[test]
fn a_send_buffer_that_is_too_small_for_the_path_is_named() {
    let Some(cable) = Cable::new("a_send_buffer_that_is_too_small_for_the_path_is_named") else {
        return;
    };
    // Only the acknowledgements are slow: the window stays open, and the path free.
    let slow = "qdisc add dev there root tbf rate 64kbit burst 1540 latency 2s";
    cable.far.run("tc", &slow.split(' ').collect::<Vec<_>>());
    let document = cable.filled(cable.sink(), &["--sndbuf", "4K"]);
    assert_eq!(
        document["verdict"]["id"], "send_buffer_too_small",
        "{}",
        document["verdict"]
    );
    assert_eq!(document["conserved"], true);
}

#[test]
fn an_ordinary_user_sees_all_of_it() {
    let test = "an_ordinary_user_sees_all_of_it";
    if !is_root() || program("setpriv").is_none() {
        skip(
            test,
            "switching to an ordinary user requires root and setpriv",
        );
        return;
    }
    let (_folder, copy) = binary_for_all();
    for variant in [&[][..], &["--udp"], &["--unix", "dgram"]] {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command
            .args([&copy, "fill-buffers", "--json"])
            .args(variant);
        let output = finish(command);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let document: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        assert_eq!(document["conserved"], true);
        assert!(document["verdict"]["id"].is_string(), "{document}");
        assert!(
            document["sockets"]
                .as_array()
                .is_some_and(|rows| rows.len() >= 2)
        );
    }
}

//! `sockdoc sockets --pid`: every socket descriptor of a process is a row or counted in a note.

use std::io::IoSlice;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use socket2::{Domain, Socket, Type};

use crate::support::sockets::{Listing, inode, is_owned_by};
use crate::support::{is_root, until};

/// What `--json --pid` says of this process.
fn own(args: &[&str]) -> Listing {
    let pid = std::process::id().to_string();
    Listing::take(&[&["--pid", &pid], args].concat())
}

#[test]
fn a_socket_that_was_never_bound_has_a_row_and_one_whose_connection_is_over_too() {
    let stream = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let datagrams = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
    let (listener, address) = crate::sockets::listener(1);
    let over = crate::sockets::join(address);
    let (server, _) = listener.accept().expect("accepts");
    server
        .set_linger(Some(std::time::Duration::ZERO))
        .expect("set");
    // A reset: the client is in no table any more, but its descriptor is open.
    drop(server);
    let over_inode = inode(&over);
    let listing = until("the reset", || {
        let listing = own(&[]);
        let rows = listing.rows().iter();
        let row = rows.clone().find(|row| row["inode"] == over_inode);
        let is_over = match row {
            Some(row) => row["state"] == "unconnected",
            // Whether it is over or in another network namespace, only root sees.
            None => {
                !is_root()
                    && listing
                        .note_texts()
                        .contains("could not list 1 socket: 1 TCP")
            }
        };
        is_over.then_some(listing)
    });
    for (socket, proto) in [(&stream, "tcp"), (&datagrams, "udp")] {
        let row = listing.with_inode(inode(socket));
        assert_eq!(row["proto"], proto);
        assert_eq!(row["state"], "unconnected");
        assert!(is_owned_by(row, std::process::id(), socket), "{row:#}");
    }
    let notes = listing.note_texts();
    assert!(notes.contains("without an address: never bound"), "{notes}");
    // Of another kind than what is asked for.
    let listing = own(&["-u"]);
    assert!(listing.rows().iter().all(|row| row["proto"] != "tcp"));
}

#[test]
fn families_that_are_not_shown_and_descriptors_in_flight_are_counted() {
    let (one, other) = UnixStream::pair().expect("a pair");
    let message = [ControlMessage::ScmRights(&[one.as_raw_fd()])];
    sendmsg::<()>(
        one.as_raw_fd(),
        &[IoSlice::new(b"x")],
        &message,
        MsgFlags::empty(),
        None,
    )
    .expect("sent");
    let notes = own(&[]).note_texts();
    assert!(notes.contains(" of other families not shown: "), "{notes}");
    assert!(notes.contains(" unix"), "{notes}");
    let notes = own(&["-a"]).note_texts();
    assert!(!notes.contains("other families"), "{notes}");
    let fdinfo = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", other.as_raw_fd()));
    if fdinfo.is_ok_and(|text| text.contains("scm_fds")) {
        assert!(notes.contains(" in flight: "), "{notes}");
    }
}

use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::MetadataExt as _;

use super::*;
use crate::sys::network::network;

/// What was counted in our own namespace while `work` ran; `None`: this kernel does not count, or we may not.
fn counted(work: impl FnOnce()) -> Option<Traced> {
    let counters = Counters::open(true);
    let opened = [
        counters.drops.as_ref().err(),
        counters.lookups.as_ref().err(),
        counters.sends.as_ref().err(),
        counters.calls.as_ref().and_then(|it| it.as_ref().err()),
    ];
    if let Some(Refused::Load(error, log)) = opened.into_iter().flatten().next() {
        assert!(
            log.is_empty(),
            "the verifier refuses a program: {error}: {log}"
        );
        return None;
    }
    let before = counters.read()?;
    work();
    let now = counters.read()?;
    let netns = std::fs::metadata("/proc/thread-self/ns/net").ok()?.ino();
    let network = network(&[]);
    let (before, now) = (before.of(netns, &network), now.of(netns, &network));
    Some(now.since(&before))
}

#[test]
fn a_datagram_to_a_closed_port_and_a_bind_in_vain_are_counted() {
    let open = UdpSocket::bind("127.0.0.1:0").unwrap();
    let closed = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap();
    let Some(traced) = counted(|| {
        open.send_to(b"x", closed).unwrap();
        TcpListener::bind(taken).unwrap_err();
    }) else {
        return;
    };
    let closed = (closed.ip(), closed.port());
    let mut flows = traced.flows.iter();
    let flow = flows.find(|it| it.destination == closed && it.protocol == 17);
    let flow = flow.unwrap_or_else(|| panic!("{traced:?}"));
    assert_eq!((&*flow.reason, flow.source), ("NO_SOCKET", closed.0));
    assert!(flow.packets >= 1 && traced.dropped("NO_SOCKET") >= 1);
    let call = traced.calls.iter().find(|it| it.address == Some(taken));
    let call = call.unwrap_or_else(|| panic!("{traced:?}"));
    assert_eq!((&*call.call, call.errno), ("bind", libc::EADDRINUSE));
    assert!(!call.by.comm.is_empty());
}

//! What must hold for the readers of rtnetlink messages whatever bytes a netlink socket gives.

use sockdoc::netlink::Messages;
use sockdoc::rtnetlink::{InterfaceAddress, Link, Neighbour, Qdisc, Route};

/// The input: messages of netlink; each is read as each kind, and so are the bytes without any framing.
pub(crate) fn rtnetlink(data: &[u8]) {
    read(data);
    for message in Messages::new(data).map_while(Result::ok) {
        read(message.payload);
    }
}

/// Only what is shorter than its fixed part is refused, and texts are short.
fn read(payload: &[u8]) {
    let length = payload.len();
    let link = Link::read(payload);
    assert_eq!(link.is_ok(), length >= 16);
    if let Ok(link) = link {
        assert!(link.name.chars().count() <= 64);
        assert!(link.kind.is_none_or(|kind| kind.chars().count() <= 64));
    }
    let qdisc = Qdisc::read(payload);
    assert_eq!(qdisc.is_ok(), length >= 20);
    assert!(qdisc.is_ok_and(|qdisc| qdisc.kind.chars().count() <= 64) || length < 20);
    assert_eq!(Route::read(payload).is_ok(), length >= 12);
    assert_eq!(Neighbour::read(payload).is_ok(), length >= 12);
    assert_eq!(InterfaceAddress::read(payload).is_ok(), length >= 8);
}

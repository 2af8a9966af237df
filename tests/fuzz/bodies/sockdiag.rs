//! What must hold for the codecs of socket listings whatever bytes a netlink socket gives.

use sockdoc::netlink::{Attributes, Content, HEADER_LEN, Malformed, Message, Messages};
use sockdoc::sockdiag::{
    InetMessage, NetlinkMessage, PacketMessage, TcpInfo, UnixMessage, VsockMessage,
};

/// The input: a received buffer.
pub(crate) fn sockdiag(data: &[u8]) {
    let mut found = 0;
    let mut broken = false;
    for message in Messages::new(data) {
        assert!(!broken, "nothing is found after what is malformed");
        match message {
            Ok(message) => {
                found += HEADER_LEN + message.payload.len();
                one_message(&message);
            }
            Err(malformed) => {
                too_short(malformed);
                broken = true;
            }
        }
    }
    assert!(found <= data.len());
    // The same bytes as one payload, so that short inputs reach the views.
    one_payload(data);
}

fn one_message(message: &Message<'_>) {
    match message.content() {
        Ok(Content::Reply(payload)) => one_payload(payload),
        Ok(Content::Done(errno) | Content::Error(errno)) => assert!(errno >= 0),
        Ok(Content::Noop | Content::Overrun) => {}
        Err(malformed) => too_short(malformed),
    }
    let explanation = message.explanation().unwrap_or_default();
    assert!(explanation.len() <= message.payload.len());
}

/// Any payload through every view: which family it is stands in the payload itself.
fn one_payload(payload: &[u8]) {
    attributes(payload);
    match InetMessage::new(payload) {
        Ok(view) => {
            let attributes = view.attributes();
            if let Some(malformed) = attributes.malformed {
                too_short(malformed);
            }
            if let Some(info) = attributes.tcp_info() {
                tcp_info(info);
            }
            if let Some(ulp) = attributes.ulp {
                let _ = (ulp.name(), ulp.tls(), ulp.mptcp());
            }
            assert_eq!(view.id().cookie, Some(view.cookie()));
            let _ = (view.timer(), view.expires_ms(), view.retransmits());
            let _ = (
                view.recv_queue(),
                view.send_queue(),
                view.uid(),
                view.inode(),
            );
        }
        Err(malformed) => too_short(malformed),
    }
    match UnixMessage::new(payload) {
        Ok(view) => {
            let attributes = view.attributes();
            if let Some(malformed) = attributes.malformed {
                too_short(malformed);
            }
            if let Some(waiting) = attributes.waiting {
                assert!(waiting.iter().count() <= payload.len() / 4);
            }
        }
        Err(malformed) => too_short(malformed),
    }
    match PacketMessage::new(payload) {
        Ok(view) => {
            if let Some(malformed) = view.attributes().malformed {
                too_short(malformed);
            }
        }
        Err(malformed) => too_short(malformed),
    }
    match NetlinkMessage::new(payload) {
        Ok(view) => {
            let attributes = view.attributes();
            if let Some(malformed) = attributes.malformed {
                too_short(malformed);
            }
            if let Some(groups) = attributes.groups {
                assert!(groups.iter().count() <= payload.len() * 8);
            }
        }
        Err(malformed) => too_short(malformed),
    }
    match VsockMessage::new(payload) {
        Ok(view) => {
            let _ = (view.local_cid(), view.peer_port(), view.cookie());
        }
        Err(malformed) => too_short(malformed),
    }
    tcp_info(TcpInfo::new(payload));
}

fn attributes(payload: &[u8]) {
    let mut found = 0;
    for attribute in Attributes::new(payload, 0) {
        match attribute {
            Ok(attribute) => {
                assert!(attribute.offset >= found);
                found = attribute.offset + 4 + attribute.payload.len();
            }
            Err(malformed) => too_short(malformed),
        }
    }
    assert!(found <= payload.len());
}

/// A field is there exactly if the structure reaches to its end.
fn tcp_info(info: TcpInfo<'_>) {
    let values = info.values();
    assert_eq!(values.state.is_some(), info.len() >= 1);
    assert_eq!(values.unacked.is_some(), info.len() >= 28);
    assert_eq!(values.total_rto_time_ms.is_some(), info.len() >= 248);
    assert_eq!(values.accecn_raw.is_some(), info.len() >= 280);
}

fn too_short(malformed: Malformed) {
    assert!(malformed.have < malformed.need);
}

//! Which echo request a reply answers.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::packet::Decoded;
use crate::packet::icmp::{Message, parse};
use crate::packet::record::{Network, Transport};

/// Requests that are remembered; above it all are forgotten, so that memory is bounded.
const MOST: usize = 16 * 1024;

/// Source, destination, identifier and sequence number.
type Key = (IpAddr, IpAddr, u16, u16);

/// The echo requests of a capture that were not answered yet.
#[derive(Debug, Default)]
pub struct EchoRequests {
    asked: HashMap<Key, u64>,
}

impl EchoRequests {
    /// Takes a frame; of an echo reply gives the number of the frame with its request.
    #[inline]
    pub fn see(&mut self, frame: u64, decoded: &Decoded, bytes: &[u8]) -> Option<u64> {
        let layers = decoded.innermost();
        let (Network::Ip(ip), Transport::Icmp(icmp)) = (&layers.network, &layers.transport) else {
            return None;
        };
        match parse(icmp.version, icmp.span.of(bytes)) {
            Ok(Message::EchoRequest(echo)) => {
                if self.asked.len() >= MOST {
                    self.asked.clear();
                }
                let key = (ip.source, ip.destination, echo.identifier, echo.sequence);
                self.asked.insert(key, frame);
                None
            }
            Ok(Message::EchoReply(echo)) => {
                let key = (ip.destination, ip.source, echo.identifier, echo.sequence);
                self.asked.remove(&key)
            }
            _ => None,
        }
    }
}

//! Who claims which IPv4 address by ARP, so that a frame with another claim can be marked.

use std::collections::HashMap;

use crate::packet::record::{Arp, ArpAddresses};

/// Addresses that are remembered; of more, the later ones are not.
const MOST: usize = 64 * 1024;

/// The hardware addresses that were claimed first.
#[derive(Debug, Default)]
pub(super) struct Claims {
    first: HashMap<[u8; 4], [u8; 6]>,
}

impl Claims {
    /// Takes a request or reply; gives the address that somebody else has claimed before.
    ///
    /// As in tshark, a reply is about its target too, and that decides, but for a gratuitous one.
    pub(super) fn see(&mut self, arp: &Arp) -> Option<[u8; 4]> {
        const REQUEST: u16 = 1;
        const REPLY: u16 = 2;
        if !matches!(arp.operation, REQUEST | REPLY) {
            return None;
        }
        let ArpAddresses {
            sender_mac,
            sender,
            target_mac,
            target,
        } = arp.addresses?;
        let mut contested = None;
        if is_claim(sender, sender_mac) {
            contested = self.claim(sender, sender_mac);
        }
        if arp.operation != REQUEST && sender != target && is_claim(target, target_mac) {
            contested = self.claim(target, target_mac);
        }
        contested
    }

    fn claim(&mut self, address: [u8; 4], hardware: [u8; 6]) -> Option<[u8; 4]> {
        if let Some(first) = self.first.get(&address) {
            return (*first != hardware).then_some(address);
        }
        if self.first.len() < MOST {
            self.first.insert(address, hardware);
        }
        None
    }
}

/// Whether these are the addresses of one host.
fn is_claim(address: [u8; 4], hardware: [u8; 6]) -> bool {
    address != [0; 4] && hardware != [0; 6] && hardware[0] & 1 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arp(operation: u16, sender: (u8, u8), target: (u8, u8)) -> Arp {
        let hardware = |last| {
            if last == 0 {
                [0; 6]
            } else {
                [2, 0, 0, 0, 0, last]
            }
        };
        Arp {
            offset: 0,
            operation,
            addresses: Some(ArpAddresses {
                sender_mac: hardware(sender.0),
                sender: [10, 0, 0, sender.1],
                target_mac: hardware(target.0),
                target: [10, 0, 0, target.1],
            }),
        }
    }

    #[test]
    fn another_claim_of_an_address_is_marked_with_it() {
        let mut claims = Claims::default();
        assert_eq!(claims.see(&arp(2, (2, 2), (0, 1))), None);
        assert_eq!(claims.see(&arp(2, (2, 2), (0, 1))), None);
        assert_eq!(claims.see(&arp(2, (3, 2), (0, 1))), Some([10, 0, 0, 2]));
        assert_eq!(claims.see(&arp(1, (3, 2), (0, 1))), Some([10, 0, 0, 2]));
        // The target of a request is only asked for.
        assert_eq!(claims.see(&arp(1, (4, 4), (9, 2))), None);
        assert_eq!(claims.see(&arp(2, (4, 4), (9, 2))), Some([10, 0, 0, 2]));
    }
}

//! The host names in a pcapng file: name resolution blocks (section 4.5 of the draft).

use std::net::IpAddr;

use super::ByteOrder;
use super::pcapng::NAMES;

/// Types of records (section 4.5).
const END: u16 = 0;
const IPV4: u16 = 1;
const IPV6: u16 = 2;

/// What is in front of the records: type and length of the block; and behind them: the length again.
const HEAD: usize = 8;
const TRAILER: usize = 4;

/// A name resolution block.
#[derive(Debug, Clone, Copy)]
pub struct HostNames<'a> {
    order: ByteOrder,
    block: &'a [u8],
}

impl<'a> HostNames<'a> {
    /// This block of a pcapng file, if it is one.
    pub fn of(block: &'a [u8], order: ByteOrder) -> Option<HostNames<'a>> {
        let is_one = block.len() >= HEAD + TRAILER && order.u32(block, 0) == NAMES;
        is_one.then_some(HostNames { order, block })
    }

    /// The block again, and its byte order.
    pub fn parts(&self) -> (&'a [u8], ByteOrder) {
        (self.block, self.order)
    }

    /// Each address with a name. A record with several names gives them one by one; what follows a record whose
    /// length cannot be is not looked at.
    pub fn iter(&self) -> impl Iterator<Item = (IpAddr, &'a [u8])> + use<'a> {
        let order = self.order;
        let mut rest = &self.block[HEAD..self.block.len() - TRAILER];
        let records = std::iter::from_fn(move || {
            let head = rest.get(..4)?;
            let (kind, length) = (order.u16(head, 0), usize::from(order.u16(head, 2)));
            let value = rest.get(4..4 + length).filter(|_| kind != END)?;
            // Records are filled up to four bytes; each has at least four, so this ends.
            rest = rest
                .get(4 + length.next_multiple_of(4)..)
                .unwrap_or_default();
            Some(record(kind, value))
        });
        records.flatten().flat_map(|(address, names)| {
            let each = names.split(|byte| *byte == 0);
            each.filter(|name| !name.is_empty())
                .map(move |name| (address, name))
        })
    }
}

/// The address of a record, and its names, each with a zero behind it.
fn record(kind: u16, value: &[u8]) -> Option<(IpAddr, &[u8])> {
    match kind {
        IPV4 => value
            .split_first_chunk::<4>()
            .map(|(address, names)| ((*address).into(), names)),
        IPV6 => value
            .split_first_chunk::<16>()
            .map(|(address, names)| ((*address).into(), names)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{block, option};
    use super::*;

    #[test]
    fn each_address_has_its_names_in_both_orders_and_a_wrong_length_ends_them() {
        for order in [ByteOrder::Little, ByteOrder::Big] {
            // A record has the form of an option.
            let mut body = option(order, IPV4, b"\x0a\0\0\x02web.example\0www.example\0");
            body.extend(option(order, 9, b"something else"));
            body.extend(option(
                order,
                IPV6,
                b"\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01a",
            ));
            body.extend(option(order, IPV4, b"\x0a\0"));
            let good = body.len();
            body.extend(option(order, END, b""));
            body.extend(option(order, IPV4, b"\x0a\0\0\x03after the end\0"));
            let whole = block(order, NAMES, &body);
            let names = HostNames::of(&whole, order).expect("a block of names");
            let found: Vec<(String, &[u8])> = names
                .iter()
                .map(|(address, name)| (address.to_string(), name))
                .collect();
            let wanted: [(&str, &[u8]); 3] = [
                ("10.0.0.2", b"web.example"),
                ("10.0.0.2", b"www.example"),
                ("fe80::1", b"a"),
            ];
            let wanted = wanted.map(|(address, name)| (address.to_owned(), name));
            assert_eq!(found, wanted);
            body.truncate(good);
            body.extend([0, 1, 0xff, 0xff]);
            let wrong = block(order, NAMES, &body);
            assert_eq!(HostNames::of(&wrong, order).expect("one").iter().count(), 3);
            assert!(HostNames::of(&block(order, 5, &body), order).is_none());
            assert!(HostNames::of(&whole[..8], order).is_none());
        }
    }
}

//! The MPLS labels that a packet had when a router gave it back (RFC 4950), from the extension of an
//! ICMP error (RFC 4884).

/// Labels of a packet that are kept; networks push two or three.
pub const MOST: usize = 8;
/// Bytes before the objects: the version and the checksum (RFC 4884 section 7).
const HEADER: usize = 4;
const VERSION: u8 = 2;
/// The class and the type of an object that is a stack of labels (RFC 4950 section 3).
const STACK: [u8; 2] = [1, 1];

/// An entry of the stack (RFC 3032 section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Label {
    /// The label, of twenty bits.
    pub value: u32,
    /// The traffic class (RFC 5462), formerly the experimental bits.
    pub class: u8,
    /// It is the bottom of the stack.
    pub is_bottom: bool,
    /// The time to live.
    pub ttl: u8,
}

impl From<[u8; 4]> for Label {
    fn from(entry: [u8; 4]) -> Label {
        let [.., middle, ttl] = entry;
        Label {
            value: u32::from_be_bytes(entry) >> 12,
            class: middle >> 1 & 7,
            is_bottom: middle & 1 == 1,
            ttl,
        }
    }
}

/// The stack of a packet, from the top; empty without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Labels {
    count: usize,
    all: [Label; MOST],
}

impl Labels {
    /// The stack in an extension structure. What is damaged, cut or of another version has none.
    pub fn of(structure: &[u8]) -> Labels {
        let mut labels = Labels::default();
        let Some((header, objects)) = structure.split_at_checked(HEADER) else {
            return labels;
        };
        if header[0] >> 4 != VERSION || !checksum_is_right(structure) {
            return labels;
        }
        let mut rest = objects;
        while let [high, low, class, kind, ..] = *rest {
            let length = usize::from(u16::from_be_bytes([high, low]));
            let Some((object, next)) = rest.split_at_checked(length) else {
                break;
            };
            let Some(body) = object.get(HEADER..) else {
                break;
            };
            if [class, kind] == STACK {
                labels.push_all(body);
            }
            rest = next;
        }
        labels
    }

    fn push_all(&mut self, body: &[u8]) {
        let (entries, _) = body.as_chunks::<4>();
        for entry in entries {
            if self.count == MOST {
                return;
            }
            self.all[self.count] = Label::from(*entry);
            self.count += 1;
        }
    }

    /// The labels.
    pub fn as_slice(&self) -> &[Label] {
        &self.all[..self.count]
    }
}

/// The checksum is that of the Internet (RFC 1071) over all of the structure; one of 0 is not used.
fn checksum_is_right(structure: &[u8]) -> bool {
    if structure[2..HEADER] == [0, 0] {
        return true;
    }
    let words = structure.chunks(2);
    let words = words.map(|pair| [pair[0], pair.get(1).copied().unwrap_or(0)]);
    let sum: u64 = words.map(|pair| u64::from(u16::from_be_bytes(pair))).sum();
    // The carries are added until none is left: the remainder by 2^16 - 1.
    sum != 0 && sum.is_multiple_of(0xffff)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A structure with these objects, and its checksum.
    fn structure(objects: &[&[u8]]) -> Vec<u8> {
        let mut bytes = [&[0x20, 0, 0, 0], &objects.concat()[..]].concat();
        let words = bytes.chunks(2);
        let mut sum: u32 = words
            .map(|it| u32::from(it[0]) << 8 | u32::from(it[1]))
            .sum();
        while sum >> 16 > 0 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        let checksum = !u16::try_from(sum).unwrap();
        bytes[2..4].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    /// Labels 16004 and 24015, the second with class 5 at the bottom, both with one hop left.
    const TWO: [u8; 12] = [0, 12, 1, 1, 0x03, 0xe8, 0x40, 1, 0x05, 0xdc, 0xfb, 1];

    #[test]
    fn a_stack_has_its_labels_from_the_top() {
        let expected = [
            Label {
                value: 16_004,
                class: 0,
                is_bottom: false,
                ttl: 1,
            },
            Label {
                value: 24_015,
                class: 5,
                is_bottom: true,
                ttl: 1,
            },
        ];
        assert_eq!(Labels::of(&structure(&[&TWO])).as_slice(), expected);
        // After an object of another class: an interface (RFC 5837).
        let interface = [0, 8, 2, 0x0a, 0, 0, 0, 7];
        let labels = Labels::of(&structure(&[&interface, &TWO]));
        assert_eq!(labels.as_slice(), expected);
        let mut without_checksum = structure(&[&TWO]);
        without_checksum[2..4].fill(0);
        assert_eq!(Labels::of(&without_checksum).as_slice(), expected);
    }

    #[test]
    fn what_is_damaged_or_cut_has_no_labels_and_a_deep_stack_is_cut() {
        let good = structure(&[&TWO]);
        let mut version = good.clone();
        version[0] = 0x10;
        let mut damaged = good.clone();
        damaged[9] ^= 1;
        let past_the_end = structure(&[&[0, 200, 1, 1, 0, 0, 0, 0]]);
        let too_short = structure(&[&[0, 3, 1, 1], &TWO]);
        for bytes in [&version, &damaged, &past_the_end, &too_short, &Vec::new()] {
            assert_eq!(Labels::of(bytes), Labels::default(), "{bytes:?}");
        }
        let deep = [&[0, 84, 1, 1][..], &[0; 80]].concat();
        assert_eq!(Labels::of(&structure(&[&deep])).as_slice().len(), MOST);
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_bounded_stack(
            mut bytes in prop::collection::vec(any::<u8>(), 0..200),
            has_checksum in any::<bool>(),
        ) {
            if let [version, _, high, low, ..] = &mut bytes[..] && !has_checksum {
                (*version, *high, *low) = (0x20, 0, 0);
            }
            prop_assert!(Labels::of(&bytes).as_slice().len() <= MOST);
        }
    }
}

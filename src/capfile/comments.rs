//! The comments of a frame in a pcapng file.

use super::ByteOrder;

/// The type of an enhanced packet block (section 4.3 of the draft), and where its frame begins.
const ENHANCED: u32 = 6;
const DATA: usize = 28;
/// The length at the end of a block.
const TRAILER: usize = 4;
/// `opt_comment` (section 3.5).
const COMMENT: u16 = 1;

/// Whether a frame has comments or other options: its record has more than what is around its bytes.
#[inline]
pub fn has_options(record: &[u8], captured: &[u8]) -> bool {
    record.len() > DATA + TRAILER + captured.len().next_multiple_of(4)
}

/// The comments of a frame, from its record. A frame of another format has none.
pub fn comments(record: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (order, mut rest) = options(record).unwrap_or((ByteOrder::Little, &[]));
    std::iter::from_fn(move || {
        loop {
            let head = rest.get(..4)?;
            let (code, length) = (order.u16(head, 0), usize::from(order.u16(head, 2)));
            if code == 0 {
                return None;
            }
            let value = rest.get(4..4 + length)?;
            // Options are filled up to four bytes; each has at least four, so this ends.
            rest = rest
                .get(4 + length.next_multiple_of(4)..)
                .unwrap_or_default();
            if code == COMMENT {
                return Some(value);
            }
        }
    })
}

/// What is between the frame and the end of its block.
fn options(record: &[u8]) -> Option<(ByteOrder, &[u8])> {
    if record.len() < DATA + TRAILER {
        return None;
    }
    let is = |order: &ByteOrder| {
        order.u32(record, 0) == ENHANCED && order.u32(record, 4) as usize == record.len()
    };
    let order = [ByteOrder::Little, ByteOrder::Big].into_iter().find(is)?;
    let captured = order.u32(record, 20) as usize;
    let start = DATA.checked_add(captured.checked_next_multiple_of(4)?)?;
    let options = record.get(start..record.len() - TRAILER)?;
    Some((order, options))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(data: &[u8], options: &[u8]) -> Vec<u8> {
        let length = u32::try_from(DATA + data.len() + options.len() + TRAILER).unwrap();
        let mut block = ENHANCED.to_le_bytes().to_vec();
        block.extend(length.to_le_bytes());
        block.extend([0; 12]);
        block.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        block.extend([0; 4]);
        block.extend_from_slice(data);
        block.extend_from_slice(options);
        block.extend(length.to_le_bytes());
        block
    }

    #[test]
    fn the_comments_are_given_and_lengths_that_cannot_be_end_them() {
        let options = [
            1, 0, 3, 0, b'o', b'n', b'e', 0, 2, 0, 4, 0, 0, 0, 0, 0, 1, 0, 1, 0, b'2', 0, 0, 0, 0,
            0, 0, 0,
        ];
        let whole = block(b"data", &options);
        assert_eq!(comments(&whole).collect::<Vec<_>>(), [&b"one"[..], b"2"]);
        assert!(has_options(&whole, b"data"));
        assert!(!has_options(&block(b"data", &[]), b"data"));
        let wrong = block(b"data", &[1, 0, 0xff, 0xff, 0, 0, 0, 0]);
        assert_eq!(comments(&wrong).count(), 0);
        for end in 0..whole.len() {
            let _ = comments(&whole[..end]).count();
        }
        assert_eq!(comments(&[]).count(), 0);
    }
}

//! A socket's cookie, which no other socket ever has (`SO_COOKIE`).

use crate::netlink::u32_at;

/// A cookie: two numbers of four bytes, the low one first whatever the byte order.
#[inline]
pub(super) fn cookie_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from(u32_at(bytes, offset)) | u64::from(u32_at(bytes, offset + 4)) << 32
}

/// The cookie's bytes in a request.
pub(super) fn cookie_bytes(cookie: u64) -> [u8; 8] {
    let [low, high] = [cookie & 0xffff_ffff, cookie >> 32];
    let mut bytes = [0; 8];
    #[expect(clippy::cast_possible_truncation, reason = "masked and shifted above")]
    for (place, half) in bytes.chunks_exact_mut(4).zip([low as u32, high as u32]) {
        place.copy_from_slice(&half.to_ne_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_its_low_half_first() {
        let bytes = cookie_bytes(0x1111_2222_3333_4444);
        assert_eq!(u32_at(&bytes, 0), 0x3333_4444);
        assert_eq!(cookie_at(&bytes, 0), 0x1111_2222_3333_4444);
    }
}

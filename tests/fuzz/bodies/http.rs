//! What must hold for the bodies of HTTP messages whatever a connection carries.

use sockdoc::protocol::bodies::{Bodies, Found};

/// The input: pieces. Each begins with a byte: its lowest bit is the direction, the others the length; 0 stands for a gap.
/// Every body that begins ends, and no more bytes are in bodies than came.
pub(crate) fn http(data: &[u8]) {
    let (mut open, mut bytes) = ([0_i32; 2], 0_usize);
    let mut take = |from_client, found: Found<'_>| {
        let open = &mut open[usize::from(from_client)];
        match found {
            Found::Begin(_) => *open += 1,
            Found::End(_) => *open -= 1,
            Found::Data(data) => bytes += data.len(),
            Found::Missing(_) => {}
        }
        assert!((0..=1).contains(open), "{open} bodies at once");
    };
    let mut bodies = Bodies::default();
    let mut rest = data;
    while let Some((first, after)) = rest.split_first() {
        let (from_client, length) = (first & 1 == 1, usize::from(first >> 1));
        let (piece, after) = after.split_at(length.min(after.len()));
        match length {
            0 => bodies.gap(from_client, 3, &mut take),
            _ => bodies.data(from_client, piece, &mut take),
        }
        rest = after;
    }
    bodies.end(&mut take);
    assert_eq!(open, [0, 0]);
    assert!(bytes <= data.len());
}

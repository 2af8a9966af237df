use proptest::prelude::*;

use super::*;

/// The bytes of a direction that begins at sequence number 1 + `base`, with `_` for what is missing.
struct Stream {
    assembly: Assembly,
    base: SeqNumber,
    text: Vec<u8>,
    overlap: Overlap,
}

impl Stream {
    fn new(base: u32, overlap: Overlap) -> Stream {
        let mut assembly = Assembly::default();
        assembly.begin(SeqNumber(base));
        Stream {
            assembly,
            base: SeqNumber(base),
            text: Vec::new(),
            overlap,
        }
    }

    fn push(&mut self, at: u32, bytes: &[u8]) -> Noticed {
        self.push_cut(at, bytes, 0)
    }

    fn push_cut(&mut self, at: u32, bytes: &[u8], cut: u32) -> Noticed {
        let text = &mut self.text;
        let length = u32::try_from(bytes.len()).unwrap() + cut;
        self.assembly.push(
            self.base.plus(at),
            bytes,
            length,
            self.overlap,
            &mut |piece| take(text, piece),
        )
    }

    fn skip(&mut self) -> u32 {
        let text = &mut self.text;
        self.assembly.skip_gap(&mut |piece| take(text, piece))
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap()
    }
}

fn take(text: &mut Vec<u8>, piece: Piece<'_>) {
    match piece {
        Piece::Data(bytes) => text.extend_from_slice(bytes),
        Piece::Gap(length) => text.extend(std::iter::repeat_n(b'_', length as usize)),
    }
}

#[test]
fn what_comes_late_is_put_in_its_place_across_the_wrap() {
    let mut stream = Stream::new(u32::MAX - 2, Overlap::First);
    assert_eq!(stream.push(3, b"def"), Noticed::default());
    stream.push(9, b"jkl");
    assert_eq!(stream.text(), "");
    stream.push(0, b"abc");
    assert_eq!(stream.text(), "abcdef");
    stream.push(6, b"ghi");
    assert_eq!(stream.text(), "abcdefghijkl");
    assert!(!stream.assembly.waits());
}

#[test]
fn what_is_sent_again_is_taken_once_and_compared() {
    let mut stream = Stream::new(0, Overlap::First);
    stream.push(0, b"abcdef");
    assert!(!stream.push(0, b"abc").differs);
    assert!(!stream.push(2, b"cdefgh").differs);
    assert!(stream.push(1, b"bXd").differs);
    assert_eq!(stream.text(), "abcdefgh");
}

#[test]
fn of_two_that_wait_and_differ_the_first_or_the_last_counts_and_both_ways_it_is_noticed() {
    for (overlap, expected) in [(Overlap::First, "ab1234eX"), (Overlap::Last, "abXX34XX")] {
        let mut stream = Stream::new(0, overlap);
        stream.push(2, b"1");
        stream.push(3, b"234e");
        let mut told = stream.push(2, b"XX").differs;
        told |= stream.push(6, b"XX").differs;
        assert!(told);
        stream.push(0, b"ab");
        assert_eq!(stream.text(), expected);
    }
}

#[test]
fn a_segment_around_one_that_waits_fills_both_sides_of_it() {
    let mut stream = Stream::new(0, Overlap::First);
    stream.push(4, b"ef");
    assert!(!stream.push(2, b"cdefgh").differs);
    stream.push(0, b"ab");
    assert_eq!(stream.text(), "abcdefgh");
}

#[test]
fn a_gap_is_handed_on_when_it_is_given_up() {
    let mut stream = Stream::new(0, Overlap::First);
    stream.push(0, b"ab");
    stream.push(4, b"ef");
    stream.push(8, b"ij");
    assert_eq!(stream.skip(), 2);
    assert_eq!(stream.text(), "ab__ef");
    assert_eq!(stream.skip(), 2);
    assert_eq!(stream.skip(), 0);
    assert_eq!(stream.text(), "ab__ef__ij");
}

#[test]
fn what_was_not_captured_of_a_segment_is_a_gap() {
    let mut stream = Stream::new(0, Overlap::First);
    stream.push_cut(0, b"ab", 2);
    stream.push_cut(6, b"g", 1);
    stream.push_cut(2, b"", 4);
    assert_eq!(stream.text(), "ab____g_");
}

#[test]
fn what_waits_is_bounded_and_what_was_given_up_is_told() {
    let mut stream = Stream::new(0, Overlap::First);
    let piece = vec![b'x'; 60_000];
    let mut evicted = 0;
    for n in 0..200 {
        evicted += stream.push(10 + n * 60_001, &piece).evicted;
        assert!(stream.assembly.held_bytes <= MOST_HELD);
    }
    assert!(evicted >= 10);
    let mut stream = Stream::new(0, Overlap::First);
    for n in 0..40_000 {
        stream.push(10 + n * 2, b"x");
        assert!(stream.assembly.held.len() <= MOST_SEGMENTS);
    }
}

#[test]
fn a_segment_from_another_world_does_not_wait() {
    let mut stream = Stream::new(0, Overlap::First);
    stream.push(0, b"ab");
    stream.push(FURTHEST + 100, b"zz");
    assert!(!stream.assembly.waits());
}

proptest! {
    #[test]
    fn in_whatever_order_and_however_cut_segments_come_the_stream_is_the_same(
        cuts in proptest::collection::vec((0_usize..400, 1_usize..60), 1..60),
        base in any::<u32>(),
        last in any::<bool>(),
    ) {
        let whole: Vec<u8> = (0..500_u32).map(|n| b'a' + u8::try_from(n % 23).unwrap()).collect();
        let overlap = if last { Overlap::Last } else { Overlap::First };
        let mut stream = Stream::new(base, overlap);
        for (from, length) in cuts {
            let noticed = stream.push(u32::try_from(from).unwrap(), &whole[from..from + length]);
            prop_assert!(!noticed.differs);
            for pair in stream.assembly.held.make_contiguous().windows(2) {
                prop_assert!(!pair[0].to().is_after(pair[1].from));
            }
        }
        prop_assert!(whole.starts_with(&stream.text));
        while stream.skip() > 0 {}
        prop_assert!(!stream.assembly.waits());
        prop_assert_eq!(stream.assembly.held_bytes, 0);
        for (here, there) in stream.text.iter().zip(&whole) {
            prop_assert!(here == there || *here == b'_');
        }
    }
}

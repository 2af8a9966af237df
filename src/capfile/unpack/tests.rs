//! Files packed by the same crates, and damaged.

use std::io::Write;

use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};
use proptest::prelude::*;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;

const ALL: [Compression; 3] = [Compression::Gzip, Compression::Zstd, Compression::Lz4];
/// All flags of a gzip header that put something after it.
const FHCRC_TO_FCOMMENT: u8 = 0x1e;
const WINDOW: u64 = Unpacker::<&[u8]>::DEFAULT_WINDOW;

fn pack(compression: Compression, bytes: &[u8]) -> Vec<u8> {
    match compression {
        Compression::Gzip => {
            let level = flate2::Compression::default();
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Zstd => compress_to_vec(bytes, CompressionLevel::Fastest),
        Compression::Lz4 => {
            let info = FrameInfo::new().block_size(BlockSize::Max64KB);
            let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
    }
}

fn unpack(packed: &[u8]) -> (Vec<u8>, Option<UnpackError>) {
    let compression = Compression::of(packed).expect("a magic number");
    let mut unpacker = Unpacker::new(compression, packed, WINDOW);
    let mut bytes = Vec::new();
    let mut buffer = [0; 1_000];
    loop {
        match unpacker.unpack(&mut buffer) {
            Ok(0) => return (bytes, None),
            Ok(count) => bytes.extend(&buffer[..count]),
            Err(error) => {
                assert_eq!(unpacker.unpack(&mut buffer).unwrap(), 0);
                return (bytes, Some(error));
            }
        }
    }
}

/// Bytes that can be packed, but not to nothing.
fn text(len: usize) -> Vec<u8> {
    let mut number = 1_u32;
    (0..len)
        .map(|_| {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b"abcdefgh"[(number >> 29) as usize]
        })
        .collect()
}

#[test]
fn each_format_is_told_by_its_first_bytes_and_unpacked() {
    let bytes = text(300_000);
    for compression in ALL {
        let packed = pack(compression, &bytes);
        assert_eq!(Compression::of(&packed), Some(compression));
        let (unpacked, error) = unpack(&packed);
        assert!(error.is_none(), "{compression:?}: {error:?}");
        assert!(unpacked == bytes, "{compression:?}");
    }
    assert_eq!(Compression::of(b"\xd4\xc3\xb2\xa1"), None);
    assert_eq!(Compression::of(b""), None);
}

#[test]
fn files_put_one_after_the_other_are_one_file() {
    for compression in ALL {
        let packed = [b"one ", b"two "]
            .map(|part| pack(compression, part))
            .concat();
        let (unpacked, error) = unpack(&packed);
        assert!(error.is_none(), "{compression:?}: {error:?}");
        assert_eq!(unpacked, b"one two ");
    }
    let skipped = b"\x50\x2a\x4d\x18\x03\0\0\0abc";
    let packed = [&skipped[..], &pack(Compression::Zstd, b"x"), skipped].concat();
    assert_eq!(unpack(&packed).0, b"x");
}

#[test]
fn a_file_cut_anywhere_gives_a_prefix_and_says_that_it_is_cut() {
    let bytes = text(3_000);
    for compression in ALL {
        let packed = pack(compression, &bytes);
        for cut in Compression::MAGIC_LEN..packed.len() {
            let (unpacked, error) = unpack(&packed[..cut]);
            assert!(bytes.starts_with(&unpacked));
            let Some(UnpackError::Cut {
                offset,
                unpacked: count,
                ..
            }) = error
            else {
                panic!("{compression:?} cut at {cut}: {error:?}");
            };
            assert_eq!((offset, count), (cut as u64, unpacked.len() as u64));
        }
    }
}

#[test]
fn what_precedes_a_cut_is_given() {
    let bytes = text(1_000_000);
    for compression in ALL {
        let packed = pack(compression, &bytes);
        let (unpacked, error) = unpack(&packed[..packed.len() / 2]);
        assert!(matches!(error, Some(UnpackError::Cut { .. })));
        assert!(bytes.starts_with(&unpacked));
        assert!(
            unpacked.len() > 300_000,
            "{compression:?}: {}",
            unpacked.len()
        );
    }
}

#[test]
fn what_precedes_damage_is_given_whatever_the_buffer_has_room_for() {
    let bytes = text(1_000_000);
    for compression in ALL {
        let mut packed = pack(compression, &bytes);
        let middle = packed.len() / 4 * 3;
        packed[middle..middle + 64].fill(0xff);
        let given = |room: usize| {
            let mut unpacker = Unpacker::new(compression, &packed[..], WINDOW);
            let (mut all, mut buffer) = (Vec::<u8>::new(), vec![0; room]);
            while let Ok(count @ 1..) = unpacker.unpack(&mut buffer) {
                all.extend(&buffer[..count]);
            }
            all
        };
        let unpacked = given(1 << 20);
        assert!(
            unpacked.len() > 300_000,
            "{compression:?}: {}",
            unpacked.len()
        );
        assert!(given(100) == unpacked, "{compression:?}");
        assert!(unpacked[..300_000] == bytes[..300_000], "{compression:?}");
    }
}

#[test]
fn a_gzip_header_may_have_a_name_a_comment_and_more() {
    let plain = pack(Compression::Gzip, b"hello");
    let flags = FHCRC_TO_FCOMMENT;
    let more = b"\x03\0xyzname\0comment\0\x12\x34";
    let packed = [&plain[..3], &[flags], &plain[4..10], more, &plain[10..]].concat();
    let (unpacked, error) = unpack(&packed);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(unpacked, b"hello");
    for cut in 4..packed.len() {
        let (_, error) = unpack(&packed[..cut]);
        assert!(
            matches!(error, Some(UnpackError::Cut { .. })),
            "cut at {cut}"
        );
    }
    let after = [&plain[..], b"what is this?"].concat();
    let (unpacked, error) = unpack(&after);
    assert_eq!(unpacked, b"hello");
    assert!(
        error
            .unwrap()
            .to_string()
            .contains("expected a gzip header")
    );
}

#[test]
fn a_bomb_is_unpacked_into_the_buffer_of_the_caller_and_no_further() {
    let zeros = vec![0; 20_000_000];
    for compression in ALL {
        let packed = pack(compression, &zeros);
        assert!(packed.len() < 200_000, "{compression:?}: {}", packed.len());
        let mut unpacker = Unpacker::new(compression, &packed[..], WINDOW);
        let mut buffer = [1; 4_096];
        let mut total = 0;
        loop {
            match unpacker.unpack(&mut buffer).unwrap() {
                0 => break,
                count => total += count,
            }
        }
        assert_eq!(total, zeros.len(), "{compression:?}");
    }
}

#[test]
fn a_zstd_file_may_not_ask_for_any_window() {
    // Magic, descriptor without a content size, a window of 2^(10 + 31) bytes.
    let packed = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 31 << 3, 1, 0, 0];
    let (_, error) = unpack(&packed);
    let Some(UnpackError::Window { window }) = error else {
        panic!("{error:?}");
    };
    assert_eq!(window, 1 << 41);
}

#[test]
fn a_wrong_checksum_is_damage() {
    let bytes = text(5_000);
    for (compression, at) in [(Compression::Gzip, 8), (Compression::Zstd, 1)] {
        let mut packed = pack(compression, &bytes);
        let place = packed.len() - at;
        packed[place] ^= 1;
        let (unpacked, error) = unpack(&packed);
        assert!(unpacked == bytes, "{compression:?}");
        assert!(error.is_some(), "{compression:?}");
    }
}

#[test]
fn an_error_of_the_file_itself_is_handed_on() {
    struct Broken<'a>(&'a [u8]);
    impl Read for Broken<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::other("the disk is gone")),
                count => Ok(count),
            }
        }
    }
    for compression in ALL {
        let packed = pack(compression, &text(1_000));
        let broken = Broken(&packed[..packed.len() / 2]);
        let mut unpacker = Unpacker::new(compression, broken, WINDOW);
        let mut buffer = [0; 4_096];
        let error = loop {
            match unpacker.unpack(&mut buffer) {
                Ok(0) => panic!("{compression:?}: no error"),
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.to_string(), "the disk is gone", "{compression:?}");
    }
}

proptest! {
    #[test]
    fn damaged_files_are_an_error_or_a_file_and_never_a_panic(
        which in 0..3_usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut packed = pack(ALL[which], &text(2_000));
        for (index, byte) in changes {
            let at = index.index(packed.len());
            if at >= Compression::MAGIC_LEN {
                packed[at] = byte;
            }
        }
        let (unpacked, _) = unpack(&packed);
        prop_assert!(unpacked.len() < 100_000_000);
    }
}

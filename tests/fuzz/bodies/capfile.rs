//! What must hold for capture files whatever bytes they are.

use std::cell::RefCell;

use sockdoc::capfile::{
    BlockCopier, ByteOrder, CaptureError, Compression, Damage, Format, Frame, HostNames, Interface,
    Lost, PcapWriter, PcapngWriter, SliceReader, StreamReader, UnpackError, Unpacker, comments,
    has_options, order_of,
};

/// What is compared of a frame.
type Seen = (u64, u32, u16, Option<(i64, u32)>, Vec<u8>, u32);

fn seen(frame: &Frame<'_>) -> Seen {
    (
        frame.offset,
        frame.interface,
        frame.link.0,
        frame.time.map(|time| (time.seconds, time.nanoseconds)),
        frame.data.to_vec(),
        frame.original_len,
    )
}

/// The input: a byte for the size of the pieces, a byte that chooses a file header, and records.
pub(crate) fn capfile_pcap(data: &[u8]) {
    let [size, choice, records @ ..] = data else {
        return;
    };
    let magic: u32 = [0xa1b2_c3d4, 0xa1b2_3c4d, 0xa1b2_cd34][usize::from(choice >> 1) % 3];
    let minor = [4_u16, 3, 2][usize::from(choice >> 4) % 3];
    let is_little = choice & 1 == 0;
    let u16 = |n: u16| {
        if is_little {
            n.to_le_bytes()
        } else {
            n.to_be_bytes()
        }
    };
    let u32 = |n: u32| {
        if is_little {
            n.to_le_bytes()
        } else {
            n.to_be_bytes()
        }
    };
    let mut file = u32(magic).to_vec();
    file.extend([u16(2), u16(minor)].concat());
    file.extend([0; 8]);
    file.extend([u32(65_535), u32(1)].concat());
    file.extend(records);
    one_file(&file, usize::from(*size));
    // The records as a file of their own.
    one_file(records, usize::from(*size));
}

/// The input: a byte for the size of the pieces, a byte that says whether the lengths at the ends of
/// blocks are put right, and the file.
pub(crate) fn capfile_pcapng(data: &[u8]) {
    let [size, choice, file @ ..] = data else {
        return;
    };
    let mut file = file.to_vec();
    if choice & 1 == 1 {
        put_ends_right(&mut file);
    }
    one_file(&file, usize::from(*size));
}

/// So that changed lengths do not end the file at once.
fn put_ends_right(file: &mut [u8]) {
    let mut rest = file;
    while rest.len() >= 12 {
        let length: [u8; 4] = rest[4..8].try_into().expect("four bytes");
        let (little, big) = (u32::from_le_bytes(length), u32::from_be_bytes(length));
        let len = little.min(big) as usize;
        if len < 12 || len > rest.len() {
            return;
        }
        rest[len - 4..len].copy_from_slice(&length);
        rest = &mut rest[len..];
    }
}

/// Both readers say the same, in order and within the file; what was read can be written and read.
pub(crate) fn one_file(file: &[u8], size: usize) {
    let mut reader = SliceReader::new(file);
    let mut frames = Vec::new();
    let mut end = 0;
    let error = loop {
        match reader.next_frame() {
            Ok(Some(frame)) => {
                assert_eq!(frame.number, frames.len() as u64 + 1);
                assert!(frame.offset >= end);
                end = frame.offset + frame.data.len() as u64;
                assert!(end <= file.len() as u64);
                let interface = &reader.interfaces()[frame.interface as usize];
                assert_eq!(interface.link, frame.link);
                frames.push(frame);
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert_eq!(reader.next_frame(), Ok(None));
    let all: Vec<Seen> = frames.iter().map(seen).collect();
    check_error(file, error.as_ref());
    assert_eq!(in_pieces(file, size.max(1)), (all, error));
    comes_back(&frames, reader.interfaces());
    copied(file, &frames);
}

fn check_error(file: &[u8], error: Option<&CaptureError>) {
    let Some(error) = error else {
        return;
    };
    assert!(error.offset <= file.len() as u64);
    assert!(!error.to_string().is_empty());
    if let Damage::Cut { have, need, .. } = error.damage {
        assert!(have < need);
        assert_eq!(error.offset + have, file.len() as u64);
    }
}

fn in_pieces(file: &[u8], size: usize) -> (Vec<Seen>, Option<CaptureError>) {
    let mut reader = StreamReader::new();
    let mut frames = Vec::new();
    let mut pieces = file.chunks(size);
    loop {
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => frames.push(seen(&frame)),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        if reader.is_over() {
            return (frames, None);
        }
        match pieces.next() {
            Some(piece) => reader.feed(piece),
            None => reader.end(),
        }
    }
}

/// A pcapng file that is copied block by block has the same frames.
fn copied(file: &[u8], frames: &[Frame<'_>]) {
    let mut reader = SliceReader::new(file);
    let copier = RefCell::new(BlockCopier::new(Vec::new()));
    let mut order = ByteOrder::Little;
    let mut lost = Lost::default();
    while let Ok(Some((frame, _))) = reader.next_with_interface(&mut |block| {
        order = order_of(block, order);
        lost.block(block, order);
        copier.borrow_mut().block(block, order).expect("memory");
        if let Some(names) = HostNames::of(block, order) {
            assert!(names.iter().all(|(_, name)| !name.contains(&0)));
        }
    }) {
        let comments = comments(frame.record).map(<[u8]>::len).sum::<usize>();
        assert!(comments == 0 || has_options(frame.record, frame.data));
        assert!(comments <= frame.record.len() - frame.data.len());
        copier.borrow_mut().frame(&frame).expect("memory");
    }
    let file = copier.into_inner().into_inner();
    if reader.format() != Some(Format::Pcapng) || file.is_empty() {
        return;
    }
    let back: Result<Vec<Frame<'_>>, _> = SliceReader::new(&file).collect();
    let back = back.expect("what was copied is whole");
    assert_eq!(back.len(), frames.len());
    for (back, frame) in back.iter().zip(frames) {
        let moved = Frame {
            offset: back.offset,
            ..*frame
        };
        assert_eq!(*back, moved);
    }
}

fn comes_back(frames: &[Frame<'_>], interfaces: &[Interface]) {
    let mut pcapng = PcapngWriter::new(Vec::new(), ByteOrder::Big).expect("memory");
    let mut written = Vec::new();
    for frame in frames {
        let interface = &interfaces[frame.interface as usize];
        if pcapng.frame(frame, interface).is_ok() {
            written.push(frame);
        }
    }
    let file = pcapng.into_inner();
    let back: Result<Vec<Frame<'_>>, _> = SliceReader::new(&file).collect();
    let back = back.expect("what was written is whole");
    assert_eq!(back.len(), written.len());
    for (back, frame) in back.iter().zip(&written) {
        assert_eq!((back.data, back.link), (frame.data, frame.link));
        assert_eq!(back.original_len, frame.original_len);
        assert!(frame.time.is_none() || back.time == frame.time);
    }
    let Some(interface) = interfaces.first() else {
        return;
    };
    let mut pcap = PcapWriter::new(Vec::new(), ByteOrder::Little, interface).expect("memory");
    let written: Vec<_> = frames
        .iter()
        .filter(|frame| pcap.frame(frame).is_ok())
        .collect();
    let file = pcap.into_inner();
    let back: Result<Vec<Frame<'_>>, _> = SliceReader::new(&file).collect();
    let back = back.expect("what was written is whole");
    assert_eq!(back.len(), written.len());
    for (back, frame) in back.iter().zip(&written) {
        assert_eq!(back.data, frame.data);
    }
}

/// Bytes that are unpacked at most.
const MOST: usize = 1 << 20;

/// The input: a byte for the room of the buffer, and a compressed file.
pub(crate) fn capfile_unpack(data: &[u8]) {
    let Some((&room, file)) = data.split_first() else {
        return;
    };
    let Some(compression) = Compression::of(file) else {
        return;
    };
    let (small, small_end) = unpacked(compression, file, usize::from(room) + 1);
    let (large, large_end) = unpacked(compression, file, 64 * 1024);
    let common = small.len().min(large.len());
    assert!(small[..common] == large[..common]);
    if small.len() < MOST && large.len() < MOST {
        assert_eq!((small.len(), small_end), (large.len(), large_end));
    }
}

/// What is unpacked with a buffer of this size, and whether an error ended it.
fn unpacked(compression: Compression, file: &[u8], room: usize) -> (Vec<u8>, Option<String>) {
    let mut unpacker = Unpacker::new(compression, file, 1 << 20);
    let mut buffer = vec![0; room];
    let mut bytes = Vec::new();
    while bytes.len() < MOST {
        match unpacker.unpack(&mut buffer) {
            Ok(0) => return (bytes, None),
            Ok(count) => bytes.extend(&buffer[..count]),
            Err(error) => {
                assert!(matches!(unpacker.unpack(&mut buffer), Ok(0)));
                assert!(!matches!(error, UnpackError::Input(_)));
                return (bytes, Some(error.to_string()));
            }
        }
    }
    (bytes, None)
}

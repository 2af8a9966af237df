//! The two back ends of the filter language: the evaluation on a frame, and the program for the kernel, run by a
//! machine of our own for classic BPF (`bpf_filter.c` of libpcap, `bpf_convert_filter` of Linux).

use sockdoc::capfile::{LinkType, SliceReader};
use sockdoc::filter::{Filter, Gate, Instruction, MOST_INSTRUCTIONS, Subject, View, listing};

use crate::filters::{self, Capture};
use crate::packets::Random;

/// What the kernel has beside the bytes of a frame.
#[derive(Debug, Default, Clone, Copy)]
struct Beside {
    protocol: u16,
    packet_type: u8,
    interface: u32,
    hardware_type: u16,
    /// The protocol of a tag, and the tag.
    tag: Option<(u16, u16)>,
}

impl Beside {
    /// `SKF_AD_*` of `linux/filter.h`.
    fn get(&self, what: u32) -> u32 {
        match what {
            0 => self.protocol.into(),
            4 => self.packet_type.into(),
            8 => self.interface,
            28 => self.hardware_type.into(),
            44 => self.tag.unwrap_or_default().1.into(),
            48 => self.tag.is_some().into(),
            60 => self.tag.unwrap_or_default().0.into(),
            other => panic!("nothing of ours asks for {other}"),
        }
    }
}

/// What a program returns; as in the kernel, one that loads what is not there returns 0.
fn run(program: &[Instruction], data: &[u8], len: u32, beside: &Beside) -> u32 {
    let (mut a, mut x, mut memory, mut at) = (0_u32, 0_u32, [None; 16], 0);
    let bytes = |from: u32, count: usize| -> Option<u32> {
        let from = usize::try_from(from).unwrap();
        let bytes = data.get(from..from.checked_add(count)?)?;
        Some(
            bytes
                .iter()
                .fold(0, |all, byte| all << 8 | u32::from(*byte)),
        )
    };
    let size = |code: u16| [4, 2, 1][usize::from(code >> 3 & 3)];
    for _ in 0..MOST_INSTRUCTIONS {
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        let source = if code & 8 == 0 { k } else { x };
        match code {
            0x20 | 0x28 | 0x30 if k >= 0xffff_f000 => a = beside.get(k - 0xffff_f000),
            0x20 | 0x28 | 0x30 | 0x40 | 0x48 | 0x50 => {
                let from = if code & 0x40 == 0 {
                    k
                } else {
                    k.wrapping_add(x)
                };
                assert!(from < 1 << 31, "the kernel has a meaning of its own for it");
                match bytes(from, size(code)) {
                    Some(number) => a = number,
                    None => return 0,
                }
            }
            0x80 => a = len,
            0x00 => a = k,
            0x60 => a = memory[k as usize].expect("a word that was stored"),
            0x61 => x = memory[k as usize].expect("a word that was stored"),
            0xb1 => match bytes(k, 1) {
                Some(byte) => x = (byte & 0xf) * 4,
                None => return 0,
            },
            0x02 => memory[k as usize] = Some(a),
            0x07 => x = a,
            0x05 => at += k as usize,
            0x06 => return k,
            0x84 => a = a.wrapping_neg(),
            _ if code & 7 == 5 => {
                let is = match code & 0xf0 {
                    0x10 => a == source,
                    0x20 => a > source,
                    0x30 => a >= source,
                    0x40 => a & source != 0,
                    _ => panic!("{code:#x}"),
                };
                at += usize::from(if is { jt } else { jf });
            }
            _ if code & 7 == 4 => {
                assert!(code & 8 != 0 || !matches!(code & 0xf0, 0x30 | 0x90) || k != 0);
                assert!(!matches!(code & 0xf0, 0x60 | 0x70) || source < 32);
                a = match code & 0xf0 {
                    0x00 => a.wrapping_add(source),
                    0x10 => a.wrapping_sub(source),
                    0x20 => a.wrapping_mul(source),
                    0x30 | 0x90 if source == 0 => return 0,
                    0x30 => a / source,
                    0x40 => a | source,
                    0x50 => a & source,
                    0x60 => a << source,
                    0x70 => a >> source,
                    0x90 => a % source,
                    0xa0 => a ^ source,
                    _ => panic!("{code:#x}"),
                };
            }
            _ => panic!("{code:#x}"),
        }
    }
    panic!("a program only goes forward");
}

/// A frame as a packet socket shows it: the bytes, the length, and what is beside them.
type Shown = (Vec<u8>, u32, Beside);

#[expect(
    clippy::unnecessary_wraps,
    reason = "a way to show frames, as the others"
)]
fn whole(data: &[u8], len: u32) -> Option<Shown> {
    Some((data.to_vec(), len, Beside::default()))
}

/// The kernel takes the outermost tag of 802.1Q or 802.1ad away.
fn without_tag(data: &[u8], len: u32) -> Option<Shown> {
    let word = |at: usize| Some(u16::from_be_bytes([*data.get(at)?, *data.get(at + 1)?]));
    let protocol = word(12)?;
    if !matches!(protocol, 0x8100 | 0x88a8) {
        return None;
    }
    let tag = Some((protocol, word(14)?));
    let bytes = [&data[..12], &data[16..]].concat();
    let beside = Beside {
        tag,
        ..Beside::default()
    };
    Some((bytes, len - 4, beside))
}

/// A socket for all interfaces has no link header; the header of a file is made of what is beside the bytes.
fn without_header(data: &[u8], len: u32) -> Option<Shown> {
    let header = data.first_chunk::<20>()?;
    let beside = Beside {
        protocol: u16::from_be_bytes([header[0], header[1]]),
        interface: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        hardware_type: u16::from_be_bytes([header[8], header[9]]),
        packet_type: header[10],
        tag: None,
    };
    Some((data[20..].to_vec(), len - 20, beside))
}

struct Compared {
    frames: usize,
    matching: usize,
    inexact: usize,
}

/// Both back ends on all frames of the captures.
fn compare(
    filters: &[String],
    captures: &[&Capture],
    view: View,
    show: fn(&[u8], u32) -> Option<Shown>,
) -> Compared {
    let services = filters::services();
    let gate = Gate { view, ..Gate::OPEN };
    let mut compared = Compared {
        frames: 0,
        matching: 0,
        inexact: 0,
    };
    for text in filters {
        let Ok(filter) = Filter::parse(text, &services) else {
            continue;
        };
        for capture in captures {
            let Ok(program) = filter.compile(capture.link) else {
                continue;
            };
            let classic = program.classic(gate);
            assert!(classic.instructions.len() <= MOST_INSTRUCTIONS);
            compared.inexact += usize::from(!classic.is_exact);
            for frame in SliceReader::new(&capture.bytes) {
                let frame = frame.unwrap();
                let Some((bytes, len, beside)) = show(frame.data, frame.original_len) else {
                    continue;
                };
                let ours = program.matches(&Subject::new(frame.data, frame.original_len));
                let kernel = run(&classic.instructions, &bytes, len, &beside) != 0;
                compared.frames += 1;
                compared.matching += usize::from(ours);
                let agree = if classic.is_exact {
                    ours == kernel
                } else {
                    kernel || !ours
                };
                assert!(
                    agree,
                    "{text:?} of {}, frame {}: ours {ours}, the kernel's {kernel}\n{}",
                    capture.name,
                    frame.number,
                    listing(&classic.instructions)
                );
            }
        }
    }
    compared
}

/// The corpus, and filters made of its words at random.
fn filters() -> Vec<String> {
    let mut filters: Vec<String> = filters::FILTERS
        .iter()
        .chain(filters::SOME_LINKS)
        .map(|filter| (*filter).to_owned())
        .collect();
    let mut random = Random(16);
    for _ in 0..400 {
        filters.push(filters::by_chance(&mut random, 3));
    }
    filters
}

#[test]
fn a_program_for_the_kernel_says_of_every_frame_what_the_evaluation_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut captures = filters::captures(folder.path());
    captures.extend(filters::captures_of_the_project(folder.path()));
    let all: Vec<&Capture> = captures.iter().collect();
    let compared = compare(&filters(), &all, View::Whole, whole);
    assert_eq!(compared.inexact, 0, "all of it can be said");
    assert!(compared.frames > 100_000 && compared.matching > 10_000);
}

#[test]
fn tags_beside_the_frame_and_frames_without_a_header_are_asked_for_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let mut captures = filters::captures(folder.path());
    captures.extend(filters::captures_of_the_project(folder.path()));
    let of = |link: LinkType| -> Vec<&Capture> {
        let is = |capture: &&Capture| capture.link == link;
        captures.iter().filter(is).collect()
    };
    let ethernet = of(LinkType::ETHERNET);
    let tagged = compare(&filters(), &ethernet, View::Ethernet, without_tag);
    assert!(tagged.frames > 10_000 && tagged.matching > 1_000);
    let untagged = compare(&filters(), &ethernet, View::Ethernet, whole);
    assert!(untagged.frames > 100_000 && untagged.matching > 10_000);
    let cooked = compare(
        &filters(),
        &of(LinkType::LINUX_SLL2),
        View::Cooked,
        without_header,
    );
    assert!(cooked.frames > 10_000 && cooked.matching > 1_000);
}

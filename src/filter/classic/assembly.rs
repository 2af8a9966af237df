//! Instructions with labels, and what becomes of them: the instructions of classic BPF that are used here, and the
//! distances of jumps.

use super::Instruction;
use crate::filter::syntax::Size;

// Opcodes: `linux/bpf_common.h`.
pub(super) const LD_W_ABS: u16 = 0x20;
pub(super) const LD_W_IND: u16 = 0x40;
pub(super) const LD_W_LEN: u16 = 0x80;
pub(super) const LD_IMM: u16 = 0x00;
pub(super) const LD_MEM: u16 = 0x60;
pub(super) const LDX_MEM: u16 = 0x61;
pub(super) const LDX_MSH: u16 = 0xb1;
pub(super) const ST: u16 = 0x02;
pub(super) const HALF: u16 = 0x08;
pub(super) const BYTE: u16 = 0x10;
pub(super) const JA: u16 = 0x05;
pub(super) const JEQ: u16 = 0x15;
pub(super) const JGT: u16 = 0x25;
pub(super) const JGE: u16 = 0x35;
pub(super) const JSET: u16 = 0x45;
pub(super) const FROM_X: u16 = 0x08;
pub(super) const ALU: u16 = 0x04;
pub(super) const ADD: u16 = 0x00;
pub(super) const SUB: u16 = 0x10;
pub(super) const MUL: u16 = 0x20;
pub(super) const DIV: u16 = 0x30;
pub(super) const OR: u16 = 0x40;
pub(super) const AND: u16 = 0x50;
pub(super) const LSH: u16 = 0x60;
pub(super) const RSH: u16 = 0x70;
pub(super) const NEG: u16 = 0x80;
pub(super) const MOD: u16 = 0x90;
pub(super) const XOR: u16 = 0xa0;
pub(super) const RET: u16 = 0x06;
pub(super) const TAX: u16 = 0x07;

/// `SKF_AD_OFF`: above it the kernel is asked for what is beside the bytes.
pub(super) const BESIDE: u32 = 0xffff_f000;
pub(super) const PROTOCOL: u32 = BESIDE;
pub(super) const PACKET_TYPE: u32 = BESIDE + 4;
pub(super) const INTERFACE: u32 = BESIDE + 8;
pub(super) const HARDWARE_TYPE: u32 = BESIDE + 28;
pub(super) const VLAN_TAG: u32 = BESIDE + 44;
pub(super) const VLAN_TAG_PRESENT: u32 = BESIDE + 48;
pub(super) const VLAN_PROTOCOL: u32 = BESIDE + 60;
/// `PACKET_OUTGOING` in `linux/if_packet.h`.
pub(super) const OUTGOING: u32 = 4;
/// A place in the program that is jumped to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(pub(super) usize);

#[derive(Debug, Clone, Copy)]
pub(super) enum Item {
    Op(u16, u32),
    /// A comparison, and where it leads.
    Branch(u16, u32, Label, Label),
    Goto(Label),
    Here(Label),
}

/// Where something that is asked of a frame lies.
pub(super) enum Place {
    Bytes(u32),
    Beside(u32),
    /// No frame is that long.
    Nowhere,
    /// It cannot be asked for.
    Unknown,
}

/// From labels to distances. A comparison whose target is more than 255 instructions away jumps over two long
/// jumps; that moves others away, so it is done until nothing changes.
pub(super) fn resolve(items: &[Item], labels: usize) -> Vec<Instruction> {
    let mut is_long = vec![false; items.len()];
    loop {
        let mut places = vec![0; labels];
        let mut here = 0;
        for (item, is_long) in items.iter().zip(&is_long) {
            match item {
                Item::Here(label) => places[label.0] = here,
                Item::Branch(..) if *is_long => here += 3,
                _ => here += 1,
            }
        }
        let mut out = Vec::with_capacity(here);
        let mut is_settled = true;
        for (item, is_long) in items.iter().zip(&mut is_long) {
            let next = out.len() + 1;
            // All jumps go forward: a label is placed after what leads to it.
            let distance = |label: &Label, from: usize| places[label.0].saturating_sub(from);
            let far = |label: &Label, from| u32::try_from(distance(label, from)).unwrap_or(0);
            match item {
                Item::Here(_) => {}
                Item::Op(code, k) => out.push(plain(*code, *k)),
                Item::Goto(label) => out.push(plain(JA, far(label, next))),
                Item::Branch(code, k, yes, no) => {
                    let near = |label| u8::try_from(distance(label, next)).ok();
                    let (jt, jf) = match (near(yes), near(no)) {
                        (Some(jt), Some(jf)) if !*is_long => (jt, jf),
                        _ => {
                            is_settled &= *is_long;
                            *is_long = true;
                            (0, 1)
                        }
                    };
                    out.push(Instruction {
                        code: *code,
                        jt,
                        jf,
                        k: *k,
                    });
                    if *is_long {
                        out.push(plain(JA, far(yes, next + 1)));
                        out.push(plain(JA, far(no, next + 2)));
                    }
                }
            }
        }
        if is_settled {
            return out;
        }
    }
}

fn plain(code: u16, k: u32) -> Instruction {
    let (jt, jf) = (0, 0);
    Instruction { code, jt, jf, k }
}

/// How many bytes these are.
pub(super) fn bytes(size: Size) -> u32 {
    match size {
        Size::One => 1,
        Size::Two => 2,
        Size::Four => 4,
    }
}

/// The part of an opcode that says how many bytes are loaded.
pub(super) fn width(size: Size) -> u16 {
    match size {
        Size::One => BYTE,
        Size::Two => HALF,
        Size::Four => 0,
    }
}

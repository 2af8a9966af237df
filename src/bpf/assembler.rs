//! eBPF instructions (RFC 9669) and labels, assembled to bytes.

/// A register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Reg {
    R0,
    R1,
    R2,
    R3,
    R4,
    R6 = 6,
    R7,
    R8,
    R9,
    /// The frame pointer: 512 bytes of stack lie below it.
    R10 = 10,
}

/// The number of bytes that an instruction loads or stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// One.
    Byte,
    /// Two.
    Half,
    /// Four.
    Word,
    /// Eight.
    Double,
}

impl Size {
    /// The bits in an opcode.
    fn bits(self) -> u8 {
        match self {
            Size::Byte => 0x10,
            Size::Half => 0x08,
            Size::Word => 0x00,
            Size::Double => 0x18,
        }
    }
}

/// The target of a jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label(usize);

/// A program under construction.
#[derive(Debug, Default)]
pub struct Assembler {
    instructions: Vec<Instruction>,
    /// The instruction after each label, once it is placed.
    labels: Vec<Option<usize>>,
    /// Jumps, whose offsets are filled in at the end.
    jumps: Vec<(usize, Label)>,
}

#[derive(Debug, Clone, Copy)]
struct Instruction {
    opcode: u8,
    destination: u8,
    source: u8,
    offset: i16,
    immediate: i32,
}

impl Assembler {
    /// A label, not placed yet.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Places a label before the next instruction.
    pub fn place(&mut self, label: Label) {
        self.labels[label.0] = Some(self.instructions.len());
    }

    /// `to = from`
    pub fn copy(&mut self, to: Reg, from: Reg) {
        self.push(0xbf, to, from as u8, 0, 0);
    }

    /// `to = value`
    pub fn set(&mut self, to: Reg, value: i32) {
        self.push(0xb7, to, 0, 0, value);
    }

    /// `to += value`
    pub fn add(&mut self, to: Reg, value: i32) {
        self.push(0x07, to, 0, 0, value);
    }

    /// `to = *(base + offset)`
    pub fn load(&mut self, size: Size, to: Reg, base: Reg, offset: i16) {
        self.push(0x61 | size.bits(), to, base as u8, offset, 0);
    }

    /// `*(base + offset) = from`
    pub fn store(&mut self, size: Size, base: Reg, offset: i16, from: Reg) {
        self.push(0x63 | size.bits(), base, from as u8, offset, 0);
    }

    /// `to += from`
    pub fn add_register(&mut self, to: Reg, from: Reg) {
        self.push(0x0f, to, from as u8, 0, 0);
    }

    /// `to -= from`
    pub fn subtract_register(&mut self, to: Reg, from: Reg) {
        self.push(0x1f, to, from as u8, 0, 0);
    }

    /// `to >>= count`, without a sign.
    pub fn shift_right(&mut self, to: Reg, count: i32) {
        self.push(0x77, to, 0, 0, count);
    }

    /// `*(base + offset) += from`, eight bytes, in one step for all processors.
    pub fn add_atomically(&mut self, base: Reg, offset: i16, from: Reg) {
        self.push(0xdb, base, from as u8, offset, 0);
    }

    /// `to = ` the map with this descriptor; takes the place of two instructions.
    pub fn map(&mut self, to: Reg, descriptor: i32) {
        // BPF_PSEUDO_MAP_FD
        self.push(0x18, to, 1, 0, descriptor);
        self.push(0, Reg::R0, 0, 0, 0);
    }

    /// `to = ` the address of a place on the stack, counted from the frame pointer; takes the place of two instructions.
    pub fn stack(&mut self, to: Reg, place: i16) {
        self.copy(to, Reg::R10);
        self.add(to, i32::from(place));
    }

    /// `goto label`
    pub fn jump(&mut self, label: Label) {
        self.jumps.push((self.instructions.len(), label));
        self.push(0x05, Reg::R0, 0, 0, 0);
    }

    /// `if what != value goto label`
    pub fn jump_unless(&mut self, what: Reg, value: i32, label: Label) {
        self.jumps.push((self.instructions.len(), label));
        self.push(0x55, what, 0, 0, value);
    }

    /// `if (u32) what == (u32) value goto label`
    pub fn jump_if_word(&mut self, what: Reg, value: i32, label: Label) {
        self.jumps.push((self.instructions.len(), label));
        self.push(0x16, what, 0, 0, value);
    }

    /// `if what == 0 goto label`
    pub fn jump_if_zero(&mut self, what: Reg, label: Label) {
        self.jumps.push((self.instructions.len(), label));
        self.push(0x15, what, 0, 0, 0);
    }

    /// `if one == other goto label`
    pub fn jump_if_equal(&mut self, one: Reg, other: Reg, label: Label) {
        self.jumps.push((self.instructions.len(), label));
        self.push(0x1d, one, other as u8, 0, 0);
    }

    /// `if what < 0 goto label`, with a sign.
    pub fn jump_if_negative(&mut self, what: Reg, label: Label) {
        self.jumps.push((self.instructions.len(), label));
        self.push(0xc5, what, 0, 0, 0);
    }

    /// `r0 = helper(r1, ...)`: by its number in `enum bpf_func_id`.
    pub fn call(&mut self, helper: i32) {
        self.push(0x85, Reg::R0, 0, 0, helper);
    }

    /// `label: return 0`, the end of each program of ours.
    pub fn end(&mut self, label: Label) {
        self.place(label);
        self.set(Reg::R0, 0);
        self.exit();
    }

    /// `return r0`
    pub fn exit(&mut self) {
        self.push(0x95, Reg::R0, 0, 0, 0);
    }

    fn push(&mut self, opcode: u8, to: Reg, source: u8, offset: i16, immediate: i32) {
        self.instructions.push(Instruction {
            opcode,
            destination: to as u8,
            source,
            offset,
            immediate,
        });
    }

    /// The bytes in the order of this machine.
    ///
    /// # Panics
    /// When the target of a jump was never placed, or is more than 32,767 instructions away.
    pub fn finish(mut self) -> Vec<u8> {
        for (index, label) in self.jumps {
            let target = self.labels[label.0].expect("a label that is jumped to is placed");
            let distance = target.wrapping_sub(index + 1).cast_signed();
            self.instructions[index].offset = i16::try_from(distance).expect("a short jump");
        }
        self.instructions
            .iter()
            .flat_map(|instruction| instruction.bytes())
            .collect()
    }
}

impl Instruction {
    fn bytes(self) -> [u8; 8] {
        let registers = if cfg!(target_endian = "little") {
            self.source << 4 | self.destination
        } else {
            self.destination << 4 | self.source
        };
        let [low, high] = self.offset.to_ne_bytes();
        let [a, b, c, d] = self.immediate.to_ne_bytes();
        [self.opcode, registers, low, high, a, b, c, d]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of one instruction on a little-endian machine, as RFC 9669 lays them out.
    fn one(write: impl FnOnce(&mut Assembler)) -> Vec<u8> {
        let mut assembler = Assembler::default();
        write(&mut assembler);
        assembler.finish()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn each_instruction_has_the_bytes_of_the_standard() {
        use Reg::{R0, R1, R2, R6, R10};
        assert_eq!(one(|a| a.copy(R6, R1)), [0xbf, 0x16, 0, 0, 0, 0, 0, 0]);
        assert_eq!(one(|a| a.set(R0, -2)), [0xb7, 0, 0, 0, 254, 255, 255, 255]);
        assert_eq!(one(|a| a.add(R2, 32)), [0x07, 0x02, 0, 0, 32, 0, 0, 0]);
        assert_eq!(
            one(|a| a.load(Size::Double, R1, R6, 0x0102)),
            [0x79, 0x61, 2, 1, 0, 0, 0, 0]
        );
        assert_eq!(
            one(|a| a.load(Size::Word, R1, R6, 4)),
            [0x61, 0x61, 4, 0, 0, 0, 0, 0]
        );
        assert_eq!(
            one(|a| a.store(Size::Word, R10, -8, R1)),
            [0x63, 0x1a, 0xf8, 0xff, 0, 0, 0, 0]
        );
        assert_eq!(
            one(|a| a.store(Size::Double, R10, -8, R1)),
            [0x7b, 0x1a, 0xf8, 0xff, 0, 0, 0, 0]
        );
        assert_eq!(
            one(|a| a.load(Size::Half, R1, R6, 4)),
            [0x69, 0x61, 4, 0, 0, 0, 0, 0]
        );
        assert_eq!(
            one(|a| a.store(Size::Byte, R10, -8, R1)),
            [0x73, 0x1a, 0xf8, 0xff, 0, 0, 0, 0]
        );
        assert_eq!(
            one(|a| a.add_register(R2, R1)),
            [0x0f, 0x12, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(
            one(|a| a.subtract_register(R2, R1)),
            [0x1f, 0x12, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(one(|a| a.shift_right(R1, 4)), [0x77, 1, 0, 0, 4, 0, 0, 0]);
        assert_eq!(
            one(|a| a.add_atomically(R0, 8, R1)),
            [0xdb, 0x10, 8, 0, 0, 0, 0, 0]
        );
        assert_eq!(
            one(|a| a.map(R1, 7)),
            [0x18, 0x11, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(one(|a| a.call(127)), [0x85, 0, 0, 0, 127, 0, 0, 0]);
        assert_eq!(one(Assembler::exit), [0x95, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_jump_counts_from_the_instruction_after_it_in_both_directions() {
        let mut assembler = Assembler::default();
        let (back, ahead) = (assembler.label(), assembler.label());
        assembler.place(back);
        assembler.jump_if_zero(Reg::R1, ahead);
        assembler.set(Reg::R0, 0);
        assembler.jump_if_zero(Reg::R1, back);
        assembler.place(ahead);
        assembler.exit();
        let bytes = assembler.finish();
        let offset =
            |index: usize| i16::from_ne_bytes([bytes[index * 8 + 2], bytes[index * 8 + 3]]);
        assert_eq!(offset(0), 2);
        assert_eq!(offset(2), -3);
        assert_eq!(bytes.len(), 4 * 8);
    }

    #[test]
    #[should_panic(expected = "is placed")]
    fn a_label_that_is_never_placed_is_a_mistake_of_the_programmer() {
        let mut assembler = Assembler::default();
        let label = assembler.label();
        assembler.jump_if_zero(Reg::R1, label);
        let _ = assembler.finish();
    }
}

//! Classic BPF, the second back end: the tests of a filter as instructions for the kernel.
//!
//! A packet socket does not show a frame as a file has it: the outermost VLAN tag of what was received lies beside
//! the frame, and a socket for all interfaces leaves the link header away. [`View`] says which it is, and the
//! instructions ask the kernel for what is not in the bytes (`SKF_AD_OFF` in `linux/filter.h`).
//!
//! # Invariants
//!
//! - A program never drops a frame that the filter matches. What it cannot ask is let through, and
//!   [`Classic::is_exact`] is false; so the filter is evaluated again on what comes.
//! - A frame that ends in front of what is asked does not match: the kernel ends a program that loads what is not
//!   there, as [`Program::matches`] does.
//! - The kernel takes offsets above 2^31 for requests of its own; none is emitted that was not meant so.

mod assembly;
mod listing;

use crate::capfile::LONGEST_FRAME;

use super::program::{Number, Program, Test};
use super::syntax::{Operator, Relation, Size};

#[allow(clippy::wildcard_imports, reason = "opcodes")]
use assembly::*;
pub use listing::listing;

/// An instruction: `struct sock_filter` in `linux/filter.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// What it does.
    pub code: u16,
    /// How many instructions are skipped if the comparison is true ...
    pub jt: u8,
    /// ... and if it is false.
    pub jf: u8,
    /// Its number.
    pub k: u32,
}

/// How the kernel shows a frame to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// As it is in a file.
    Whole,
    /// An Ethernet frame on a packet socket: the outermost VLAN tag may lie beside it.
    Ethernet,
    /// A frame of `LINUX_SLL2` that begins with the network layer: its link header is not there yet.
    Cooked,
}

/// Which frames a program lets through at all, and how much of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gate {
    /// How the frames are seen.
    pub view: View,
    /// How many bytes of a frame are wanted, in the form that a file has.
    pub snaplen: u32,
    /// Only frames that this machine sent, or only those that it did not.
    pub outgoing: Option<bool>,
    /// Of the interface with this index, frames come twice: those that are sent are dropped.
    pub twice: Option<u32>,
}

impl Gate {
    /// Everything, as it is in a file.
    pub const OPEN: Gate = Gate {
        view: View::Whole,
        snaplen: LONGEST_FRAME,
        outgoing: None,
        twice: None,
    };
}

/// A filter as the kernel runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classic {
    /// The instructions; the last ones return.
    pub instructions: Vec<Instruction>,
    /// Whether it says what the filter says of every frame. Otherwise it lets more through.
    pub is_exact: bool,
}

/// `BPF_MAXINSNS`: a longer program is refused by the kernel.
pub const MOST_INSTRUCTIONS: usize = 4096;
/// `BPF_MEMWORDS`: words of memory of a program.
const MEMORY: u32 = 16;

/// No frame is this long; with what is added to it, an offset stays below 2^31.
const FAR: u32 = 0x3fff_ffff;

/// The link header of `LINUX_SLL2`, and a VLAN tag, in bytes.
const COOKED: u32 = 20;
const TAG: u32 = 4;

impl Gate {
    /// What passes the gate, for a filter that is evaluated later.
    pub fn classic(self) -> Classic {
        let open = Builder::new(self).build(None);
        Classic {
            instructions: open.map(|(open, _)| open).unwrap_or_default(),
            is_exact: false,
        }
    }
}

impl Program {
    /// The filter for the kernel.
    pub fn classic(&self, gate: Gate) -> Classic {
        match Builder::new(gate).build(Some(self.test())) {
            Ok((instructions, is_exact)) => Classic {
                instructions,
                is_exact,
            },
            Err(Unsayable) => gate.classic(),
        }
    }
}

/// Something that has no instructions, or too many.
struct Unsayable;

type Said = Result<(), Unsayable>;

struct Builder {
    gate: Gate,
    items: Vec<Item>,
    labels: usize,
    /// The outermost tag lies beside the frame.
    is_tagged: bool,
    is_exact: bool,
}

const ACCEPT: Label = Label(0);
const REJECT: Label = Label(1);

impl Builder {
    fn new(gate: Gate) -> Builder {
        Builder {
            gate,
            items: Vec::new(),
            labels: 2,
            is_tagged: false,
            is_exact: true,
        }
    }

    /// The whole program; without a test what passes the gate is let through.
    fn build(mut self, test: Option<&Test>) -> Result<(Vec<Instruction>, bool), Unsayable> {
        self.gate();
        match test {
            Some(test) => self.both(test)?,
            None => self.push(Item::Goto(ACCEPT))?,
        }
        let missing = match self.gate.view {
            View::Whole | View::Ethernet => 0,
            View::Cooked => COOKED,
        };
        let wanted = self.gate.snaplen.saturating_sub(missing).max(1);
        self.items.extend([
            Item::Here(ACCEPT),
            Item::Op(RET, wanted),
            Item::Here(REJECT),
            Item::Op(RET, 0),
        ]);
        let instructions = resolve(&self.items, self.labels);
        if instructions.len() > MOST_INSTRUCTIONS {
            return Err(Unsayable);
        }
        Ok((instructions, self.is_exact))
    }

    fn gate(&mut self) {
        if let Some(outgoing) = self.gate.outgoing {
            let go_on = self.label();
            let (is, is_not) = if outgoing {
                (go_on, REJECT)
            } else {
                (REJECT, go_on)
            };
            self.items.extend([
                Item::Op(LD_W_ABS, PACKET_TYPE),
                Item::Branch(JEQ, OUTGOING, is, is_not),
                Item::Here(go_on),
            ]);
        }
        if let Some(index) = self.gate.twice {
            let (of_it, go_on) = (self.label(), self.label());
            self.items.extend([
                Item::Op(LD_W_ABS, INTERFACE),
                Item::Branch(JEQ, index, of_it, go_on),
                Item::Here(of_it),
                Item::Op(LD_W_ABS, PACKET_TYPE),
                Item::Branch(JEQ, OUTGOING, REJECT, go_on),
                Item::Here(go_on),
            ]);
        }
    }

    /// The test for frames with a tag beside them, and for those without.
    fn both(&mut self, test: &Test) -> Said {
        if let Test::Constant(constant) = test {
            return self.push(Item::Goto(if *constant { ACCEPT } else { REJECT }));
        }
        if self.gate.view == View::Whole {
            return self.test(test, ACCEPT, REJECT);
        }
        let (untagged, tagged) = (self.label(), self.label());
        self.items.extend([
            Item::Op(LD_W_ABS, VLAN_TAG_PRESENT),
            Item::Branch(JEQ, 0, untagged, tagged),
            Item::Here(untagged),
        ]);
        self.test(test, ACCEPT, REJECT)?;
        self.push(Item::Here(tagged))?;
        if self.gate.view == View::Cooked {
            // The file has the tag's protocol in the header, and the tag after it: seldom enough.
            return self.push(Item::Goto(ACCEPT));
        }
        self.is_tagged = true;
        self.test(test, ACCEPT, REJECT)
    }

    fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    fn push(&mut self, item: Item) -> Said {
        // Labels count too: this is a limit on memory, the length is checked at the end.
        if self.items.len() >= 2 * MOST_INSTRUCTIONS {
            return Err(Unsayable);
        }
        self.items.push(item);
        Ok(())
    }

    fn op(&mut self, code: u16, k: u32) -> Said {
        self.push(Item::Op(code, k))
    }

    fn test(&mut self, test: &Test, yes: Label, no: Label) -> Said {
        match test {
            Test::Constant(constant) => self.push(Item::Goto(if *constant { yes } else { no })),
            Test::Is {
                at,
                size,
                mask,
                number,
            } => {
                self.field(*at, *size)?;
                let all = match size {
                    Size::One => 0xff,
                    Size::Two => 0xffff,
                    Size::Four => u32::MAX,
                };
                if mask & all == all {
                    return self.push(Item::Branch(JEQ, *number, yes, no));
                }
                if *number == 0 {
                    return self.push(Item::Branch(JSET, *mask, no, yes));
                }
                self.op(ALU | AND, *mask)?;
                self.push(Item::Branch(JEQ, *number, yes, no))
            }
            Test::Compare(left, relation, right) => self.compare(left, *relation, right, yes, no),
            Test::All(tests) => self.in_turn(tests, |builder, test, next| {
                builder.test(test, next.unwrap_or(yes), no)
            }),
            Test::Any(tests) => self.in_turn(tests, |builder, test, next| {
                builder.test(test, yes, next.unwrap_or(no))
            }),
            Test::Not(test) => self.test(test, no, yes),
            Test::Stream(_)
            | Test::Named { .. }
            | Test::App
            | Test::Expert
            | Test::Packed(..)
            | Test::Unpacked(_)
            | Test::Tagged(..) => Err(Unsayable),
        }
    }

    /// Tests one after the other; each is told where the next one is.
    fn in_turn(
        &mut self,
        tests: &[Test],
        mut each: impl FnMut(&mut Builder, &Test, Option<Label>) -> Said,
    ) -> Said {
        let Some((last, others)) = tests.split_last() else {
            return Err(Unsayable);
        };
        for test in others {
            let next = self.label();
            each(self, test, Some(next))?;
            self.push(Item::Here(next))?;
        }
        each(self, last, None)
    }

    fn compare(
        &mut self,
        left: &Number,
        relation: Relation,
        right: &Number,
        yes: Label,
        no: Label,
    ) -> Said {
        let (code, is_swapped) = match relation {
            Relation::Equal => (JEQ, false),
            Relation::NotEqual => (JEQ, true),
            Relation::Greater => (JGT, false),
            Relation::LessOrEqual => (JGT, true),
            Relation::GreaterOrEqual => (JGE, false),
            Relation::Less => (JGE, true),
        };
        let (yes, no) = if is_swapped { (no, yes) } else { (yes, no) };
        if let Number::Constant(right) = right {
            self.number(left, 0)?;
            return self.push(Item::Branch(code, *right, yes, no));
        }
        self.number(right, 0)?;
        self.op(ST, 0)?;
        self.number(left, 1)?;
        self.op(LDX_MEM, 0)?;
        self.push(Item::Branch(code | FROM_X, 0, yes, no))
    }

    /// Loads a number; the words of memory from `free` on are free.
    fn number(&mut self, number: &Number, free: u32) -> Said {
        match number {
            Number::Constant(number) => self.op(LD_IMM, *number),
            Number::Length => {
                self.op(LD_W_LEN, 0)?;
                match self.gate.view {
                    View::Cooked => self.op(ALU | ADD, COOKED),
                    View::Ethernet if self.is_tagged => self.op(ALU | ADD, TAG),
                    _ => Ok(()),
                }
            }
            Number::Field { at, size } => self.field(*at, *size),
            Number::AfterIp { base, index, size } if *index <= FAR => {
                let Some(base) = self.base(*base)? else {
                    return Ok(());
                };
                self.op(LDX_MSH, base)?;
                self.op(LD_W_IND | width(*size), base + index)
            }
            Number::AfterIp { base, index, size } => {
                self.indirect(*base, true, &Number::Constant(*index), *size, free)
            }
            Number::Load {
                base,
                after_ip,
                index,
                size,
            } => self.indirect(*base, *after_ip, index, *size, free),
            Number::Negative(number) => {
                self.number(number, free)?;
                self.op(ALU | NEG, 0)
            }
            Number::Binary(left, operator, right) => self.binary(left, *operator, right, free),
        }
    }

    fn indirect(
        &mut self,
        base: u32,
        after_ip: bool,
        index: &Number,
        size: Size,
        free: u32,
    ) -> Said {
        self.number(index, free)?;
        let Some(base) = self.base(base)? else {
            return Ok(());
        };
        if after_ip {
            self.op(LDX_MSH, base)?;
            self.op(ALU | ADD | FROM_X, 0)?;
        }
        // The kernel would take a large offset for a request of its own, or for one that wraps.
        let near = self.label();
        self.push(Item::Branch(JGT, FAR, REJECT, near))?;
        self.push(Item::Here(near))?;
        self.op(TAX, 0)?;
        self.op(LD_W_IND | width(size), base)
    }

    fn binary(&mut self, left: &Number, operator: Operator, right: &Number, free: u32) -> Said {
        let code = ALU
            | match operator {
                Operator::Add => ADD,
                Operator::Subtract => SUB,
                Operator::Multiply => MUL,
                Operator::Divide => DIV,
                Operator::Modulo => MOD,
                Operator::And => AND,
                Operator::Or => OR,
                Operator::Xor => XOR,
                Operator::ShiftLeft => LSH,
                Operator::ShiftRight => RSH,
            };
        let is_shift = matches!(operator, Operator::ShiftLeft | Operator::ShiftRight);
        let is_division = matches!(operator, Operator::Divide | Operator::Modulo);
        if let Number::Constant(right) = right {
            self.number(left, free)?;
            // The kernel refuses what can be seen to be wrong.
            return match right {
                32.. if is_shift => self.op(LD_IMM, 0),
                0 if is_division => self.leave(REJECT),
                right => self.op(code, *right),
            };
        }
        if free >= MEMORY {
            return Err(Unsayable);
        }
        if !is_shift {
            self.number(right, free)?;
            self.op(ST, free)?;
            self.number(left, free + 1)?;
            self.op(LDX_MEM, free)?;
            // A division by zero ends the program, as a load of what is not there.
            return self.op(code | FROM_X, 0);
        }
        // Of a shift by 32 or more the kernel would take the lowest bits.
        self.number(left, free)?;
        self.op(ST, free)?;
        self.number(right, free + 1)?;
        let (far, near, end) = (self.label(), self.label(), self.label());
        self.push(Item::Branch(JGE, 32, far, near))?;
        self.push(Item::Here(far))?;
        self.op(LD_IMM, 0)?;
        self.push(Item::Goto(end))?;
        self.push(Item::Here(near))?;
        self.op(TAX, 0)?;
        self.op(LD_MEM, free)?;
        self.op(code | FROM_X, 0)?;
        self.push(Item::Here(end))
    }

    /// Loads bytes at a place that is known.
    fn field(&mut self, at: u32, size: Size) -> Said {
        match self.place(at, size) {
            Place::Bytes(at) => self.op(LD_W_ABS | width(size), at),
            Place::Beside(what) => self.op(LD_W_ABS, what),
            Place::Nowhere => self.leave(REJECT),
            Place::Unknown => self.unknown(),
        }
    }

    /// Where what lies after `base` begins; `None` after it was said that it cannot be asked for.
    fn base(&mut self, base: u32) -> Result<Option<u32>, Unsayable> {
        let missing = match self.gate.view {
            View::Cooked => COOKED,
            View::Ethernet if self.is_tagged => TAG,
            _ => 0,
        };
        let first = match missing {
            TAG => 16,
            missing => missing,
        };
        if base < first {
            self.unknown()?;
            return Ok(None);
        }
        Ok(Some(base - missing))
    }

    fn unknown(&mut self) -> Said {
        self.is_exact = false;
        self.leave(ACCEPT)
    }

    /// Ends the program. What follows is never reached, but has a value to go on with.
    fn leave(&mut self, to: Label) -> Said {
        self.push(Item::Goto(to))
    }

    fn place(&self, at: u32, size: Size) -> Place {
        if at > FAR {
            return Place::Nowhere;
        }
        let end = at + bytes(size);
        match (self.gate.view, at, size) {
            (View::Whole, ..) => Place::Bytes(at),
            (View::Ethernet, ..) if !self.is_tagged || end <= 12 => Place::Bytes(at),
            (View::Ethernet, 12, Size::Two) => Place::Beside(VLAN_PROTOCOL),
            (View::Ethernet, 14, Size::Two) => Place::Beside(VLAN_TAG),
            (View::Ethernet, 16.., _) => Place::Bytes(at - TAG),
            (View::Cooked, 0, Size::Two) => Place::Beside(PROTOCOL),
            (View::Cooked, 4, Size::Four) => Place::Beside(INTERFACE),
            (View::Cooked, 8, Size::Two) => Place::Beside(HARDWARE_TYPE),
            (View::Cooked, 10, Size::One) => Place::Beside(PACKET_TYPE),
            (View::Cooked, COOKED.., _) => Place::Bytes(at - COOKED),
            _ => Place::Unknown,
        }
    }
}

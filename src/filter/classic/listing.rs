//! A program in the words of tcpdump -d (`bpf_image.c` of libpcap).

use std::fmt::Write as _;

use super::Instruction;

/// One line for each instruction.
pub fn listing(program: &[Instruction]) -> String {
    let mut out = String::new();
    for (number, instruction) in program.iter().enumerate() {
        let (name, operand) = words(number, instruction);
        let Instruction { code, jt, jf, .. } = *instruction;
        let is_branch = code & 0x07 == 0x05 && code & 0xf0 != 0;
        // Writing to a string does not fail.
        let _ = if is_branch {
            let (yes, no) = (number + 1 + usize::from(jt), number + 1 + usize::from(jf));
            writeln!(
                out,
                "({number:03}) {name:<8} {operand:<16} jt {yes}\tjf {no}"
            )
        } else if operand.is_empty() {
            writeln!(out, "({number:03}) {name}")
        } else {
            writeln!(out, "({number:03}) {name:<8} {operand}")
        };
    }
    out
}

fn words(number: usize, instruction: &Instruction) -> (&'static str, String) {
    let Instruction { code, k, .. } = *instruction;
    let at = k.cast_signed();
    let is_x = code & 0x08 != 0;
    let of_x = |name, text: String| (name, if is_x { "x".to_owned() } else { text });
    match code {
        0x20 => ("ld", format!("[{at}]")),
        0x28 => ("ldh", format!("[{at}]")),
        0x30 => ("ldb", format!("[{at}]")),
        0x40 => ("ld", format!("[x + {at}]")),
        0x48 => ("ldh", format!("[x + {at}]")),
        0x50 => ("ldb", format!("[x + {at}]")),
        0x80 => ("ld", "#pktlen".to_owned()),
        0x00 => ("ld", format!("#{k:#x}")),
        0x60 => ("ld", format!("M[{k}]")),
        0x61 => ("ldx", format!("M[{k}]")),
        0xb1 => ("ldxb", format!("4*([{at}]&0xf)")),
        0x02 => ("st", format!("M[{k}]")),
        0x05 => ("ja", (number as u64 + 1 + u64::from(k)).to_string()),
        0x06 => ("ret", format!("#{k}")),
        0x07 => ("tax", String::new()),
        0x84 => ("neg", String::new()),
        0x15 | 0x1d => of_x("jeq", format!("#{k:#x}")),
        0x25 | 0x2d => of_x("jgt", format!("#{k:#x}")),
        0x35 | 0x3d => of_x("jge", format!("#{k:#x}")),
        0x45 | 0x4d => of_x("jset", format!("#{k:#x}")),
        0x04 | 0x0c => of_x("add", format!("#{k}")),
        0x14 | 0x1c => of_x("sub", format!("#{k}")),
        0x24 | 0x2c => of_x("mul", format!("#{k}")),
        0x34 | 0x3c => of_x("div", format!("#{k}")),
        0x44 | 0x4c => of_x("or", format!("#{k:#x}")),
        0x54 | 0x5c => of_x("and", format!("#{k:#x}")),
        0x64 | 0x6c => of_x("lsh", format!("#{k}")),
        0x74 | 0x7c => of_x("rsh", format!("#{k}")),
        0x94 | 0x9c => of_x("mod", format!("#{k}")),
        0xa4 | 0xac => of_x("xor", format!("#{k:#x}")),
        _ => ("unimp", format!("{code:#x}")),
    }
}

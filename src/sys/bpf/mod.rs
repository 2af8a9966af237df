//! BPF programs loaded and run: bpf(2), without a library.
//!
//! What cannot be had is told as a [`Refused`]; nobody's work depends on it, there is always a second
//! source.

use std::ffi::{CStr, c_int};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use memmap2::Mmap;

use crate::bpf::btf::{Btf, Malformed};
use crate::bpf::{Missing, Program};
use crate::reference;

/// The kernel, as far as BPF needs it. Tests put other answers in its place.
#[derive(Debug, Clone, Copy)]
pub struct Kernel<'a> {
    /// Where its types are.
    pub btf: &'a Path,
    /// bpf(2) with its attributes in words of eight bytes: a new descriptor.
    call: unsafe fn(Command, &[u64]) -> io::Result<OwnedFd>,
}

/// `enum bpf_cmd`: those that give a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    ProgLoad = 5,
    LinkCreate = 28,
    IterCreate = 33,
}

/// Why a program does not run.
#[derive(Debug)]
pub enum Refused {
    /// The kernel does not offer its types.
    NoBtf(io::Error),
    /// They cannot be read.
    BadBtf(Malformed),
    /// The program needs what this kernel does not have.
    Missing(Missing),
    /// The program was not loaded; with the end of the verifier's log, if it got so far.
    Load(io::Error, String),
    /// The loaded program could not be attached or run.
    Run(io::Error),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::NoBtf(error) => write!(f, "the kernel offers no BTF: {}", words(error)),
            Refused::BadBtf(malformed) => write!(f, "{malformed}"),
            Refused::Missing(missing) => write!(f, "{missing}"),
            Refused::Load(error, log) => {
                write!(f, "the kernel refused the BPF program: {}", words(error))?;
                if !log.is_empty() {
                    write!(f, "; the verifier: {log}")?;
                }
                Ok(())
            }
            Refused::Run(error) => {
                write!(
                    f,
                    "the BPF program was loaded but did not run: {}",
                    words(error)
                )
            }
        }
    }
}

impl From<Missing> for Refused {
    fn from(missing: Missing) -> Self {
        Refused::Missing(missing)
    }
}

impl Kernel<'static> {
    /// The one that runs.
    pub fn running() -> Self {
        Kernel {
            btf: Path::new("/sys/kernel/btf/vmlinux"),
            call: bpf,
        }
    }
}

/// Bytes that one read asks for; an iterator of the kernel gives at most 32 KiB.
const PIECE: usize = 32 * 1024;
/// The room for the verifier's log.
const LOG: usize = 64 * 1024;
/// What of it is told: the reason stands at its end.
const LOG_LINES: usize = 4;
/// And no more characters than these.
const LOG_CHARACTERS: usize = 500;

/// Two of the helpers used are for programs under the GPL.
const LICENSE: &CStr = c"Dual MIT/GPL";

impl Kernel<'_> {
    /// Makes a program that fits the kernel's types.
    ///
    /// # Errors
    /// When the types cannot be read, or lack what the program needs.
    pub fn fit(
        &self,
        make: impl FnOnce(&Btf<'_>) -> Result<Program, Missing>,
    ) -> Result<Program, Refused> {
        let file = File::open(self.btf).map_err(Refused::NoBtf)?;
        // SAFETY: what the kernel says of its types does not change while it runs.
        match unsafe { Mmap::map(&file) } {
            Ok(map) => fit(&map, make),
            // Kernels before 6.16 do not map it.
            Err(_) => fit(&fs::read(self.btf).map_err(Refused::NoBtf)?, make),
        }
    }

    /// Runs an iterator from its beginning to its end: `each` is given what the program writes, piece by
    /// piece, each of whole records.
    ///
    /// # Errors
    /// When the program cannot be loaded or attached, or its output not be read.
    pub fn iterate(&self, program: &Program, mut each: impl FnMut(&[u8])) -> Result<(), Refused> {
        let loaded = self.load(program)?;
        let attach = [pair(number(&loaded), 0), pair(program.attach_type, 0), 0, 0];
        // SAFETY: these attributes hold no addresses.
        let link = unsafe { (self.call)(Command::LinkCreate, &attach) }.map_err(Refused::Run)?;
        // SAFETY: as above.
        let iterator = unsafe { (self.call)(Command::IterCreate, &[pair(number(&link), 0)]) }
            .map_err(Refused::Run)?;
        let mut buffer = vec![0; PIECE];
        loop {
            match nix::unistd::read(&iterator, &mut buffer) {
                Ok(0) => return Ok(()),
                Ok(length) => each(&buffer[..length]),
                // It looked at a million descriptors without one to tell of, and will go on.
                Err(nix::Error::EAGAIN | nix::Error::EINTR) => {}
                Err(error) => return Err(Refused::Run(error.into())),
            }
        }
    }

    fn load(&self, program: &Program) -> Result<OwnedFd, Refused> {
        self.try_to_load(program, &mut []).map_err(|error| {
            let mut log = vec![0; LOG];
            // Who lacks the right is told nothing more.
            if error.raw_os_error() != Some(libc::EPERM) {
                let _ = self.try_to_load(program, &mut log);
            }
            Refused::Load(error, end_of(&log))
        })
    }

    /// `BPF_PROG_LOAD`; the verifier writes what it has to say into `log`, unless that is empty.
    fn try_to_load(&self, program: &Program, log: &mut [u8]) -> io::Result<OwnedFd> {
        let code = &program.instructions;
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let level = u32::from(!log.is_empty());
        let log_address = if log.is_empty() {
            0
        } else {
            log.as_mut_ptr().expose_provenance() as u64
        };
        let [name, rest_of_name] = name_words(program.name);
        let attributes = [
            pair(program.kind, length(code) / 8),
            code.as_ptr().expose_provenance() as u64,
            LICENSE.as_ptr().expose_provenance() as u64,
            pair(level, length(log)),
            log_address,
            0,
            name,
            rest_of_name,
            pair(0, program.attach_type),
            0,
            0,
            0,
            0,
            pair(0, program.attach_to.0),
        ];
        // SAFETY: instructions, licence and log are as long as is said, and outlive the call; the
        // kernel writes to the log alone, which is borrowed for it.
        unsafe { (self.call)(Command::ProgLoad, &attributes) }
    }
}

fn fit(
    types: &[u8],
    make: impl FnOnce(&Btf<'_>) -> Result<Program, Missing>,
) -> Result<Program, Refused> {
    let btf = Btf::new(types).map_err(Refused::BadBtf)?;
    make(&btf).map_err(Refused::Missing)
}

/// Two fields of four bytes.
fn pair(first: u32, second: u32) -> u64 {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&first.to_ne_bytes());
    bytes[4..].copy_from_slice(&second.to_ne_bytes());
    u64::from_ne_bytes(bytes)
}

/// A name of at most 15 bytes, and NUL.
fn name_words(name: &str) -> [u64; 2] {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().take(15).zip(name.bytes()) {
        *to = from;
    }
    [0, 8].map(|at| u64::from_ne_bytes(std::array::from_fn(|i| bytes[at + i])))
}

fn number(descriptor: &OwnedFd) -> u32 {
    descriptor.as_raw_fd().cast_unsigned()
}

/// bpf(2).
///
/// # Safety
/// What the attributes hold for addresses must be valid for what the command does with them.
unsafe fn bpf(command: Command, attributes: &[u64]) -> io::Result<OwnedFd> {
    // SAFETY: the attributes are as long as is said; their addresses are the caller's care.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as c_int,
            attributes.as_ptr(),
            size_of_val(attributes),
        )
    };
    let Ok(fd @ 0..) = c_int::try_from(fd) else {
        return Err(io::Error::last_os_error());
    };
    // SAFETY: each of the commands gives a new descriptor, which nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The last lines of the verifier's log, as one, without its figures about itself.
fn end_of(log: &[u8]) -> String {
    let text = log.split(|&byte| byte == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("processed "))
        .collect();
    let end = &lines[lines.len().saturating_sub(LOG_LINES)..];
    end.join("; ").chars().take(LOG_CHARACTERS).collect()
}

/// An error as people know it.
fn words(error: &io::Error) -> String {
    match error.raw_os_error().and_then(reference::errno::by_number) {
        Some(entry) => format!("{} ({})", entry.message, entry.name),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;

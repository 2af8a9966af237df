//! Loading and running BPF programs: bpf(2), without a library.
//!
//! Every caller has a second source, so a [`Refused`] is a note for `-v`, not an error.

mod counting;
mod owning;
mod ring;

pub use counting::{Counter, Drops, Resets};
pub use owning::Owning;

use std::ffi::{CStr, c_int};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use memmap2::MmapOptions;

use crate::bpf::btf::{Btf, Malformed};
use crate::bpf::{Missing, Program};
use crate::reference::errno::words_of;

/// The kernel's interface for BPF. Tests replace its parts.
#[derive(Debug, Clone, Copy)]
pub struct Kernel<'a> {
    /// The file with its type information.
    pub btf: &'a Path,
    /// bpf(2), with its attributes in words of eight bytes; returns a new descriptor.
    call: unsafe fn(Command, &[u64]) -> io::Result<OwnedFd>,
}

/// Commands of `enum bpf_cmd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    MapCreate = 0,
    MapLookupElem = 1,
    MapGetNextKey = 4,
    ProgLoad = 5,
    RawTracepointOpen = 17,
    LinkCreate = 28,
    IterCreate = 33,
}

/// Why a program does not run.
#[derive(Debug)]
pub enum Refused {
    /// The kernel has no BTF.
    NoBtf(io::Error),
    /// The BTF is invalid.
    BadBtf(Malformed),
    /// The kernel lacks something that the program needs.
    Missing(Missing),
    /// The program was not loaded; with the end of the verifier's log, if the verifier ran.
    Load(io::Error, String),
    /// The program was loaded, but attaching or running it failed.
    Run(io::Error),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::NoBtf(error) => write!(f, "the kernel has no BTF: {}", words_of(error)),
            Refused::BadBtf(malformed) => write!(f, "{malformed}"),
            Refused::Missing(missing) => write!(f, "{missing}"),
            Refused::Load(error, log) => {
                write!(f, "the kernel refused the BPF program: {}", words_of(error))?;
                if !log.is_empty() {
                    write!(f, "; the verifier: {log}")?;
                }
                Ok(())
            }
            Refused::Run(error) => {
                write!(
                    f,
                    "the BPF program was loaded but did not run: {}",
                    words_of(error)
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
    /// The running kernel.
    pub fn running() -> Self {
        Kernel {
            btf: Path::new("/sys/kernel/btf/vmlinux"),
            call: bpf,
        }
    }
}

/// The buffer of an iterator in the kernel, and so the most that one read returns.
const PIECE: usize = 32 * 1024;
/// The size of the buffer for the verifier's log.
const LOG: usize = 64 * 1024;
/// The number of its last lines that are reported: the reason is at the end.
const LOG_LINES: usize = 4;
/// The limit on their length.
const LOG_CHARACTERS: usize = 500;

/// Some helpers are reserved for programs under the GPL.
const LICENSE: &CStr = c"Dual MIT/GPL";

impl Kernel<'_> {
    /// Makes a program that matches the kernel's types.
    ///
    /// # Errors
    /// When the types cannot be read, or something that the program needs is missing.
    pub fn fit(
        &self,
        make: impl FnOnce(&Btf<'_>) -> Result<Program, Missing>,
    ) -> Result<Program, Refused> {
        self.read(make)
    }

    /// Reads the kernel's types.
    fn read<T>(&self, make: impl FnOnce(&Btf<'_>) -> Result<T, Missing>) -> Result<T, Refused> {
        let file = File::open(self.btf).map_err(Refused::NoBtf)?;
        // SAFETY: the kernel never changes or truncates this file.
        match unsafe { MmapOptions::new().map_copy_read_only(&file) } {
            Ok(map) => fit(&map, make),
            // Kernels before 6.16 cannot map it; those after only privately.
            Err(_) => fit(&fs::read(self.btf).map_err(Refused::NoBtf)?, make),
        }
    }

    /// Runs an iterator to its end. `each` gets the output of the program, in pieces of whole records.
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
                // EAGAIN: it visited a million objects without output; the next read continues.
                Err(nix::Error::EAGAIN | nix::Error::EINTR) => {}
                Err(error) => return Err(Refused::Run(error.into())),
            }
        }
    }

    fn load(&self, program: &Program) -> Result<OwnedFd, Refused> {
        self.try_to_load(program, &mut []).map_err(|error| {
            let mut log = vec![0; LOG];
            // Without the capability the verifier does not run.
            if error.raw_os_error() != Some(libc::EPERM) {
                let _ = self.try_to_load(program, &mut log);
            }
            Refused::Load(error, end_of(&log))
        })
    }

    /// `BPF_PROG_LOAD`; the verifier writes its log into `log`, unless that is empty.
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
        // SAFETY: instructions, licence and log have the stated lengths and outlive the call; the
        // kernel writes only to the log, which is mutably borrowed.
        unsafe { (self.call)(Command::ProgLoad, &attributes) }
    }
}

fn fit<T>(types: &[u8], make: impl FnOnce(&Btf<'_>) -> Result<T, Missing>) -> Result<T, Refused> {
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
/// Every address in the attributes must be valid for what the command does with it.
unsafe fn bpf(command: Command, attributes: &[u64]) -> io::Result<OwnedFd> {
    // SAFETY: as the caller vouches.
    let fd = unsafe { numbered(command, attributes) }?;
    // SAFETY: each of the commands that come here returns a new descriptor, which only this function knows.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// bpf(2), for commands that return a number.
///
/// # Safety
/// As for [`bpf`].
unsafe fn numbered(command: Command, attributes: &[u64]) -> io::Result<c_int> {
    // SAFETY: the attributes have the stated length; the caller vouches for the addresses in them.
    let number = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as c_int,
            attributes.as_ptr(),
            size_of_val(attributes),
        )
    };
    match c_int::try_from(number) {
        Ok(number @ 0..) => Ok(number),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The last lines of the verifier's log on one line, without its statistics.
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

#[cfg(test)]
mod tests;

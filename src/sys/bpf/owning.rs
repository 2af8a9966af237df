//! The programs that tell which process connects, sends and receives.

use std::os::fd::OwnedFd;

use super::{Command, Kernel, Refused, number, pair};
use crate::bpf::btf::Btf;
use crate::bpf::owning::{self, Flow, KEY, MOST, Owner, VALUE};
use crate::bpf::{Missing, Program};

/// `BPF_MAP_TYPE_LRU_HASH`.
const LRU_HASH: u32 = 9;

/// The owners of flows, as far as they connected, sent or received since this was opened. The programs are gone when
/// this is dropped.
#[derive(Debug)]
pub struct Owning {
    map: OwnedFd,
    _links: [OwnedFd; 3],
}

impl Owning {
    /// Begins to see them.
    ///
    /// # Errors
    /// When the kernel does not run one of the programs; see [`Refused`].
    pub fn open(kernel: &Kernel<'_>) -> Result<Owning, Refused> {
        let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let attributes = [
            pair(LRU_HASH, size(KEY)),
            pair(size(VALUE), MOST),
            0,
            0,
            0,
            0,
        ];
        // SAFETY: these attributes hold no addresses.
        let map = unsafe { (kernel.call)(Command::MapCreate, &attributes) }
            .map_err(|error| Refused::Load(error, String::new()))?;
        let descriptor = number(&map).cast_signed();
        let attach = |make: fn(&Btf<'_>, i32) -> Result<Program, Missing>| {
            let program = kernel.fit(|btf| make(btf, descriptor))?;
            kernel.attach(&program)
        };
        let links = [
            attach(owning::states)?,
            attach(owning::sends)?,
            attach(owning::receives)?,
        ];
        Ok(Owning { map, _links: links })
    }

    /// The process of the socket of a flow.
    pub fn owner(&self, flow: &Flow) -> Option<Owner> {
        flow.keys().find_map(|key| self.entry(&key))
    }

    fn entry(&self, key: &[u8; KEY]) -> Option<Owner> {
        let mut value = [0_u8; VALUE];
        let attributes = [
            pair(number(&self.map), 0),
            key.as_ptr().expose_provenance() as u64,
            value.as_mut_ptr().expose_provenance() as u64,
            0,
        ];
        // SAFETY: key and value have the sizes of the map and outlive the call.
        unsafe { super::numbered(Command::MapLookupElem, &attributes) }.ok()?;
        Some(Owner::read(&value))
    }
}

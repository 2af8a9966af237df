//! Sets of capabilities (capabilities(7)), and those of a thread (capget(2), capset(2)).

use std::io;

/// A capability, by its number in linux/capability.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Capability {
    /// Open, search and remove files whatever their permissions say.
    DacOverride = 1,
    /// Read files and search directories whatever their permissions say.
    DacReadSearch = 2,
    /// Take capabilities out of the bounding set.
    SetPcap = 8,
    /// Bind a port below `ip_unprivileged_port_start`.
    NetBindService = 10,
    /// Set a mark, buffers above the limits, and see more of a socket.
    NetAdmin = 12,
    /// Open raw sockets, bind to an interface.
    NetRaw = 13,
    /// Look at processes of other users.
    SysPtrace = 19,
    /// Enter a namespace.
    SysAdmin = 21,
    /// See the addresses of the kernel's functions.
    Syslog = 34,
    /// With [`Capability::Bpf`]: run a BPF program that reads the kernel's memory.
    Perfmon = 38,
    /// Load a BPF program.
    Bpf = 39,
}

/// A set of capabilities: one bit each, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Set(pub(super) u64);

impl Set {
    pub(super) const EMPTY: Set = Set(0);

    pub(super) fn of(capabilities: &[Capability]) -> Set {
        Set(capabilities
            .iter()
            .fold(0, |bits, &capability| bits | 1 << capability as u8))
    }

    pub(super) fn and(self, other: Set) -> Set {
        Set(self.0 & other.0)
    }

    pub(super) fn or(self, other: Set) -> Set {
        Set(self.0 | other.0)
    }

    pub(super) fn without(self, capability: Capability) -> Set {
        Set(self.0 & !(1 << capability as u8))
    }
}

/// `_LINUX_CAPABILITY_VERSION_3`: two halves of 32 bits each.
const VERSION: u32 = 0x2008_0522;

/// `struct __user_cap_header_struct`.
#[repr(C)]
struct Header {
    version: u32,
    /// 0 is the calling thread.
    pid: i32,
}

/// `struct __user_cap_data_struct`: half of each set.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The capabilities of this thread. Its ambient set holds nothing that is not both permitted and
/// inheritable, so it needs no place of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) effective: Set,
    pub(super) permitted: Set,
    pub(super) inheritable: Set,
}

impl State {
    pub(super) fn get() -> io::Result<State> {
        let mut header = Header::of_this_thread();
        let mut halves = [Half::default(); 2];
        // SAFETY: both structures are laid out as linux/capability.h has them, version 3 fills two
        // halves, and they live through the call.
        let result =
            unsafe { libc::syscall(libc::SYS_capget, &raw mut header, halves.as_mut_ptr()) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        let set = |part: fn(&Half) -> u32| {
            let [low, high] = halves.each_ref().map(part).map(u64::from);
            Set(low | high << 32)
        };
        Ok(State {
            effective: set(|half| half.effective),
            permitted: set(|half| half.permitted),
            inheritable: set(|half| half.inheritable),
        })
    }

    /// Makes it that of this thread, unless it is. Where there is nothing to give up, a sandbox that
    /// refuses capset(2) is not an obstacle.
    pub(super) fn put_if_changed(&self, before: &State) -> io::Result<()> {
        if self == before { Ok(()) } else { self.put() }
    }

    /// Makes it that of this thread.
    pub(super) fn put(&self) -> io::Result<()> {
        let mut header = Header::of_this_thread();
        let half = |shift: u32| {
            #[expect(clippy::cast_possible_truncation, reason = "half of the bits")]
            let part = |set: Set| (set.0 >> shift) as u32;
            Half {
                effective: part(self.effective),
                permitted: part(self.permitted),
                inheritable: part(self.inheritable),
            }
        };
        let halves = [half(0), half(32)];
        // SAFETY: as in `get`; the kernel only reads the halves.
        let result = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, halves.as_ptr()) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

impl Header {
    fn of_this_thread() -> Header {
        Header {
            version: VERSION,
            pid: 0,
        }
    }
}

/// Empties the bounding set of this thread, if it may (`CAP_SETPCAP`): no program that it starts can
/// get a capability from its file.
pub(super) fn empty_bounding_set() {
    for number in 0..u64::BITS {
        // SAFETY: prctl(PR_CAPBSET_DROP) takes numbers only.
        let result =
            unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0) };
        if result < 0 {
            // It may not, or this was the last that the kernel knows.
            return;
        }
    }
}

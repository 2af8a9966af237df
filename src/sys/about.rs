//! What a report of a fault needs: which build this is, on which kernel, and what it may see.

use std::path::Path;

use nix::unistd::getuid;

use super::privilege::{self, Capability};

/// This build, where it runs and with which rights.
#[derive(Debug)]
pub struct About {
    /// The commit that it was built from, where the build said so.
    pub commit: Option<&'static str>,
    /// The C library, and whether it is part of the binary.
    pub linking: &'static str,
    /// The release of the running kernel, as `uname -r` prints it.
    pub kernel: String,
    /// Whether the kernel describes its types (BTF), which BPF programs need.
    pub types: bool,
    /// The real user id.
    pub uid: u32,
    /// What can be seen or done with privileges, each with whether this process may.
    pub rights: [(&'static str, bool); 5],
}

impl About {
    /// This process.
    pub fn this() -> About {
        let holds = |wanted: &[Capability]| privilege::holds(wanted);
        About {
            commit: option_env!("SOCKDOC_COMMIT").filter(|commit| !commit.is_empty()),
            linking: match (
                cfg!(target_env = "musl"),
                cfg!(target_feature = "crt-static"),
            ) {
                (true, _) => "static, with musl",
                (false, true) => "static, with glibc",
                (false, false) => "dynamic, with glibc",
            },
            kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease").map_or_else(
                |_| "unknown: /proc is not mounted".to_owned(),
                |text| text.trim().to_owned(),
            ),
            types: Path::new("/sys/kernel/btf/vmlinux").exists(),
            uid: getuid().as_raw(),
            rights: [
                (
                    "sockets of other users' processes",
                    holds(&[Capability::SysPtrace, Capability::DacReadSearch]),
                ),
                (
                    "BPF programs",
                    holds(&[Capability::Bpf, Capability::Perfmon]),
                ),
                ("firewall rules", holds(&[Capability::NetAdmin])),
                ("other network namespaces", holds(&[Capability::SysAdmin])),
                ("raw sockets", holds(&[Capability::NetRaw])),
            ],
        }
    }
}

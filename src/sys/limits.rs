//! Limits: of open descriptors, and those that sysctls set.

use std::fs;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the soft limit of open descriptors to the hard one (getrlimit(2)), and gives the limit
/// that is in force then.
#[allow(
    clippy::useless_conversion,
    reason = "rlim_t has 32 bits on some architectures"
)]
pub fn raise_descriptor_limit() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return 1024;
    };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        return hard.into();
    }
    soft.into()
}

/// The value of a sysctl, its numbers with one blank between them.
pub(crate) fn sysctl(name: &str) -> Option<String> {
    let path = format!("/proc/sys/{}", name.replace('.', "/"));
    let text = fs::read_to_string(path).ok()?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The first and the last local port that the kernel chooses for a connection, in the namespace of this thread.
pub(crate) fn local_ports() -> Option<(u16, u16)> {
    let range = sysctl("net.ipv4.ip_local_port_range")?;
    let (low, high) = range.split_once(' ')?;
    Some((low.parse().ok()?, high.parse().ok()?))
}

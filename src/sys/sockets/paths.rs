//! The paths of Unix sockets: whether the file of a path is still that of the socket.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use super::Taken;
use crate::sockets::{Address, PathState, Socket, State};
use crate::sys::privilege::{self, Capability};

/// More paths than this are not looked at.
const MOST: usize = 4_096;

/// What looking into the root directory of another user's process takes.
const LOOK: &[Capability] = &[Capability::SysPtrace, Capability::DacReadSearch];

/// What became of the paths of sockets, by inode; those that stand as they were are left out.
pub fn states(taken: &Taken) -> HashMap<u32, PathState> {
    let sockets = taken.sample.sockets.iter();
    let named = sockets.filter(|socket| path(socket).is_some()).take(MOST);
    let states = named.filter_map(|socket| Some((socket.inode, state(taken, socket)?)));
    privilege::with(LOOK, || states.collect())
}

/// The absolute path of a socket to which others connect or send.
fn path(socket: &Socket) -> Option<&Path> {
    match &socket.local {
        Address::Unix { name, .. }
            if name.first() == Some(&b'/')
                && matches!(socket.state, State::Listen | State::Unconnected) =>
        {
            Some(Path::new(std::ffi::OsStr::from_bytes(name)))
        }
        _ => None,
    }
}

/// In the root directory of its process, which may be that of a container. A link in it, too, leads to where
/// it does for that process.
fn state(taken: &Taken, socket: &Socket) -> Option<PathState> {
    let path = path(socket)?;
    let owner = taken.sample.owners.of(socket.inode).first()?;
    let pid = taken.sample.owners.process(owner).pid;
    let root = File::open(format!("/proc/{pid}/root")).ok()?;
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let file = match openat2(&root, path, how) {
        Ok(file) => File::from(file),
        Err(nix::Error::ENOENT | nix::Error::ENOTDIR) => return Some(PathState::Deleted),
        Err(_) => return None,
    };
    let now = file.metadata().ok()?;
    if !now.file_type().is_socket() {
        return Some(PathState::Replaced);
    }
    // A file system may give files other inodes than the kernel has for its own (overlayfs): only the file
    // of another socket with this path proves that it is not the one of this socket.
    let low = |inode: u64| u32::try_from(inode & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    let now = low(now.ino());
    let is_replaced = taken.sample.sockets.iter().any(|other| {
        other.inode != socket.inode
            && other.local_name() == socket.local_name()
            && taken.files.get(&other.inode) == Some(&now)
    });
    let own = taken.files.get(&socket.inode)?;
    (*own != now && is_replaced).then_some(PathState::Replaced)
}

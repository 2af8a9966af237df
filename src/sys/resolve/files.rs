//! The files of the resolver: those of this host, or of another namespace.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;

use crate::sys::privilege::{self, Capability};

/// Of a file no more is read.
const MOST_BYTES: u64 = 4 << 20;
/// The files that configure the resolver.
const NAMES: [&str; 3] = ["resolv.conf", "hosts", "nsswitch.conf"];

/// Where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Files {
    /// /etc of this host.
    Own,
    /// A folder of ip-netns(8), which has some of them.
    Named(PathBuf),
    /// The root folder of a process that has others.
    Root(PathBuf),
}

impl Files {
    /// Those of a network namespace by the word for it: a name of ip-netns(8), or `pid:N`.
    pub fn of(word: Option<&str>) -> Files {
        let Some(word) = word else { return Files::Own };
        if let Some(pid) = word.strip_prefix("pid:") {
            let inode = |path: &str| {
                let read = || std::fs::metadata(path).map(|it| it.ino()).ok();
                privilege::with(&[Capability::SysPtrace], read)
            };
            let mounts = inode(&format!("/proc/{pid}/ns/mnt"));
            return match mounts {
                Some(mounts) if Some(mounts) != inode("/proc/self/ns/mnt") => {
                    Files::Root(format!("/proc/{pid}/root").into())
                }
                _ => Files::Own,
            };
        }
        let folder = Path::new("/etc/netns").join(word);
        let is_name = !word.contains('/');
        let has_one = || NAMES.iter().any(|name| folder.join(name).exists());
        if is_name && has_one() {
            Files::Named(folder)
        } else {
            Files::Own
        }
    }

    /// The text of one of them, or as much of it as is read; an absent one is empty.
    pub(super) fn text(&self, name: &str) -> String {
        let own = || bounded(File::open(Path::new("/etc").join(name)).ok());
        match self {
            Files::Own => own(),
            Files::Named(folder) => match File::open(folder.join(name)) {
                Ok(file) => bounded(Some(file)),
                Err(_) => own(),
            },
            Files::Root(root) => bounded(inside(root, &Path::new("etc").join(name))),
        }
    }
}

/// Opens a file of another root folder, whatever its symbolic links say.
fn inside(root: &Path, path: &Path) -> Option<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    privilege::with(&[Capability::SysPtrace], || {
        let folder = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = open(root, folder, Mode::empty()).ok()?;
        let how = OpenHow::new()
            .flags(flags)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT);
        openat2(root, path, how).ok().map(File::from)
    })
}

/// A text file, or as much of it as is read.
pub(super) fn bounded(file: Option<File>) -> String {
    let mut bytes = Vec::new();
    if let Some(file) = file
        && file.metadata().is_ok_and(|it| it.is_file())
    {
        let _ = file.take(MOST_BYTES).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_of_another_root_folder_does_not_lead_out_of_it() {
        let root = tempfile::tempdir().unwrap();
        let etc = root.path().join("etc");
        std::fs::create_dir(&etc).unwrap();
        std::fs::write(etc.join("real"), "inside").unwrap();
        std::os::unix::fs::symlink("/etc/real", etc.join("resolv.conf")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", etc.join("hosts")).unwrap();
        let files = Files::Root(root.path().to_owned());
        assert_eq!(files.text("resolv.conf"), "inside");
        assert_eq!(files.text("hosts"), "");
        assert_eq!(files.text("nsswitch.conf"), "");
    }

    #[test]
    fn a_namespace_without_files_of_its_own_has_those_of_this_host() {
        for word in [
            None,
            Some("no-such-namespace"),
            Some("../x"),
            Some("pid:1x"),
        ] {
            assert_eq!(Files::of(word), Files::Own, "{word:?}");
        }
        let me = format!("pid:{}", std::process::id());
        assert_eq!(Files::of(Some(&me)), Files::Own);
    }
}

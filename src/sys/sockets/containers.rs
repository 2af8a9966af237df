//! Containers by the ids, or the names, that their control groups carry (cgroups(7)).

use std::fs;

use crate::error::{Error, Kind, Result};

/// A shorter start of an id is not looked for: it would be in other words.
const SHORTEST: usize = 4;

/// The first process of a container whose id or name begins like this.
///
/// # Errors
/// When no container, or more than one, has an id or name that begins like this.
pub fn process_of(id: &str) -> Result<u32> {
    let failure = |cause: &str| Error::new(Kind::CannotRun, "find container", cause).on(id);
    let list =
        "list the control groups of processes: sockdoc sockets --cols local,container,process";
    if id.len() < SHORTEST || id.contains(['/', '\n']) {
        let cause = "an id, or its first four or more characters, is needed";
        return Err(failure(cause).next(list));
    }
    let mut found: Option<(u32, String)> = None;
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<u32> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    for pid in pids {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let Some(piece) = piece_of(&groups, id) else {
            continue;
        };
        match &found {
            Some((_, known)) if *known != piece => {
                let cause = format!("several begin like this: {known} and {piece}");
                return Err(failure(&cause).next("give more of the id"));
            }
            Some(_) => {}
            None => found = Some((pid, piece.to_owned())),
        }
    }
    let pid = found.map(|(pid, _)| pid);
    pid.ok_or_else(|| failure("no process is in a control group of this id").next(list))
}

/// The part of a path of control groups that begins like this: `docker-ID.scope`, `/docker/ID`,
/// `cri-containerd-ID.scope`, `lxc.payload.NAME`.
fn piece_of<'a>(groups: &'a str, id: &str) -> Option<&'a str> {
    let mut pieces = groups
        .lines()
        .filter_map(|line| line.splitn(3, ':').nth(2))
        .flat_map(|path| path.split('/'))
        .map(|part| part.strip_suffix(".scope").unwrap_or(part));
    pieces.find_map(|part| {
        // A name may hold what separates it from what is before.
        let starts =
            std::iter::once(0).chain(part.match_indices(['-', '.', ':']).map(|(at, _)| at + 1));
        starts
            .map(|start| &part[start..])
            .find(|piece| piece.starts_with(id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_found_in_the_paths_of_each_runtime() {
        for (path, piece) in [
            (
                "0::/system.slice/docker-4f5e6d7c8b9a.scope\n",
                "4f5e6d7c8b9a",
            ),
            ("12:pids:/docker/4f5e6d7c8b9a\n", "4f5e6d7c8b9a"),
            (
                "0::/kubepods.slice/pod1.slice/cri-containerd-4f5e6d7c8b9a.scope\n",
                "4f5e6d7c8b9a",
            ),
            (
                "0::/machine.slice/libpod-4f5e6d7c8b9a.scope/container\n",
                "4f5e6d7c8b9a",
            ),
        ] {
            assert_eq!(piece_of(path, "4f5e6d"), Some(piece), "{path}");
        }
        assert_eq!(
            piece_of("0::/lxc.payload.my-box\n", "my-box"),
            Some("my-box")
        );
        for path in [
            "",
            "0::/\n",
            "0::/system.slice/ssh.service\n",
            "docker-4f5e6d\n",
        ] {
            assert_eq!(piece_of(path, "4f5e6d"), None, "{path}");
        }
    }

    #[test]
    fn what_is_too_short_or_nowhere_is_refused() {
        for id in ["", "4f5", "a/bcd", "no-such-container-anywhere"] {
            assert!(process_of(id).is_err(), "{id}");
        }
    }
}

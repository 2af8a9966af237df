//! What the path of a control group says: the systemd unit, the container.

/// A container, as far as the path of a control group shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Container<'a> {
    /// `docker`, `containerd`, `cri-o`, `podman`, `lxc`.
    pub runtime: &'static str,
    /// Its id, or its name.
    pub id: &'a str,
}

/// The innermost systemd unit in a path: `/system.slice/nginx.service` is `nginx.service`.
///
/// A socket that systemd opened for a socket unit is in the unit's own group, whoever holds it now.
pub fn unit(path: &str) -> Option<&str> {
    const KINDS: [&str; 4] = [".service", ".socket", ".scope", ".mount"];
    path.rsplit('/')
        .find(|part| KINDS.iter().any(|kind| part.ends_with(kind)))
}

/// The innermost container in a path.
pub fn container(path: &str) -> Option<Container<'_>> {
    path.rsplit('/')
        .zip(parents(path))
        .find_map(|(part, parent)| container_of(part, parent))
}

/// The part before each part, from the end.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.rsplit('/').skip(1).chain(std::iter::once(""))
}

fn container_of<'a>(part: &'a str, parent: &str) -> Option<Container<'a>> {
    /// `RUNTIME-ID.scope`, the way of the systemd driver.
    const SCOPES: [(&str, &str); 4] = [
        ("docker-", "docker"),
        ("cri-containerd-", "containerd"),
        ("crio-", "cri-o"),
        ("libpod-", "podman"),
    ];
    if let Some(name) = part.strip_suffix(".scope") {
        return SCOPES.iter().find_map(|(prefix, runtime)| {
            let id = name.strip_prefix(prefix).filter(|id| is_id(id))?;
            Some(Container { runtime, id })
        });
    }
    if let Some(name) = part.strip_prefix("lxc.payload.") {
        return Some(Container {
            runtime: "lxc",
            id: name,
        });
    }
    // The way of the cgroupfs driver.
    match parent {
        "docker" if is_id(part) => Some(Container {
            runtime: "docker",
            id: part,
        }),
        "lxc" if !part.is_empty() => Some(Container {
            runtime: "lxc",
            id: part,
        }),
        pod if pod.starts_with("pod") && is_id(part) => Some(Container {
            runtime: "kubernetes",
            id: part,
        }),
        _ => None,
    }
}

/// 64 hexadecimal digits.
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_unit_is_named() {
        assert_eq!(unit("/system.slice/nginx.service"), Some("nginx.service"));
        assert_eq!(unit("/system.slice/sshd.socket"), Some("sshd.socket"));
        assert_eq!(
            unit("/user.slice/user-1000.slice/user@1000.service/app.slice/web.service/worker"),
            Some("web.service")
        );
        assert_eq!(unit("/"), None);
        assert_eq!(unit("/docker/abc"), None);
    }

    #[test]
    fn containers_of_every_runtime_are_told() {
        let id = "0123456789abcdef".repeat(4);
        for (path, runtime) in [
            (format!("/system.slice/docker-{id}.scope"), "docker"),
            (format!("/docker/{id}/init"), "docker"),
            (
                format!("/machine.slice/libpod-{id}.scope/container"),
                "podman",
            ),
            (
                format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope"),
                "containerd",
            ),
            (format!("/kubepods/besteffort/pod0a1b/{id}"), "kubernetes"),
        ] {
            assert_eq!(
                container(&path),
                Some(Container { runtime, id: &id }),
                "{path}"
            );
        }
        assert_eq!(
            container("/lxc/web"),
            Some(Container {
                runtime: "lxc",
                id: "web"
            })
        );
        assert_eq!(
            container("/lxc.payload.web/x").map(|found| found.id),
            Some("web")
        );
        // A scope that only looks like one.
        assert_eq!(container("/system.slice/docker-volume.scope"), None);
        assert_eq!(container("/"), None);
    }
}

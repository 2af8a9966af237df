//! Which process holds a port: the first question after "address already in use".

use std::fs;

/// The process that listens on a TCP port or is bound to a UDP port, as `python3 (pid 4711)`;
/// `None` when it cannot be told (another user's process, another namespace, `TIME_WAIT`).
pub fn of_port(port: u16) -> Option<String> {
    let inodes: Vec<String> = ["tcp", "tcp6", "udp", "udp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(format!("/proc/self/net/{table}")).ok())
        .flat_map(|table| inodes_on_port(&table, port))
        .collect();
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let holds = fs::read_dir(entry.path().join("fd"))
            .ok()?
            .flatten()
            .any(|fd| {
                fs::read_link(fd.path()).is_ok_and(|link| {
                    inodes
                        .iter()
                        .any(|inode| link.as_os_str() == inode.as_str())
                })
            });
        let name = || fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        holds.then(|| format!("{} (pid {pid})", name().trim_end().escape_debug()))
    })
}

/// `socket:[INODE]` of each row of a /proc/net table (proc(5)) that is bound to `port` and has no
/// peer.
fn inodes_on_port(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let local = fields.nth(1)?;
            let remote = fields.next()?;
            let inode = fields.nth(6)?;
            (local.ends_with(&suffix) && remote.ends_with(":0000") && inode != "0")
                .then(|| format!("socket:[{inode}]"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listener_of_a_port_is_this_process() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let holder = of_port(port).expect("a holder");
        assert!(
            holder.ends_with(&format!("(pid {})", std::process::id())),
            "{holder}"
        );
    }
}

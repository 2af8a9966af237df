//! Where a relay of container engines forwards to, by its command line.

use std::net::{IpAddr, SocketAddr};

use super::Proto;

/// The end that a docker-proxy connects to, with the protocol:
/// `docker-proxy -proto tcp ... -container-ip 172.17.0.2 -container-port 80`. `cmdline`: the words, each with
/// a NUL behind it.
pub fn forwards_to(cmdline: &[u8]) -> Option<(Proto, SocketAddr)> {
    let mut words = cmdline.split(|byte| *byte == 0);
    let is_it = words.next()?.ends_with(b"docker-proxy");
    if !is_it {
        return None;
    }
    let words: Vec<&str> = words
        .map(|word| std::str::from_utf8(word).unwrap_or_default())
        .collect();
    let value = |name: &str| {
        let mut pairs = words.windows(2);
        pairs.find_map(|pair| (pair[0].trim_start_matches('-') == name).then_some(pair[1]))
    };
    let proto = match value("proto") {
        Some("udp") => Proto::Udp,
        Some("tcp") | None => Proto::Tcp,
        Some(_) => return None,
    };
    let ip: IpAddr = value("container-ip")?.parse().ok()?;
    let port = value("container-port")?.parse().ok()?;
    Some((proto, SocketAddr::new(ip, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_in_the_container_is_read_and_other_programs_have_none() {
        let line = |text: &str| text.replace(' ', "\0").into_bytes();
        let words = "-proto udp -host-ip 0.0.0.0 -host-port 53 -container-ip 172.17.0.2 -container-port 5353";
        let found = forwards_to(&line(&format!("/usr/bin/docker-proxy {words}")));
        let end = "172.17.0.2:5353".parse().unwrap();
        assert_eq!(found, Some((Proto::Udp, end)));
        assert_eq!(forwards_to(&line(&format!("nginx {words}"))), None);
        for words in [
            "",
            "-container-ip",
            "-container-ip x -container-port 1",
            "-container-ip ::1 -proto x",
        ] {
            assert_eq!(forwards_to(&line(&format!("docker-proxy {words}"))), None);
        }
        assert_eq!(forwards_to(b""), None);
    }
}

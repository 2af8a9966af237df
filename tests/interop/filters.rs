//! Our filters and tcpdump's: which frames of a capture match.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use sockdoc::capfile::{ByteOrder, Interface, LinkType, PcapWriter, SliceReader};
use sockdoc::filter::{Filter, Services, Subject};

use crate::packets::{self, Packet, Random};
use crate::support::{program, skip};

/// A capture file and its frames.
pub(crate) struct Capture {
    pub(crate) name: String,
    path: PathBuf,
    pub(crate) link: LinkType,
    pub(crate) bytes: Vec<u8>,
}

fn capture(folder: &Path, name: &str, link: LinkType, frames: &[Packet]) -> Capture {
    capture_in(ByteOrder::Little, folder, name, link, frames)
}

fn capture_in(
    order: ByteOrder,
    folder: &Path,
    name: &str,
    link: LinkType,
    frames: &[Packet],
) -> Capture {
    let mut writer = PcapWriter::new(Vec::new(), order, &Interface::new(link)).unwrap();
    for (number, frame) in frames.iter().enumerate() {
        writer.frame(&frame.frame(number, link)).unwrap();
    }
    let bytes = writer.into_inner();
    let path = folder.join(format!("{name}-{}.pcap", link.0));
    std::fs::write(&path, &bytes).unwrap();
    Capture {
        name: format!("{name} of {link}"),
        path,
        link,
        bytes,
    }
}

pub(crate) fn captures(folder: &Path) -> Vec<Capture> {
    let mut captures: Vec<Capture> = packets::LINKS
        .iter()
        .map(|&link| capture(folder, "frames", link, &packets::frames(link)))
        .collect();
    // A machine of the other byte order: its loopback frames begin as those of OpenBSD.
    let loopback = packets::frames(LinkType::LOOP);
    let (big, null) = (ByteOrder::Big, LinkType::NULL);
    captures.push(capture_in(big, folder, "big", null, &loopback));
    let ethernet = LinkType::ETHERNET;
    captures.push(capture(
        folder,
        "tagged",
        ethernet,
        &packets::tagged_frames(),
    ));
    for link in [ethernet, LinkType::LINUX_SLL2, LinkType::RAW] {
        captures.push(capture(folder, "cut", link, &packets::cut_frames(link)));
        captures.push(capture(
            folder,
            "damaged",
            link,
            &packets::damaged_frames(link),
        ));
    }
    captures
}

/// The captures of the project, each with times that tell its frames apart.
pub(crate) fn captures_of_the_project(folder: &Path) -> Vec<Capture> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/captures");
    let mut files: Vec<PathBuf> = std::fs::read_dir(data)
        .expect("captures")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|end| end == "pcap"))
        .collect();
    files.sort();
    let captures = files.iter().map(|path| {
        let bytes = std::fs::read(path).unwrap();
        let mut link = LinkType::ETHERNET;
        let packets = SliceReader::new(&bytes).map_while(Result::ok).map(|frame| {
            link = frame.link;
            Packet {
                data: frame.data.to_vec(),
                len: frame.original_len,
            }
        });
        let packets: Vec<Packet> = packets.collect();
        let name = path.file_stem().unwrap().to_string_lossy();
        capture(folder, &name, link, &packets)
    });
    // Frames of some link types are decoded, and filters of them refused.
    let services = services();
    let has_filters = |capture: &Capture| ours("less 5", capture, &services).is_ok();
    captures.filter(has_filters).collect()
}

/// What a filter says of a capture: the numbers of the frames that match, or that it is refused.
type Verdict = Result<BTreeSet<i64>, String>;

pub(crate) fn services() -> Services {
    Services::parse(&std::fs::read_to_string("/etc/services").unwrap_or_default())
}

fn ours(filter: &str, capture: &Capture, services: &Services) -> Verdict {
    let filter = Filter::parse(filter, services).map_err(|error| error.to_string())?;
    let program = filter
        .compile(capture.link)
        .map_err(|error| error.to_string())?;
    let mut matching = BTreeSet::new();
    for frame in SliceReader::new(&capture.bytes) {
        let frame = frame.unwrap();
        if program.matches(&Subject::new(frame.data, frame.original_len)) {
            matching.insert(frame.time.unwrap().seconds);
        }
    }
    Ok(matching)
}

fn tcpdump(filter: &str, capture: &Capture, optimized: bool) -> Output {
    let mut command = Command::new("tcpdump");
    if !optimized {
        command.arg("-O");
    }
    command
        .arg("-r")
        .arg(&capture.path)
        .args(["-w", "-", "--", filter]);
    command.stdin(Stdio::null()).output().expect("tcpdump runs")
}

fn theirs(filter: &str, capture: &Capture, optimized: bool) -> Verdict {
    let output = tcpdump(filter, capture, optimized);
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("expression rejects all packets") {
        return Ok(BTreeSet::new());
    }
    if !output.status.success() {
        return Err(said.into_owned());
    }
    let frames = SliceReader::new(&output.stdout);
    Ok(frames
        .map(|frame| frame.unwrap().time.unwrap().seconds)
        .collect())
}

/// Where tcpdump says that no packet can match and we do not, or where we say so of frames that match.
fn rejection(
    filter: &str,
    capture: &Capture,
    services: &Services,
    matching: &Verdict,
) -> Option<String> {
    let program = Filter::parse(filter, services).ok()?;
    let rejects = program.compile(capture.link).ok()?.rejects_all();
    if matching.as_ref().is_ok_and(|frames| !frames.is_empty()) {
        return rejects.then(|| format!("{filter:?} on {} matches and rejects all", capture.name));
    }
    let said = tcpdump(filter, capture, true).stderr;
    let theirs = String::from_utf8_lossy(&said).contains("expression rejects all packets");
    (theirs && !rejects)
        .then(|| format!("{filter:?} on {}: only tcpdump rejects all", capture.name))
}

/// Filters that both understand on every link type where they make sense.
#[rustfmt::skip]
pub(crate) const FILTERS: &[&str] = &[
    "", "ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "igrp", "pim", "vrrp",
    "carp", "ah", "esp", "not ip", "not tcp", "!udp", "tcp or udp", "ip and tcp", "ip6 and tcp",
    "tcp and not port 80", "ip or arp and not tcp", "not (ip or ip6)", "not ip and not ip6",
    "host 10.1.2.3", "src host 10.1.2.3", "dst host 10.1.2.3", "src 10.1.2.3", "dst 192.168.0.1",
    "src or dst host 192.168.0.1", "src and dst host 127.0.0.1", "dst and src host 127.0.0.1",
    "ip host 10.1.2.3", "arp host 10.1.2.3", "rarp host 10.1.2.3", "arp src host 10.1.2.3",
    "arp dst 192.168.0.1", "host 10.1", "host 10.1.2", "host 10", "not host 10.1.2.3",
    "host fe80::1", "src host fe80::1", "dst 2001:db8::80", "ip6 host ::1", "host ::ffff:1.2.3.4",
    "src and dst host ::1", "host 2001:db8::1 or 10.1.2.3", "not host fe80::1",
    "net 10", "net 10.1", "net 10.1.2", "net 10.1.2.3", "net 10.0.0.0/8", "src net 10.0.0.0/8",
    "dst net 192.168.0.0/16", "net 192.168.0.0 mask 255.255.0.0", "net 192.168.0.0 mask 255.255",
    "net 127.0.0.1 mask 127.0.0.3", "net 0.0.0.0/0", "net 224.0.0.0/4", "src and dst net 127",
    "arp net 10", "net fe80::/10", "src net 2001:db8::/32", "net ::/0", "ip6 dst net ff00::/8",
    "net 2001:db8::1/128", "net 2001:db8:0:0::/63", "net 0", "net 10.1/16", "net 1.2.3.4/32",
    "port 80", "src port 80", "dst port 80", "src and dst port 443", "src or dst port 53",
    "tcp port 80", "udp port 80", "sctp port 80", "tcp src port 80", "udp dst port 53",
    "tcp src and dst port 53", "not port 80", "port 80 or 443", "port 80 or 443 or 22",
    "tcp port 80 or 443", "port (80 or 443)", "port (80)", "port ((80) or (22))", "port not 80",
    "port (80 or not 443)", "not port 80 and 443", "port 80 and not 443", "port 65535", "port 0",
    "portrange 20-80", "portrange 80-20", "tcp portrange 1-1023", "udp src portrange 5000-6000",
    "src and dst portrange 50-60", "portrange 443", "portrange 0-65535", "port 0x50", "port 0120",
    "port http", "port domain", "tcp port domain", "port ssh or https", "portrange ssh-http",
    "port 22 or port 80 and host 10.1.2.3", "port 22 or (port 80 and host 10.1.2.3)",
    "host 10.1.2.3 and port 80 or 443", "host 10.1.2.3 or 192.168.0.1 and tcp or udp",
    "port 22 or (port 80) or 443", "src host 10.1.2.3 or 127.0.0.1 and port 80",
    "tcp and (port 80 or port 443) and not host 127.0.0.1", "not not tcp", "!!tcp", "!(tcp)",
    "tcp && port 80 || udp && port 53", "tcp&&port 80||udp", "not tcp or udp", "not (tcp or udp)",
    "proto 6", "ip proto 6", "ip6 proto 6", "proto \\tcp", "ip proto \\icmp", "ip6 proto ipv6-icmp",
    "proto 6 or 17", "ip proto ospf", "proto gre", "ip6 proto 44", "ip6 proto 0", "proto 300",
    "ip proto \\udp or \\tcp", "not proto 17", "ip6 proto ipv6-frag", "proto \\sctp",
    "less 60", "greater 60", "less 0", "greater 100", "len > 60", "len >= 60", "len < 60", "len <= 60",
    "len = 60", "len == 74", "len != 74", "60 < len", "length > 50", "len - 14 > 40", "len & 1 = 0",
    "(len) > 60", "(len > 60)", "((len) - 4) * 2 > 100", "len / 2 > 30", "len % 2 = 1", "len ^ 1 = 75",
    "1 = 1", "1 = 2", "5 > 3 and tcp", "port 80 or (5 = 5)", "port 80 and 5 = 5", "-1 > 5",
    "tcp[13] & 2 != 0", "tcp[tcpflags] & tcp-syn != 0", "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn",
    "tcp[tcpflags] == tcp-syn|tcp-ack", "tcp[13] = 0x12", "tcp[13] & 0x3f = 2", "tcp[0:2] = 80",
    "tcp[2:2] > 1023", "tcp[0:4] = 0xc7380050", "tcp[12] & 0xf0 >> 2 > 5", "tcp[12] >> 4 = 5",
    "tcp[20:4] = 0x47455420", "tcp[(tcp[12]>>2):4] = 0x47455420", "tcp[tcp[12]/16*4] = 71",
    "not tcp[13] & 2 != 0", "tcp[13] & 16 != 0 or udp", "tcp[0:1] = 0", "tcp[-4] = 10", "tcp[100] = 1",
    "not tcp[100] = 1", "tcp[100] = 1 or ip", "ip or tcp[100] = 1", "tcp[4294967295] = 1",
    "udp[4:2] > 10", "udp[0:2] = 53", "udp[2:2] = 53 or tcp[2:2] = 80", "sctp[0:2] = 80",
    "udp[8:4] = 0x71756573", "icmp[0] = 8", "icmp[icmptype] = icmp-echo", "icmp[icmptype] != icmp-echo",
    "icmp[icmptype] = icmp-unreach and icmp[icmpcode] = 1", "igmp[0] = 0x11", "pim[0] = 0x11",
    "icmp6[0] = 128", "icmp6[icmp6type] = icmp6-neighborsolicit", "icmp6[icmp6type] != icmp6-echo",
    "icmp6[4:4] = 0x01020304", "vrrp[0] = 0x11", "igrp[1] = 0", "carp[2] = 3",
    "ip[0] & 0xf != 5", "ip[0] & 0xf = 5", "ip[6:2] & 0x1fff = 0", "ip[6:2] & 0x1fff != 0", "ip[8] = 64",
    "ip[9] = 6", "ip[12:4] = 0x0a010203", "ip[16] >= 224", "ip[2:2] > 50", "ip[ip[9]] = 0", "ip[0] = ip[0]",
    "ip[0] - 69 = 0", "ip[0] << 4 = 0x450", "ip[0] >> 4 = 4", "ip[2:2] - ((ip[0]&0xf)<<2) > 30",
    "ip[0] * 2 = 138", "ip[0] / 16 = 4", "ip[0] % 16 = 5", "ip[0] ^ 5 = 0x40", "ip[0] / ip[1] = 1",
    "ip[0] % ip[1] = 1", "ip[0] << ip[9] > 0", "ip[0] | 1 = 69", "ip[0] = 0105", "-ip[0] = 0xffffffbb",
    "ip[0] > ip[1]", "5 + ip[0] = 74", "len - ip[2:2] > 14", "ip6[0] + ip[0] = 192", "5 = udp[0:2]", "ip[0] + ip6[0] = 1", "ip6[0] & 0xf0 = 0x60", "ip6[6] = 6", "ip6[40:2] = 80",
    "ip6[6] = 44 and ip6[40] = 17", "ip6[4:2] > 20", "arp[6:2] = 1", "arp[7] = 2", "rarp[7] = 3",
    "arp[6:2] = 1 or icmp", "not arp[7] = 2", "ip[0] & 0xf = 5 and tcp", "(ip[0] & 0xf) = 5",
    "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
    "ether[0] & 1 != 0", "ether[0:4] = 0xffffffff", "ether[12:2] = 0x800", "link[0] = 2", "ether[200] = 1",
    "ether[1000000] = 1", "not ether[60] = 1", "ether[20:2] = 0 or tcp", "ether[len - 1] = 0",
    "ip broadcast", "ip multicast", "ip6 multicast", "not ip multicast", "ip multicast and udp",
    "ether proto 0x800", "ether proto \\ip", "ether proto \\arp", "ether proto \\ip6", "ether proto 0x9000",
    "ether proto \\loopback", "ether proto 0x800 or 0x806", "ether proto 5", "ether proto 0x88cc",
    "ether proto 70000", "link proto 0x86dd",
];

/// Filters that only some link types have.
#[rustfmt::skip]
pub(crate) const SOME_LINKS: &[&str] = &[
    "ether host 2:0:0:0:0:1", "ether src 2:0:0:0:0:1", "ether dst 02-00-00-00-00-02",
    "ether host 0200.0000.0002", "ether host 020000000001", "ether src 2:0:0:0:0:1 and dst 10.1.2.3",
    "ether src and dst host 2:0:0:0:0:1", "not ether host ff:ff:ff:ff:ff:ff", "ether src 2.0.0.0.0.1",
    "ether broadcast", "broadcast", "multicast", "ether multicast", "not multicast and ip",
    "ether multicast and not broadcast", "inbound", "outbound", "inbound and tcp", "not outbound",
    "vlan", "vlan 5", "vlan 6", "vlan (100)", "not vlan", "vlan and ip", "vlan and tcp port 80",
    "vlan and host 10.1.2.3", "vlan 5 and vlan 6", "vlan and vlan", "vlan and vlan and ip",
    "vlan 6 and vlan 100 and udp", "ip or vlan and ip", "(vlan or ip) and ip6", "not vlan and ip",
    "vlan and arp", "vlan and ip6 and tcp", "tcp or (vlan and tcp)", "vlan and ether host 2:0:0:0:0:1",
    "vlan and ether[16:2] = 0x800", "vlan and ip[0] & 0xf = 8", "vlan and tcp[13] & 2 != 0",
    "vlan and vlan and port 80 or 443", "vlan and ether proto 5", "vlan 0", "vlan 4095", "vlan and broadcast",
    "vlan or vlan", "vlan and net 10.0.0.0/8", "vlan and icmp6[0] = 128", "ether proto 6", "ether proto 0xfe",
    "ether proto 0xf0", "ether proto 0x42", "vlan and portrange 20-80", "vlan and ip6 proto 17",
    "ifindex 1", "ifindex 2", "not ifindex 1", "ifindex 0x10 or tcp",
];

/// Filters that neither takes.
#[rustfmt::skip]
const REFUSED: &[&str] = &[
    "(", ")", "()", "not", "tcp and", "and tcp", "tcp udp", "port", "port 80 443", "host", "1.2.3.4", "80",
    "tcp or 80", "tcp and 80", "(port 80) or 443", "tcp port 80 or udp or 443", "less 5 or 6", "vlan 5 and 6",
    "port 65536", "port -1", "port foo-bar-baz", "port 10-20", "portrange 20-70000", "portrange x-y",
    "host 256.1.1.1", "host 1.2.3.0x4", "host 1:2:3:4:5:6", "net 10.1.0.1 mask 255.255.0.0",
    "net 10.1.2.3/16", "net 1.2.3.4/33", "net 10.0.0.0/0", "host 10.1.2.3/32", "net fe80::1/10", "net ::/129",
    "host ::1/64", "port ::1", "port 1.2.3.4", "proto 1.2.3.4", "ip6 host 1.2.3.4", "ip host ::1", "arp host ::1",
    "tcp host 1.2.3.4", "icmp host 1.2.3.4", "tcp net 10", "ip port 80", "icmp port 80", "udp port http",
    "arp proto 6", "tcp proto 6", "ether", "link", "ether proto tcp", "proto tcp", "ip6 proto \\nothing",
    "ether proto \\nothing", "ether host 1.2.3.4", "ether port 80", "ether net 10", "ip[0", "ip[0]", "ip[]=1",
    "ip[0:3]=1", "ip[0:]=1", "ip[0]=", "ip[0]<<32=1", "ip[0]/0=1", "ip[0]%0=1", "ah[0]=1", "esp[0]=1", "ip[0]=08",
    "ip[0]=4294967296", "ip[0]=0x1ffffffff", "ip[0]=>4", "ip[0]<>4", "len", "len>", "tcp&udp", "tcp | udp",
    "tcp[1.2]=1", "tcp[5:(1)]=1", "vlan 4096", "vlan 70000", "ip6 broadcast", "arp broadcast", "HOST 1.2.3.4",
    "src tcp port 80", "src and src port 5", "port 80 or (443 and host 1.2.3.4)", "src proto 6", "ip ip",
    "less", "greater x", "gateway 1.2.3.4", "gateway foo", "tcp 80", "host 1.2.3.4 5", "port ,", "#", "\\",
    "tcp[tcpflags", "5 = ", "= 5", "not not", "((tcp)", "(tcp))", "src", "dst or", "mask 1.2.3.4",
    "net 10 mask", "net 10.0.0.0 mask 8", "net 10/8",
];

/// Whether the two say the same.
fn is_same(ours: &Verdict, theirs: &Verdict) -> bool {
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => ours == theirs,
        _ => ours.is_err() && theirs.is_err(),
    }
}

/// Where the two differ, in words.
fn difference(filter: &str, capture: &Capture, ours: &Verdict, theirs: &Verdict) -> String {
    let place = format!("{filter:?} on {}", capture.name);
    let (Ok(ours), Ok(theirs)) = (ours, theirs) else {
        return format!("{place}: ours {ours:?}, tcpdump's {theirs:?}");
    };
    let more: Vec<_> = ours.difference(theirs).collect();
    let less: Vec<_> = theirs.difference(ours).collect();
    format!("{place}: only ours {more:?}, only tcpdump's {less:?}")
}

fn runs(test: &str) -> bool {
    let found = program("tcpdump").is_some();
    if !found {
        skip(test, "tcpdump is not installed");
    }
    found
}

/// Compares every filter on every capture, and says how many pairs there were.
///
/// A test that would look beyond the captured bytes ends the filter. The optimizer of libpcap leaves
/// tests out that decide nothing, and reorders them, so that a frame that is cut can match all the
/// same; then what we say is held against tcpdump without it (`-O`).
fn compare(filters: &[String], captures: &[Capture]) {
    let services = services();
    let (mut pairs, mut with_frames, mut without_optimizer) = (0, 0, 0);
    let mut differences = Vec::new();
    for filter in filters {
        for capture in captures {
            let ours = ours(filter, capture, &services);
            let theirs = theirs(filter, capture, true);
            differences.extend(rejection(filter, capture, &services, &ours));
            pairs += 1;
            with_frames += usize::from(theirs.as_ref().is_ok_and(|frames| !frames.is_empty()));
            if is_same(&ours, &theirs) {
                continue;
            }
            if is_same(&ours, &self::theirs(filter, capture, false)) {
                without_optimizer += 1;
            } else {
                differences.push(difference(filter, capture, &ours, &theirs));
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {pairs} differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
    println!(
        "{pairs} filters x captures, {with_frames} of them with frames: all equal, \
         {without_optimizer} of them to tcpdump -O alone"
    );
    assert!(
        without_optimizer * 20 <= pairs,
        "{without_optimizer} of {pairs}"
    );
}

fn owned(filters: &[&str]) -> Vec<String> {
    filters.iter().map(|&filter| filter.to_owned()).collect()
}

#[test]
fn every_filter_matches_the_frames_that_tcpdump_gives() {
    if !runs("every_filter_matches_the_frames_that_tcpdump_gives") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let captures = captures(folder.path());
    compare(&owned(FILTERS), &captures);
}

#[test]
fn filters_on_the_captures_of_the_project_match_the_frames_that_tcpdump_gives() {
    if !runs("filters_on_the_captures_of_the_project_match_the_frames_that_tcpdump_gives") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let captures = captures_of_the_project(folder.path());
    assert!(captures.len() > 10, "{}", captures.len());
    let some: Vec<&str> = FILTERS.iter().skip(3).step_by(11).copied().collect();
    compare(&owned(&some), &captures);
}

#[test]
fn a_filter_that_some_links_do_not_have_is_refused_where_tcpdump_refuses_it() {
    if !runs("a_filter_that_some_links_do_not_have_is_refused_where_tcpdump_refuses_it") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let captures = captures(folder.path());
    compare(&owned(SOME_LINKS), &captures);
}

#[test]
fn what_tcpdump_refuses_is_refused() {
    if !runs("what_tcpdump_refuses_is_refused") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let ethernet = LinkType::ETHERNET;
    let capture = capture(
        folder.path(),
        "frames",
        ethernet,
        &packets::frames(ethernet),
    );
    for filter in REFUSED {
        assert!(
            theirs(filter, &capture, true).is_err(),
            "tcpdump takes {filter:?}"
        );
        assert!(
            ours(filter, &capture, &services()).is_err(),
            "we take {filter:?}"
        );
    }
    println!("{} filters refused by both", REFUSED.len());
}

#[test]
fn filters_put_together_by_chance_match_the_frames_that_tcpdump_gives() {
    if !runs("filters_put_together_by_chance_match_the_frames_that_tcpdump_gives") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let ethernet = LinkType::ETHERNET;
    let captures = [
        capture(
            folder.path(),
            "frames",
            ethernet,
            &packets::frames(ethernet),
        ),
        capture(folder.path(), "tagged", ethernet, &packets::tagged_frames()),
        capture(
            folder.path(),
            "damaged",
            ethernet,
            &packets::damaged_frames(ethernet),
        ),
    ];
    let count: usize = std::env::var("SOCKDOC_FILTERS").map_or(200, |count| count.parse().unwrap());
    let mut random = Random(2024);
    let filters: Vec<String> = (0..count).map(|_| by_chance(&mut random, 3)).collect();
    compare(&filters, &captures);
}

/// A filter of parts of the lists, joined at random.
pub(crate) fn by_chance(random: &mut Random, depth: usize) -> String {
    let kinds = if depth == 0 { 3 } else { 8 };
    match random.below(kinds) {
        0 | 1 => {
            let filters = &FILTERS[1..];
            (*random.pick(filters)).to_owned()
        }
        2 => (*random.pick(&["vlan", "vlan 5", "multicast", "ether host 2:0:0:0:0:1"])).to_owned(),
        3 => format!("not {}", by_chance(random, depth - 1)),
        4 => format!("({})", by_chance(random, depth - 1)),
        kind => {
            let joint = *random.pick(&["and", "or", "&&", "||"]);
            let (left, right) = (by_chance(random, depth - 1), by_chance(random, depth - 1));
            if kind == 7 {
                return format!("{left} {joint} ({right})");
            }
            format!("{left} {joint} {right}")
        }
    }
}

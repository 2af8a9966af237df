//! What a manual page says that the help does not.

/// A term and what it is.
pub(crate) type Entry = (&'static str, &'static str);

/// Of every command.
pub(crate) const EXIT_STATUS: &[Entry] = &[
    ("0", "Success."),
    (
        "1",
        "It ran, but found a problem or failed: connection refused, no reply, a damaged reply.",
    ),
    (
        "2",
        "It could not run: wrong usage, a missing permission, no such file or name.",
    ),
];

/// The variables that `command` reads; an empty name is the program.
pub(crate) fn environment(command: &str) -> Vec<Entry> {
    let mut entries = vec![
        (
            "NO_COLOR",
            "If set and not empty, the output has no colour, unless --color=always.",
        ),
        (
            "TERM",
            "On a terminal of type dumb, the output has no colour and is not redrawn.",
        ),
    ];
    match command {
        "resolve" => entries.push((
            "RES_OPTIONS",
            "Options of the resolver, as in resolv.conf(5).",
        )),
        "app-server" | "echo-server" => entries.push((
            "LISTEN_FDS, LISTEN_PID",
            "Listening sockets passed by the service manager, see sd_listen_fds(3).",
        )),
        "check" => entries.extend([
            (
                "SSL_CERT_FILE, SSL_CERT_DIR",
                "The certificates to trust, in place of those of the distribution.",
            ),
            (
                "http_proxy, https_proxy, all_proxy, no_proxy",
                "Read with --proxy env, as curl(1) reads them.",
            ),
        ]),
        "top" => entries.push((
            "LC_ALL, LC_CTYPE, LANG",
            "Whether the terminal shows UTF-8; if none is set, it does.",
        )),
        _ => {}
    }
    entries
}

/// The files that `command` reads, beside those it is given.
pub(crate) fn files(command: &str) -> &'static [Entry] {
    let entry = FILES.iter().find(|(names, _)| names.contains(&command));
    entry.map_or(&[], |(_, files)| *files)
}

/// The commands, and their files.
const FILES: &[(&[&str], &[Entry])] = &[
    (
        &["sockets", "top"],
        &[
            ("/proc/PID/fd", "Which process holds which socket."),
            (
                "/proc/PID/cgroup",
                "The systemd unit and the container of a process.",
            ),
            (
                "/proc/net",
                "Sockets of families that sock_diag(7) does not list here.",
            ),
            ("/run/netns", "Named network namespaces, see ip-netns(8)."),
            ("/etc/services", "Names of ports."),
        ],
    ),
    (
        &["diagnose", "watch"],
        &[
            (
                "/proc/net/snmp, /proc/net/netstat, /proc/net/softnet_stat",
                "The counters of the network stack.",
            ),
            (
                "/proc/PID/fd, /proc/PID/stat, /proc/PID/limits",
                "Which process holds which socket, its state and its limits.",
            ),
            (
                "/proc/sys/net",
                "The settings of the network stack, see sysctl(8).",
            ),
            ("/run/netns", "Named network namespaces, see ip-netns(8)."),
        ],
    ),
    (
        &[""],
        &[
            (
                "/proc, /sys",
                "What the kernel reports. Each command's page names the files that it reads.",
            ),
            (
                "/run/netns",
                "Named network namespaces for --netns, see ip-netns(8).",
            ),
            (
                "/usr/share/doc/sockdoc",
                "README and change log, if sockdoc was installed from a package.",
            ),
            (
                "/usr/lib/systemd/system/sockdoc-diagnose.timer",
                "A timer that writes metrics; see FLEET in sockdoc-diagnose(1).",
            ),
        ],
    ),
    (
        &["check"],
        &[
            (
                "/etc/hosts, /etc/resolv.conf, /etc/nsswitch.conf",
                "How names are resolved.",
            ),
            (
                "/etc/ssl/certs",
                "The certificates that the host trusts, or the folder that the distribution has for them.",
            ),
            (
                "/proc/net/netstat, /proc/net/snmp",
                "Counters of the network stack before and after the attempt.",
            ),
            (
                "/proc/PID/fd",
                "Which process listens, if the target is on this host.",
            ),
        ],
    ),
    (
        &["fill-buffers"],
        &[
            (
                "/proc/sys/net/ipv4/tcp_wmem, /proc/sys/net/ipv4/tcp_rmem",
                "The sizes between which the kernel tunes the buffers of TCP.",
            ),
            (
                "/proc/sys/net/core/wmem_max, /proc/sys/net/core/rmem_max",
                "The largest sizes that a program may ask for.",
            ),
        ],
    ),
    (
        &["completions"],
        &[
            (
                "~/.local/share/bash-completion/completions/sockdoc",
                "Where bash looks for the script.",
            ),
            (
                "~/.config/fish/completions/sockdoc.fish",
                "Where fish looks for it.",
            ),
            ("_sockdoc in a folder of $fpath", "Where zsh looks for it."),
        ],
    ),
    (
        &["decode", "capture"],
        &[("/etc/services", "Names of ports in filters.")],
    ),
    (
        &["drops"],
        &[
            (
                "/sys/kernel/btf/vmlinux",
                "The types of the kernel, and the names of its drop reasons.",
            ),
            ("/proc/kallsyms", "The names of the kernel's functions."),
            (
                "/proc/net/snmp, /proc/net/netstat",
                "Counters of what has no drop reason.",
            ),
            ("/etc/services", "Names of ports in filters."),
        ],
    ),
    (
        &["explain"],
        &[(
            "/sys/kernel/btf/vmlinux",
            "The names of the kernel's drop reasons.",
        )],
    ),
    (
        &["resolve"],
        &[
            (
                "/etc/nsswitch.conf",
                "Which sources are asked, and in which order.",
            ),
            ("/etc/hosts", "Names that no server is asked for."),
            (
                "/etc/resolv.conf",
                "The name servers, the search list and the options.",
            ),
            ("/etc/gai.conf", "The order of addresses."),
        ],
    ),
    (
        &["ping"],
        &[(
            "/proc/sys/net/ipv4/ping_group_range",
            "The groups whose members may ping without privileges, see icmp(7).",
        )],
    ),
];

/// Further sections: a title, and paragraphs; one that begins with four blanks is shown as it is.
pub(crate) fn sections(command: &str) -> &'static [(&'static str, &'static [&'static str])] {
    match command {
        "" => &[("STATIC BINARY", STATIC)],
        "diagnose" => &[("FLEET", FLEET)],
        _ => &[],
    }
}

/// How the static binary of a release differs.
const STATIC: &[&str] = &[
    "A release has a static binary too. It needs no library, no locale, no terminal description and no writable folder, and \
     works in an empty container. It differs in one point: names are resolved by its own resolver, which reads /etc/hosts \
     and asks name servers. Other sources of nsswitch.conf(5), such as LDAP or mDNS, may be missing. sockdoc resolve asks \
     getent(1), if it is installed, to show what the programs of the host get.",
    "sockdoc --version -v says which build it is.",
];

/// How many hosts are diagnosed, with Prometheus.
pub(crate) const FLEET: &[&str] = &[
    "The package has a timer for systemd(1), which is not enabled. It runs sockdoc diagnose every five minutes and writes \
     the metrics to /var/lib/prometheus/node-exporter/sockdoc.prom, for the textfile collector of node_exporter:",
    "    systemctl enable --now sockdoc-diagnose.timer
    node_exporter --collector.textfile.directory=/var/lib/prometheus/node-exporter",
    "For another file, override its path with systemctl edit sockdoc-diagnose.service:",
    "    [Service]
    Environment=SOCKDOC_METRICS=/srv/metrics/sockdoc.prom
    ReadWritePaths=/srv/metrics",
    "A rule for Prometheus that alerts if a finding of severity error lasts for ten minutes, and one if a host is no longer \
     diagnosed:",
    "    groups:
    - name: sockdoc
      rules:
      - alert: SockdocFinding
        expr: max by (instance, rule) (sockdoc_findings{severity=\"error\"}) > 0
        for: 10m
        annotations:
          summary: 'on {{ $labels.instance }}: sockdoc explain {{ $labels.rule }}'
      - alert: SockdocNotRun
        expr: time() - sockdoc_diagnosis_timestamp_seconds > 1800",
    "Each finding has the label rule, which sockdoc explain describes, and severity: notice, warning or error. \
     sockdoc_sources_unavailable counts what could not be examined.",
];

/// The pages to read next, after those of sockdoc.
pub(crate) fn see_also(command: &str) -> &'static [&'static str] {
    match command {
        "sockets" | "top" => &[
            "ss(8)",
            "netstat(8)",
            "lsof(8)",
            "sock_diag(7)",
            "tcp(7)",
            "unix(7)",
        ],
        "diagnose" | "watch" => &["ss(8)", "nstat(8)", "ip(8)", "nft(8)", "tcp(7)"],
        "decode" => &["tcpdump(8)", "tshark(1)", "pcap-filter(7)"],
        "capture" => &["tcpdump(8)", "dumpcap(1)", "pcap-filter(7)", "packet(7)"],
        "drops" => &["nft(8)", "tc(8)", "ip(8)", "pcap-filter(7)", "bpf(2)"],
        "ping" => &["ping(8)", "fping(8)", "mtr(8)", "traceroute(1)", "icmp(7)"],
        "resolve" => &[
            "getaddrinfo(3)",
            "nsswitch.conf(5)",
            "resolv.conf(5)",
            "gai.conf(5)",
        ],
        "explain" => &["errno(3)"],
        "fill-buffers" => &["send(2)", "tcp(7)", "socket(7)"],
        "app-server" | "echo-server" | "app-client" | "echo-client" => {
            &["socket(7)", "tcp(7)", "udp(7)", "unix(7)"]
        }
        "completions" => &["bash(1)"],
        _ => &["ss(8)", "ping(8)", "tcpdump(8)"],
    }
}

//! The errnos that socket and descriptor calls return.
//! Sources: `socket(7)`, `ip(7)`, `ipv6(7)`, `tcp(7)`, `udp(7)`, `unix(7)`, `accept(2)`, `bind(2)`,
//! `connect(2)`, `send(2)`.

use super::{Errno, errnos};

errnos! {
    1 EPERM "Operation not permitted"
        cause "a capability is missing (raw sockets, packet sockets, SO_MARK), or a local firewall rule dropped the packet"
        next "list the local rules: nft list ruleset; or give the program the capability, for example cap_net_raw or cap_net_admin"
        when Send
            cause "a local firewall rule dropped the packet"
            next "list the local rules: nft list ruleset; iptables -S"
        when File
            cause "only the file's owner or root may do this, or the file is marked immutable or append-only"
            next "show owner and attributes: ls -ld PATH; lsattr -d PATH"
        details "A drop rule in the output chain shows as EPERM on a UDP or ICMP send; a TCP connect hides it and ends in ETIMEDOUT."
        details "In a container the seccomp profile or a dropped capability gives the same error, even to root.";

    2 ENOENT "No such file or directory"
        cause "the path does not exist; for a Unix socket, the server has not created it or has removed it"
        next "list the Unix sockets that listen: sockdoc sockets -xl; check the spelling of the path: ls -l"
        when UnixSocket
            cause "no socket file exists at that path: the server is not running, or listens elsewhere"
            next "list the Unix sockets that listen: sockdoc sockets -xl; then start the server, or correct the path"
        when UnixBind
            cause "the directory for the socket file does not exist"
            next "see which part of the path is missing: namei -l PATH; create the directory, or correct the path"
        when File
            cause "no file or directory of that name exists, or a symbolic link in the path is dangling"
            next "see which part of the path is missing: namei -l PATH; a path without a leading / starts at the current directory: pwd";

    4 EINTR "Interrupted system call"
        cause "a signal arrived while the call was waiting, and its handler was installed without SA_RESTART"
        next "repeat the call; nothing was lost. If it keeps happening, find the sender of the signals: journalctl -e"
        details "Do not repeat close(2) after EINTR: on Linux the descriptor is already closed.";

    5 EIO "Input/output error"
        cause "the underlying device or terminal failed: a bad disk, an unreachable network filesystem, or a terminal that was closed"
        next "read the kernel log: journalctl -k -e";

    6 ENXIO "No such device or address"
        cause "a FIFO was opened for writing without a reader, or a device file has no driver"
        next "start the reader first; for a device, look for its driver: journalctl -k -e"
        when UnixSocket
            cause "a socket file was opened like a regular file; it only accepts connect()"
            next "connect to it: sockdoc echo-client --unix PATH";

    9 EBADF "Bad file descriptor"
        cause "the descriptor is closed or was never opened; often a double close, or a close in another thread"
        next "list the open descriptors: lsof -p PID";

    11 EAGAIN "Resource temporarily unavailable"
        also EWOULDBLOCK
        cause "the socket is non-blocking and not ready: nothing to read yet, no room to write, or SO_RCVTIMEO ran out"
        next "wait with poll or epoll until it is ready; see whether data is queued: sockdoc sockets -t"
        when Send
            cause "the socket is non-blocking and its send buffer is full: the peer reads more slowly than this side writes"
            next "wait with poll or epoll until there is room; see why the peer is slow: sockdoc sockets --problems HOST"
        when UnixSocket
            cause "connect: the listener's accept queue is full; otherwise: nothing to read yet, or no room to write"
            next "see whether the accept queue is full and which program should accept: sockdoc sockets -xl"
        when File
            cause "the file is locked by another process, or it was opened non-blocking and is not ready (a FIFO, a terminal)"
            next "list the processes that have it open: lsof PATH; list the locks: cat /proc/locks"
        details "On a Unix stream socket a non-blocking connect gives EAGAIN when the listener's accept queue is full: sockdoc sockets -xl shows RECV-Q above SEND-Q."
        details "From fork or thread creation it means that a process limit is reached: ulimit -u.";

    12 ENOMEM "Cannot allocate memory"
        cause "the kernel cannot allocate the memory: a cgroup limit, the limit of locked memory, or all socket memory in use"
        next "compare the TCP memory in use with its limit: cat /proc/net/sockstat; sysctl net.ipv4.tcp_mem";

    13 EACCES "Permission denied"
        cause "bind: the port is below ip_unprivileged_port_start; send: a broadcast without SO_BROADCAST, or a `prohibit` route; a path: its permissions"
        next "for a port: sysctl net.ipv4.ip_unprivileged_port_start; use a higher port, or give the program cap_net_bind_service; for a path: namei -l"
        when Bind
            cause "the port is below ip_unprivileged_port_start, and the program lacks cap_net_bind_service"
            next "show the limit: sysctl net.ipv4.ip_unprivileged_port_start; use a higher port, or give the program cap_net_bind_service"
        when Connect
            cause "a `prohibit` route, an administrative prohibition by ICMPv6, or a broadcast address without SO_BROADCAST"
            next "show the route: ip route get HOST; find the sender of the ICMP error: tcpdump -ni any 'icmp or icmp6'"
        when Send
            cause "a broadcast without SO_BROADCAST, or a `prohibit` route"
            next "for a broadcast, set SO_BROADCAST; otherwise show the route: ip route get HOST"
        when UnixSocket
            cause "this user lacks write permission on the socket file, or x permission on a directory above it"
            next "show owner and permissions of each part: namei -l PATH; join the group that owns the socket, for example docker (takes effect at the next login): id"
        when UnixBind
            cause "creating the socket file requires w and x permission on its directory, and x on each directory above"
            next "show owner and permissions of each part: namei -l PATH; or use a directory of your own, for example the one in XDG_RUNTIME_DIR"
        when File
            cause "this user lacks permission on the file, or x permission on a directory above it"
            next "show owner and permissions of each part: namei -l PATH; show your user and groups: id"
        details "A `prohibit` route gives EACCES immediately: ip route get HOST shows it. ICMPv6 1/1, 1/5 and 1/6 arrive as EACCES too."
        details "An unprivileged ICMP socket fails with EACCES when the group is outside net.ipv4.ping_group_range."
        details "If the permissions allow it, SELinux or AppArmor may still deny it: journalctl -k -e shows denials.";

    14 EFAULT "Bad address"
        cause "the program passed a pointer outside its memory: a bug in the program, not a network fault"
        next "report it to the program's author with the failing call";

    16 EBUSY "Device or resource busy"
        cause "it is in use: a busy mount, a device opened exclusively, an interface or network namespace still referenced"
        next "find the process that uses it: lsof PATH";

    17 EEXIST "File exists"
        cause "it exists already: a file, a route, an address, or another entry that was about to be added"
        next "look at the existing one before adding or replacing it: ip route show; ip address show"
        when File
            cause "a file, directory or link of that name exists already"
            next "look at the existing one: ls -ld PATH";

    19 ENODEV "No such device"
        cause "no network interface of that name or index exists here (SO_BINDTODEVICE, a multicast join, a scope)"
        next "list the interfaces of this network namespace: ip link show";

    20 ENOTDIR "Not a directory"
        cause "a component of the path is a file, not a directory"
        next "check each component of the path: ls -ld";

    22 EINVAL "Invalid argument"
        cause "the kernel rejects a parameter: an fe80:: address without its interface, a socket bound twice, or a blackhole route"
        next "for fe80::, add the interface, as in fe80::1%eth0; otherwise show the route: ip route get HOST"
        when UnixSocket
            cause "the kernel rejects a parameter: a path of the wrong length, or a socket that is bound or connected already"
            next "check the path, at most 107 bytes, and that each socket is bound and connected once"
        when File
            cause "this file does not support the offset, size or flag of the call"
            next "see what kind of file it is and on which filesystem: stat PATH; findmnt -T PATH"
        details "A link-local IPv6 address is incomplete without its interface: ip -6 address show lists the interfaces that have one."
        details "A `blackhole` route makes connect and send fail with EINVAL; `unreachable` gives EHOSTUNREACH and `prohibit` EACCES."
        details "Also: bind on a bound socket, listen on a connected one, an address structure of the wrong length.";

    23 ENFILE "Too many open files in system"
        cause "the whole system is at its limit of open files, fs.file-max"
        next "compare usage with the limit: sysctl fs.file-nr fs.file-max; then find the processes that hold them: lsof";

    24 EMFILE "Too many open files"
        cause "this process is at its own limit of open descriptors; often connections that are never closed"
        next "show the limit: ulimit -n; list the sockets of the process: sockdoc sockets -a --pid PID; its other descriptors: lsof -p PID"
        details "A server at its limit cannot accept: its accept queue fills (sockdoc sockets -l shows it under WHY), and clients hang, then time out."
        details "Many sockets in CLOSE_WAIT mean that the program fails to close them; raising the limit only postpones the failure."
        details "Raise it with LimitNOFILE= in the systemd unit, or ulimit -n.";

    28 ENOSPC "No space left on device"
        cause "the disk or its inodes are used up"
        next "compare: df -h; df -i"
        details "Of inotify_add_watch() and epoll_ctl(): the limit of the user is used up (sysctl fs.inotify.max_user_watches fs.epoll.max_user_watches).";

    32 EPIPE "Broken pipe"
        cause "this side wrote after the peer had closed or reset the connection, or after shutdown() of its own sending side"
        next "read the peer's log to see why it closed first: journalctl -e; capture FIN and RST: tcpdump -ni any port PORT"
        when UnixSocket
            cause "this side wrote after the peer program had closed the socket or exited"
            next "find the program at the other end: sockdoc sockets -x; read its log to see why it closed first"
        when File
            cause "this side wrote into a pipe without a reader, for example because the reading program has exited"
            next "see why the reader exited; with head and similar programs it is normal"
        details "The first write after the peer closed still succeeds; the peer answers it with RST, and only the next write fails with EPIPE."
        details "Without MSG_NOSIGNAL the process also gets SIGPIPE, which by default terminates it silently.";

    61 ENODATA "No data available"
        cause "the requested item does not exist: an extended attribute, a netlink entry, a timestamp"
        next "nothing is broken; check that the requested item exists";

    62 ETIME "Timer expired"
        cause "a timer in a driver or in STREAMS expired; sockets use another error for timeouts"
        next "see which device: journalctl -k -e";

    64 ENONET "Machine is not on the network"
        cause "a router answered that the source host is isolated (ICMP 3/8), which no modern router sends"
        next "find the sender: tcpdump -ni any icmp";

    71 EPROTO "Protocol error"
        cause "the peer or a router found the packet malformed: ICMP parameter problem, or an unknown code"
        next "find the sender and the reason: tcpdump -vni any 'icmp or icmp6'";

    75 EOVERFLOW "Value too large for defined data type"
        cause "a value does not fit its field: a large file or time in a 32-bit program, or a counter at its maximum"
        next "use the 64-bit build of the program";

    88 ENOTSOCK "Socket operation on non-socket"
        cause "the descriptor is a file or a pipe; often its number was closed and reused"
        next "see what the descriptor is: lsof -p PID";

    89 EDESTADDRREQ "Destination address required"
        cause "a datagram was sent without an address on an unconnected socket"
        next "connect the socket first, or use sendto with an address";

    90 EMSGSIZE "Message too long"
        cause "the datagram is larger than the path MTU with DF set, or than the UDP maximum (65507 bytes)"
        next "send smaller datagrams; find the path MTU: sockdoc ping --mtu HOST"
        when UnixSocket
            cause "the datagram is larger than the socket's send buffer"
            next "send smaller datagrams, or raise SO_SNDBUF, up to: sysctl net.core.wmem_max"
        details "1472 bytes of payload fill an Ethernet frame of 1500 over IPv4; over IPv6 it is 1452. VPNs and tunnels leave less."
        details "A router reports the MTU in ICMP 3/4 or ICMPv6 2. If a firewall drops these, large packets are lost without any error."
        details "ip route get HOST shows the MTU that the kernel has learned.";

    91 EPROTOTYPE "Protocol wrong type for socket"
        cause "the socket types differ: a stream and a datagram Unix socket, or a protocol that the type does not support"
        next "see which type the server's socket has: sockdoc sockets -xl";

    92 ENOPROTOOPT "Protocol not available"
        cause "this kernel does not know the socket option at that level, or the host does not support the protocol (ICMP 3/2)"
        next "check the option's level and the kernel version: uname -r; man 7 ip; man 7 tcp";

    93 EPROTONOSUPPORT "Protocol not supported"
        cause "the kernel does not have the protocol for this family: SCTP, MPTCP or DCCP without their module, or a wrong number"
        next "for MPTCP: sysctl net.mptcp.enabled; otherwise look for the module: lsmod";

    94 ESOCKTNOSUPPORT "Socket type not supported"
        cause "the family exists but not with this type of socket: raw or packet sockets disabled, a module missing"
        next "check type and family of the socket call; look for the module: lsmod";

    95 EOPNOTSUPP "Operation not supported"
        also ENOTSUP
        cause "this kind of socket or file does not support the call: listen or accept on a datagram socket, an ioctl of another driver"
        next "check the type of the socket: sockdoc sockets -a --pid PID";

    96 EPFNOSUPPORT "Protocol family not supported"
        cause "the kernel was built or started without this protocol family"
        next "list the available ones: cat /proc/net/protocols";

    97 EAFNOSUPPORT "Address family not supported by protocol"
        cause "an IPv6 address on an IPv4 socket or the reverse, or a kernel without IPv6 (ipv6.disable=1)"
        next "check whether IPv6 is enabled: ip -6 address show; otherwise use an address of the other family";

    98 EADDRINUSE "Address already in use"
        cause "another socket uses this port: a running server, or connections of an earlier one in TIME_WAIT"
        next "find the process that uses the port: sockdoc sockets :PORT; run as root to see processes owned by other users"
        when UnixSocket
            cause "the path exists already: a server is running, or an earlier one left its socket file; SO_REUSEADDR does not help"
            next "see whether a server listens there: sockdoc sockets -xl; if not, remove the file; otherwise stop that server or use another path"
        details "Only TIME_WAIT, or connections of a server that has exited: SO_REUSEADDR helps if that server had set it too; otherwise wait up to 60 s."
        details "A running listener: stop it or use another port."
        details "A listener on [::] holds 0.0.0.0 too, unless it set IPV6_V6ONLY; a listener on 0.0.0.0 conflicts with every address of the port."
        details "A socket that is bound but neither listens nor connects also occupies the port. netstat, lsof and older versions of ss do not show it; sockdoc sockets :PORT does."
        details "SO_REUSEPORT shares a port only if every socket sets it and all sockets belong to one user.";

    99 EADDRNOTAVAIL "Cannot assign requested address"
        cause "bind: no interface of this host has that address; connect: the local ports to this destination are used up"
        next "list the addresses of this host: ip address show; count the connections to that peer: sockdoc sockets -ts HOST"
        when Bind
            cause "no interface of this host has that address"
            next "list the addresses of this host: ip address show; 0.0.0.0 or :: binds all of them"
        when Connect
            cause "the local ports to this destination are used up, or this host cannot reach the address at all (::1 without IPv6)"
            next "count the connections to that peer: sockdoc sockets -ts HOST; show the limit: sysctl net.ipv4.ip_local_port_range"
        details "net.ipv4.ip_local_port_range allows about 28000 ports for each destination address and port; connections to other destinations still succeed."
        details "Closed connections keep their port in TIME_WAIT for 60 s on the side that closed first: reuse connections instead of opening new ones."
        details "Connecting to ::1 fails like this if IPv6 is disabled, as in many containers. A new IPv6 address is tentative for about a second."
        details "Inside a container or network namespace the host's addresses are not available.";

    100 ENETDOWN "Network is down"
        cause "the interface for this packet is down"
        next "show the interface's state: ip link show; bring it up: ip link set dev NAME up";

    101 ENETUNREACH "Network is unreachable"
        cause "this host has no route to that destination or for that address family, or a router reports that it has none"
        next "show the route: ip route get HOST; look for a default route: ip route; ip -6 route"
        details "Immediate failure: no local route; typical for an IPv6 address on an IPv4-only host. Try the other family."
        details "Delayed failure: a router on the path sent ICMP 3/0 or ICMPv6 1/0: tcpdump -ni any 'icmp or icmp6'.";

    102 ENETRESET "Network dropped connection on reset"
        cause "the network dropped the connection; rare on Linux, other systems report it for failed keepalives"
        next "connect again; check the path: sockdoc ping -c 3 HOST";

    103 ECONNABORTED "Software caused connection abort"
        cause "the connection ended before the program accepted it: the client gave up, or an administrator destroyed it"
        next "call accept again; see how full the accept queue is: sockdoc sockets -l :PORT"
        details "accept(2) also returns network errors of the new connection (ENETDOWN, EPROTO, EHOSTUNREACH ...): treat them all like EAGAIN."
        details "An administrator's `ss -K` aborts a connection with ECONNABORTED.";

    104 ECONNRESET "Connection reset by peer"
        cause "the peer sent RST: its program crashed or closed with unread data, it does not know the connection, or a middlebox reset it"
        next "read the peer's log for this time; find the sender of the RST: tcpdump -ni any 'tcp[tcpflags] & tcp-rst != 0 and port PORT'"
        when UnixSocket
            cause "the peer program closed the socket or exited without reading all data"
            next "find the program at the other end: sockdoc sockets -x; read its log for this time"
        details "Closing a socket with unread bytes sends RST instead of FIN, and a reply in flight is lost: read to end of file before closing."
        details "After minutes without traffic: a firewall or NAT dropped its state; keepalives shorter than its timeout prevent that."
        details "Right after connecting: the peer program rejected this client, or one side uses TLS and the other does not."
        details "An RST whose TTL differs from the peer's other packets comes from a device on the path.";

    105 ENOBUFS "No buffer space available"
        cause "a queue or a buffer limit is full: an interface's queue, a netlink socket that is read too slowly, or net.core.optmem_max"
        next "look at drops and queues: ip -s link show; sysctl net.core.optmem_max net.core.rmem_max net.core.wmem_max";

    106 EISCONN "Transport endpoint is already connected"
        cause "connect on a connected socket, or sendto with an address on a connected stream"
        next "use a new socket for each connection, or send without an address";

    107 ENOTCONN "Transport endpoint is not connected"
        cause "the socket is not connected: connect has not succeeded, or the peer reset it before this call"
        next "look at the state of the connection: sockdoc sockets -t --pid PID"
        details "getpeername or shutdown right after accept fails like this if the client has already disconnected: treat it as a closed connection.";

    108 ESHUTDOWN "Cannot send after transport endpoint shutdown"
        cause "this side shut down sending, or the device was removed; TCP on Linux reports a broken pipe instead"
        next "open a new connection; for a device: journalctl -k -e";

    109 ETOOMANYREFS "Too many references: cannot splice"
        cause "too many descriptors are in flight over Unix sockets (SCM_RIGHTS), not yet received"
        next "find the receiver that does not read: sockdoc sockets -x";

    110 ETIMEDOUT "Connection timed out"
        cause "no reply at all: a firewall drops the packets, the host is down, the return route is missing, or the server's accept queue is full"
        next "check the host: sockdoc ping -c 3 HOST; on the server, check the accept queue: sockdoc sockets -l :PORT"
        details "Connecting: the SYN was resent net.ipv4.tcp_syn_retries times, for about two minutes. A firewall that drops packets looks like a host that is down."
        details "A server that listens but does not accept completes backlog + 1 connections; the kernel then ignores further SYNs."
        details "Established: data was not acknowledged (net.ipv4.tcp_retries2, about 15 minutes), keepalive probes failed, or TCP_USER_TIMEOUT expired."
        details "See whether the SYN leaves and what is returned: tcpdump -ni any host HOST and port PORT.";

    111 ECONNREFUSED "Connection refused"
        cause "the host is up, but nothing listens on that address and port, or a firewall rejects the connection"
        next "on that host, list listeners and bound sockets of the port: sockdoc sockets :PORT"
        when UnixSocket
            cause "the file exists, but no server listens on it: an earlier server left it, or it is not a socket"
            next "start the server again; list the Unix sockets that listen: sockdoc sockets -xl"
        details "A server listening only on 127.0.0.1 refuses connections to any other address; look at the LOCAL column."
        details "localhost may resolve to ::1; a server listening only on 127.0.0.1 refuses that, and the reverse. Try both addresses."
        details "On a connected UDP socket it reports an ICMP port-unreachable for an earlier datagram; you see it on the next call.";

    112 EHOSTDOWN "Host is down"
        cause "a router reports the host as unknown (ICMP 3/7), or a driver reports that the peer is down"
        next "look at the neighbour table: ip neigh show; then check the host: sockdoc ping -c 3 HOST";

    113 EHOSTUNREACH "No route to host"
        cause "the next hop does not answer ARP or neighbour discovery, or a router or firewall on the path rejects it with ICMP"
        next "look for FAILED or INCOMPLETE: ip neigh show; show the route: ip route get HOST"
        details "After about 3 seconds: no host on the local link has that address: wrong address, host down, wrong VLAN."
        details "Immediately, while ping works: a firewall rejects with icmp-host-prohibited (ICMP 3/10), the default of many distributions; on the server: nft list ruleset."
        details "Find the sender of the ICMP error: tcpdump -ni any 'icmp or icmp6'. A local `unreachable` route gives this error too.";

    114 EALREADY "Operation already in progress"
        cause "connect was called again while the first non-blocking connect is still in progress"
        next "wait until the socket is writable, then read SO_ERROR; see whether it is still in SYN-SENT: sockdoc sockets --state syn-sent";

    115 EINPROGRESS "Operation now in progress"
        cause "not a failure: a non-blocking connect has started and is not complete yet"
        next "wait until the socket is writable, then read SO_ERROR for the result; see whether it is still in SYN-SENT: sockdoc sockets --state syn-sent";

    116 ESTALE "Stale file handle"
        cause "the server of a network filesystem no longer has the file or export of this handle"
        next "mount it again; read the kernel log: journalctl -k -e";

    125 ECANCELED "Operation canceled"
        cause "an asynchronous operation (io_uring, AIO) was cancelled before it finished, by request or because an earlier one in its chain failed"
        next "look at the result of the operation linked before it";

    132 ERFKILL "Operation not possible due to RF-kill"
        cause "the radio is switched off, by a hardware switch or by software"
        next "switch the radio on (hardware switch, airplane mode, rfkill unblock all); then look: ip link show";
}

//! The errnos that socket and descriptor calls return, with what an engineer would say about them.
//! Sources: `socket(7)`, `ip(7)`, `ipv6(7)`, `tcp(7)`, `udp(7)`, `unix(7)`, `accept(2)`, `bind(2)`,
//! `connect(2)`, `send(2)`.

use super::{Errno, errnos};

errnos! {
    1 EPERM "Operation not permitted"
        cause "a capability is missing (raw sockets, packet sockets, SO_MARK), or a local firewall rule dropped what was sent"
        next "list the local rules: nft list ruleset; or give the program the capability, e.g. cap_net_raw or cap_net_admin"
        when Send
            cause "a local firewall rule dropped what was sent"
            next "list the local rules: nft list ruleset; iptables -S"
        when File
            cause "only the file's owner or root may do that, or the file is marked immutable or append-only"
            next "see owner and marks: ls -ld PATH; lsattr -d PATH"
        details "A drop rule in the output chain shows as EPERM on a UDP or ICMP send; a TCP connect hides it and ends in ETIMEDOUT."
        details "In a container the seccomp profile or a dropped capability gives the same error, even to root.";

    2 ENOENT "No such file or directory"
        cause "the path does not exist; for a Unix socket: the server has not created it, or has removed it"
        next "list the Unix sockets that do exist: ss -xlp; and check the path letter by letter: ls -l"
        when UnixSocket
            cause "there is no socket file at that path: the server does not run, or listens elsewhere"
            next "list the Unix sockets that do listen: ss -xlp; then start the server, or correct the path"
        when UnixBind
            cause "the directory that the socket file should be created in does not exist"
            next "see where the path breaks off: namei -l PATH; create the directory, or correct the path"
        when File
            cause "no file or directory of that name exists, or a symbolic link on the way points to nothing"
            next "see where the path breaks off: namei -l PATH; a path without a leading / starts at the current directory: pwd";

    4 EINTR "Interrupted system call"
        cause "a signal arrived while the call was waiting, and its handler was installed without SA_RESTART"
        next "repeat the call; nothing was lost. If it never stops, see who sends the signals: journalctl -e"
        details "Do not repeat close(2) after EINTR: on Linux the descriptor is gone already.";

    5 EIO "Input/output error"
        cause "the device or terminal below failed: a bad disk, a network filesystem cut off, or a terminal that went away"
        next "read the kernel's own words: journalctl -k -e";

    6 ENXIO "No such device or address"
        cause "nothing stands behind the name: a FIFO opened for writing without a reader, a device file without its driver"
        next "start the reading side first; for a device, look for its driver: journalctl -k -e"
        when UnixSocket
            cause "a socket file was opened as if it held data; it can only be connected to"
            next "connect to it: nc -U PATH";

    9 EBADF "Bad file descriptor"
        cause "the descriptor was closed already, or was never opened; often a double close or a close in another thread"
        next "compare with the descriptors that are open: lsof -p PID";

    11 EAGAIN "Resource temporarily unavailable"
        also EWOULDBLOCK
        cause "the socket is non-blocking and not ready: nothing to read yet, no room to write, or SO_RCVTIMEO ran out"
        next "wait with poll or epoll until it is ready; is data waiting in Recv-Q or Send-Q? ss -tnp"
        when Send
            cause "the socket is non-blocking and its send buffer is full: the peer reads more slowly than this side writes"
            next "wait with poll or epoll until there is room; is Send-Q full? ss -tn dst HOST"
        when UnixSocket
            cause "connecting: the queue of the listener is full, its program does not accept; else nothing to read yet, or no room to write"
            next "is Recv-Q above Send-Q at the listener? ss -xl; then see why its program does not accept"
        when File
            cause "the file is locked by another process, or it was opened non-blocking and is not ready (a FIFO, a terminal)"
            next "see who has it open and who holds locks: lsof PATH; cat /proc/locks"
        details "On a Unix stream socket a non-blocking connect gives EAGAIN when the listener's queue is full: ss -xl shows Recv-Q at Send-Q."
        details "From fork or thread creation it means a process limit: ulimit -u.";

    12 ENOMEM "Cannot allocate memory"
        cause "the kernel has no memory for it: a cgroup limit, the limit of locked memory, or all socket memory in use"
        next "compare the TCP memory in use with its limit: cat /proc/net/sockstat; sysctl net.ipv4.tcp_mem";

    13 EACCES "Permission denied"
        cause "bind: the port is below ip_unprivileged_port_start; send: a broadcast without SO_BROADCAST, or a route that prohibits it; a path: its permissions"
        next "for a port: sysctl net.ipv4.ip_unprivileged_port_start; take a higher one, or give the program cap_net_bind_service; for a path: namei -l"
        when Bind
            cause "the port is below ip_unprivileged_port_start, and the program may not take such a port"
            next "show the limit: sysctl net.ipv4.ip_unprivileged_port_start; take a higher port, or give the program cap_net_bind_service"
        when Connect
            cause "a `prohibit` route, an administrative prohibition by ICMPv6, or a broadcast address without SO_BROADCAST"
            next "ask for the route: ip route get HOST; see who prohibits it: tcpdump -ni any 'icmp or icmp6'"
        when Send
            cause "a broadcast without SO_BROADCAST, or a route that prohibits it"
            next "for a broadcast set SO_BROADCAST; else ask for the route: ip route get HOST"
        when UnixSocket
            cause "this user lacks write permission on the socket file, or x permission on a directory above it"
            next "see owner and permissions of each part: namei -l PATH; then join the group that owns the socket (e.g. docker; it counts from the next login): id"
        when UnixBind
            cause "creating the socket file needs w and x permission on its directory, and x on each one above"
            next "see owner and permissions of each part: namei -l PATH; or choose a directory of your own, e.g. the one in XDG_RUNTIME_DIR"
        when File
            cause "this user lacks permission on the file, or x permission on a directory above it"
            next "see owner and permissions of each part: namei -l PATH; and who you are: id"
        details "A `prohibit` route gives EACCES at once: ip route get HOST shows it. ICMPv6 1/1, 1/5 and 1/6 arrive as EACCES too."
        details "An unprivileged ICMP socket is refused with EACCES when the group is outside net.ipv4.ping_group_range."
        details "Where the permissions allow it, SELinux or AppArmor may still forbid it: journalctl -k -e shows what they deny.";

    14 EFAULT "Bad address"
        cause "the program passed a pointer outside its memory: a bug in the program, not in the network"
        next "report it to the program's author with the failing call; nothing on the network can cause it";

    16 EBUSY "Device or resource busy"
        cause "another user holds it: a mount in use, a device opened exclusively, an interface or netns still referenced"
        next "find who holds it: lsof PATH";

    17 EEXIST "File exists"
        cause "it is there already: a file, a route, an address, or the entry that was to be added a second time"
        next "look at what is there before adding or replacing it: ip route show; ip address show"
        when File
            cause "a file, directory or link of that name is there already"
            next "look at what is there: ls -ld PATH";

    19 ENODEV "No such device"
        cause "no network interface of that name or index exists here (SO_BINDTODEVICE, a multicast join, a scope)"
        next "list the interfaces of this network namespace: ip link show";

    20 ENOTDIR "Not a directory"
        cause "a part of the path that should be a directory is a file"
        next "check each part of the path: ls -ld";

    22 EINVAL "Invalid argument"
        cause "the kernel rejects a parameter: an fe80:: address without its interface, a socket bound twice, or a blackhole route"
        next "for fe80:: add the interface, as in fe80::1%eth0; else ask for the route: ip route get HOST"
        when UnixSocket
            cause "the kernel rejects a parameter: a path of the wrong length, or a socket that is bound or connected already"
            next "check the path, at most 107 bytes, and that each socket is bound and connected once"
        when File
            cause "this file cannot be read, written or opened in that way: an offset, a size or a flag that it does not take"
            next "see what kind of file it is and where it lives: stat PATH; findmnt -T PATH"
        details "A link-local IPv6 address means nothing without a scope: ip -6 address show names the interfaces that have one."
        details "A `blackhole` route makes connect and send fail with EINVAL; `unreachable` gives EHOSTUNREACH and `prohibit` EACCES."
        details "Also: bind on a bound socket, listen on a connected one, an address structure of the wrong length.";

    23 ENFILE "Too many open files in system"
        cause "the whole system is at its limit of open files, fs.file-max"
        next "compare use with limit: sysctl fs.file-nr fs.file-max; then find who holds them: lsof";

    24 EMFILE "Too many open files"
        cause "this process is at its own limit of open descriptors; often connections that are never closed"
        next "show the limit: ulimit -n; and what the process holds: lsof -p PID"
        details "A server at its limit cannot accept: its listener's queue fills (ss -ltn shows Recv-Q above 0) and clients hang, then time out."
        details "Many sockets in CLOSE_WAIT mean that the program forgets to close; raising the limit only delays the end."
        details "Raise it with LimitNOFILE= in the systemd unit, or ulimit -n.";

    28 ENOSPC "No space left on device"
        cause "the disk or its inodes are used up; for inotify and epoll: a limit per user (fs.inotify.max_user_watches, fs.epoll.max_user_watches)"
        next "compare: df -h; df -i; sysctl fs.inotify fs.epoll";

    32 EPIPE "Broken pipe"
        cause "this side wrote after the other side had closed or reset the connection, or after this side shut down its sending"
        next "read the other side's log: why did it close first? journalctl -e; then look for FIN and RST: tcpdump -ni any port PORT"
        when UnixSocket
            cause "this side wrote after the program at the other end had closed the socket or ended"
            next "read the log of that program: why did it close first? Who is it: ss -xp"
        when File
            cause "this side wrote into a pipe that nobody reads any more, e.g. because the reading program has ended"
            next "see why the reader ended; behind head and the like it is normal"
        details "The first write after the peer closed still succeeds; the peer answers it with RST, and only the next write fails with EPIPE."
        details "Without MSG_NOSIGNAL the process gets SIGPIPE as well, which ends it silently by default.";

    61 ENODATA "No data available"
        cause "there is nothing of the kind asked for: no extended attribute, no netlink entry, no stamp"
        next "nothing is broken; check that what was asked for exists";

    62 ETIME "Timer expired"
        cause "a timer in a driver or in STREAMS ran out; sockets have an errno of their own for that, 110"
        next "see which device: journalctl -k -e";

    64 ENONET "Machine is not on the network"
        cause "a router answered that the source host is isolated (ICMP 3/8), which no modern router sends"
        next "see which machine sends it: tcpdump -ni any icmp";

    71 EPROTO "Protocol error"
        cause "the peer or a router found the packet malformed: ICMP parameter problem, or an unknown code"
        next "see who complains and about what: tcpdump -vni any 'icmp or icmp6'";

    75 EOVERFLOW "Value too large for defined data type"
        cause "a value does not fit its field: a 32-bit program and a large file or time, or a counter at its end"
        next "use the 64-bit build of the program";

    88 ENOTSOCK "Socket operation on non-socket"
        cause "the descriptor is a file or a pipe; often its number was closed and given to something else"
        next "see what the number stands for: lsof -p PID";

    89 EDESTADDRREQ "Destination address required"
        cause "a datagram was sent without an address on a socket that is not connected"
        next "connect the socket first, or use sendto with an address";

    90 EMSGSIZE "Message too long"
        cause "the datagram is larger than the path MTU allows with DF set, or than UDP allows at all (65507 bytes)"
        next "send less; find the path MTU: ping -c 1 -M do -s 1472 HOST"
        when UnixSocket
            cause "the datagram is larger than the send buffer of the socket"
            next "send less, or raise SO_SNDBUF up to: sysctl net.core.wmem_max"
        details "1472 bytes of payload fill an Ethernet frame of 1500 over IPv4; over IPv6 it is 1452. VPNs and tunnels leave less."
        details "A router reports the MTU in ICMP 3/4 or ICMPv6 2. Where a firewall drops these, large packets vanish without any error."
        details "ip route get HOST shows the MTU that the kernel has learned.";

    91 EPROTOTYPE "Protocol wrong type for socket"
        cause "stream and datagram do not fit: a Unix socket of the other type, or a protocol that the type does not carry"
        next "see which type the server's socket has: ss -xlp (u_str is stream, u_dgr datagram, u_seq packets)";

    92 ENOPROTOOPT "Protocol not available"
        cause "this kernel does not know that socket option at that level; or the host has no such protocol (ICMP 3/2)"
        next "check the option's level and the kernel's version: uname -r; man 7 ip; man 7 tcp";

    93 EPROTONOSUPPORT "Protocol not supported"
        cause "the kernel has no such protocol for this family: SCTP, MPTCP or DCCP without their module, or a wrong number"
        next "for MPTCP: sysctl net.mptcp.enabled; else look for the module: lsmod";

    94 ESOCKTNOSUPPORT "Socket type not supported"
        cause "the family exists but not with this type of socket: raw or packet sockets disabled, a module missing"
        next "check type and family of the socket call; look for the module: lsmod";

    95 EOPNOTSUPP "Operation not supported"
        also ENOTSUP
        cause "this kind of socket or file cannot do that: listen or accept on a datagram socket, an ioctl of another driver"
        next "check that the socket is of the type that was meant: ss -tuxap";

    96 EPFNOSUPPORT "Protocol family not supported"
        cause "the kernel was built or started without this protocol family"
        next "list what is there: cat /proc/net/protocols";

    97 EAFNOSUPPORT "Address family not supported by protocol"
        cause "an IPv6 address on an IPv4 socket or the reverse, or a kernel without IPv6 (ipv6.disable=1)"
        next "is IPv6 there? ip -6 address show; else use an address of the other family";

    98 EADDRINUSE "Address already in use"
        cause "another socket holds this port: a live server, or old connections in TIME_WAIT and no SO_REUSEADDR"
        next "name the holder: ss -tuanp 'sport = :PORT'; a process of another user is named only to root"
        when UnixSocket
            cause "a file is at that path already: of a server that runs, or left over from one that ended; SO_REUSEADDR does not help"
            next "does anybody listen there? ss -xlp; if nobody does, remove the file; else end that server or choose another path"
        details "Only TIME_WAIT, or children of a server that ended: SO_REUSEADDR solves it. A live listener: it does not help; stop it or take another port."
        details "A listener on [::] holds 0.0.0.0 too, unless it set IPV6_V6ONLY; a listener on 0.0.0.0 conflicts with every address of the port."
        details "A socket that is bound but neither listens nor connects holds the port too; ss without -a omits it, and older ones omit it even with -a: lsof -nP -i :PORT."
        details "SO_REUSEPORT shares a port only if every socket sets it and all belong to one user.";

    99 EADDRNOTAVAIL "Cannot assign requested address"
        cause "bind: no interface here has that address; connect: the local ports to this destination are used up"
        next "list the addresses of this host: ip address show; count the connections to that peer: ss -tan dst HOST"
        when Bind
            cause "no interface of this host has that address"
            next "list the addresses of this host: ip address show; 0.0.0.0 or :: takes them all"
        when Connect
            cause "the local ports to this destination are used up, or the address cannot be reached from here at all (::1 without IPv6)"
            next "count the connections to that peer: ss -tan dst HOST; sysctl net.ipv4.ip_local_port_range"
        details "The ports come from net.ipv4.ip_local_port_range, about 28000 for each destination address and port; another destination still connects."
        details "Closed connections keep their port in TIME_WAIT for 60 s on the side that closed first: reuse connections instead of opening new ones."
        details "Connecting to ::1 fails like this where IPv6 is disabled, as in many containers. A fresh IPv6 address is tentative for about a second."
        details "In a container or namespace the host's addresses are not local.";

    100 ENETDOWN "Network is down"
        cause "the interface that the packet had to leave by is down"
        next "show the interface's state: ip link show; bring it up: ip link set dev NAME up";

    101 ENETUNREACH "Network is unreachable"
        cause "this host has no route for that destination or that family, or a router says so"
        next "ask for the route: ip route get HOST; is there a default? ip route; ip -6 route"
        details "At once: no local route; typical for an IPv6 address on a host with IPv4 only. Try the other family."
        details "After a while: a router on the way sent ICMP 3/0 or ICMPv6 1/0: tcpdump -ni any 'icmp or icmp6'.";

    102 ENETRESET "Network dropped connection on reset"
        cause "the network dropped the connection; Linux itself hardly ever says so, other systems say it for failed keepalives"
        next "connect again; look at the path: ping -c 3 HOST";

    103 ECONNABORTED "Software caused connection abort"
        cause "the connection ended on this host before the program took it: the client gave up before accept, or something destroyed it"
        next "a server repeats accept; how full is the listener's queue? ss -ltn 'sport = :PORT'"
        details "accept(2) also hands over network errors of the new connection (ENETDOWN, EPROTO, EHOSTUNREACH ...): treat them all like EAGAIN and try again."
        details "An administrator's `ss -K` aborts a connection with ECONNABORTED.";

    104 ECONNRESET "Connection reset by peer"
        cause "the peer sent RST: its program crashed or closed with unread data, it does not know the connection, or a middlebox cut it"
        next "read the peer's log around this moment; see who sends the RST: tcpdump -ni any 'tcp[tcpflags] & tcp-rst != 0 and port PORT'"
        when UnixSocket
            cause "the program at the other end closed the socket, or ended, with data in it that it had not read"
            next "read the log of that program around this moment; who it is: ss -xp"
        details "A close with unread bytes in the receive buffer sends RST instead of FIN, and the reply on its way is lost: read to the end before closing."
        details "After minutes without traffic: a firewall or NAT forgot the connection; keepalives shorter than its timeout prevent that."
        details "Right after connecting: the peer's program refused this client, or TLS met plain text."
        details "An RST whose TTL differs from the peer's other packets comes from something in between.";

    105 ENOBUFS "No buffer space available"
        cause "a queue or a buffer limit is full: an interface's queue, a netlink socket that is read too slowly, or net.core.optmem_max"
        next "look at drops and queue: ip -s link show; sysctl net.core.optmem_max net.core.rmem_max net.core.wmem_max";

    106 EISCONN "Transport endpoint is already connected"
        cause "connect on a connected socket, or sendto with an address on a connected stream"
        next "use a new socket for each connection, or send without an address";

    107 ENOTCONN "Transport endpoint is not connected"
        cause "the socket is not connected: connect has not succeeded, or the peer reset it before this call"
        next "look at the state of the connection: ss -tanp"
        details "getpeername or shutdown right after accept fails like this when the client has gone already: treat it as a closed connection.";

    108 ESHUTDOWN "Cannot send after transport endpoint shutdown"
        cause "this side shut the sending direction down, or the device went away; TCP on Linux says broken pipe instead"
        next "open a new connection; for a device: journalctl -k -e";

    109 ETOOMANYREFS "Too many references: cannot splice"
        cause "too many descriptors are on their way over Unix sockets (SCM_RIGHTS) without having been received"
        next "find the receiver that does not read: ss -xp";

    110 ETIMEDOUT "Connection timed out"
        cause "no answer at all: a firewall drops the packets, the host is down, the route back is missing, or the server's accept queue is full"
        next "is the host there? ping -c 3 HOST; on the server, is Recv-Q above Send-Q? ss -ltn 'sport = :PORT'"
        details "Connecting: the SYN was repeated net.ipv4.tcp_syn_retries times, about two minutes. A firewall that drops looks like a host that is off."
        details "A server that listens but does not accept lets Send-Q + 1 connections in and then leaves the SYNs unanswered."
        details "Established: what was sent was not acknowledged (net.ipv4.tcp_retries2, about 15 minutes), keepalive probes or TCP_USER_TIMEOUT ran out."
        details "See whether the SYN leaves and what comes back: tcpdump -ni any host HOST and port PORT.";

    111 ECONNREFUSED "Connection refused"
        cause "the host is up, but nothing listens on that port and address, or a firewall rejects it"
        next "on that host, list the listeners: ss -ltnp 'sport = :PORT'"
        when UnixSocket
            cause "the file is there, but no server listens on it: it is left over from a server that is gone, or is no socket at all"
            next "start the server again; list the Unix sockets that do listen: ss -xlp"
        details "A listener on 127.0.0.1 only refuses every other address; look at the Local Address column."
        details "localhost may mean ::1: a server on 127.0.0.1 alone refuses it, and the reverse. Try both addresses."
        details "For UDP it is the ICMP answer to an earlier datagram, told at the next call on a connected socket.";

    112 EHOSTDOWN "Host is down"
        cause "a router reports the host as unknown (ICMP 3/7), or a driver knows that the peer is off"
        next "look at the neighbour table: ip neigh show; then ping -c 3 HOST";

    113 EHOSTUNREACH "No route to host"
        cause "the next hop does not answer ARP or neighbour discovery, or a router or firewall on the way says no by ICMP"
        next "look for FAILED or INCOMPLETE: ip neigh show; and which way it goes: ip route get HOST"
        details "After about 3 seconds: nobody on the local link has that address: wrong address, host off, wrong VLAN."
        details "At once, while ping works: a firewall's reject with icmp-host-prohibited (ICMP 3/10), the default of many distributions; on the server: nft list ruleset."
        details "See who sends the ICMP: tcpdump -ni any 'icmp or icmp6'. A local `unreachable` route gives it too.";

    114 EALREADY "Operation already in progress"
        cause "connect was called again while the first non-blocking connect is still under way"
        next "wait until the socket is writable, then read SO_ERROR; is it still in SYN-SENT? ss -tn state syn-sent";

    115 EINPROGRESS "Operation now in progress"
        cause "not a failure: a non-blocking connect has begun and is not finished yet"
        next "wait until the socket is writable, then read SO_ERROR for the result; is it still in SYN-SENT? ss -tn state syn-sent";

    116 ESTALE "Stale file handle"
        cause "a network filesystem's server no longer has the file or export that this handle stood for"
        next "mount it again; read the kernel's words: journalctl -k -e";

    125 ECANCELED "Operation canceled"
        cause "an asynchronous operation (io_uring, AIO) was cancelled before it finished, by request or because an earlier one in its chain failed"
        next "look at the result of the operation that was linked before it";

    132 ERFKILL "Operation not possible due to RF-kill"
        cause "the radio is switched off, by a hardware switch or by software"
        next "switch the radio on (hardware switch, airplane mode, rfkill unblock all); then look: ip link show";
}

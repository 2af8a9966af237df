//! What an errno means on a system other than Linux, where that differs.

use super::circumstance::Advice;
use super::system::System;

/// The advice of a system for an errno.
pub(super) fn of(system: System, name: &str) -> Option<Advice> {
    let row = ADVICE
        .iter()
        .find(|(its, entry, _)| *its == system && *entry == name);
    row.map(|(_, _, advice)| *advice)
}

/// Writes the table: system, errno, cause, next step.
macro_rules! advice {
    ($($system:ident $name:ident cause $cause:literal next $next:literal;)*) => {
        static ADVICE: &[(System, &str, Advice)] = &[$((
            System::$system,
            stringify!($name),
            Advice { cause: $cause, next: $next },
        )),*];
    };
}

advice! {
    Windows ENOTSOCK
        cause "the socket was closed, perhaps by another thread, and its handle is not a socket any more; select() on Windows also takes nothing but sockets"
        next "find the code path that closes the socket while another part still uses it; keep files, pipes and standard input out of select()";
    Windows EADDRNOTAVAIL
        cause "0.0.0.0 is an address to listen on, not one to connect to; or bind() was given an address that this host does not have"
        next "connect to 127.0.0.1 or to the server's own address; listen on 0.0.0.0 or on an address that ipconfig shows";
    Windows ECONNABORTED
        cause "this host gave up an established connection: what it sent was not acknowledged, the peer had closed before, or a local security program cut it"
        next "read the other program's log around this moment: in most cases it closed or crashed first; then look at firewall and antivirus software here";
    Windows ECONNRESET
        cause "the peer sent RST: its program crashed, was stopped, or closed with unread data; on UDP nothing listened where an earlier datagram went"
        next "read the peer's log around this moment; on UDP ignore it, or set SIO_UDP_CONNRESET to false";
    Windows EAGAIN
        cause "the socket is non-blocking and not ready: nothing to read yet, or no room to write"
        next "wait with select() until the socket is ready, then repeat the call";
    Windows EINPROGRESS
        cause "not a failure: the connect is under way; Windows reports 10035 where Linux reports EINPROGRESS"
        next "wait with select() until the socket is writable, then read SO_ERROR; or connect before setblocking(False)";
    Windows EACCES
        cause "another program holds the port exclusively, Windows reserves it (Hyper-V, WSL), or a firewall denies it"
        next "list the reserved ranges: netsh interface ipv4 show excludedportrange protocol=tcp; or choose another port";
    Windows EINVAL
        cause "the call does not fit the socket's state: recvfrom() before bind() or sendto(), accept() before listen(), or an argument out of range"
        next "check the order of the calls: bind, listen, accept on a server; bind or sendto before recvfrom on UDP";
    Windows EADDRINUSE
        cause "another program listens on that address and port, or old connections still hold it"
        next "see which process holds it: netstat -ano | findstr :PORT";
    Windows ENOTCONN
        cause "the socket is not connected: send() or recv() on a listening socket, or on one whose connect() failed"
        next "on a server use the socket that accept() returned, not the listening one";
    Windows ENOBUFS
        cause "the ephemeral ports are used up by connections that are open or in TIME_WAIT, or the memory for socket buffers is"
        next "count the connections: netstat -ano; close or reuse connections, or widen the range: netsh int ipv4 show dynamicport tcp";
    Windows ECANCELED
        cause "the program itself cancelled the operation: it closed the socket, called CancelIo, or the thread that had started it ended"
        next "find what closes the socket or ends the thread while the operation is pending";
    Windows EAI_NONAME
        cause "the name does not exist in DNS or in the hosts file, or it is misspelled"
        next "check the spelling, then look it up: nslookup HOST; after a change: ipconfig /flushdns";
    Windows EAI_AGAIN
        cause "the DNS server did not reply or reported a failure: the name may exist"
        next "list the DNS servers: ipconfig /all; ask another one: nslookup HOST 1.1.1.1";
    Windows EHOSTUNREACH
        cause "the host or the router in front of it did not answer ARP, or a router says that it cannot be reached"
        next "look for the neighbour: arp -a; show the route: tracert -d HOST";
    Windows ENETUNREACH
        cause "this host has no route to that network, often because no interface is connected, or IPv6 has no route"
        next "show the addresses and the gateway: ipconfig /all; show the routes: route print";
    Bsd EHOSTUNREACH
        cause "the host did not answer ARP, no route leads to it, or macOS does not let this program use the local network"
        next "on macOS: System Settings, Privacy & Security, Local Network; then look for the neighbour: arp -an, and the route: netstat -rn";
    Bsd EPROTOTYPE
        cause "the peer is closing the connection while this program writes to it; macOS reports that as EPROTOTYPE"
        next "treat it like a broken pipe: close the socket, and retry on a new connection";
    Bsd EADDRNOTAVAIL
        cause "the local address does not exist on this host, the destination is 0.0.0.0 or port 0, or the local ports are used up"
        next "connect to 127.0.0.1 or to the server's own address; under load reuse connections";
    Lwip ECONNABORTED
        cause "lwIP gave the connection up: nothing answered its SYN or its data, in most cases because of a wrong address, a firewall on the server, or lost Wi-Fi"
        next "check that the device has an address in the same network, and that the server's firewall lets the port in";
    Lwip EHOSTUNREACH
        cause "the device has no route to the server: Wi-Fi is not connected, or has no address or gateway yet"
        next "wait until the interface is connected (isconnected()), then compare ifconfig() with the server's network";
    Lwip ETIMEDOUT
        cause "nothing answered in time: wrong address, a firewall on the server, or weak Wi-Fi"
        next "ping the device and the server from a computer in the same network";
    Lwip ENOTCONN
        cause "the connection was closed or never came about: the server closed it, or Wi-Fi was lost"
        next "close the socket, reconnect Wi-Fi if needed, and connect with a new socket";
    Lwip ENOMEM
        cause "the device has no memory left for the connection: sockets that are not closed, or TLS buffers that do not fit"
        next "close every socket and response (response.close()), and call gc.collect() before a TLS connection";
    Lwip EAI_NONAME
        cause "the lookup failed: no such name, no answer from the DNS server, or Wi-Fi is not connected; lwIP does not tell them apart"
        next "check isconnected() and the DNS server in ifconfig(); then check the spelling of the name";
    Lwip EAI_FAIL
        cause "the lookup failed: no such name, no answer from the DNS server, or Wi-Fi is not connected; lwIP does not tell them apart"
        next "check isconnected() and the DNS server in ifconfig(); then check the spelling of the name";
}

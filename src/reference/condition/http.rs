//! What proxies, load balancers, browsers and name servers answer.

use super::{Condition, End, Remedy, conditions};

conditions! {
    HTTP_502 "Bad Gateway"
        at Peer "the proxy answered; the server behind it (upstream) refused, closed or answered nonsense"
        cause "the proxy could not get a valid answer from its upstream: nothing listens there, it closed early, or it speaks another protocol"
        next "read the proxy's error log: it says whether the upstream was refused, reset or closed; then check the upstream from the proxy's host"
        run "sockdoc sockets -l"
        run "sockdoc ping --tcp PORT HOST"
        finding bound_never_listened
        finding not_accepted
        details "nginx: connect() failed (111) means that nothing listens at the upstream's address; \"prematurely closed\" that it crashed or timed out itself."
        details "Only now and then: the upstream closes idle connections sooner than the proxy does. Make the upstream's keep-alive timeout the longer one.";

    HTTP_503 "Service Unavailable"
        at Peer "the proxy or the server answered: it has no healthy server, or does not want this request now"
        cause "every server of the pool failed its health check, none exists (no endpoints), or a limit of requests is reached"
        next "look at the health checks of the proxy, and test one server directly"
        run "sockdoc ping --tcp PORT HOST"
        run "sockdoc sockets --problems"
        finding accept_queue_full
        finding not_accepted
        details "In Kubernetes: no pod of the service is ready. kubectl get endpoints shows an empty list.";

    HTTP_504 "Gateway Timeout"
        at Peer "the proxy answered; the server behind it did not answer in time"
        cause "the upstream is connected but slow or blocked, or the proxy's packets to it are dropped"
        next "read the proxy's log (connecting or reading?); on the upstream, see whether its program reads"
        run "sockdoc sockets --problems"
        finding not_reading
        finding accept_queue_full
        finding connecting_no_answer;

    PROXY_REFUSED "The proxy did not open the tunnel"
        at Path "the proxy: it refused CONNECT; the server itself was not reached"
        cause "the proxy wants a login (407), forbids this host or port (403), or could not reach the server itself (502, 503)"
        next "check HTTPS_PROXY and NO_PROXY: env | grep -i proxy; give the proxy user and password, or exclude the host"
        details "A host on the local network usually belongs in NO_PROXY.";

    HTTP2_ERROR "The HTTP/2 or QUIC connection was ended with an error"
        at Peer "the other end, or a proxy in between, ended the stream or the connection"
        cause "the server or a proxy reset the stream, shut down gracefully (GOAWAY), or the two disagree about the protocol"
        next "try HTTP/1.1 (curl --http1.1): if that works, a proxy or the server's HTTP/2 is the cause; read its log"
        details "GOAWAY with NO_ERROR is an orderly end: the client opens a new connection and repeats the request.";

    WEBSOCKET_REFUSED "The server did not switch to WebSocket"
        at Peer "the server or a proxy answered the upgrade request with an ordinary HTTP status"
        cause "wrong path, missing login, a forbidden origin, or a proxy that does not pass Upgrade and Connection on"
        next "read the HTTP status in the answer; in nginx: proxy_http_version 1.1, proxy_set_header Upgrade $http_upgrade, Connection \"upgrade\""
        run "sockdoc sockets -l :PORT";

    CORS_BLOCKED "The browser kept the answer from the script (CORS)"
        at Here "the browser: the request may have reached the server, the script may not see the answer"
        cause "the answer lacks Access-Control-Allow-Origin for this page's origin, often because it is an error page"
        next "look at the status of the request in the network tab first: a 502 or a refused connection shows as CORS too; then set the header on the server"
        run "sockdoc sockets -l :PORT";

    DNS_NXDOMAIN "The name does not exist in DNS"
        at Path "name resolution: a name server answered that there is no such name"
        cause "a typing error, a missing search domain, a name of another network (VPN, container), or a record that was not created"
        next "check the spelling; ask as programs do: getent ahosts HOST; and which server is asked: cat /etc/resolv.conf"
        run "sockdoc ping -c 1 HOST"
        details "A name server also answers NXDOMAIN from its cache: a new record appears after the negative TTL.";

    DNS_NODATA "The name exists, but has no record of that type"
        at Path "name resolution: the name server answered, with no address of this kind"
        cause "the name has only IPv6 or only IPv4 addresses, or only other records (MX, TXT)"
        next "ask for all its addresses: getent ahosts HOST"
        run "sockdoc ping -c 1 --all-addresses HOST";

    DNS_SERVFAIL "The name server failed to find the answer"
        at Path "name resolution: the name server could not ask further, or DNSSEC validation failed"
        cause "the servers of the zone do not answer or answer wrongly, the signature is invalid, or the resolver has no way out"
        next "ask another resolver for comparison; see whether the resolver's own host reaches the Internet"
        run "sockdoc ping -c 1 HOST"
        details "Only for one name: its zone is broken or wrongly signed. For every name: the resolver cannot reach its upstream.";

    DNS_REFUSED "The name server refuses to answer this client"
        at Path "name resolution: the name server does not serve this client or this zone"
        cause "the server is not a resolver for everybody: its access list excludes this address, or the zone is not its own"
        next "ask the resolver that your network gives you: cat /etc/resolv.conf";

    DNS_TIMEOUT "The name server did not answer"
        at Path "name resolution: no answer from the name server"
        cause "the resolver's address is wrong, its host is down, or a firewall drops port 53"
        next "see which server is asked: cat /etc/resolv.conf; then whether its host answers"
        run "sockdoc ping -c 3 HOST"
        details "In a container: it has no network, or a resolv.conf that names a server it cannot reach.";
}

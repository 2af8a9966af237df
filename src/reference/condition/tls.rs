//! TLS: plain text where TLS is expected, handshakes that fail, certificates that are not trusted.

use super::{Condition, End, Remedy, conditions};

conditions! {
    TLS_TO_PLAIN "TLS was spoken to a port that does not speak TLS"
        at Unknown "the client spoke TLS (https, wss, ssl=True); the other end, or a proxy in between, answered in plain text"
        cause "the first bytes of the answer are not a TLS record: the server speaks plain text on this port, or a proxy answered"
        next "use http:// (or turn TLS off) for this port, or the port on which the server speaks TLS"
        run "sockdoc sockets -l :PORT"
        run "sockdoc decode capture.pcap"
        details "Through a proxy: a proxy that is itself reached by https:// but speaks plain HTTP gives the same error. Write http:// in HTTPS_PROXY."
        details "With SMTP, IMAP, PostgreSQL and MySQL, TLS begins after a first exchange in plain text (STARTTLS): use that mode.";

    PLAIN_TO_TLS "Plain text was sent to a port that speaks TLS"
        at Here "the client: it did not start TLS"
        cause "the server expects a TLS handshake on this port and got something else, such as an HTTP request"
        next "use https:// (or turn TLS on) for this port"
        run "sockdoc sockets -l :PORT"
        run "sockdoc decode capture.pcap"
        details "An answer that starts with the bytes 15 03 is a TLS alert, read as plain text.";

    TLS_NO_COMMON "The two ends share no TLS version or cipher"
        at Peer "the end that received the alert is not the one that refused: the other end ended the handshake"
        cause "one end is too old, or configured for other protocol versions, cipher suites or key types than the other; a server may also demand a client certificate"
        next "list what the server offers: openssl s_client -connect HOST:PORT; then update the older end"
        run "sockdoc decode capture.pcap"
        details "handshake_failure: no shared cipher, no certificate for this name, or a client certificate is required. protocol_version: no shared version.";

    TLS_CUT "The connection ended in the middle of TLS"
        at Peer "the other end, or a middlebox on the path, closed the connection without a TLS alert"
        cause "the server closed during the handshake (no certificate for this name, not TLS, overload), or a proxy or firewall cut the connection"
        next "see who closes: capture the handshake and look for FIN or RST after the ClientHello"
        run "sockdoc decode capture.pcap --expert"
        run "sockdoc ping --tcp PORT HOST"
        details "Only from one network: a filtering firewall or proxy. Only for one name: a server that drops unknown server names (SNI)."
        details "After the whole answer arrived it may be harmless: the server did not send close_notify. Compare with Content-Length.";

    TLS_TIMEOUT "The TLS handshake took too long"
        at Unknown "the TCP connection exists; the other end or the path did not finish the handshake in time"
        cause "the server is overloaded, full-size packets are lost on the path (MTU), or a proxy waits for its own connection"
        next "test the path with large packets; then look at the load of the server"
        run "sockdoc ping --mtu HOST"
        run "sockdoc sockets --problems :PORT"
        finding not_accepted
        finding not_reading
        details "The server's certificate is the first large packet of a connection: an MTU black hole shows here first.";

    CERT_EXPIRED "The certificate has expired"
        at Peer "the server: its certificate, or one above it in the chain, is too old; or the clock of this host is wrong"
        cause "the time on this host is after the certificate's last day"
        next "compare the dates: openssl s_client -connect HOST:PORT | openssl x509 -noout -dates; date -u; then renew it and reload the server"
        details "Renewed, yet still expired: the server was not reloaded, or a proxy in front of it has its own copy."
        details "An expired intermediate or root in the chain gives the same error.";

    CERT_NOT_YET_VALID "The certificate is not valid yet"
        at Here "this host, in most cases: its clock is behind"
        cause "the time on this host is before the certificate's first day"
        next "check the clock: date -u; timedatectl; a device without a battery-backed clock must set it (NTP) before it uses TLS"
        details "If the clock is right, the certificate was issued for a later time.";

    CERT_SELF_SIGNED "The certificate is self-signed"
        at Peer "the server presents a certificate that no authority has signed"
        cause "the certificate is signed with its own key, and this client has not been told to trust it"
        next "give the client this certificate as a trusted one (curl --cacert, verify=FILE, NODE_EXTRA_CA_CERTS), or install one from an authority"
        details "Do not turn verification off: anybody on the path could then answer in the server's place."
        details "A server's default certificate (\"localhost\", an appliance's) often means that the wrong virtual host answered.";

    CERT_WRONG_NAME "The certificate is for another name"
        at Peer "the server presents a certificate that does not contain the name used here"
        cause "the client connected by a name or an address that is not among the certificate's subject alternative names"
        next "list its names: openssl s_client -connect HOST:PORT -servername HOST | openssl x509 -noout -ext subjectAltName; use one of them, or issue a new one"
        details "An address needs an IP entry of its own; a name does not cover it. The Common Name alone counts no more."
        details "The name resolves to the wrong server, or the server chose another virtual host: check the address.";

    CERT_UNKNOWN_ISSUER "The certificate's issuer is not trusted here"
        at Unknown "the server does not send the intermediate certificates, or this client does not have the root"
        cause "no chain leads from the server's certificate to an authority that this client trusts"
        next "count the chain: openssl s_client -connect HOST:PORT -showcerts; if intermediates are missing, install the full chain on the server; otherwise add the authority to this client"
        details "Browsers fetch missing intermediates, most programs do not: works in the browser, fails in the program."
        details "An issuer named after a company, an antivirus or a proxy: TLS is intercepted; add that authority to the client."
        details "In a container or an old system: install or update ca-certificates.";

    CERT_REVOKED "The certificate is revoked, or revocation could not be checked"
        at Unknown "the authority revoked it, or this host could not reach the authority's server to ask"
        cause "the certificate was withdrawn, or the check (CRL, OCSP) failed because its server cannot be reached from here"
        next "if the text says that it could not be checked: allow outgoing HTTP to the authority's CRL and OCSP servers; if it is revoked: issue a new one";

    CERT_REJECTED_BY_PEER "The other end rejected a certificate from here"
        at Peer "the other end: it sent a TLS alert about the certificate that this end presented"
        cause "on a server: the client does not trust its certificate; on a client: the server demands a client certificate that it trusts"
        next "look at the log of the other end: it says which certificate it did not accept, and why"
        run "sockdoc decode capture.pcap"
        details "A server logs \"unknown ca\", \"unknown certificate\" or \"bad certificate\" when a client with another trust store connects."
        details "\"certificate required\": the client has to present a certificate (mutual TLS).";

    TLS_SNI_UNKNOWN "The server has no TLS site of that name"
        at Peer "the server: no virtual host matches the name in the ClientHello"
        cause "the name that the client sent (SNI) is not configured on the server, or the client sent none"
        next "check the name, and the server's virtual hosts"
        run "sockdoc ping -c 1 --all-addresses HOST";
}

//! What a program asks for wrongly before the network has any part in it.

use super::{Condition, End, Remedy, conditions};

conditions! {
    TEXT_NOT_BYTES "Text was given where bytes are needed"
        at Here "this program: nothing was sent"
        cause "a socket carries bytes; the program passed a string or an object"
        next "encode the text first: in Python text.encode(\"utf-8\"), in Node Buffer.from(text)"
        details "The reverse on receiving: data.decode(\"utf-8\"), once a whole message is there.";

    BAD_PORT "The port is not a number from 0 to 65535"
        at Here "this program: no packet was sent"
        cause "the port is out of range, is text where a number is needed, or is a service name that is not known here"
        next "pass a number from 1 to 65535; read from input or a configuration it is text: convert it first"
        run "sockdoc sockets -l"
        details "0 asks bind() for any free port; connect() cannot use it.";

    ADDRESS_SYNTAX "The address is not written as this program needs it"
        at Here "this program: no packet was sent"
        cause "a part is missing or too many: the port, the brackets around an IPv6 address, the scheme of a URL, the pair of host and port"
        next "write HOST:PORT, [IPV6]:PORT, or scheme://HOST:PORT as the program expects"
        run "sockdoc ping -c 1 HOST"
        details "Python's connect() takes one pair: sock.connect((\"127.0.0.1\", 8080)).";

    CLEARTEXT_BLOCKED "The client does not send unencrypted requests"
        at Here "this program's platform: it sent nothing"
        cause "Android, iOS and browsers block http:// and ws:// where only https:// and wss:// are permitted"
        next "use https:// or wss:// with a server that speaks TLS; for a test, permit the host: network_security_config.xml (Android), NSAppTransportSecurity (iOS)"
        run "sockdoc sockets -l :PORT"
        details "A page loaded over https:// can use neither http:// nor ws://, apart from localhost.";

    UNSAFE_PORT "The browser refuses this port"
        at Here "the browser: it sent nothing"
        cause "browsers do not open ports that belong to other protocols, such as 22, 25, 6000 or 6667"
        next "let the server listen on another port, such as 8080"
        run "sockdoc sockets -l";

    BROWSER_HIDES_CAUSE "A request failed, and the program does not say why"
        at Unknown "the text does not tell: a script is not told whether it was refused, not resolved, reset, untrusted or blocked"
        cause "the request got no answer that the script may see: the connection failed, the certificate is not trusted, or CORS or an extension blocked it"
        next "read the reason beside it: in a browser the console and the network tab (net::ERR_...), in Node the error's cause"
        run "sockdoc ping --tcp PORT HOST"
        run "sockdoc sockets -l :PORT";

    WINSOCK_NOT_STARTED "Winsock was not started"
        at Here "this program, on Windows: no packet was sent"
        cause "WSAStartup was not called or failed, or WSACleanup was called too early"
        next "call WSAStartup(MAKEWORD(2, 2), ...) once before the first socket call, and WSACleanup after the last";

    POOL_EXHAUSTED "No free connection in the program's pool"
        at Here "this program: all connections of its pool were in use"
        cause "connections are not given back to the pool, or queries take longer than the pool is sized for"
        next "find the code path that does not return its connection; count those in use and compare with the pool's limit"
        run "sockdoc sockets --group peer"
        run "sockdoc sockets --problems :PORT"
        finding close_never_called
        details "If fewer connections than the pool's limit exist, opening a new one hangs: then the server or the path is the cause.";

    RESTART_LIMIT "systemd stopped restarting the unit"
        at Here "this host: systemd, after the service failed or was triggered too often"
        cause "the service ended too often in a short time, so nothing listens any more; its own error stands above in the journal"
        next "read why it fails: journalctl -u UNIT -e; correct that, then: systemctl reset-failed UNIT, systemctl start UNIT"
        run "sockdoc sockets -l";
}

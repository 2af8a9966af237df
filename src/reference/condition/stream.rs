//! How a connection ends, and how messages are cut out of its bytes.

use super::{Condition, End, Remedy, conditions};

conditions! {
    PEER_CLOSED "The peer closed the connection"
        at Peer "the other end: its program closed the connection, exited or crashed; a proxy or load balancer in between may have done it for both"
        cause "the other end sent FIN before everything that this end expected had arrived"
        next "read the other program's log around this moment; a client retries on a new connection"
        run "sockdoc sockets --problems :PORT"
        run "sockdoc decode capture.pcap --expert"
        finding close_never_called
        details "On a connection that was idle: the server's keep-alive timeout, or the idle timeout of a proxy, load balancer or NAT, ended it. Make the client's idle timeout the shorter one."
        details "Right after the request: the server crashed on it, or expected TLS or another protocol on this port."
        details "At the end of a message this is how many protocols end: recv() returns 0 bytes, and the program has to close its side too.";

    USED_AFTER_CLOSE "The socket was used after this program closed it"
        at Here "this program: one part of it closed the socket while another still used it"
        cause "close() came first, in another thread, in a callback, at the end of a with or using block, or at shutdown"
        next "find the code path that closes first; let one owner close the socket, after everything else has stopped"
        run "sockdoc sockets --process NAME"
        details "In Python a closed socket has the descriptor -1: select() and poll() reject it. Remove the socket from the list when it is closed."
        details "During an orderly shutdown this is expected: closing the listener is how accept() is woken.";

    READ_TIMEOUT "Connected, but no answer in time"
        at Peer "the other end, in most cases: the connection exists, and its program has not answered within the limit set here"
        cause "the program at the other end is slow, blocked, or waits for more from this end: a missing newline, length or end"
        next "look at the server: does its program read what arrived? Raise the limit only if the work is known to take that long"
        run "sockdoc sockets --problems :PORT"
        run "sockdoc ping --tcp PORT HOST"
        finding not_reading
        finding not_accepted
        finding peer_silent
        finding peer_window_closed
        details "The server's Recv-Q grows: its program does not read. Recv-Q is 0: it read the request and is still working, or waits for the rest of it."
        details "Both ends wait: the client sent an incomplete message, or both expect the other to speak first."
        details "The kernel reports an established connection that lost its peer as ETIMEDOUT, after many minutes; this limit is the program's own.";

    DEADLINE_EXCEEDED "The program's time limit ran out"
        at Here "this program: its own deadline passed; what it was waiting for, the text does not say"
        cause "resolving, connecting, the TLS handshake and the answer all count against one deadline, and it passed"
        next "find the step that takes the time: sockdoc ping --tcp PORT HOST shows whether connecting is quick; then look at the server"
        run "sockdoc ping --tcp PORT HOST"
        run "sockdoc sockets --problems :PORT"
        finding connecting_no_answer
        finding accept_queue_full
        finding not_reading
        details "A deadline is passed on from caller to callee: the limit may have been set, and mostly used up, further up.";

    CLIENT_GAVE_UP "The client gave up before the answer"
        at Here "the client: it closed or cancelled the request itself"
        cause "the client's own timeout, a cancelled request or a closed browser tab ended the exchange; a server sees its reply fail"
        next "on the client, find the timeout or the cancel; on the server, find out why the answer takes so long"
        run "sockdoc sockets --problems :PORT"
        finding not_reading
        details "nginx logs it as status 499, Tomcat as ClientAbortException: on the server it is not a fault by itself.";

    MESSAGES_GLUED "Two messages arrived in one read"
        at Here "this program: it takes one recv() for one message"
        cause "TCP is a stream of bytes: recv() returns whatever has arrived, and here that was one message and the beginning of the next"
        next "frame the messages: end each with a newline, or put its length in front, and cut the received bytes at these marks"
        run "sockdoc echo-server --frame line -v"
        details "It shows when the sender is quick: two send() calls soon after each other arrive together.";

    MESSAGE_SPLIT "A part of a message was taken for the whole"
        at Here "this program: it takes one recv() for one message"
        cause "recv() returned before the whole message had arrived, or the other end closed in the middle; the rest comes with the next recv()"
        next "read until the message is complete: to its newline, or as many bytes as its length says; then decode it"
        run "sockdoc echo-server --frame line -v"
        details "recv(n) returns at most n bytes, and often fewer: a buffer of 1024 bytes cuts longer messages."
        details "0 bytes from recv() are the end of the stream: no more will come."
        details "A multi-byte UTF-8 character can be cut too: decode only complete messages.";

    NOT_UTF8 "The bytes are not text in this encoding"
        at Unknown "the sender uses another encoding or sends binary data, or this program decodes from the wrong place"
        cause "the received bytes are binary, compressed, encrypted (TLS) or in another encoding"
        next "look at the first bytes: 16 03 begins TLS, 1f 8b gzip; agree on an encoding"
        run "sockdoc decode capture.pcap"
        details "If it happens only sometimes, a message was cut at the wrong place: then the decoder starts in the middle of one.";

    NOT_JSON "The answer is empty or is not JSON"
        at Peer "the other end sent something else: an error page, an empty body, a login page"
        cause "the text begins with something that cannot begin JSON: often HTML of an error page or of a proxy, or nothing at all"
        next "print the status and the first 200 bytes of the answer before parsing it"
        run "sockdoc decode capture.pcap"
        details "An answer that starts with < is HTML: the wrong URL, an error page of a proxy, or a login page."
        details "Over a plain socket, recv() returned b'': the other end closed the connection.";

    MESSAGE_OVER_LIMIT "A message is larger than the reader's limit"
        at Here "the reader: it has a limit, and the message passed it"
        cause "the message is really that large, its end mark is missing, or a length was read from the wrong bytes or in the wrong byte order"
        next "if the size is right, raise the limit of the reader; otherwise compare the framing of both ends"
        run "sockdoc decode capture.pcap"
        details "A length of about 1.2 to 2 billion is text read as a number: \"HTTP\" is 1,213,486,160.";

    WRONG_PROTOCOL "The other end speaks another protocol"
        at Unknown "the client and the server do not agree on what this port speaks"
        cause "the port belongs to another service, or one end expects TLS, HTTP, SSH or a proxy protocol header and the other does not"
        next "check the port; see which process listens on it, and what it sends first"
        run "sockdoc sockets -l :PORT"
        run "sockdoc decode capture.pcap"
        details "SSH and SMTP servers speak first, HTTP and TLS servers wait: the first bytes tell which it is.";
}

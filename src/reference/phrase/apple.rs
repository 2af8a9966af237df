//! macOS and iOS: `CFNetwork`, Safari, libnetwork.

use super::phrases;

phrases! {
    Sentence "Code=-1001" READ_TIMEOUT ETIMEDOUT;
    Sentence "The request timed out" READ_TIMEOUT ETIMEDOUT;
    Sentence "Code=-1003" EAI_NONAME EAI_AGAIN;
    Sentence "A server with the specified hostname could not be found" EAI_NONAME EAI_AGAIN;
    Sentence "Code=-1004" ECONNREFUSED EHOSTUNREACH ENETUNREACH;
    Hint "Could not connect to the server" ECONNREFUSED EHOSTUNREACH ENETUNREACH;
    Sentence "Code=-1005" PEER_CLOSED;
    Sentence "The network connection was lost" PEER_CLOSED;
    Sentence "Code=-1009" ENETDOWN ENETUNREACH;
    Sentence "The Internet connection appears to be offline" ENETDOWN ENETUNREACH;
    Sentence "Code=-1200" TLS_CUT TLS_NO_COMMON;
    Sentence "An SSL error has occurred and a secure connection to the server cannot be made" TLS_CUT TLS_NO_COMMON;
    Sentence "Code=-1202" CERT_EXPIRED CERT_SELF_SIGNED CERT_UNKNOWN_ISSUER CERT_WRONG_NAME;
    Sentence "The certificate for this server is invalid" CERT_EXPIRED CERT_SELF_SIGNED CERT_UNKNOWN_ISSUER CERT_WRONG_NAME;
    Sentence "NSURLErrorDomain Code=-999" CLIENT_GAVE_UP;
    Sentence "NSURLErrorDomain Code=-1011" HTTP_502 HTTP_503;
    Sentence "NSURLErrorDomain Code=-1022" TLS_TO_PLAIN;
    Sentence "App Transport Security has blocked a cleartext" CLEARTEXT_BLOCKED;
    Sentence "NSURLErrorTimedOut" READ_TIMEOUT ETIMEDOUT;
    Sentence "NSURLErrorCannotFindHost" EAI_NONAME EAI_AGAIN;
    Sentence "NSURLErrorCannotConnectToHost" ECONNREFUSED EHOSTUNREACH ENETUNREACH;
    Sentence "NSURLErrorNetworkConnectionLost" PEER_CLOSED;
    Sentence "NSURLErrorNotConnectedToInternet" ENETDOWN ENETUNREACH;
    Sentence "can’t connect to the server" ECONNREFUSED EHOSTUNREACH ENETUNREACH;
    Sentence "Safari can’t find the server" EAI_NONAME EAI_AGAIN;
    Sentence "the server unexpectedly dropped the connection" PEER_CLOSED;
    Sentence "the server where this page is located isn't responding" READ_TIMEOUT ETIMEDOUT;
    Sentence "Safari can’t establish a secure connection" TLS_CUT TLS_NO_COMMON;
    Sentence "your computer isn’t connected to the Internet" ENETDOWN ENETUNREACH;
    Hint "TypeError: Load failed" BROWSER_HIDES_CAUSE;
    Message "Protocol wrong type for socket" EPROTOTYPE;
    Message "Can't assign requested address" EADDRNOTAVAIL;
    Message "Host is unreachable" EHOSTUNREACH;
    Message "Socket operation on non-socket" ENOTSOCK;
    Message "Socket is already connected" EISCONN;
    Message "Can't send after socket shutdown" ESHUTDOWN;
    Message "Address family not supported by protocol family" EAFNOSUPPORT;
    Message "Operation already in progress" EALREADY;
    Message "Non-recoverable failure in name resolution" EAI_FAIL;
}

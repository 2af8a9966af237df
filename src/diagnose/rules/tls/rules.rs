//! What the rules about TLS say.

use super::super::{Check, Rule};

const fn rule(id: &'static str, title: &'static str, words: [&'static str; 4]) -> Rule {
    Rule::new(id, title, words, Check::Tls)
}

/// Expired.
pub static TLS_EXPIRED: Rule = rule(
    "tls_expired",
    "a certificate has expired",
    [
        "Clients refuse the connection. This is the certificate of the server, or one above it in the chain.",
        "The last day in the certificate, and the clock of this host.",
        "If the clock of this host is wrong, the certificate may be valid. It is compared with the server's own clock \
         where the server tells it.",
        "Renew the certificate, and reload the server: a server that was not reloaded keeps the old one.",
    ],
);

/// Not valid yet.
pub static TLS_NOT_YET_VALID: Rule = rule(
    "tls_not_yet_valid",
    "a certificate is not valid yet",
    [
        "By the clock of this host, the first day of the certificate is still to come. Clients refuse the connection.",
        "The first day in the certificate, and the clock of this host.",
        "In most cases the clock of this host is behind. A certificate that was issued for a later time is rare.",
        "Check the clock of this host: timedatectl. If it is right, use a certificate that is valid now.",
    ],
);

/// Another name.
pub static TLS_NAME_MISMATCH: Rule = rule(
    "tls_name_mismatch",
    "the certificate is for another name",
    [
        "Clients refuse the connection, because the server does not prove to be the one that was asked for.",
        "The names in the certificate (subject alternative names) do not include the name that was asked for. The \
         common name does not count (RFC 9525).",
        "A name with a star stands for one label only: *.shop.test is not for a.b.shop.test. An address has to be in \
         the certificate as an address.",
        "Use a name of the certificate, or issue one for this name. If the server has several sites, check that the \
         one of this name is configured there.",
    ],
);

/// Self-signed.
pub static TLS_SELF_SIGNED: Rule = rule(
    "tls_self_signed",
    "the certificate is self-signed",
    [
        "The certificate is signed by its own key, and this host does not trust it. Clients refuse the connection.",
        "Subject and issuer of the certificate are the same, and it is not in the trust store.",
        "A self-signed certificate in the trust store is accepted.",
        "Give the clients this certificate as a trusted one (--cacert FILE here), or use one of an authority. It may \
         be the default one of a server whose site of this name is not configured.",
    ],
);

/// The issuer is not trusted.
pub static TLS_UNKNOWN_CA: Rule = rule(
    "tls_unknown_ca",
    "the issuer of the certificate is not trusted",
    [
        "The certificate is signed by an authority that this host does not trust. Clients refuse the connection.",
        "No certificate of the trust store signed the last one of the chain.",
        "If the authority is an intermediate one, its certificate is missing in what the server sends. A proxy that \
         looks into TLS presents certificates of its own authority.",
        "If the authority is your own, add its root certificate to the trust store, or name it: --cacert FILE.",
    ],
);

/// The intermediate is missing.
pub static TLS_INCOMPLETE_CHAIN: Rule = rule(
    "tls_incomplete_chain",
    "the server does not send its intermediate certificate",
    [
        "The server sends its own certificate without that of the authority between it and the root. Browsers often \
         have it from elsewhere; other programs refuse the connection.",
        "The last certificate that was sent is not signed by a trusted root, and its issuer is an intermediate \
         authority: the certificate says where its issuer is published, a trusted root has the same organisation, \
         or the name says so.",
        "An authority that is unknown as a whole is another matter: then the root certificate has to be added to the \
         trust store of the client.",
        "Let the server send the whole chain: its certificate first, then the intermediate ones (often called \
         fullchain.pem).",
    ],
);

/// The certificate cannot be used.
pub static TLS_BAD_CERTIFICATE: Rule = rule(
    "tls_bad_certificate",
    "the certificate cannot be used for a server",
    [
        "Clients refuse the connection, whoever signed the certificate.",
        "What the certificate itself says: its purpose, its key, its signature, its format.",
        "Programs differ in what they accept: OpenSSL takes certificates of authorities and of X.509 version 1 that \
         others refuse.",
        "Issue a certificate for a server: X.509 version 3, with the names of the server, the usage serverAuth, and \
         an RSA key of 2,048 bits or an EC key, signed with SHA-256.",
    ],
);

/// The version is too old.
pub static TLS_VERSION: Rule = rule(
    "tls_version",
    "the server has only old versions or ciphers of TLS",
    [
        "The server refuses TLS 1.2 and 1.3 as clients offer them today, so that clients and server have nothing in \
         common.",
        "The alert or the end of the connection after a hello of today, and the version and cipher that the server \
         chose for a hello of an older client.",
        "A server that refuses both hellos may want another name (SNI) or a certificate of the client.",
        "Update the server, or enable TLS 1.2 with ECDHE and AES-GCM there. openssl s_client -tls1_1 shows what it has.",
    ],
);

/// The server refused with an alert.
pub static TLS_ALERT: Rule = rule(
    "tls_alert",
    "the server refuses the TLS handshake",
    [
        "The server understood the hello of TLS and ended the handshake with an alert.",
        "The alert, by its name in RFC 8446.",
        "An alert comes from the server, or from a proxy in front of it; a firewall sends resets.",
        "Look at the log of the server: it says why it refused.",
    ],
);

/// The name is unknown to the server, or it needs one.
pub static TLS_NAME_REFUSED: Rule = rule(
    "tls_sni",
    "the server has no site of that name",
    [
        "The server chooses its site by the name in the hello (SNI). It has none of this name, or none was sent \
         because the target is an address.",
        "The alert unrecognized_name; or the alert that ended the handshake, if no name was sent.",
        "A server that presents a default certificate instead is not refusing: the certificate is then for another \
         name.",
        "Use the name of the site: a URL with it, or --sni NAME. If the name is right, configure it at the server.",
    ],
);

/// A client certificate is wanted.
pub static TLS_CLIENT_CERTIFICATE: Rule = rule(
    "tls_client_certificate",
    "the server wants a certificate of the client",
    [
        "Without a certificate that the server trusts, it ends the connection (mutual TLS).",
        "The server asked for a certificate, got none, and sent an alert. In TLS 1.3 it comes after the handshake.",
        "A server that asks for a certificate and goes on without one is well.",
        "Give the client a certificate of an authority that the server accepts. openssl s_client -cert FILE -key FILE \
         tries one.",
    ],
);

/// Plain text where TLS is expected.
pub static TLS_PLAIN_TEXT: Rule = rule(
    "tls_plain_text",
    "the server does not speak TLS on this port",
    [
        "The hello of TLS was answered with bytes that are not TLS.",
        "The first bytes of the answer: a TLS record begins with its type and the version (16 03).",
        "A proxy on the way may answer in plain text too: HTTP/1.1 400 or 403.",
        "Use the scheme without TLS (http:// for https://), or the port on which the server speaks TLS. SMTP, IMAP \
         and PostgreSQL begin in plain text and change to TLS afterwards (STARTTLS).",
    ],
);

/// No answer.
pub static TLS_NO_ANSWER: Rule = rule(
    "tls_no_answer",
    "the TLS handshake does not go on",
    [
        "The connection exists, and the server sends nothing more of the handshake.",
        "The bytes that were sent and received, and how long the next was waited for.",
        "If large packets are lost on the way (an MTU black hole), the server's certificate never arrives, and small \
         messages do. A server that speaks another protocol may wait for its client to speak it.",
        "Check the path with full packets: sockdoc ping --mtu. Check whether the server speaks TLS on this port, and \
         whether its program is stuck.",
    ],
);

/// The connection ended.
pub static TLS_CLOSED: Rule = rule(
    "tls_closed",
    "the connection ends in the TLS handshake",
    [
        "The server, or something on the way, ended the connection in the middle of the handshake and sent no alert.",
        "The end of the connection (FIN) or the reset (RST), and how far the handshake had come.",
        "A server that refuses a name, a version or a certificate should send an alert. A firewall that looks for \
         names in the hello sends resets. A server without TLS may close at bytes that it does not understand.",
        "Look at the log of the server. If only this name or this network is affected, suspect a filter on the way.",
    ],
);

/// The server sends what it must not.
pub static TLS_NONSENSE: Rule = rule(
    "tls_nonsense",
    "the server breaks the rules of TLS",
    [
        "What the server sent begins like TLS and cannot be read, or is longer than clients accept.",
        "The rule that it breaks, as the library of the client names it.",
        "Bytes that are not TLS at all are another matter: the server then speaks plain text.",
        "Look at the versions of the server and of proxies in front of it. A certificate with thousands of names is \
         too long for clients.",
    ],
);

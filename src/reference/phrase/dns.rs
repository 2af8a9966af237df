//! dig, nslookup, host, resolvectl, ping and resolver libraries.

use super::phrases;

phrases! {
    Sentence "status: NXDOMAIN" DNS_NXDOMAIN;
    Sentence "status: SERVFAIL" DNS_SERVFAIL;
    Sentence "status: REFUSED" DNS_REFUSED;
    Sentence "server can't find …: NXDOMAIN" DNS_NXDOMAIN;
    Sentence "server can't find …: SERVFAIL" DNS_SERVFAIL;
    Sentence "server can't find …: REFUSED" DNS_REFUSED;
    Sentence "not found: 3(NXDOMAIN)" DNS_NXDOMAIN;
    Sentence "not found: 2(SERVFAIL)" DNS_SERVFAIL;
    Sentence "not found: 5(REFUSED)" DNS_REFUSED;
    Sentence "Non-existent domain" DNS_NXDOMAIN;
    Message "NXDOMAIN" DNS_NXDOMAIN;
    Message "SERVFAIL" DNS_SERVFAIL;
    Sentence "The DNS query name does not exist" DNS_NXDOMAIN;
    Sentence "DNS name does not exist" DNS_NXDOMAIN;
    Sentence "The DNS response does not contain an answer" DNS_NODATA;
    Sentence "All nameservers failed to answer" DNS_SERVFAIL;
    Sentence "The resolution lifetime expired" DNS_TIMEOUT;
    Sentence "no servers could be reached" DNS_TIMEOUT;
    Sentence "connection timed out; no servers could be reached" EAI_AGAIN DNS_TIMEOUT;
    Sentence "communications error to …timed out" DNS_TIMEOUT;
    Sentence "communications error to …connection refused" ECONNREFUSED;
    Sentence "DNS request timed out" DNS_TIMEOUT;
    Sentence "Request to …timed-out" DNS_TIMEOUT;
    Sentence "Can't find …: No answer" DNS_NODATA;
    Sentence "All attempts to contact name servers or networks failed" DNS_TIMEOUT;
    Sentence "resolve call failed: …not found" DNS_NXDOMAIN;
    Sentence "DNSSEC validation failed" DNS_SERVFAIL;
    Sentence "DNS server failure" DNS_SERVFAIL;
    Sentence "has no A record" DNS_NODATA;
    Sentence "cannot resolve …Unknown host" EAI_NONAME;
    Message "unknown host" EAI_NONAME EAI_AGAIN;
    Sentence "Ping request could not find host" EAI_NONAME;
    Message "Could not resolve hostname" EAI_NONAME EAI_AGAIN;
    Message "Could not resolve host" EAI_NONAME EAI_AGAIN;
    Message "Could not resolve '" EAI_NONAME EAI_AGAIN;
    Sentence "Temporary failure resolving" EAI_AGAIN;
    Message "could not be resolved" EAI_NONAME EAI_AGAIN;
    Message "host not found" EAI_NONAME EAI_AGAIN;
    Message "failed to lookup address information" EAI_NONAME EAI_AGAIN;
    Sentence "No appropriate name servers or networks for name found" EAI_AGAIN;
}

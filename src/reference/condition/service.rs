//! What a service answers once it is reached: the connection works, and the service refuses.

use super::{Condition, End, Remedy, conditions};

conditions! {
    LOGIN_REFUSED "The service refused the login"
        at Peer "the server: it was reached, and did not accept user, password or key"
        cause "wrong user, password or key, or a method that the server does not allow for this user; the network is not the cause"
        next "check the credentials; the server's log says why it refused"
        details "SSH \"Permission denied (publickey)\": no key of this client is in the account's authorized_keys. ssh -v shows which keys were offered."
        details "MySQL and PostgreSQL decide by the client's address too: 'user'@'localhost' and 'user'@'%' are two accounts.";

    CLIENT_NOT_ALLOWED "The service does not accept this client's address"
        at Peer "the server: it was reached, and its rules exclude this client"
        cause "the server's access list (pg_hba.conf, MySQL's accounts, Redis' protected mode) does not contain this address"
        next "add the client's address to the server's access list; the client's own address is the Local column here"
        run "sockdoc sockets :PORT"
        details "From a container the server sees the address of the bridge, such as 172.17.0.1.";

    TOO_MANY_CONNECTIONS "The service has no connection left to give"
        at Peer "the server: its limit of connections is reached"
        cause "clients open connections and do not close them, or the limit is lower than the sum of their pools"
        next "see who holds the connections, on the server"
        run "sockdoc sockets --group peer :PORT"
        run "sockdoc sockets --problems :PORT"
        finding close_never_called
        finding peer_silent
        details "Connections of clients that vanished without a word stay until keepalive or a timeout removes them.";

    STARTING_UP "The service is still starting"
        at Peer "the server: it was reached and is not ready yet"
        cause "the service is loading its data or recovering; it accepts connections before it can serve them"
        next "wait and retry; in Compose or Kubernetes wait for the health check, not for the port"
        run "sockdoc sockets -l :PORT";

    SSH_HOST_KEY "The SSH server's key is not the known one"
        at Unknown "this client compared the server's key with its known_hosts, and stopped"
        cause "the server was reinstalled, another host has its address now, or somebody answers in its place; or the key is not known yet"
        next "compare the fingerprint with the administrator's; if the change is expected: ssh-keygen -R HOST, then connect again"
        run "sockdoc ping -c 1 HOST";

    SSH_NO_COMMON "The two ends share no SSH algorithm"
        at Peer "the server offers only algorithms that this client does not accept"
        cause "one end is much older than the other: newer clients have ssh-rsa and SHA-1 key exchange switched off"
        next "update the older end; until then allow its algorithm for this host only: ssh -o HostKeyAlgorithms=+ssh-rsa, -o KexAlgorithms=+...";
}

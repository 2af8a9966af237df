//! Docker, Podman, Kubernetes, systemd.

use super::phrases;

phrases! {
    Message "Cannot connect to the Docker daemon" ENOENT ECONNREFUSED;
    Message "Is the docker daemon running" ENOENT ECONNREFUSED;
    Sentence "Cannot connect to the Docker daemon at tcp://" ECONNREFUSED;
    Sentence "permission denied while trying to connect to the Docker daemon socket" EACCES;
    Sentence "permission denied while trying to connect to the docker API" EACCES;
    Sentence "port is already allocated" EADDRINUSE;
    Sentence "provided port is not in the valid range" BAD_PORT;
    Sentence "error during connect: …The system cannot find the file specified" ENOENT;
    Sentence "Unable to connect to the server: EOF" PEER_CLOSED;
    Sentence "download failed after …EOF" PEER_CLOSED;
    Sentence "lost connection to pod" PEER_CLOSED;
    Sentence "error dialing backend: EOF" PEER_CLOSED;
    Sentence "You must be logged in to the server" LOGIN_REFUSED;
    Sentence "unauthorized: authentication required" LOGIN_REFUSED;
    Sentence "pull access denied" LOGIN_REFUSED;
    Sentence "toomanyrequests" HTTP_503;
    Sentence "HTTP probe failed with statuscode: 502" HTTP_502;
    Sentence "HTTP probe failed with statuscode: 503" HTTP_503;
    Sentence "HTTP probe failed with statuscode: 504" HTTP_504;
    Sentence "no endpoints available for service" HTTP_503;
    Sentence "the server is currently unable to handle the request" HTTP_503;
    Sentence "the server was unable to return a response in the time allotted" READ_TIMEOUT;
    Sentence "etcdserver: request timed out" READ_TIMEOUT;
    Sentence "rootlessport cannot expose privileged port" EACCES;
    Sentence "Start request repeated too quickly" RESTART_LIMIT;
    Sentence "Failed with result 'start-limit-hit'" RESTART_LIMIT;
    Sentence "Trigger limit hit" RESTART_LIMIT;
    Sentence "Watchdog timeout" READ_TIMEOUT;
    Sentence "Failed to start …Connection timed out" ETIMEDOUT READ_TIMEOUT;
    Sentence "start operation timed out. Terminating" READ_TIMEOUT;
    Sentence "Back-off restarting failed container" ;
}

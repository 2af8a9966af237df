//! The words of ss, netstat and tshark for queues, windows and timers.

use super::phrases;

phrases! {
    Sentence "timer:(persist" PERSIST_TIMER;
    Sentence "TCP ZeroWindow" PERSIST_TIMER;
    Sentence "TCP ZeroWindowProbe" PERSIST_TIMER;
    Message "zero window probe" PERSIST_TIMER;
    Message "accept queue is full" LISTEN_BACKLOG;
    Message "listen backlog" LISTEN_BACKLOG;
    Message "backlog of listen" LISTEN_BACKLOG;
}

#!/usr/bin/env python3
"""The tutorial's client with several connections: multiconn_client.py HOST PORT NUM_CONNECTIONS

Each connection sends two messages and closes when as many bytes came back.
"""

import selectors
import socket
import sys
from types import SimpleNamespace

import wire

MESSAGES = (b"Message 1 from client.", b"Message 2 from client.")


def start(selector, addr, connid):
    print(f"Starting connection {connid} to {addr}")
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.connect_ex(addr)
    state = SimpleNamespace(
        connid=connid,
        expected=sum(map(len, MESSAGES)),
        messages=list(MESSAGES),
        unsent=b"",
    )
    selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, data=state)


def serve(selector, sock, state, mask):
    if mask & selectors.EVENT_READ:
        data = sock.recv(1024)
        if data:
            print(f"Received {data!r} from connection {state.connid}")
            state.expected -= len(data)
        if not data or state.expected == 0:
            print(f"Closing connection {state.connid}")
            selector.unregister(sock)
            sock.close()
    if mask & selectors.EVENT_WRITE:
        if not state.unsent and state.messages:
            state.unsent = state.messages.pop(0)
        if state.unsent:
            print(f"Sending {state.unsent!r} to connection {state.connid}")
            sent = sock.send(state.unsent)
            state.unsent = state.unsent[sent:]


def main():
    if len(sys.argv) != 4:
        print(f"Usage: {sys.argv[0]} <host> <port> <num_connections>")
        sys.exit(1)
    wire.transcript_by_line()
    addr = (sys.argv[1], int(sys.argv[2]))
    selector = selectors.DefaultSelector()
    for connid in range(1, int(sys.argv[3]) + 1):
        start(selector, addr, connid)
    try:
        while selector.get_map():
            for key, mask in selector.select(timeout=1):
                serve(selector, key.fileobj, key.data, mask)
    except KeyboardInterrupt:
        print("Caught keyboard interrupt, exiting")
    finally:
        selector.close()


if __name__ == "__main__":
    main()

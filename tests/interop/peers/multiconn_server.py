#!/usr/bin/env python3
"""The tutorial's echo server for several clients: multiconn_server.py HOST PORT

Its known faults are kept: it watches every connection for writability, so one idle client costs a
whole core; one reset kills it; it does not set SO_REUSEADDR.
"""

import selectors
import sys
from types import SimpleNamespace

import wire


def accept(selector, listening):
    sock, addr = listening.accept()
    print(f"Accepted connection from {addr}")
    sock.setblocking(False)
    both = selectors.EVENT_READ | selectors.EVENT_WRITE
    selector.register(sock, both, data=SimpleNamespace(addr=addr, unsent=b""))


def serve(selector, sock, client, mask):
    if mask & selectors.EVENT_READ:
        data = sock.recv(1024)
        if data:
            client.unsent += data
        else:
            print(f"Closing connection to {client.addr}")
            selector.unregister(sock)
            sock.close()
    if mask & selectors.EVENT_WRITE and client.unsent:
        print(f"Echoing {client.unsent!r} to {client.addr}")
        sent = sock.send(client.unsent)
        client.unsent = client.unsent[sent:]


def main():
    if len(sys.argv) != 3:
        print(f"Usage: {sys.argv[0]} <host> <port>")
        sys.exit(1)
    wire.transcript_by_line()
    host = sys.argv[1]
    listening, port = wire.listener(host, int(sys.argv[2]), reuse=False)
    print(f"Listening on {(host, port)}")
    listening.setblocking(False)
    selector = selectors.DefaultSelector()
    selector.register(listening, selectors.EVENT_READ, data=None)
    try:
        while True:
            for key, mask in selector.select(timeout=None):
                if key.data is None:
                    accept(selector, key.fileobj)
                else:
                    serve(selector, key.fileobj, key.data, mask)
    except KeyboardInterrupt:
        print("Caught keyboard interrupt, exiting")
    finally:
        selector.close()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""The tutorial's first client: echo_client.py [HOST PORT]

Sends one greeting and prints what one recv() gave, which need not be all of it.
"""

import socket
import sys

import wire


def main():
    wire.transcript_by_line()
    addr = (sys.argv[1], int(sys.argv[2])) if len(sys.argv) == 3 else ("127.0.0.1", 65432)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.connect(addr)
        sock.sendall(b"Hello, world")
        data = sock.recv(1024)
    print(f"Received {data!r}")


if __name__ == "__main__":
    main()

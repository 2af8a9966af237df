#!/usr/bin/env python3
"""The tutorial's first server: echo_server.py [HOST PORT]

Serves one client, blocking, and ends with it. Like the original it does not set SO_REUSEADDR. It
prints where it listens only when PORT is 0, because only then nobody could know.
"""

import sys

import wire


def main():
    wire.transcript_by_line()
    host, asked = (sys.argv[1], int(sys.argv[2])) if len(sys.argv) == 3 else ("127.0.0.1", 65432)
    listening, port = wire.listener(host, asked, reuse=False)
    with listening:
        if asked == 0:
            print(f"Listening on {(host, port)}")
        conn, addr = listening.accept()
        with conn:
            print(f"Connected by {addr}")
            while data := conn.recv(1024):
                conn.sendall(data)


if __name__ == "__main__":
    main()

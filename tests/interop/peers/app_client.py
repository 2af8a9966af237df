#!/usr/bin/env python3
"""The tutorial's application client: app_client.py HOST PORT ACTION VALUE

`search` sends JSON, any other action sends ACTION and VALUE joined as bytes. As the tutorial's, it
exits 0 even when it was refused; the transcript tells.
"""

import selectors
import socket
import sys
import traceback

import wire


class Asking(wire.Connection):
    queued = False

    def __init__(self, selector, sock, addr, request):
        super().__init__(selector, sock, addr)
        self.request = request

    def on_writable(self):
        if not self.queued:
            self.unsent += self.request
            self.queued = True
        self.flush()
        if not self.unsent:
            self.watch(selectors.EVENT_READ)

    def on_json(self):
        print(f"Received response {self.content!r} from {self.addr}")
        print(f"Got result: {self.content.get('result')}")
        self.close()

    def on_binary(self):
        print(f"Received {self.header['content-type']} response from {self.addr}")
        print(f"Got response: {self.content!r}")
        self.close()


def request_for(action, value):
    if action == "search":
        content = wire.to_json({"action": action, "value": value}, "utf-8")
        return wire.frame(content, "text/json", "utf-8")
    content = bytes(action + value, encoding="utf-8")
    return wire.frame(content, "binary/custom-client-binary-type", "binary")


def main():
    if len(sys.argv) != 5:
        print(f"Usage: {sys.argv[0]} <host> <port> <action> <value>")
        sys.exit(1)
    wire.transcript_by_line()
    addr = (sys.argv[1], int(sys.argv[2]))
    request = request_for(sys.argv[3], sys.argv[4])
    selector = selectors.DefaultSelector()
    print(f"Starting connection to {addr}")
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.connect_ex(addr)
    both = selectors.EVENT_READ | selectors.EVENT_WRITE
    selector.register(sock, both, data=Asking(selector, sock, addr, request))
    try:
        while selector.get_map():
            for key, mask in selector.select(timeout=1):
                try:
                    key.data.process_events(mask)
                except Exception:
                    print(
                        f"Main: Error: Exception for {key.data.addr}:\n"
                        f"{traceback.format_exc()}"
                    )
                    key.data.close()
    except KeyboardInterrupt:
        print("Caught keyboard interrupt, exiting")
    finally:
        selector.close()


if __name__ == "__main__":
    main()

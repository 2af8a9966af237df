#!/usr/bin/env python3
"""The tutorial's application server: app_server.py HOST PORT

One reply a connection, then it closes. Its known faults are kept, because tests compare against
them: a falsy request ({}, [], null, no bytes) is never answered and spins on writability; a long
body is concatenated in quadratic time; bytes after the request turn the close into a reset; it
waits for ever for what was declared and never comes; it dies of EMFILE and of SIGTERM.
"""

import selectors
import sys
import traceback

import wire

ANSWERS = {
    "morpheus": "Follow the white rabbit. \U0001f430",
    "ring": "In the caves beneath the Misty Mountains. \U0001f48d",
    "\U0001f436": "\U0001f43e Playing ball! \U0001f3d0",
}


class Served(wire.Connection):
    answered = False

    def on_json(self):
        print(f"Received request {self.content!r} from {self.addr}")
        self.watch(selectors.EVENT_WRITE)

    def on_binary(self):
        print(f"Received {self.header['content-type']} request from {self.addr}")
        self.watch(selectors.EVENT_WRITE)

    def on_writable(self):
        if self.content and not self.answered:
            self.unsent += self.reply()
            self.answered = True
        if self.flush():
            self.close()

    def reply(self):
        if self.header["content-type"] != "text/json":
            content = b"First 10 bytes of request: " + self.content[:10]
            return wire.frame(content, "binary/custom-server-binary-type", "binary")
        action = self.content.get("action")
        if action == "search":
            value = self.content.get("value")
            result = ANSWERS.get(value) or f"No match for '{value}'."
        else:
            result = f"Error: invalid action '{action}'."
        return wire.frame(wire.to_json({"result": result}, "utf-8"), "text/json", "utf-8")


def accept(selector, listening):
    sock, addr = listening.accept()
    print(f"Accepted connection from {addr}")
    sock.setblocking(False)
    selector.register(sock, selectors.EVENT_READ, data=Served(selector, sock, addr))


def main():
    if len(sys.argv) != 3:
        print(f"Usage: {sys.argv[0]} <host> <port>")
        sys.exit(1)
    wire.transcript_by_line()
    host = sys.argv[1]
    listening, port = wire.listener(host, int(sys.argv[2]), reuse=True)
    print(f"Listening on {(host, port)}")
    listening.setblocking(False)
    selector = selectors.DefaultSelector()
    selector.register(listening, selectors.EVENT_READ, data=None)
    try:
        while True:
            for key, mask in selector.select(timeout=None):
                if key.data is None:
                    accept(selector, key.fileobj)
                    continue
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

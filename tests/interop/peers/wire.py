"""What the two application programs of the tutorial share: the frame, the buffers, the JSON.

The reference peer of the interop tests and of tools/bench. It behaves like the tutorial's own
programs, faults included (see app_server.py): it is here to be different from our code, not good.

    u16 big-endian header length | header JSON, UTF-8 | content
"""

import io
import json
import os
import selectors
import socket
import stat
import struct
import sys

REQUIRED = ("byteorder", "content-length", "content-type", "content-encoding")


def transcript_by_line():
    """Flush the transcript by line when somebody may be reading it through a pipe or a file.

    A terminal does so anyway. Into /dev/null the block buffer stays, as with the tutorial's
    programs, so that the benchmark does not charge the peer for writes that it never made.
    """
    if not stat.S_ISCHR(os.fstat(sys.stdout.fileno()).st_mode):
        sys.stdout.reconfigure(line_buffering=True)


def listener(host, port, reuse):
    """A listening TCP socket and the port that it really got (PORT 0 lets the kernel choose)."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if reuse:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen()
    return sock, sock.getsockname()[1]


def to_json(value, encoding):
    return json.dumps(value, ensure_ascii=False).encode(encoding)


def from_json(raw, encoding):
    with io.TextIOWrapper(io.BytesIO(raw), encoding=encoding, newline="") as text:
        return json.load(text)


def frame(content, content_type, encoding):
    """One whole message; the key order of the header is part of the contract."""
    header = {
        "byteorder": sys.byteorder,
        "content-type": content_type,
        "content-encoding": encoding,
        "content-length": len(content),
    }
    header = to_json(header, "utf-8")
    return struct.pack(">H", len(header)) + header + content


class Connection:
    """One message in, one message out; the two ends differ in what they make of the content."""

    def __init__(self, selector, sock, addr):
        self.selector = selector
        self.sock = sock
        self.addr = addr
        self.received = b""
        self.unsent = b""
        self.header_length = None
        self.header = None
        self.content = None  # what the other side said: parsed JSON, or bytes

    def process_events(self, mask):
        if mask & selectors.EVENT_READ:
            self.on_readable()
        if mask & selectors.EVENT_WRITE:
            self.on_writable()

    def watch(self, events):
        self.selector.modify(self.sock, events, data=self)

    def on_readable(self):
        self.fill()
        if self.header_length is None:
            self.take_header_length()
        if self.header_length is not None and self.header is None:
            self.take_header()
        if self.header and self.content is None:
            self.take_content()

    def fill(self):
        try:
            data = self.sock.recv(4096)
        except BlockingIOError:
            return
        if not data:
            raise RuntimeError("Peer closed.")
        self.received += data

    def flush(self):
        """Send what fits and say so; True when the last byte of something has gone."""
        if not self.unsent:
            return False
        print(f"Sending {self.unsent!r} to {self.addr}")
        try:
            sent = self.sock.send(self.unsent)
        except BlockingIOError:
            return False
        self.unsent = self.unsent[sent:]
        return bool(sent) and not self.unsent

    def take(self, count):
        taken, self.received = self.received[:count], self.received[count:]
        return taken

    def take_header_length(self):
        if len(self.received) >= 2:
            self.header_length = struct.unpack(">H", self.take(2))[0]

    def take_header(self):
        if len(self.received) < self.header_length:
            return
        self.header = from_json(self.take(self.header_length), "utf-8")
        for key in REQUIRED:
            if key not in self.header:
                raise ValueError(f"Missing required header '{key}'.")

    def take_content(self):
        length = self.header["content-length"]
        if not len(self.received) >= length:
            return
        data = self.take(length)
        if self.header["content-type"] == "text/json":
            self.content = from_json(data, self.header["content-encoding"])
            self.on_json()
        else:
            self.content = data
            self.on_binary()

    def close(self):
        print(f"Closing connection to {self.addr}")
        try:
            self.selector.unregister(self.sock)
        except Exception as error:
            print(f"Error: selector.unregister() exception for {self.addr}: {error!r}")
        try:
            self.sock.close()
        except OSError as error:
            print(f"Error: socket.close() exception for {self.addr}: {error!r}")
        finally:
            self.sock = None

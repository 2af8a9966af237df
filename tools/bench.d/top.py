"""tools/bench top: the live view, beside ss -tanp under watch, and bandwhich if it is installed (cargo install
bandwhich), each on a terminal of 80x24 at 1 s.

  cost    the processor time of the viewer and its children, with 10,000 TCP sockets (many_sockets.c) and
          with as many as the host has of its own: at most 4 % of one processor at 10,000 sockets
  closed  10,000 short connections, one after the other, while sockdoc looks every second: each of their
          20,000 ends is counted, and every byte (100 sent and 200 received by each client)

What a viewer draws is read and thrown away, as a terminal would. The first seconds, in which it starts, are
not counted.
"""

import fcntl
import json
import os
import pty
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import termios
import threading
import time

from runner import ALLOWED, TICK, Bench, CannotMeasure, command_line, in_turn
from sockets import Crowd, sockstat

CONNECTIONS = 5_000
MOST_PERCENT = 4.0
SHORT = 10_000
REQUEST, REPLY = b"x" * 100, b"y" * 200
# Seconds until a viewer has started, and until the last connection has been counted.
STARTS, SETTLES = 3, 4


class Top(Bench):
    sections = ("cost", "closed")
    whole_run_seconds = 540

    def __init__(self, sockdoc, quick):
        super().__init__(sockdoc, quick)
        self.rounds, self.seconds = (1, 6) if quick else (3, 15)
        self.crowd = None

    def title(self):
        for tool in ("watch", "ss"):
            if shutil.which(tool) is None:
                self.report.skip(f"{tool}: not found; install procps and iproute2")
        return f"top: loopback only; {len(ALLOWED)} processors; share of one processor, medians"

    def close(self):
        if self.crowd is not None:
            self.crowd.end()
            self.crowd = None

    def cost(self):
        viewers = {}
        if shutil.which("watch") and shutil.which("ss"):
            viewers["watch -n1 ss -tanp"] = ["watch", "-n1", "ss", "-tanp"]
        # Flags: no names are resolved, and only loopback is captured.
        if shutil.which("bandwhich"):
            viewers["bandwhich -n -i lo"] = ["bandwhich", "-n", "-i", "lo"]
        if self.sockdoc:
            viewers["sockdoc top -i 1"] = [self.sockdoc, "top", "-i", "1"]
        if not viewers:
            raise CannotMeasure("there is nothing to measure: no tool and no sockdoc")
        for crowded in (False, True):
            if crowded:
                self.crowd = Crowd(self.whole_run_seconds, CONNECTIONS)
            self.report.heading(
                f"{sockstat()}, {self.rounds} rounds of {self.seconds} s"
            )
            figures = in_turn(self.rounds, viewers, lambda name: self.share(viewers[name]))
            for name, values in figures.items():
                percent, target, met = statistics.median(values), "", None
                if crowded and name.startswith("sockdoc"):
                    target, met = f"<= {MOST_PERCENT:.0f} %", percent <= MOST_PERCENT
                self.report.line(name, f"{percent:.1f} %", "", target, met)
        self.crowd.check()
        self.close()

    def share(self, command):
        """The share of a processor that a viewer uses, in percent."""
        with Viewer(command) as viewer:
            viewer.read(STARTS)
            begin, before = time.monotonic(), viewer.processor_seconds()
            viewer.read(self.time_left(self.seconds))
            used = viewer.processor_seconds() - before
            return 100 * used / (time.monotonic() - begin)

    def closed(self):
        if not self.sockdoc:
            raise CannotMeasure("there is no sockdoc")
        self.report.heading(f"{SHORT:,} short connections while sockdoc top looks every second")
        with socket.create_server(("127.0.0.1", 0), backlog=500) as listener:
            port = listener.getsockname()[1]
            command = [self.sockdoc, "top", "--json", "-i", "1", "-g", "port", f":{port}"]
            viewer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            lines = []
            reader = threading.Thread(target=lambda: lines.extend(viewer.stdout))
            reader.start()
            try:
                give_up = time.monotonic() + self.time_left(30)
                while not lines:
                    if viewer.poll() is not None or time.monotonic() > give_up:
                        raise CannotMeasure("sockdoc top --json wrote nothing")
                    time.sleep(0.05)
                talk(listener, SHORT)
                time.sleep(SETTLES)
            finally:
                viewer.terminate()
                viewer.wait()
                reader.join()
        counted, received, sent = account(lines, port)
        bytes_each_way = SHORT * (len(REQUEST) + len(REPLY))
        for name, value, expected in (
            ("ends that closed", counted, 2 * SHORT),
            ("bytes received", received, bytes_each_way),
            ("bytes sent", sent, bytes_each_way),
        ):
            self.report.line(name, f"{value:,}", "", f"{expected:,}", value == expected)


class Viewer:
    """A program on a terminal of its own."""

    def __init__(self, command):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.master)

    def read(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                try:
                    os.read(self.master, 1 << 16)
                except OSError:
                    raise CannotMeasure(f"{self.process.args} ended") from None

    def processor_seconds(self):
        """Of the program, and of its children that have ended."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(") ", 1)[1].split()
        return sum(map(int, fields[11:15])) / TICK


def talk(listener, count):
    """Connections one after the other; the client closes first."""

    def serve():
        for _ in range(count):
            connection, _ = listener.accept()
            with connection:
                receive(connection, len(REQUEST))
                connection.sendall(REPLY)
                connection.recv(1)

    server = threading.Thread(target=serve)
    server.start()
    for _ in range(count):
        with socket.create_connection(listener.getsockname()) as connection:
            connection.sendall(REQUEST)
            receive(connection, len(REPLY))
    server.join()


def receive(connection, wanted):
    while wanted > 0:
        wanted -= len(connection.recv(wanted))


def account(lines, port):
    """What the lines say of the port: ends that closed, bytes received and sent."""
    closed = received = sent = 0
    for line in lines:
        event = json.loads(line)
        if event["event"] == "group" and event["key"]["port"] == port:
            received, sent = event["total_in_bytes"], event["total_out_bytes"]
            closed += event["closed"]
    return closed, received, sent


def main(arguments):
    return command_line("top", __doc__, Top, arguments)

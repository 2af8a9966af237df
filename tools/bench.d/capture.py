"""tools/bench capture: the live capture, side by side with dumpcap, tcpdump and tshark.

All of it is on the loopback interface of a network namespace of the benchmark's own.
  file      1,000,000 UDP packets of 64 bytes at full speed, -w: not more packets lost than dumpcap and
            tcpdump lose, and at most their CPU per packet
  text      as many packets, a line for each, thrown away: packets shown per second of CPU at least 3 times
            those of tcpdump -n and 20 times those of tshark -n
  idle      the CPU of a capture in which nothing happens: at most 0.2 %
  owners    10,000 short TCP connections of which both processes are named, and are the right ones: with
            BPF all, by look-up at 800 a second from one process at least 95 %; other rates as they are
"""

import ctypes
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

from runner import WORK, Bench, CannotMeasure, command_line, in_turn

PACKETS = 1_000_000
SIZE = 22  # 64 bytes on the wire, with the headers of UDP, IPv4 and Ethernet
PORT = 9000
PEERS = {"dumpcap": "wireshark-common", "tcpdump": "tcpdump", "tshark": "tshark"}
MOST_IDLE = 0.2
LEAST_OWNERS = 95.0
CLONE_NEWNET = 0x40000000


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class Header(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p), ("namelen", ctypes.c_uint32), ("iov", ctypes.POINTER(Iovec)),
        ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t),
        ("flags", ctypes.c_int), ("length", ctypes.c_uint),
    ]


LIBC = ctypes.CDLL(None, use_errno=True)


def send(count):
    """Sends datagrams to a socket that nobody reads, 64 in each sendmmsg(2)."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", PORT))
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(("127.0.0.1", PORT))
    data = ctypes.create_string_buffer(SIZE)
    vector = Iovec(ctypes.cast(data, ctypes.c_void_p), SIZE)
    batch = (Header * 64)()
    for header in batch:
        header.iov, header.iovlen = ctypes.pointer(vector), 1
    while count > 0:
        sent = LIBC.sendmmsg(sender.fileno(), batch, min(64, count), 0)
        if sent <= 0:
            raise CannotMeasure(f"sendmmsg: errno {ctypes.get_errno()}")
        count -= sent


class Run:
    """A capture that is ended as Ctrl-C ends it, and what it took."""

    def __init__(self, command, ready):
        self.log = open(os.path.join(WORK, "capture.err"), "w+b")
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=self.log)
        deadline = time.monotonic() + 20
        while ready not in self.said():
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.process.kill()
                raise CannotMeasure(f"{command[0]} does not capture: {self.said()}")
            time.sleep(0.01)
        time.sleep(0.5)

    def said(self):
        self.log.flush()
        with open(self.log.name, "rb") as file:
            return file.read().decode("utf-8", "replace")

    def end(self):
        """CPU seconds of it and its children."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.log.close()
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def frames_in(path):
    """How many frames a file has, as capinfos counts them."""
    said = subprocess.run(["capinfos", "-c", "-M", "-T", "-r", path], capture_output=True, text=True)
    return int(said.stdout.split()[-1])


class Capture(Bench):
    sections = ("file", "text", "idle", "owners")
    whole_run_seconds = 900

    def __init__(self, sockdoc, quick):
        super().__init__(sockdoc, quick)
        self.rounds = 2 if quick else 5
        self.packets = PACKETS // 5 if quick else PACKETS

    def title(self):
        if os.geteuid() != 0:
            raise CannotMeasure("not root: no packet sockets and no namespace")
        for tool, package in PEERS.items():
            if shutil.which(tool) is None:
                self.report.skip(f"{tool}: not found; install the package {package}")
        os.makedirs(WORK, exist_ok=True)
        if LIBC.unshare(CLONE_NEWNET) != 0:
            raise CannotMeasure("no network namespace of its own")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return "capture: loopback of a namespace; medians; CPU of the capturing processes"

    def one(self, command, ready, seen):
        run = Run(command, ready)
        begun = time.monotonic()
        send(self.packets)
        took = time.monotonic() - begun
        cpu = run.end()
        with open(os.path.join(WORK, "capture.err"), encoding="utf-8", errors="replace") as file:
            text = file.read()
        return {"cpu": cpu, "seen": seen(text), "rate": self.packets / took}

    def compare(self, commands):
        results = {name: [] for name in commands}

        def measure(name):
            command, ready, seen = commands[name]
            result = self.one(command, ready, seen)
            results[name].append(result)
            return result["cpu"]

        in_turn(self.rounds, commands, measure)
        figures = {}
        for name, of in results.items():
            median = {key: statistics.median(result[key] for result in of) for key in of[0]}
            figures[name] = median
            lost = 100 * (1 - median["seen"] / self.packets)
            per_packet = 1e9 * median["cpu"] / max(median["seen"], 1)
            self.report.line(
                name, f"{median['seen']:,.0f} seen, {lost:.2f} % lost",
                f"{per_packet:,.0f} ns", f"sent {median['rate']:,.0f}/s",
            )
        return figures

    def file(self):
        self.report.heading(f"{self.packets:,} packets into a file, {self.rounds} rounds")
        path = os.path.join(WORK, "capture.pcapng")
        udp = f"udp port {PORT}"
        in_file = lambda _: frames_in(path)
        commands = {}
        if self.sockdoc:
            ours = [self.sockdoc, "capture", "-i", "lo", "-w", path, udp]
            commands["sockdoc -w"] = ([*ours, "--no-process"], "capturing on", in_file)
            commands["sockdoc -w, processes"] = (ours, "capturing on", in_file)
        if tool := shutil.which("dumpcap"):
            commands["dumpcap -w"] = (
                [tool, "-q", "-i", "lo", "-f", udp, "-w", path], "File:", in_file)
        if tool := shutil.which("tcpdump"):
            commands["tcpdump -w"] = (
                [tool, "-i", "lo", "-Z", "root", "-w", path, udp], "listening on", in_file)
        figures = self.compare(commands)
        os.unlink(path)
        ours = figures.get("sockdoc -w")
        for name in ("dumpcap -w", "tcpdump -w"):
            if ours and name in figures:
                theirs = figures[name]
                self.report.line(
                    "sockdoc -w", f"seen, of {name}", f"{ours['seen'] / theirs['seen']:.3f}",
                    "at least 1", ours["seen"] >= theirs["seen"])
                ratio = ours["cpu"] / ours["seen"] / (theirs["cpu"] / theirs["seen"])
                self.report.line(
                    "sockdoc -w", f"CPU per packet, of {name}", f"{ratio:.2f}", "at most 1", ratio <= 1)

    def text(self):
        self.report.heading(f"{self.packets:,} packets, a line for each, {self.rounds} rounds")
        udp = f"udp port {PORT}"

        def received(text):
            got = re.search(r"lo: ([\d,]+) packets? received by the filter, ([\d,]+) dropped", text)
            return int(got[1].replace(",", "")) - int(got[2].replace(",", ""))

        def captured(text):
            return int(re.search(r"(\d+) packets? captured", text)[1])

        commands = {}
        if self.sockdoc:
            base = [self.sockdoc, "capture", "-i", "lo", udp]
            commands["sockdoc"] = (base, "capturing on", received)
            commands["sockdoc --no-process"] = ([*base, "--no-process"], "capturing on", received)
        if tool := shutil.which("tcpdump"):
            commands["tcpdump -n"] = ([tool, "-n", "-i", "lo", udp], "listening on", captured)
        if tool := shutil.which("tshark"):
            commands["tshark -n"] = ([tool, "-n", "-i", "lo", "-f", udp], "Capturing on", captured)
        figures = self.compare(commands)
        speed = {name: of["seen"] / of["cpu"] for name, of in figures.items()}
        for name, least in (("tcpdump -n", 3), ("tshark -n", 20)):
            if "sockdoc" in speed and name in speed:
                ratio = speed["sockdoc"] / speed[name]
                self.report.line(
                    "sockdoc", f"packets per CPU second, of {name}", f"{ratio:.1f}",
                    f"at least {least}", ratio >= least)

    def idle(self):
        if self.sockdoc is None:
            return
        seconds = 5
        self.report.heading(f"nothing happens for {seconds} s")
        run = Run([self.sockdoc, "capture"], "capturing on")
        before = self.cpu_of(run.process.pid)
        time.sleep(seconds)
        share = 100 * (self.cpu_of(run.process.pid) - before) / seconds
        run.end()
        self.report.line("sockdoc", f"{share:.2f} %", "", f"at most {MOST_IDLE} %", share <= MOST_IDLE)

    @staticmethod
    def cpu_of(pid):
        """Seconds on a processor, of all threads."""
        total = 0
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total / 1e9

    def owners(self):
        if self.sockdoc is None:
            return
        few, many = (500, 1_000) if self.quick else (2_000, 10_000)
        self.report.heading("short TCP connections, and how many have the right process at both ends")
        ways = {"BPF": []}
        if shutil.which("setpriv"):
            ways["look-up"] = ["setpriv", f"--bounding-set={WITHOUT_BPF}"]
        for way, prefix in ways.items():
            for title, count, rate, hold, each in (
                ("800/s, one process", many, 800, 0.001, False),
                ("as fast as they come, one process", many, 0, 0, False),
                ("140/s, a process each", few, 140, 0.005, True),
                ("as fast as they come, a process each", few, 0, 0, True),
            ):
                named, took = self.named(prefix, count, rate, hold, each)
                share = 100 * named / count
                least = 100.0 if way == "BPF" else LEAST_OWNERS if rate == 800 else None
                self.report.line(
                    f"{way}: {title}", f"{named:,} of {count:,}", f"{count / took:,.0f}/s",
                    f"at least {least:.0f} %" if least else "", share >= least if least else None)

    def named(self, prefix, count, rate, hold, each):
        """Connections whose SYN has the right two processes in its line, and the seconds they took."""
        path = os.path.join(WORK, "owners.txt")
        made = os.path.join(WORK, "owners.made")
        with open(path, "wb") as out, open(os.path.join(WORK, "owners.err"), "w+b") as log, \
                open(made, "wb") as pids:
            command = [*prefix, self.sockdoc, "capture", "-i", "lo", f"tcp port {PORT}"]
            capture = subprocess.Popen(command, stdout=out, stderr=log)
            self.wait_for(log.name, b"capturing on", capture)
            server = subprocess.Popen([sys.executable, "-c", SERVER, str(PORT)], stdout=subprocess.PIPE)
            server.stdout.readline()
            client = [sys.executable, "-c", CLIENT, str(PORT), str(hold), str(count), str(rate)]
            begun = time.monotonic()
            subprocess.run([*client, str(int(each))], check=True, stdout=pids)
            took = time.monotonic() - begun
            time.sleep(0.5)
            capture.send_signal(signal.SIGINT)
            capture.wait(timeout=60)
            server.kill()
            server.wait()
        with open(made, encoding="ascii") as file:
            right = dict(line.split() for line in file)
        named = 0
        with open(path, encoding="utf-8") as file:
            for line in file:
                ends = re.search(rf" (\d+) → {PORT} \[SYN\] .*\((\d+)\) → .*\((\d+)\)$", line.rstrip())
                named += bool(ends and right.get(ends[1]) == ends[2] and ends[3] == str(server.pid))
        return named, took

    @staticmethod
    def wait_for(path, words, process):
        deadline = time.monotonic() + 20
        while True:
            with open(path, "rb") as file:
                if words in file.read():
                    return
            if time.monotonic() > deadline or process.poll() is not None:
                process.kill()
                raise CannotMeasure("sockdoc does not capture")
            time.sleep(0.01)


# What allows programs of BPF.
WITHOUT_BPF = "-bpf,-perfmon,-sys_admin"

SERVER = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    connection.close()
"""

# Prints the port and the process of each connection.
CLIENT = """
import os, socket, sys, time
port, hold, count, rate, each = (float(word) for word in sys.argv[1:])
def connect():
    connection = socket.create_connection(("127.0.0.1", int(port)))
    if hold:
        time.sleep(hold)
    os.write(1, b"%d %d\\n" % (connection.getsockname()[1], os.getpid()))
    connection.close()
begun, children = time.monotonic(), []
for number in range(int(count)):
    if rate:
        time.sleep(max(0, begun + number / rate - time.monotonic()))
    if not each:
        connect()
    elif os.fork() == 0:
        connect()
        os._exit(0)
    elif not rate or number % 16 == 15:
        os.wait()
while each:
    try:
        os.wait()
    except ChildProcessError:
        break
"""


def main(arguments):
    return command_line("capture", __doc__, Capture, arguments)

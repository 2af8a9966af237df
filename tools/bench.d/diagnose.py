"""tools/bench diagnose: what it costs, healthy hosts about which nothing must be said, faults that must be named.

  quiet    the host as it is: at most the time between the two looks and 0.1 s
  crowd    100,000 established TCP sockets in eight processes (many_sockets.c): at most 2 s of CPU
           time and 150 MiB
  watch    sockdoc watch, a look every 5 s at 10,000 such sockets: at most 1 % of a processor
  healthy  200 runs (--quick: 24): a client and a server in network namespaces of their own under a load that
           is healthy, sockdoc diagnose at one of them. Any finding is a false alarm, which is printed. The
           kinds of load take turns; four runs go on at a time
  faults   the rows of tests/netns/faults: fault, rule, and whether its look-alike is silent
  machine  the same of the rows that change limits of the whole machine (--quick: none)

healthy, faults and machine need root.
"""

import collections
import concurrent.futures
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time

from runner import Bench, CannotMeasure, ROOT, command_line
from sockets import Crowd, sockstat

SERVER, CLIENT = "10.76.0.2", "10.76.0.1"
AT_ONCE = 4
SECONDS = "1.5"
RUNS, QUICK_RUNS = 200, 24

QUIET_ROUNDS = 5
MOST_BEYOND_SECONDS = 0.1
CROWD_CONNECTIONS, CROWD_ROUNDS = 50_000, 3
MOST_CPU_SECONDS, MOST_MEMORY_MIB = 2, 150
WATCHED_CONNECTIONS, WATCH_SECONDS, MOST_PERCENT = 5_000, 60, 1

COMMON = f"""
import os, select, socket, sys, threading, time
SERVER = ({SERVER!r}, 8080)
def listen(backlog=128):
    return socket.create_server(SERVER, backlog=backlog)
def ready():
    print(flush=True)
def serve(listener, work):
    while True:
        one = listener.accept()[0]
        threading.Thread(target=work, args=(one,), daemon=True).start()
def echo(one):
    with one:
        while data := one.recv(65536):
            one.sendall(data)
def forever():
    while True:
        time.sleep(60)
"""

ECHO = "listener = listen(); ready(); serve(listener, echo)"

# The programs of server and client, by the kind of load; each prints a line when it is ready.
LOADS = {
    "idle": ("ready(); forever()", "ready(); forever()"),
    "idle connections": (
        ECHO,
        "kept = [socket.create_connection(SERVER) for _ in range(50)]\nready(); forever()",
    ),
    "request and response": (
        ECHO,
        "one = socket.create_connection(SERVER); ready()\n"
        "while True:\n    one.sendall(b'x' * 64); one.recv(64)",
    ),
    "bulk": (
        "def sink(one):\n    while one.recv(1 << 20): pass\n"
        "listener = listen(); ready(); serve(listener, sink)",
        "one = socket.create_connection(SERVER); ready()\nwhile True: one.sendall(bytes(1 << 20))",
    ),
    "short connections": (
        ECHO,
        "ready()\nwhile True:\n    one = socket.create_connection(SERVER)\n"
        "    one.sendall(b'x'); one.recv(1); one.close()",
    ),
    "slow reader": (
        "def source(one):\n    while True: one.sendall(bytes(65536))\n"
        "listener = listen(); ready(); serve(listener, source)",
        "one = socket.create_connection(SERVER); ready()\n"
        "while True:\n    one.recv(4096); time.sleep(0.05)",
    ),
    "half-close": (
        "def answer(one):\n    while one.recv(65536): pass\n"
        "    while True: one.sendall(b'row'); time.sleep(0.2)\n"
        "listener = listen(); ready(); serve(listener, answer)",
        "one = socket.create_connection(SERVER); one.sendall(b'q'); one.shutdown(socket.SHUT_WR)\n"
        "ready()\nwhile True: one.recv(100)",
    ),
    "bursts": (
        ECHO,
        "ready()\nwhile True:\n    kept = [socket.create_connection(SERVER) for _ in range(60)]\n"
        "    time.sleep(0.3)\n    for one in kept: one.close()",
    ),
    "UDP": (
        "s = socket.socket(type=socket.SOCK_DGRAM); s.bind(SERVER); ready()\n"
        "while True:\n    data, peer = s.recvfrom(2000); s.sendto(data, peer)",
        "s = socket.socket(type=socket.SOCK_DGRAM); s.settimeout(1); ready()\n"
        "while True:\n    s.sendto(b'x', SERVER)\n    try: s.recv(100)\n    except OSError: pass\n"
        "    time.sleep(0.002)",
    ),
    "a client that resets": (
        ECHO,
        "import struct\nready()\nwhile True:\n    one = socket.create_connection(SERVER)\n"
        "    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))\n"
        "    one.close(); time.sleep(0.02)",
    ),
    "a scan of a firewalled server": (
        ECHO,
        "ready()\nwhile True:\n    for port in range(7990, 8100):\n        s = socket.socket()\n"
        "        s.setblocking(False); s.connect_ex((SERVER[0], port)); time.sleep(0.005); s.close()",
    ),
    "many namespaces": (
        ECHO,
        "one = socket.create_connection(SERVER); ready()\n"
        "while True:\n    one.sendall(b'x' * 64); one.recv(64); time.sleep(0.001)",
    ),
}
MORE_NAMESPACES = 12
SERVER_RULES = (
    "table inet filter { chain input { type filter hook input priority 0; policy drop;\n"
    "iif lo accept\nct state established,related accept\nmeta l4proto { icmp, ipv6-icmp } accept\n"
    "tcp dport 8080 accept\n}\n}\n"
)


def run(command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotMeasure(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


@contextlib.contextmanager
def namespace(name):
    run(["ip", "netns", "add", name])
    try:
        run(["ip", "-n", name, "link", "set", "lo", "up"])
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@contextlib.contextmanager
def program(netns, source):
    child = subprocess.Popen(
        ["ip", "netns", "exec", netns, sys.executable, "-c", COMMON + source],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )
    try:
        if not child.stdout.readline():
            raise CannotMeasure(f"a program of the load ended: {source}")
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def healthy_run(binary, number):
    """One healthy run: its kind, and the findings, each a false alarm."""
    kind = list(LOADS)[number % len(LOADS)]
    name = f"sockdoc-bench-{os.getpid()}-{number}"
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(namespace(f"{name}-s"))
        client = stack.enter_context(namespace(f"{name}-c"))
        run(["ip", "-n", client, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0",
             "netns", server])
        for netns, address in ((client, CLIENT), (server, SERVER)):
            run(["ip", "-n", netns, "addr", "add", f"{address}/24", "dev", "eth0"])
            run(["ip", "-n", netns, "link", "set", "eth0", "up"])
        if kind.startswith("a scan"):
            run(["ip", "netns", "exec", server, "nft", "-f", "-"], SERVER_RULES)
        if kind == "many namespaces":
            for more in range(MORE_NAMESPACES):
                stack.enter_context(namespace(f"{name}-{more}"))
        for netns, source in zip((server, client), LOADS[kind], strict=True):
            stack.enter_context(program(netns, source))
        place = (server, client)[number // len(LOADS) % 2]
        # Which name servers this machine has is no matter here.
        look = [binary, "diagnose", "--json", "--seconds", SECONDS, "--ignore", "no_nameserver"]
        done = subprocess.run(
            ["ip", "netns", "exec", place, *look], capture_output=True, text=True, check=False)
        try:
            found = json.loads(done.stdout)["findings"]
        except ValueError:
            raise CannotMeasure(f"diagnose: {done.stderr.strip()}") from None
        where = "server" if place == server else "client"
        return f"{kind}, at the {where}", [(it["id"], it["text"]) for it in found]


class Spent:
    """What one run of a command took: seconds, CPU seconds, MiB at most."""

    def __init__(self, command):
        begin = time.monotonic()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        with process.stderr:
            said = process.stderr.read().decode(errors="replace")
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if not 0 <= process.returncode <= 1:
            raise CannotMeasure(f"{' '.join(command)}: {said.strip()}")
        self.seconds = time.monotonic() - begin
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        self.peak_mib = usage.ru_maxrss / 1024


class Diagnose(Bench):
    sections = ("quiet", "crowd", "watch", "healthy", "faults", "machine")
    whole_run_seconds = 3000

    def __init__(self, sockdoc, quick):
        super().__init__(sockdoc, quick)
        self.held = None

    def title(self):
        if not self.sockdoc:
            raise CannotMeasure("there is nothing to measure without sockdoc")
        return "diagnose: loopback and network namespaces of its own; medians"

    def prepare(self, section):
        connections = {"crowd": CROWD_CONNECTIONS, "watch": WATCHED_CONNECTIONS}.get(section)
        self.close()
        if connections:
            self.held = Crowd(300, connections)

    def close(self):
        if self.held is not None:
            self.held.end()
            self.held = None

    # The sections.

    def quiet(self):
        look = 0.5
        self.report.heading(f"a quiet host, {QUIET_ROUNDS} rounds; {sockstat()}")
        runs = self.spent(QUIET_ROUNDS, look)
        beyond = statistics.median(run.seconds for run in runs) - look
        self.report.line(
            "beyond the look", f"{beyond:.3f} s", "", f"<= {MOST_BEYOND_SECONDS} s",
            beyond <= MOST_BEYOND_SECONDS)

    def crowd(self):
        self.report.heading(f"{self.held.ready}, {CROWD_ROUNDS} rounds")
        runs = self.spent(CROWD_ROUNDS, 2)
        self.held.check()
        cpu = statistics.median(run.cpu_seconds for run in runs)
        peak = max(run.peak_mib for run in runs)
        self.report.line(
            "CPU time", f"{cpu:.2f} s", "", f"<= {MOST_CPU_SECONDS} s", cpu <= MOST_CPU_SECONDS)
        self.report.line(
            "memory", f"{peak:.0f} MiB peak", "", f"<= {MOST_MEMORY_MIB} MiB",
            peak <= MOST_MEMORY_MIB)

    def watch(self):
        seconds = WATCH_SECONDS / 2 if self.quick else WATCH_SECONDS
        self.report.heading(f"{self.held.ready}; sockdoc watch for {seconds:.0f} s")
        run = Spent([self.sockdoc, "watch", "--interval", "5", "--for", f"{seconds:.0f}s"])
        self.held.check()
        percent = 100 * run.cpu_seconds / run.seconds
        self.report.line(
            "of a processor", f"{percent:.2f} %", "", f"<= {MOST_PERCENT} %",
            percent <= MOST_PERCENT)

    def healthy(self):
        needs_root()
        runs = QUICK_RUNS if self.quick else RUNS
        self.report.heading(f"{runs} healthy runs")
        kinds, false_alarms = collections.Counter(), []
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            results = pool.map(lambda number: healthy_run(self.sockdoc, number), range(runs))
            for kind, found in results:
                kinds[kind] += 1
                false_alarms += [(kind, *it) for it in found]
        for kind, count in sorted(kinds.items()):
            print(f"  {count:4} {kind}")
        for kind, rule, text in false_alarms:
            print(f"  {kind}: {rule}: {text}")
        count = len(false_alarms)
        self.report.line("false alarms", f"{count}", "", "none", count == 0)

    def faults(self):
        needs_root()
        self.rows("each_fault_is")

    def machine(self):
        if self.quick:
            return
        needs_root()
        self.rows("each_fault_of_the_whole_machine", "--ignored")

    def spent(self, rounds, look):
        command = [self.sockdoc, "diagnose", "--json", "--seconds", str(look)]
        return [Spent(command) for _ in range(rounds)]

    def rows(self, test, *options):
        """The rows of a test: fault, rule, and what became of it."""
        self.report.heading(f"faults and their look-alikes: {test}")
        done = subprocess.run(
            ["cargo", "test", "--quiet", "--test", "netns", test, "--", "--nocapture", *options],
            cwd=ROOT, capture_output=True, text=True, check=False)
        seen = set()
        for line in done.stdout.splitlines():
            if ("silent" in line or "FAILED:" in line or "alone" in line) and line not in seen:
                seen.add(line)
                print(line)
        failed = sum("FAILED:" in line for line in seen)
        self.report.line(
            "rows that failed", f"{failed} of {len(seen)}", "", "none",
            done.returncode == 0 and bool(seen))


def needs_root():
    if os.geteuid() != 0:
        raise CannotMeasure("network namespaces require root")


def main(arguments):
    return command_line("diagnose", __doc__, Diagnose, arguments)

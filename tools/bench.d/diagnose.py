"""tools/bench diagnose: faults that must be named, and healthy hosts about which nothing must be said.

    tools/bench diagnose [RUNS]    RUNS healthy runs (200 by default), then the rows of tests/netns/faults

Each run has a client and a server in network namespaces of its own, under a load that is healthy, and looks at
one of them with `sockdoc diagnose`: any finding is a false alarm, which is printed. The kinds of load take turns;
four runs go on at a time. The rows are those of `cargo test`: fault, rule, and whether its look-alike is silent.
It needs root. Exit status: 0 nothing was wrong, 1 there was a false alarm or a miss, 2 it could not be measured.
"""

import collections
import concurrent.futures
import contextlib
import json
import os
import subprocess
import sys

from runner import CannotMeasure, ROOT, release_binary

SERVER, CLIENT = "10.76.0.2", "10.76.0.1"
AT_ONCE = 4
SECONDS = "1.5"

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


def healthy(binary, runs):
    false_alarms = []
    kinds = collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for kind, found in pool.map(lambda number: healthy_run(binary, number), range(runs)):
            kinds[kind] += 1
            false_alarms += [(kind, *it) for it in found]
    for kind, count in sorted(kinds.items()):
        print(f"  {count:4} {kind}")
    print(f"{runs} healthy runs: {len(false_alarms)} false alarms")
    for kind, rule, text in false_alarms:
        print(f"  {kind}: {rule}: {text}")
    return not false_alarms


def rows():
    """The rows of the tests: fault, rule, and what became of it."""
    done = subprocess.run(
        ["cargo", "test", "--quiet", "--test", "netns", "each_fault", "--", "--nocapture"],
        cwd=ROOT, capture_output=True, text=True, check=False)
    seen = set()
    for line in done.stdout.splitlines():
        if ("silent" in line or "FAILED:" in line or "alone" in line) and line not in seen:
            seen.add(line)
            print(line)
    print(f"{len(seen)} faults with their look-alikes")
    return done.returncode == 0 and bool(seen)


def main(arguments):
    if os.geteuid() != 0:
        print("bench diagnose: network namespaces require root", file=sys.stderr)
        return 2
    runs = int(arguments[0]) if arguments and arguments[0].isdigit() else 200
    try:
        good = healthy(release_binary(None), runs)
    except CannotMeasure as error:
        print(f"bench diagnose: {error}", file=sys.stderr)
        return 2
    return 0 if rows() and good else 1

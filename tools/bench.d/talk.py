"""tools/bench talk: the servers, side by side with Python, socat and a minimal epoll server.

Each line of the table is a target of the project:
  request  CPU of the server per request, a connection each, 32 clients, beside the Python peer
  keep     requests a second on 32 kept connections, one at a time and 16 deep, beside minimal C
  echo     MB/s of one echoed stream, beside socat
  idle     memory and CPU of 10,000 idle connections
  start    time of `sockdoc --version`, size of the release binary
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time

from runner import (
    PINNED, ROOT, WORK, Bench, CannotMeasure, Server, TimedOut, command_line, compiled,
    median_ratio, on_client_cpu, rounds, run_load, warn,
)

PEERS = os.path.join(ROOT, "tests", "interop", "peers")
REQUEST, REPLY = os.path.join(WORK, "request.bin"), os.path.join(WORK, "reply.bin")
REPLY_BYTES = 165


class Sizes:
    """How much of everything; --quick shows the order of magnitude, the full run is the figure."""

    def __init__(self, quick):
        self.rounds = 5 if quick else 15
        self.once = 4_000 if quick else 8_000
        self.keep = 40_000 if quick else 100_000
        self.deep = 300_000 if quick else 700_000
        self.mib = 256 if quick else 512
        self.idle_seconds = 1 if quick else 3


class Talk(Bench):
    sections = ("request", "keep", "echo", "idle", "start")
    whole_run_seconds = 230

    def __init__(self, sockdoc, quick):
        super().__init__(sockdoc, quick)
        self.sizes = Sizes(quick)
        self.load_client, self.minimal = compiled("load"), compiled("minimal_epoll")
        write_messages()

    def title(self):
        if not PINNED:
            warn("one processor: server and client take it from each other; expect other ratios")
        where = "server and client each on its own processor" if PINNED else "one processor only"
        return f"talk: 127.0.0.1 only; {where}; medians, ratios round by round"

    # Every server under the name that the table shows.

    def app_servers(self, keep):
        mode = "keep" if keep else "close"
        python = [sys.executable, os.path.join(PEERS, "app_server.py"), "127.0.0.1", "{port}"]
        found = {} if keep else {"python": python}
        found["minimal C"] = [self.minimal, mode, str(os.path.getsize(REQUEST)), REPLY]
        if self.sockdoc:
            flags = ["--keep-open"] if keep else []
            found["sockdoc"] = [self.sockdoc, "app-server", "127.0.0.1", "0", *flags]
        return found

    def echo_servers(self):
        """socat with its own block size of 8 KiB; larger ones (-b 32768) are faster and hang more
        often: socat blocks in a write to its own pipe when that is nearly full."""
        found = {}
        if shutil.which("socat"):
            found["socat"] = [
                "socat", "TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork", "PIPE",
            ]
        else:
            self.report.skip("echo beside socat: not found: socat; install the package socat")
        found["minimal C"] = [self.minimal, "echo"]
        if self.sockdoc:
            found["sockdoc"] = [self.sockdoc, "echo-server", "127.0.0.1", "0"]
        return found

    # The load client, and what a run of it must have done.

    def load(self, name, mode, *arguments, limit=25):
        try:
            result = run_load(mode, *arguments, seconds=self.time_left(limit))
        except CannotMeasure as problem:
            raise type(problem)(f"{name}: {problem}") from None
        if result.get("reply_bytes", REPLY_BYTES) != REPLY_BYTES:
            raise CannotMeasure(f"{name} gave another reply than the protocol's: {result}")
        return result

    # The sections.

    def request(self):
        count = self.sizes.once

        def measure(server):
            before = server.cpu_seconds()
            self.load(server.name, "once", server.port, REQUEST, "-c", 32, "-n", count)
            return (server.cpu_seconds() - before) / (count + 1) * 1e6

        self.report.heading(
            f"app-server, a connection per request, 32 clients, {self.sizes.rounds} x {count:,}: "
            "CPU of the server per request"
        )
        figures = rounds(self.sizes.rounds, self.app_servers(keep=False), measure)
        for name, values in figures.items():
            ratio = median_ratio(figures, name, "python")
            target, met = ("<= 0.45 of Python", ratio <= 0.45) if name == "sockdoc" else ("", None)
            cost = f"{statistics.median(values):.1f} us"
            self.report.line(name, cost, f"{ratio:.2f}", target, met)
        if "sockdoc" in figures:
            ratio = median_ratio(figures, "sockdoc", "minimal C")
            print(f"  (sockdoc costs {ratio:.2f} of minimal C)")

    def keep(self):
        for depth, count in ((1, self.sizes.keep), (16, self.sizes.deep)):

            def measure(server):
                result = self.load(
                    server.name, "keep", server.port, REQUEST, "-c", 32, "-d", depth, "-n", count
                )
                return count / result["seconds"]

            self.report.heading(
                f"app-server --keep-open, 32 clients, {depth} in flight each, "
                f"{self.sizes.rounds} x {count:,}: requests a second"
            )
            figures = rounds(self.sizes.rounds, self.app_servers(keep=True), measure)
            for name, values in figures.items():
                ratio = median_ratio(figures, name, "minimal C")
                target, met = (">= 0.80 of C", ratio >= 0.8) if name == "sockdoc" else ("", None)
                speed = f"{statistics.median(values):,.0f} /s"
                self.report.line(name, speed, f"{ratio:.2f}", target, met)

    def echo(self):
        hung = 0

        def measure(server):
            nonlocal hung
            for last_try in (False, False, False, True):
                try:
                    arguments = ("echo", server.port, "-m", self.sizes.mib)
                    return self.load(server.name, *arguments, limit=6)["mb_per_s"]
                except TimedOut:
                    # socat's known fault, and of no other: the round is repeated, and reported below.
                    if server.name != "socat" or last_try:
                        raise
                    hung += 1

        self.report.heading(
            f"echo-server, one stream, {self.sizes.rounds} x {self.sizes.mib} MiB there and back: "
            "MB/s"
        )
        figures = rounds(self.sizes.rounds, self.echo_servers(), measure)
        for name, values in figures.items():
            ratio, target, met = "", "", None
            if "socat" in figures:
                value = median_ratio(figures, name, "socat")
                ratio = f"{value:.2f}"
                if name == "sockdoc":
                    target, met = ">= 3.00 of socat", value >= 3
            self.report.line(name, f"{statistics.median(values):,.0f} MB/s", ratio, target, met)

        if hung:
            print(f"  (socat hung in {hung} more rounds, which were repeated)")

    def idle(self, connections=10_000):
        wait = self.sizes.idle_seconds
        self.report.heading(f"{connections:,} idle connections: memory, and CPU in {wait} s")
        servers = self.app_servers(keep=True)
        for name, command in servers.items():
            with Server(name, command) as server:
                rss, cpu, wakeups, after = self.hold(name, server, connections, wait)
            ours = name == "sockdoc"
            mib = rss / 1024
            self.report.line(
                f"{name}, resident", f"{mib:.1f} MiB", "",
                "< 20 MiB" if ours else "", mib < 20 if ours else None,
            )
            # "No CPU": a rare timer of the server is allowed, work per connection is not.
            self.report.line(
                f"{name}, CPU", f"{cpu * 1e3:.2f} ms", "",
                "< 1 ms a second" if ours else "", cpu < 1e-3 * wait if ours else None,
            )
            self.report.line(f"{name}, wake-ups", f"{wakeups}")
            self.report.line(f"{name}, one request", f"{after['reply_ms']:.2f} ms")

    def hold(self, name, server, connections, wait):
        """Memory and CPU while the connections are held; then a good request must be answered."""
        command = [self.load_client, "idle", str(server.port), REQUEST, "-c", str(connections)]
        process = on_client_cpu(
            [*command, "-t", "40"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        try:
            if not process.stdout.readline():
                raise CannotMeasure(f"{name}: {process.stderr.read().strip()}")
            time.sleep(0.5)  # the last of the accepts
            cpu, wakeups = server.cpu_seconds(), server.status("voluntary_ctxt_switches")
            time.sleep(wait)
            cpu = server.cpu_seconds() - cpu
            wakeups = server.status("voluntary_ctxt_switches") - wakeups
            rss = server.status("VmRSS")
            out, err = process.communicate(timeout=10)
        except BaseException:
            process.kill()
            process.wait()
            raise
        if process.returncode != 0:
            raise CannotMeasure(f"{name}: not well after idling: {out.strip()} {err.strip()}")
        return rss, cpu, wakeups, json.loads(out.splitlines()[-1])

    def start(self):
        self.report.heading("The program itself: a whole run of it, median of 50; its size")
        programs = {"/bin/true": ["/bin/true"]}
        if self.sockdoc:
            programs["sockdoc --version"] = [self.sockdoc, "--version"]
        least = None
        for name, command in programs.items():
            ms = self.load(name, "spawn", "-n", "50", "--", *command)["median_ms"]
            # How long it takes to start any process is this machine's; what a person notices is the difference.
            times = f"{ms / least:.1f} x" if least else ""
            self.report.line(
                name,
                f"{ms:.2f} ms",
                times,
                "<= 2.5 x" if least else "",
                ms <= 2.5 * least if least else None,
            )
            least = least or ms
        if self.sockdoc:
            size = os.path.getsize(self.sockdoc) / 1e6
            self.report.line("release binary", f"{size:.2f} MB", "", "< 6 MB", size < 6)


def write_messages():
    """The request (142 bytes) and its reply (165) as the tutorial's programs write them."""
    sys.path.insert(0, PEERS)
    import app_client
    import app_server
    import wire

    answer = wire.to_json({"result": app_server.ANSWERS["ring"]}, "utf-8")
    for path, message in (
        (REQUEST, app_client.request_for("search", "ring")),
        (REPLY, wire.frame(answer, "text/json", "utf-8")),
    ):
        with open(path, "wb") as file:
            file.write(message)


def main(arguments):
    return command_line("talk", __doc__, Talk, arguments)

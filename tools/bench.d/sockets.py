"""tools/bench sockets: the socket lister, side by side with ss, netstat and lsof.

100,000 established TCP sockets on loopback, in eight processes (many_sockets.c), and six listeners.
All tools list them in turn, their output thrown away; the time is that of the whole process.
  owners     all sockets with their processes: at most 0.14 of ss, 0.22 of lsof
  plain      all sockets without their processes: at most 0.75 of ss
  listeners  the six listeners with their processes: at most 0.12 of ss
  port       one port with its process: at most 0.40 of ss with the same filter
  views      all sockets sorted, grouped and summed up: times alone, beside that of the plain list
  quiet      the same as owners after the 100,000 have gone: not slower than ss
The peak of memory at 100,000 sockets is to stay under 60 MiB. Before each section every tool's rows
are counted: the sockets of many_sockets only (in quiet: one listener of the benchmark's own), with
an owner where owners are shown; sockdoc must list as many as ss. Below the
crowd's line stands where sockdoc read the owners: with BPF, where that may be loaded. (netstat may
list more, some twice: the file it reads moves under it.)
"""

import contextlib
import os
import re
import select
import shutil
import socket
import statistics
import subprocess
import time

from runner import (
    ALLOWED, Bench, CannotMeasure, command_line, compiled, in_turn, median_ratio, run_load, warn,
)

CONNECTIONS = 50_000
PACKAGES = {"ss": "iproute2", "netstat": "net-tools", "lsof": "lsof"}
MOST_MEMORY_MIB = 60
# More than these, and the time of `quiet` is that of the sockets.
QUIET_SOCKETS = 2_000
# lsof's when it finds nothing on a quiet host, sockdoc's when it finds a fault.
WORST_EXIT_STATUS = 1

# What the rows of many_sockets have: one end of each socket, and the process, of whose name lsof
# shows nine characters.
OF_MANY_SOCKETS = (re.compile(rb"127\.0\.0\.[1-8]:700[0-5]\b"), b"many_sock")


class Comparison:
    """A section: the tools' commands, by the names that the table shows, and sockdoc's targets.

    A target is the peer, the highest ratio, and the words for the peer. A peer may be missing.
    """

    def __init__(self, what, commands, ours, targets, owners=True):
        self.what, self.commands, self.ours = what, commands, ours
        self.targets, self.owners = targets, owners


OWNERS = Comparison(
    "every TCP socket with its process",
    {
        "ss -tanp": ["ss", "-tanp"],
        "netstat -antp": ["netstat", "-antp"],
        "lsof -i -n -P": ["lsof", "-i", "-n", "-P"],
    },
    ["-t", "-a", "-n"],
    [("ss -tanp", 0.14, "ss"), ("lsof -i -n -P", 0.22, "lsof")],
)
PLAIN = Comparison(
    "every TCP socket without its process",
    {"ss -tan": ["ss", "-tan"], "netstat -ant": ["netstat", "-ant"]},
    ["-t", "-a", "-n", "--cols", "proto,state,recv-q,send-q,local,peer"],
    [("ss -tan", 0.75, "ss")],
    owners=False,
)
LISTENERS = Comparison(
    "TCP listeners with their processes",
    {
        "ss -ltnp": ["ss", "-ltnp"],
        "netstat -ltnp": ["netstat", "-ltnp"],
        "lsof, LISTEN": ["lsof", "-iTCP", "-sTCP:LISTEN", "-n", "-P"],
    },
    ["-t", "-l", "-n"],
    [("ss -ltnp", 0.12, "ss")],
)
PORT = Comparison(
    "one port, 7000, with its processes",
    {
        "ss -tanp FILTER": ["ss", "-tanp", "( sport = :7000 or dport = :7000 )"],
        "lsof -iTCP:7000": ["lsof", "-iTCP:7000", "-n", "-P"],
    },
    ["-t", "-a", "-n", ":7000"],
    [("ss -tanp FILTER", 0.40, "ss")],
)
# Options of the views that work on all sockets before the first row is written.
VIEWS = [
    (), ("--sort", "local"), ("--sort", "-recv-q"), ("--sort", "process"),
    ("--group", "process"), ("--group", "port"), ("--group", "state"), ("--summary",),
]
QUIET = Comparison(
    "a quiet host, every TCP socket with its process", OWNERS.commands, OWNERS.ours,
    [("ss -tanp", 1.00, "ss")],
)


class Sizes:
    """Rounds of each section, and runs in a round; --quick is for a first look."""

    def __init__(self, quick):
        self.owners = 2 if quick else 9
        self.plain = 4 if quick else 15
        self.listeners = 2 if quick else 9
        self.port = 2 if quick else 9
        self.views = 2 if quick else 5
        self.quiet = 5 if quick else 21
        self.quiet_runs = 5 if quick else 10


class Sockets(Bench):
    sections = ("owners", "plain", "listeners", "port", "views", "quiet")
    whole_run_seconds = 400

    def __init__(self, sockdoc, quick):
        super().__init__(sockdoc, quick)
        self.sizes = Sizes(quick)
        self.crowd = None
        self.missing = set()

    def title(self):
        for tool, package in PACKAGES.items():
            if shutil.which(tool) is None:
                self.missing.add(tool)
                self.report.skip(f"{tool}: not found; install the package {package}")
        if os.geteuid() != 0:
            warn("not root: no tool sees the owners of other users' sockets, and sockdoc has no BPF")
        return (
            f"sockets: loopback only; {len(ALLOWED)} processors for every tool; "
            "medians, ratios round by round;\ntime of the whole process (its CPU time)"
        )

    def prepare(self, section):
        if section == "quiet":
            self.close()
        elif self.crowd is None:
            self.crowd = Crowd(self.whole_run_seconds)
            print(f"\n{self.crowd.ready}; on the host {sockstat()}")
            print(self.owner_source(), flush=True)

    def close(self):
        if self.crowd is not None:
            self.crowd.end()
            self.crowd = None

    # The sections.

    def owners(self):
        self.compare(OWNERS, self.sizes.owners)

    def plain(self):
        self.compare(PLAIN, self.sizes.plain)

    def listeners(self):
        self.compare(LISTENERS, self.sizes.listeners)

    def port(self):
        self.compare(PORT, self.sizes.port)

    def views(self):
        if not self.sockdoc:
            raise CannotMeasure("there is no sockdoc")
        self.report.heading(f"orders and sums of every TCP socket, {self.sizes.views} rounds")
        commands = {
            " ".join(words) or "as listed": [self.sockdoc, "sockets", "-t", "-a", "-n", *words]
            for words in VIEWS
        }

        def measure(name):
            return run_load(
                "spawn", "-n", 1, "-x", WORST_EXIT_STATUS, "--", *commands[name],
                seconds=self.time_left(30), cpus=ALLOWED,
            )["median_ms"]

        figures = in_turn(self.sizes.views, commands, measure)
        for name, values in figures.items():
            self.report.line(name, duration(values), f"{median_ratio(figures, name, 'as listed'):.2f}")

    def quiet(self):
        numbers = sockstat_numbers()
        if numbers["inuse"] + numbers["tw"] > QUIET_SOCKETS:
            warn("the host is not quiet: others' sockets, or what is left of them in TIME_WAIT")
        processes = sum(name.isdigit() for name in os.listdir("/proc"))
        print(f"\nwithout many_sockets; on the host {processes} processes, {sockstat()}")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = b"127.0.0.1:%d" % listener.getsockname()[1]
            with open("/proc/self/comm", "rb") as comm:
                owner = comm.read().strip()[:9]
            known = (re.compile(re.escape(address) + rb"\b"), owner)
            self.compare(QUIET, self.sizes.quiet, self.sizes.quiet_runs, known)

    def owner_source(self):
        """What sockdoc says of it with -v."""
        if not self.sockdoc:
            return ""
        run = subprocess.run(
            [self.sockdoc, "sockets", "-l", "-v"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=self.time_left(30),
        )
        return "".join(line for line in run.stderr.splitlines() if "socket owners" in line)

    def compare(self, comparison, rounds, runs=1, known=OF_MANY_SOCKETS):
        commands = self.commands(comparison)
        times = f"{rounds} rounds" if runs == 1 else f"{rounds} rounds of {runs} runs"
        self.report.heading(f"{comparison.what}, {times}")
        address, owner = known if comparison.owners else (known[0], b"")
        rows = {name: self.rows(commands[name], address, owner) for name in commands}
        cpu = {name: [] for name in commands}
        peak = {name: 0 for name in commands}

        def measure(name):
            result = run_load(
                "spawn", "-n", runs, "-x", WORST_EXIT_STATUS, "--", *commands[name],
                seconds=self.time_left(30), cpus=ALLOWED,
            )
            cpu[name].append(result["cpu_median_ms"])
            peak[name] = max(peak[name], result["peak_memory_kib"] / 1024)
            return result["median_ms"]

        figures = in_turn(rounds, commands, measure)
        if self.crowd:
            self.crowd.check()
        self.show_times(comparison, figures, cpu)
        self.show_rows(comparison, rows)
        self.show_memory(peak, judged=comparison in (OWNERS, PLAIN))

    def commands(self, comparison):
        found = {
            name: [shutil.which(command[0]), *command[1:]]
            for name, command in comparison.commands.items()
            if command[0] not in self.missing
        }
        if self.sockdoc:
            found["sockdoc"] = [self.sockdoc, "sockets", *comparison.ours]
        if not found:
            raise CannotMeasure("there is nothing to measure: no tool and no sockdoc")
        return found

    def rows(self, command, address, owner):
        """How many rows of the command's output show a known socket and its owner."""
        run = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=self.time_left(30)
        )
        if not 0 <= run.returncode <= WORST_EXIT_STATUS:
            said = run.stderr.decode(errors="replace").strip()[:2000]
            raise CannotMeasure(f"{' '.join(command)}: exit status {run.returncode}: {said}")
        return sum(
            1 for row in run.stdout.splitlines()
            if owner in row and address.search(row)
        )

    def show_times(self, comparison, figures, cpu):
        base, _, _ = comparison.targets[0]
        for name, values in figures.items():
            time_text = f"{duration(values)} ({duration(cpu[name])})"
            if name == "sockdoc":
                self.show_targets(comparison, figures, time_text)
            else:
                ratio = f"{median_ratio(figures, name, base):.2f}" if base in figures else ""
                self.report.line(name, time_text, ratio)

    def show_targets(self, comparison, figures, time_text):
        for peer, most, word in comparison.targets:
            if peer in figures:
                ratio = median_ratio(figures, "sockdoc", peer)
                target = f"<= {most:.2f} of {word}"
                self.report.line("sockdoc", time_text, f"{ratio:.2f}", target, ratio <= most)
            else:
                self.report.line("sockdoc", time_text)

    def show_rows(self, comparison, rows):
        base, _, word = comparison.targets[0]
        for name, count in rows.items():
            target, met = "", None
            if name == "sockdoc" and base in rows:
                target, met = f">= those of {word}", count >= rows[base]
            self.report.line(name, f"{count:,} row{'' if count == 1 else 's'}", "", target, met)

    def show_memory(self, peak, judged):
        for name, mib in peak.items():
            target, met = "", None
            if name == "sockdoc" and judged:
                target, met = f"< {MOST_MEMORY_MIB} MiB", mib < MOST_MEMORY_MIB
            self.report.line(name, f"{mib:.1f} MiB peak", "", target, met)


class Crowd:
    """The running many_sockets, ready: its processes and their sockets."""

    def __init__(self, seconds, connections=CONNECTIONS):
        before = sockstat_inuse()
        self.process = subprocess.Popen(
            [compiled("many_sockets"), "-n", str(connections), "-t", str(seconds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        try:
            self.ready = self._wait_until_ready()
            found = sockstat_inuse() - before
            # Other programs of the host come and go, but not by the thousand.
            if found < 2 * connections - 1000:
                raise CannotMeasure(f"many_sockets is ready, but only {found:,} sockets came")
        except BaseException:
            self.end()
            raise

    def _wait_until_ready(self):
        if select.select([self.process.stdout], [], [], 70)[0]:
            line = self.process.stdout.readline().strip()
            if line.startswith("READY"):
                return "many_sockets: " + line.removeprefix("READY ")
        self.process.kill()
        raise CannotMeasure(f"no crowd of sockets: {self.process.stderr.read(2000).strip()}")

    def check(self):
        if self.process.poll() is not None:
            raise CannotMeasure(f"many_sockets ended early: {self.process.stderr.read(2000)}")

    def end(self):
        """Closes its stdin, at which it ends, and its children with it; waits for the sockets."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()
        give_up = time.monotonic() + 10
        while sockstat_inuse() > QUIET_SOCKETS / 2 and time.monotonic() < give_up:
            time.sleep(0.02)


def sockstat_numbers():
    """What /proc/net/sockstat says of TCP: inuse is everything but TIME_WAIT, which is tw."""
    with open("/proc/net/sockstat") as table:
        for line in table:
            if line.startswith("TCP:"):
                words = line.split()[1:]
                return dict(zip(words[::2], map(int, words[1::2])))
    raise CannotMeasure("/proc/net/sockstat has no line for TCP")


def sockstat_inuse():
    return sockstat_numbers()["inuse"]


def sockstat():
    numbers = sockstat_numbers()
    return f"{numbers['inuse']:,} IPv4 TCP sockets and {numbers['tw']:,} in TIME_WAIT"


def duration(values):
    ms = statistics.median(values)
    return f"{ms / 1e3:.3f} s" if ms >= 100 else f"{ms:.2f} ms"


def main(arguments):
    return command_line("sockets", __doc__, Sockets, arguments)

"""tools/bench ping: round-trip times, flood and sweep, side by side with iputils and fping.

  loopback  the median time to 127.0.0.1 as each reports it: at most 0.60 of what iputils says
  veth      the same to the other end of a veth pair, in namespaces of the benchmark's own
  flood     200,000 to 127.0.0.1: as many a second as ping -f, the aim is 1.2 times as many
  sweep     16,382 targets (127.1.0.0/18), one probe each: at most 0.70 of fping's CPU time, no more
            wall time, and every target answered

The times are those of packets 20 ms apart. They are shown for 2 ms too, and not judged: below 10 ms
iputils does not sleep between packets, it spins, and what it measures is a path that never cools.

All in turn, in one run; every reply of loopback, veth and flood and every target of sweep is counted
in each round. Traffic goes to 127.0.0.0/8 and between two namespaces that are removed at the end.
loopback and veth run on one processor, so that none gains from its placement; flood and sweep on
all: what takes more than one shows in the CPU time.
"""

import collections
import contextlib
import itertools
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import threading
import time

from runner import CLIENT_CPU, Bench, CannotMeasure, command_line, in_turn, median_ratio

NEAR, FAR = "10.99.77.1", "10.99.77.2"
NETWORK, TARGETS = "127.1.0.0/18", 16_382
FLOOD = 200_000
PACKAGES = {"ping": "iputils-ping", "fping": "fping"}
TIME = re.compile(r"\btime=([\d.]+) ms")


class Sizes:
    """Rounds of each section, and packets in a round; --quick is for a first look."""

    def __init__(self, quick):
        self.rtt, self.packets = (3, 100) if quick else (7, 200)
        self.flood = 2 if quick else 7
        self.sweep = 3 if quick else 11


class Ping(Bench):
    sections = ("loopback", "veth", "flood", "sweep")
    whole_run_seconds = 300

    def __init__(self, sockdoc, quick):
        super().__init__(sockdoc, quick)
        self.sizes = Sizes(quick)
        self.namespaces = None

    def title(self):
        for tool, package in PACKAGES.items():
            if shutil.which(tool) is None:
                raise CannotMeasure(f"there is no {tool}: install the package {package}")
        if os.geteuid() != 0:
            raise CannotMeasure("not root: no flood, no short intervals and no namespaces")
        with open("/proc/sys/net/ipv4/ping_group_range") as setting:
            groups = " ".join(setting.read().split())
        return (
            "ping: 127.0.0.0/8 and a veth pair of its own; medians, ratios round by round\n"
            f"as root; net.ipv4.ping_group_range here is \"{groups}\""
        )

    def close(self):
        if self.namespaces is not None:
            self.namespaces.end()
            self.namespaces = None

    # The sections.

    def loopback(self):
        self.round_trips("127.0.0.1", [], "127.0.0.1", 20)
        self.round_trips("127.0.0.1", [], "127.0.0.1", 2)

    def veth(self):
        self.namespaces = Namespaces()
        self.round_trips("a veth pair", self.namespaces.inside(), FAR, 20)
        self.round_trips("a veth pair", self.namespaces.inside(), FAR, 2)
        self.close()

    def round_trips(self, where, launcher, target, apart):
        count = self.sizes.packets
        asked = ["-n", "-i", str(apart / 1000), "-c", str(count), target]
        commands = {
            "ping": ["ping", *asked],
            "fping": ["fping", "-C", str(count), "-p", str(apart), target],
        }
        if self.sockdoc:
            commands["sockdoc"] = [self.sockdoc, "ping", "--json", *asked]
        self.report.heading(
            f"round-trip time to {where}, {self.sizes.rtt} rounds of {count} packets {apart} ms apart"
        )
        timing = collections.Counter()

        def measure(name):
            run = Finished([*launcher, *commands[name]], self.time_left(30), CLIENT_CPU)
            times = our_times(run.text, timing) if name == "sockdoc" else their_times(name, run.text)
            if len(times) != count:
                raise CannotMeasure(f"{name}: {len(times)} of {count} replies\n{run.said()}")
            return interpolated_median(times)

        figures = in_turn(self.sizes.rtt, commands, measure)
        for name, values in figures.items():
            text, ratio = f"{statistics.median(values):.2f} us", median_ratio(figures, name, "ping")
            if name == "sockdoc" and apart >= 20:
                self.report.line(name, text, f"{ratio:.2f}", "<= 0.60 of ping", ratio <= 0.60)
            else:
                self.report.line(name, text, f"{ratio:.2f}")
        if timing:
            ways = [f"{count:,} by {way}" for way, count in timing.most_common()]
            print(f"  (sockdoc's timing: {', '.join(ways)})")

    def flood(self):
        asked = ["-n", "-f", "-q", "-c", str(FLOOD), "127.0.0.1"]
        commands = {"ping -f": ["ping", *asked]}
        if self.sockdoc:
            commands["sockdoc"] = [self.sockdoc, "ping", *asked]
        self.report.heading(
            f"{FLOOD:,} packets to 127.0.0.1 as fast as they return, {self.sizes.flood} rounds"
        )
        cpu = {name: [] for name in commands}

        def measure(name):
            run = Finished(commands[name], self.time_left(30))
            if f"{FLOOD} packets transmitted, {FLOOD} received" not in run.text:
                raise CannotMeasure(f"{name}: not every packet came back\n{run.said()}")
            cpu[name].append(run.cpu)
            return FLOOD / run.wall

        figures = in_turn(self.sizes.flood, commands, measure)
        for name, values in figures.items():
            text = f"{statistics.median(values):,.0f} /s"
            ratio = median_ratio(figures, name, "ping -f")
            if name == "sockdoc":
                self.report.line(name, text, f"{ratio:.2f}", ">= 1.00 of ping", ratio >= 1.0)
                print("  (the aim is 1.20)")
            else:
                self.report.line(name, text, f"{ratio:.2f}")
        for name, values in cpu.items():
            each = statistics.median(values) / FLOOD * 1e6
            self.report.line(name, f"{each:.2f} us CPU", "", "for a packet")

    def sweep(self):
        commands = {"fping": ["fping", "-q", "-c1", "-i0", "-g", NETWORK]}
        if self.sockdoc:
            commands["sockdoc"] = [self.sockdoc, "ping", "-q", "-c", "1", "-i", "0", NETWORK]
        self.report.heading(
            f"{TARGETS:,} targets ({NETWORK}), one probe each, {self.sizes.sweep} rounds"
        )
        cpu = {name: [] for name in commands}
        answered = {name: TARGETS for name in commands}

        def measure(name):
            run = Finished(commands[name], self.time_left(30))
            answered[name] = min(answered[name], alive(run.text + run.errors))
            cpu[name].append(run.cpu)
            return run.wall

        wall = in_turn(self.sizes.sweep, commands, measure)
        for what, most, figures in (("CPU", 0.70, cpu), ("wall", 1.00, wall)):
            for name, values in figures.items():
                text = f"{statistics.median(values):.3f} s {what}"
                ratio = median_ratio(figures, name, "fping")
                if name == "sockdoc":
                    target = f"<= {most:.2f} of fping"
                    self.report.line(name, text, f"{ratio:.2f}", target, ratio <= most)
                else:
                    self.report.line(name, text, f"{ratio:.2f}")
        for name, count in answered.items():
            met = count == TARGETS if name == "sockdoc" else None
            self.report.line(name, f"{count:,} answered", "", f"= {TARGETS:,}" if name == "sockdoc" else "", met)


class Finished:
    """A program run to its end: what it said, its wall time and its processor time in seconds."""

    def __init__(self, command, seconds, cpus=None):
        self.command = command
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            start = time.perf_counter()
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                preexec_fn=(lambda: os.sched_setaffinity(0, cpus)) if cpus else None,
            )
            end = threading.Timer(seconds, process.kill)
            end.start()
            try:
                _, status, used = os.wait4(process.pid, 0)
                self.wall = time.perf_counter() - start
            finally:
                end.cancel()
            process.returncode = os.waitstatus_to_exitcode(status)
            self.cpu = used.ru_utime + used.ru_stime
            self.text, self.errors = (self._read(file) for file in (out, err))
        if process.returncode not in (0, 1):
            raise CannotMeasure(f"exit status {process.returncode}: {self.said()}")

    @staticmethod
    def _read(file):
        file.seek(0)
        return file.read().decode(errors="replace")

    def said(self):
        end = (self.text[-1000:] + self.errors[-1000:]).strip()
        return f"{' '.join(self.command)}\n{end}"


class Namespaces:
    """Two namespaces joined by a veth pair, the far end of which answers."""

    NUMBERS = itertools.count()

    def __init__(self):
        number = next(self.NUMBERS)
        self.names = [f"sockdoc-bench-{os.getpid()}-{number}-{side}" for side in ("near", "far")]
        try:
            self._make(*self.names)
        except BaseException:
            self.end()
            raise

    def _make(self, near, far):
        for name in (near, far):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", near, "link", "add", "near0", "type", "veth", "peer", "name", "far0", "netns", far)
        for name, device, address in ((near, "near0", NEAR), (far, "far0", FAR)):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", device)
            ip("-n", name, "link", "set", device, "up")

    def inside(self):
        return ["nsenter", f"--net=/run/netns/{self.names[0]}"]

    def end(self):
        for name in self.names:
            with contextlib.suppress(CannotMeasure):
                ip("netns", "del", name)


def ip(*arguments):
    run = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if run.returncode != 0:
        raise CannotMeasure(f"ip {' '.join(arguments)}: {run.stderr.strip()}")


def their_times(name, text):
    """The round-trip times in microseconds as iputils and fping print them."""
    if name == "fping":
        return [float(ms) * 1e3 for ms in re.findall(r"bytes, ([\d.]+) ms", text)]
    return [float(ms) * 1e3 for ms in TIME.findall(text)]


def our_times(text, timing):
    """The round-trip times in microseconds of --json; counts in `timing` how they were taken."""
    replies = [event for event in map(json.loads, text.splitlines()) if event["event"] == "reply"]
    timing.update(reply["timing"] for reply in replies)
    return [reply["rtt_us"] for reply in replies if reply["verdict"] == "received"]


def interpolated_median(times):
    """The median; where whole microseconds are all that was printed, within the microsecond."""
    if all(us == round(us) for us in times):
        return statistics.median_grouped([round(us) for us in times], interval=1)
    return statistics.median(times)


def alive(text):
    """How many targets have an answer, in fping's words."""
    return text.count(" is alive") + len(re.findall(r"xmt/rcv/%loss = (\d+)/\1/0%", text))


def main(arguments):
    return command_line("ping", __doc__, Ping, arguments)

"""tools/bench decode: the capture decoder, side by side with tcpdump and tshark.

A capture of 1,000,000 loopback frames in 100,000 application conversations (conversations.py), read
by all tools in turn, their output thrown away; the time is that of the whole process.
  text      a line for each frame, with TCP analysis, reassembly and messages: at most 0.09 of
            tcpdump -n -r and 0.035 of tshark -n -r; with several threads at most 0.625 of one (--threads one)
  json      at most 1.3 of our own text
  messages  not slower than our own text
  memory    the peak, the file read and not mapped, stays under 64 MiB, and does not grow with the file
  small     a capture of 20 frames: under 5 ms
"""

import os
import shutil
import statistics

from conversations import write
from runner import (
    ALLOWED, WORK, Bench, CannotMeasure, command_line, in_turn, median_ratio, run_load,
)

CONVERSATIONS = 100_000
PACKAGES = {"tcpdump": "tcpdump", "tshark": "tshark"}
MOST_MEMORY_MIB = 64
MOST_SMALL_MS = 5.0
# What the memory of a file four times as long may be of the shorter one's.
MOST_GROWTH = 1.15


class Decode(Bench):
    sections = ("text", "memory", "small")
    whole_run_seconds = 600

    def __init__(self, sockdoc, quick):
        super().__init__(sockdoc, quick)
        self.rounds = 2 if quick else 7
        self.conversations = CONVERSATIONS // 10 if quick else CONVERSATIONS

    def title(self):
        for tool, package in PACKAGES.items():
            if shutil.which(tool) is None:
                self.report.skip(f"{tool}: not found; install the package {package}")
        return (
            f"decode: {len(ALLOWED)} processors for every tool; medians, ratios round by round;\n"
            "time of the whole process (its CPU time)"
        )

    def capture(self, conversations):
        os.makedirs(WORK, exist_ok=True)
        path = os.path.join(WORK, f"conversations-{conversations}.pcap")
        if not os.path.exists(path):
            frames = write(path + ".part", conversations)
            # A file that was just written may still grow, and is then read instead of mapped.
            os.utime(path + ".part", (0, 0))
            os.rename(path + ".part", path)
            print(f"\nmade {path}: {frames:,} frames, {os.path.getsize(path) / 1e6:.0f} MB")
        return path

    def prepare(self, section):
        self.path = self.capture(self.conversations)

    def run(self, command, runs=1):
        return run_load("spawn", "-n", runs, "--", *command, seconds=self.time_left(60), cpus=ALLOWED)

    # The sections.

    def text(self):
        self.report.heading(f"{self.conversations * 10:,} frames, {self.rounds} rounds")
        commands = {}
        if self.sockdoc:
            commands["sockdoc"] = [self.sockdoc, "decode", self.path]
            commands["sockdoc, one thread"] = [*commands["sockdoc"], "--threads", "one"]
            commands["sockdoc --json"] = [self.sockdoc, "decode", self.path, "--json"]
            commands["sockdoc --messages"] = [self.sockdoc, "decode", self.path, "--messages"]
        for name, command in (
            ("tcpdump -n -r", ["tcpdump", "-n", "-r", self.path]),
            ("tshark -n -r", ["tshark", "-n", "-r", self.path]),
        ):
            if program := shutil.which(command[0]):
                commands[name] = [program, *command[1:]]
        cpu = {name: [] for name in commands}

        def measure(name):
            result = self.run(commands[name])
            cpu[name].append(result["cpu_median_ms"])
            return result["median_ms"]

        figures = in_turn(self.rounds, commands, measure)
        for name in commands:
            median = statistics.median(figures[name])
            self.report.line(name, f"{median:.0f} ms ({statistics.median(cpu[name]):.0f})")
        if self.sockdoc is None:
            return
        for name, base, most in (
            ("sockdoc", "tcpdump -n -r", 0.09), ("sockdoc", "tshark -n -r", 0.035),
            ("sockdoc", "sockdoc, one thread", 0.625),
            ("sockdoc --json", "sockdoc", 1.3), ("sockdoc --messages", "sockdoc", 1.0),
        ):
            if base in commands:
                ratio = median_ratio(figures, name, base)
                self.report.line(name, f"of {base}", f"{ratio:.3f}", f"at most {most}", ratio <= most)

    def memory(self):
        if self.sockdoc is None:
            return
        self.report.heading("peak of memory, the file read from standard input")
        peaks = []
        for conversations in (self.conversations // 4, self.conversations):
            path = self.capture(conversations)
            command = [shutil.which("sh"), "-c", 'exec "$0" decode - <"$1"', self.sockdoc, path]
            peak = self.run(command)["peak_memory_kib"] / 1024
            peaks.append(peak)
            self.report.line(
                f"{conversations * 10:,} frames", f"{peak:.1f} MiB", "",
                f"under {MOST_MEMORY_MIB} MiB", peak < MOST_MEMORY_MIB,
            )
        growth = peaks[1] / peaks[0]
        self.report.line(
            "four times the file", "", f"{growth:.2f}", f"at most {MOST_GROWTH}", growth <= MOST_GROWTH
        )

    def small(self):
        if self.sockdoc is None:
            return
        path = self.capture(2)
        self.report.heading("20 frames")
        figures = [
            self.run([self.sockdoc, "decode", path], runs=20)["median_ms"] for _ in range(self.rounds)
        ]
        median = statistics.median(figures)
        self.report.line(
            "sockdoc", f"{median:.2f} ms", "", f"under {MOST_SMALL_MS} ms", median < MOST_SMALL_MS
        )


def main(arguments):
    return command_line("decode", __doc__, Decode, arguments)

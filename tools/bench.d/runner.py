"""What every benchmark needs: programs built, started and always stopped, CPU, a table, main."""

import argparse
import contextlib
import json
import os
import re
import resource
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TARGET = os.environ.get("CARGO_TARGET_DIR") or os.path.join(ROOT, "target")
WORK = os.path.join(TARGET, "bench")
TICK = os.sysconf("SC_CLK_TCK")


class CannotMeasure(Exception):
    """Something is missing or broken; its text says what, and what to do."""


class TimedOut(CannotMeasure):
    """The load client gave up waiting."""


def warn(text):
    print(f"bench: WARNING: {text}", file=sys.stderr, flush=True)


# --- programs -----------------------------------------------------------------------------------


def compiled(name):
    """The path of tools/bench.d/NAME.c, compiled when it is older than its source."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    source, program = os.path.join(HERE, f"{name}.c"), os.path.join(WORK, name)
    os.makedirs(WORK, exist_ok=True)
    if os.path.exists(program) and os.path.getmtime(program) >= os.path.getmtime(source):
        return program
    if compiler is None:
        raise CannotMeasure(f"no C compiler (cc): {name}.c cannot be built; install gcc or clang")
    subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", program, source], check=True)
    return program


def release_binary(given):
    """The sockdoc that is measured: the one given, or the release build of this tree."""
    if given is None:
        if shutil.which("cargo") is None:
            raise CannotMeasure("no cargo: give a built binary with --sockdoc PATH")
        command = ["cargo", "build", "--release", "--locked", "--quiet"]
        if subprocess.run(command, cwd=ROOT).returncode != 0:
            raise CannotMeasure("cargo build --release --locked failed: nothing to measure")
        given = os.path.join(TARGET, "release", "sockdoc")
    if not os.access(given, os.X_OK):
        raise CannotMeasure(f"sockdoc is missing: {given} is not an executable file")
    return os.path.realpath(given)


# --- processors ---------------------------------------------------------------------------------

ALLOWED = sorted(os.sched_getaffinity(0))
PINNED = len(ALLOWED) >= 2
SERVER_CPU, CLIENT_CPU = ({ALLOWED[0]}, {ALLOWED[1]}) if PINNED else (set(ALLOWED), set(ALLOWED))


class OtherWork:
    """How much of the processors somebody else took during a `with`: the figures suffer from it."""

    def __enter__(self):
        self.everything, self.busy, self.own = self._now()
        self.share = 0.0
        return self

    def __exit__(self, *_):
        everything, busy, own = self._now()
        others = (busy - self.busy) - (own - self.own)
        # A section of a few ticks cannot tell.
        if others > 0.1:
            self.share = others / (everything - self.everything)

    @staticmethod
    def _now():
        with open("/proc/stat") as stat:
            ticks = [int(field) / TICK for field in stat.readline().split()[1:9]]
        own = 0.0
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
            usage = resource.getrusage(who)
            own += usage.ru_utime + usage.ru_stime
        return sum(ticks), sum(ticks[:3]), own


def _prepare(cpus):
    def child():
        os.sched_setaffinity(0, cpus)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    return child


# --- servers ------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def _listens(port):
    wanted = f"0100007F:{port:04X}"
    with open("/proc/net/tcp") as table:
        return any(row.split()[1] == wanted and row.split()[3] == "0A" for row in list(table)[1:])


class Server:
    """A server on the first processor, for the time of a `with`; ended with all its children.

    With {port} in its command it is given a free port, and its output is thrown away; without, it
    chooses one itself and its first line says which.
    """

    def __init__(self, name, command):
        self.name, self.command, self.port = name, command, None

    def __enter__(self):
        self.errors = tempfile.TemporaryFile()
        says_port = not any("{port}" in word for word in self.command)
        if not says_port:
            self.port = free_port()
        command = [word.replace("{port}", str(self.port)) for word in self.command]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if says_port else subprocess.DEVNULL,
            stderr=self.errors,
            preexec_fn=_prepare(SERVER_CPU),
            start_new_session=True,
        )
        try:
            self._wait_until_listening(says_port)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait_until_listening(self, says_port):
        give_up = time.monotonic() + 5
        while time.monotonic() < give_up and self.process.poll() is None:
            if not says_port:
                if _listens(self.port):
                    return
                time.sleep(0.01)
            elif select.select([self.process.stdout], [], [], 0.1)[0]:
                line = self.process.stdout.readline().decode(errors="replace")
                numbers = re.findall(r"[:\s](\d{1,5})\b", line)
                if not numbers:
                    break
                self.port = int(numbers[-1])
                return
        self.errors.seek(0)
        said = self.errors.read(2000).decode(errors="replace").strip()
        raise CannotMeasure(f"{self.name} does not listen: {' '.join(self.command)}\n{said}")

    def __exit__(self, *_):
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, sign)  # its own session: no other process is in it
            except ProcessLookupError:
                pass
            try:
                self.process.wait(timeout=2)
            except subprocess.TimeoutExpired:
                continue
        if self.process.stdout:
            self.process.stdout.close()
        self.errors.close()

    def cpu_seconds(self):
        """User and system time of all threads so far, in nanoseconds' steps.

        The kernel keeps this sum per thread in schedstat; /proc/PID/stat shows the same sum in
        ticks of 10 ms, too coarse for short rounds, and is used without schedstat.
        """
        folder = f"/proc/{self.process.pid}"
        try:
            total = 0
            for task in os.listdir(f"{folder}/task"):
                with open(f"{folder}/task/{task}/schedstat") as schedstat:
                    total += int(schedstat.read().split()[0])
            return total / 1e9
        except FileNotFoundError:
            with open(f"{folder}/stat") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / TICK

    def status(self, key):
        """A number of /proc/PID/status: VmRSS in kB, voluntary_ctxt_switches ..."""
        with open(f"/proc/{self.process.pid}/status") as status:
            for line in status:
                if line.startswith(key + ":"):
                    return int(line.split()[1])
        return 0


def on_client_cpu(command, **more):
    return subprocess.Popen(command, preexec_fn=_prepare(CLIENT_CPU), **more)


def run_load(mode, *arguments, seconds, cpus=CLIENT_CPU):
    """The result of one run of the load client, which ends after these seconds at the latest."""
    command = [compiled("load"), mode, "-t", f"{seconds:.1f}", *map(str, arguments)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=_prepare(cpus), start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=seconds + 5)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)  # its own session: it and what it spawned
        process.wait()
        raise
    if process.returncode != 0:
        said = f"{out.strip()} {err.strip()}".strip()
        problem = TimedOut if "timed out" in said else CannotMeasure
        raise problem(f"the load run went wrong: {said}")
    return json.loads(out.splitlines()[-1])


# --- results ------------------------------------------------------------------------------------


class Report:
    """Prints the results line by line and remembers whether a target was missed."""

    def __init__(self):
        self.missed, self.skipped = [], []

    def heading(self, text):
        print(f"\n{text}", flush=True)

    def line(self, name, value, ratio="", target="", met=None):
        verdict = "" if met is None else ("ok" if met else "MISSED")
        if met is False:
            self.missed.append(name)
        text = f"  {name:<22}{value:>16}  {ratio:>8}  {target:<18}{verdict}"
        print(text.rstrip(), flush=True)

    def skip(self, what):
        self.skipped.append(what)
        warn(f"not measured: {what}")

    def close(self):
        print()
        for what in self.skipped:
            print(f"not measured: {what}")
        if self.missed:
            print(f"{len(self.missed)} target(s) MISSED")
            return 1
        print("not every target was measured" if self.skipped else "every target was met")
        return 2 if self.skipped else 0


def in_turn(count, names, measure):
    """Measures each of the names in every round, in turn, in alternating order.

    Gives a list of figures for each name, index by round, so that the ratio of two contenders is
    taken within one round, under the same load of the machine.
    """
    names = list(names)
    figures = {name: [] for name in names}
    for number in range(count):
        for name in names if number % 2 == 0 else reversed(names):
            figures[name].append(measure(name))
    return figures


def rounds(count, contenders, measure):
    """Starts every contender, a server, then measures them in turn."""
    with contextlib.ExitStack() as stack:
        servers = {
            name: stack.enter_context(Server(name, command))
            for name, command in contenders.items()
        }
        return in_turn(count, servers, lambda name: measure(servers[name]))


def median_ratio(figures, name, base):
    return statistics.median(a / b for a, b in zip(figures[name], figures[base]))


# --- the whole of a subcommand ------------------------------------------------------------------


class Bench:
    """A subcommand: one method for each name in `sections`, called in that order.

    `sockdoc` is the path of the measured binary, None with --peers-only.
    """

    sections = ()
    whole_run_seconds = 0

    def __init__(self, sockdoc, quick):
        self.sockdoc, self.quick = sockdoc, quick
        self.report = Report()
        self.give_up = time.monotonic() + self.whole_run_seconds

    def title(self):
        """What the run is, in one line; conditions that change the figures are warned of."""
        raise NotImplementedError

    def prepare(self, section):
        """Work before a section that must not be counted as other work on the processors."""

    def close(self):
        """Ends what prepare or a section began; always called."""

    def time_left(self, limit):
        """Seconds that one run may take: the limit, or what is left of the whole run."""
        left = self.give_up - time.monotonic()
        if left < 1:
            raise CannotMeasure(f"the whole run took longer than {self.whole_run_seconds} s")
        return min(limit, left)


def command_line(name, description, bench, arguments):
    """The main of a subcommand, `bench` its class; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog=f"tools/bench {name}", description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a first look")
    parser.add_argument(
        "--only", choices=bench.sections, action="append", help="only this section"
    )
    parser.add_argument("--sockdoc", metavar="PATH", help="measure this binary, build none")
    parser.add_argument("--peers-only", action="store_true", help="without sockdoc: no target")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sockdoc = None if options.peers_only else release_binary(options.sockdoc)
        return _run(bench(sockdoc, options.quick), options.only or bench.sections)
    except (CannotMeasure, subprocess.CalledProcessError) as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _run(bench, wanted):
    print(bench.title(), flush=True)
    if bench.sockdoc is None:
        bench.report.skip("sockdoc itself (--peers-only)")
    with contextlib.closing(bench):
        for section in bench.sections:
            if section not in wanted:
                continue
            bench.prepare(section)
            with OtherWork() as others:
                getattr(bench, section)()
            if others.share > 0.05:
                warn(f"other work took {others.share:.0%} of the processors here: measure again")
    return bench.report.close()

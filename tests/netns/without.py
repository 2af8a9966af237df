"""Starts a program for which system calls fail as on a kernel that lacks a feature.

    python3 without.py "socket 0=16 2=4 EPROTONOSUPPORT" [RULE...] -- PROGRAM [ARGUMENT...]

A rule is a system call, the values of some of its arguments (their low 32 bits), and the error. The filter is seccomp's
(seccomp(2)): classic BPF on struct seccomp_data. Exit status 77: not known for this processor, or not allowed here.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

NUMBERS = {
    "x86_64": {"bpf": 321, "kcmp": 312, "pidfd_getfd": 438, "setsockopt": 54, "socket": 41},
    "aarch64": {"bpf": 280, "kcmp": 272, "pidfd_getfd": 438, "setsockopt": 208, "socket": 198},
}
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, MODE_FILTER = 22, 38, 2


def rule(text, numbers):
    call, *conditions, name = text.split()
    tests = [(0, numbers[call])]
    for condition in conditions:
        argument, value = condition.split("=")
        # The low half of an argument of 64 bits, on a little-endian machine.
        tests.append((16 + 8 * int(argument), int(value, 0)))
    code = []
    for number, (offset, value) in enumerate(tests):
        rest = 2 * (len(tests) - 1 - number) + 1
        code += [(LOAD, 0, 0, offset), (EQUAL, 0, rest, value)]
    return code + [(RETURN, 0, 0, FAIL | getattr(errno, name))]


def main(words):
    at = words.index("--")
    numbers = NUMBERS.get(platform.machine())
    if numbers is None or sys.byteorder != "little":
        sys.exit(77)
    code = [step for text in words[:at] for step in rule(text, numbers)] + [(RETURN, 0, 0, ALLOW)]
    steps = b"".join(struct.pack("=HBBI", *step) for step in code)
    buffer = ctypes.create_string_buffer(steps, len(steps))
    program = struct.pack("@HP", len(code), ctypes.addressof(buffer))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    # Without no_new_privs it takes CAP_SYS_ADMIN, which the caller has; the program keeps its rights.
    if prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.c_char_p(program), 0, 0) != 0:
        sys.exit(77)
    os.execv(words[at + 1], words[at + 1 :])


main(sys.argv[1:])

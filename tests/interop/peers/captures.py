"""Capture files with every feature of pcap and pcapng, written into a folder: captures.py FOLDER"""

import pathlib
import struct
import sys

ETHERNET = bytes.fromhex(
    "020000000002020000000001080045000028000040004006000001020304"
    "0a0000020050c00000000001000000025012010000000000"
)
IPV4 = ETHERNET[14:]
COOKED = bytes.fromhex("00000001000602000000000100000800") + IPV4
COOKED2 = bytes.fromhex("0800000000000001000104060200000000010000") + IPV4


def pcap(order, magic, link, records, version=(2, 4), head=b""):
    file = struct.pack(order + "IHHiIII", magic, *version, 0, 0, 65535, link)
    for seconds, part, data, length in records:
        file += struct.pack(order + "IIII", seconds, part, len(data), length) + head + data
    return file


class Ng:
    """Blocks of pcapng in one byte order."""

    def __init__(self, order):
        self.order = order

    def pack(self, form, *values):
        return struct.pack(self.order + form, *values)

    def block(self, kind, body):
        body += bytes(-len(body) % 4)
        length = self.pack("I", len(body) + 12)
        return self.pack("I", kind) + length + body + length

    def option(self, code, value):
        return self.pack("HH", code, len(value)) + value + bytes(-len(value) % 4)

    def section(self, length=-1):
        options = self.option(3, b"Linux") + self.option(4, b"captures.py") + self.option(0, b"")
        return self.block(0x0A0D0D0A, self.pack("IHHq", 0x1A2B3C4D, 1, 0, length) + options)

    def interface(self, link, snaplen=0, *options):
        body = self.pack("HHI", link, 0, snaplen) + b"".join(options)
        return self.block(1, body + (self.option(0, b"") if options else b""))

    def resolution(self, byte):
        return self.option(9, bytes([byte]))

    def offset(self, seconds):
        return self.option(14, self.pack("q", seconds))

    def enhanced(self, interface, ticks, data, length=None, options=b""):
        head = self.pack("IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(data), length or len(data))
        return self.block(6, head + data + bytes(-len(data) % 4) + options)

    def simple(self, data, length=None):
        return self.block(3, self.pack("I", length or len(data)) + data)

    def packet(self, interface, ticks, data):
        head = self.pack("HHIIII", interface, 3, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
        return self.block(2, head + data)

    def others(self):
        name = self.pack("HH", 1, 9) + bytes([1, 2, 3, 4]) + b"host\0" + bytes(3) + self.pack("HH", 0, 0)
        statistics = self.pack("III", 0, 0, 0) + self.option(4, self.pack("Q", 10)) + self.option(5, self.pack("Q", 2))
        secrets = self.pack("II", 0x544C534B, 9) + b"# nothing"
        return (
            self.block(4, name)
            + self.block(5, statistics + self.option(0, b""))
            + self.block(10, secrets)
            + self.block(0xBAD, self.pack("I", 32473) + b"ours")
            + self.block(0x40000BAD, self.pack("I", 32473) + b"ours, not to copy")
            + self.block(0x80001234, b"of nobody")
        )


def files():
    records = [
        (1_700_000_000, 1, ETHERNET, len(ETHERNET)),
        (1_700_000_000, 999_999, ETHERNET[:40], 1500),
        (1_700_000_001, 0, b"", 60),
        (0x7FFFFFFF, 5, ETHERNET, len(ETHERNET)),
        (0xF0000000, 5, ETHERNET, len(ETHERNET)),
    ]
    for name, order in (("little", "<"), ("big", ">")):
        ng = Ng(order)
        yield f"{name}.pcap", pcap(order, 0xA1B2C3D4, 1, records)
        yield f"{name}-nanoseconds.pcap", pcap(order, 0xA1B23C4D, 1, records)
        yield f"{name}-modified.pcap", pcap(order, 0xA1B2CD34, 1, records, head=bytes(8))
        yield f"{name}-header.pcap", pcap(order, 0xA1B2C3D4, 1, [])
        yield f"{name}-cooked.pcap", pcap(order, 0xA1B2C3D4, 113, [(1, 2, COOKED, len(COOKED))])
        yield f"{name}-version23.pcap", pcap(order, 0xA1B2C3D4, 1, records, version=(2, 3))
        yield f"{name}-header.pcapng", ng.section() + ng.interface(1)
        yield f"{name}.pcapng", ng.section() + ng.interface(1) + b"".join(
            ng.enhanced(0, 1_700_000_000_000_000 + number, ETHERNET[: 54 - number]) for number in range(8)
        )
        resolutions = [0, 3, 6, 7, 9, 0x80, 0x8A, 0x94, 0x9E]
        units = [1, 10**3, 10**6, 10**7, 10**9, 1, 2**10, 2**20, 2**30]
        yield f"{name}-resolutions.pcapng", ng.section() + b"".join(
            ng.interface(1, 0, ng.resolution(resolution)) for resolution in resolutions
        ) + b"".join(
            ng.enhanced(number, 1_700_000_000 * unit + unit // 3, ETHERNET) for number, unit in enumerate(units)
        )
        yield f"{name}-offset.pcapng", ng.section() + ng.interface(1, 0, ng.offset(1_000_000_000)) + ng.interface(
            1, 0, ng.resolution(9), ng.offset(-5)
        ) + ng.enhanced(0, 700_000_000_000_001, ETHERNET) + ng.enhanced(1, 1_700_000_000_000_000_001, ETHERNET)
        yield f"{name}-links.pcapng", ng.section() + ng.interface(1, 96, ng.option(2, b"eth0")) + ng.interface(
            101
        ) + ng.interface(113, 65535) + ng.interface(276) + ng.enhanced(1, 1, IPV4) + ng.enhanced(
            0, 2, ETHERNET
        ) + ng.enhanced(3, 3, COOKED2) + ng.enhanced(2, 4, COOKED) + ng.enhanced(0, 5, ETHERNET[:30], 90)
        yield f"{name}-blocks.pcapng", ng.section() + ng.interface(1) + ng.others() + ng.enhanced(
            0, 1_000_000, ETHERNET, None, ng.option(1, b"a comment") + ng.option(0, b"")
        ) + ng.packet(0, 2_000_000, ETHERNET) + ng.others() + ng.packet(0, 3_000_001, ETHERNET[:33])
        yield f"{name}-simple.pcapng", ng.section() + ng.interface(1, 40) + ng.simple(ETHERNET[:40], 54) + ng.simple(
            ETHERNET[:20]
        )
        other = Ng(">" if order == "<" else "<")
        yield f"{name}-sections.pcapng", b"".join(
            part.section() + part.interface(1, 0, part.resolution(9)) + part.enhanced(0, 1_000_000_000, ETHERNET)
            for part in (ng, other, ng)
        )


def main():
    folder = pathlib.Path(sys.argv[1])
    for name, file in files():
        (folder / name).write_bytes(file)


main()

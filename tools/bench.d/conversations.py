"""A capture of application conversations on loopback, as large as asked for; every run the same.

Ten frames a conversation: handshake, a request, its acknowledgment, the reply, its acknowledgment,
both FINs. Eight conversations are under way at a time. Checksums are not filled in, as on loopback.
"""

import struct

FRAMES = 10
AT_ONCE = 8
SERVER = 65432
START = 1_700_000_000
FIN, SYN, PSH, ACK = 1, 2, 8, 16
RECORD, ETHERNET, IP, TCP = 16, 14, 20, 20
WORDS = ("morpheus", "ring", "trinity", "neo", "frodo", "the one", "gandalf", "nobody at all")


def message(content):
    header = (
        '{"byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8", '
        f'"content-length": {len(content)}}}'
    ).encode()
    return struct.pack(">H", len(header)) + header + content


def template(word):
    """The frames of a conversation, each with its record header, and what is in which direction."""
    request = message(f'{{"action": "search", "value": "{word}"}}'.encode())
    reply = message(f'{{"result": "No match for \'{word}\'."}}'.encode())
    asked, answered = len(request), len(reply)
    steps = (
        (True, 0, 0, SYN, b""), (False, 0, 1, SYN | ACK, b""), (True, 1, 1, ACK, b""),
        (True, 1, 1, PSH | ACK, request), (False, 1, 1 + asked, ACK, b""),
        (False, 1, 1 + asked, PSH | ACK, reply), (True, 1 + asked, 1 + answered, ACK, b""),
        (False, 1 + answered, 1 + asked, FIN | ACK, b""),
        (True, 1 + asked, 2 + answered, FIN | ACK, b""), (False, 2 + answered, 2 + asked, ACK, b""),
    )
    frames = []
    for from_client, sequence, acknowledgment, flags, data in steps:
        if flags & SYN:
            options = bytes([2, 4, 0xFF, 0xD7, 4, 2, 8, 10]) + bytes(8) + bytes([1, 3, 3, 10])
        else:
            options = bytes([1, 1, 8, 10]) + bytes(8)
        length = ETHERNET + IP + TCP + len(options) + len(data)
        frame = bytearray(struct.pack("<IIII", 0, 0, length, length))
        frame += bytes(12) + b"\x08\x00"
        frame += struct.pack(">BBHHHBBH", 0x45, 0, length - ETHERNET, 1, 0x4000, 64, 6, 0)
        frame += bytes([127, 0, 0, 1, 127, 0, 0, 1])
        offset = (TCP + len(options)) // 4 << 4
        frame += struct.pack(">HHIIBBHHH", SERVER, SERVER, 0, 0, offset, flags, 64, 0, 0)
        frame += options + data
        clock = RECORD + ETHERNET + IP + TCP + (8 if flags & SYN else 4)
        frames.append((frame, from_client, sequence, acknowledgment, clock, bool(flags & ACK)))
    return frames


def write(path, conversations):
    """Writes the capture; gives the number of its frames."""
    templates = [template(word) for word in WORDS]
    ports = RECORD + ETHERNET + IP
    with open(path, "wb", buffering=1 << 20) as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for first in range(0, conversations, AT_ONCE):
            group = range(first, min(first + AT_ONCE, conversations))
            for step in range(FRAMES):
                for number in group:
                    frame, from_client, sequence, acknowledgment, clock, has_ack = templates[
                        number % len(templates)
                    ][step]
                    now = number * 40 + step * 12
                    struct.pack_into("<II", frame, 0, START + now // 1_000_000, now % 1_000_000)
                    port = 1024 + number % 64_000
                    isn, peer = number * 7919 & 0xFFFFFFFF, number * 104_729 & 0xFFFFFFFF
                    mine, theirs = (isn, peer) if from_client else (peer, isn)
                    struct.pack_into(">H", frame, ports + (0 if from_client else 2), port)
                    acknowledged = theirs + acknowledgment & 0xFFFFFFFF if has_ack else 0
                    struct.pack_into(
                        ">II", frame, ports + 4, mine + sequence & 0xFFFFFFFF, acknowledged
                    )
                    struct.pack_into(">II", frame, clock, number + step, number if has_ack else 0)
                    out.write(frame)
    return conversations * FRAMES

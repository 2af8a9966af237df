# Sockets of all kinds, none of which changes until the end of the input.
import os, socket, sys, tempfile
kept = []


def keep(s):
    kept.append(s)
    return s


def listener(family, address, backlog=5, only6=None):
    s = keep(socket.socket(family))
    if only6 is not None:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only6)
    s.bind((address, 0))
    s.listen(backlog)
    return s


def join(address):
    return keep(socket.create_connection(address))


def accept(s):
    return keep(s.accept()[0])


four = listener(socket.AF_INET, "127.0.0.1")
listener(socket.AF_INET, "0.0.0.0", 9)
six = listener(socket.AF_INET6, "::1")
both = listener(socket.AF_INET6, "::", 5, 0)
listener(socket.AF_INET6, "::", 5, 1)
for at in (four, six):
    join(at.getsockname()[:2])
    accept(at)
# A mapped address, and one that nobody accepts.
join(("127.0.0.1", both.getsockname()[1]))
accept(both)
join(four.getsockname())
# Data that nobody reads.
client = join(four.getsockname())
accept(four)
server = accept(four)
client.sendall(b"hello")
# Half closed.
client = join(four.getsockname())
server = accept(four)
client.shutdown(socket.SHUT_WR)
assert server.recv(1) == b""
# TIME_WAIT.
client = socket.create_connection(four.getsockname())
server = four.accept()[0]
client.close()
assert server.recv(1) == b""
server.close()
# A connect that is not answered: to a queue that is full.
full = listener(socket.AF_INET, "127.0.0.2", 0)
join(full.getsockname())
waiting = keep(socket.socket())
waiting.setblocking(False)
try:
    waiting.connect(full.getsockname())
except BlockingIOError:
    pass
# UDP.
for family, address in (
    (socket.AF_INET, "127.0.0.1"),
    (socket.AF_INET, "0.0.0.0"),
    (socket.AF_INET6, "::1"),
    (socket.AF_INET6, "::"),
):
    s = keep(socket.socket(family, socket.SOCK_DGRAM))
    s.bind((address, 0))
    if address in ("127.0.0.1", "::1"):
        other = keep(socket.socket(family, socket.SOCK_DGRAM))
        other.connect(s.getsockname()[:2])
# Raw, unix.
keep(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)).bind(("127.0.0.1", 0))
folder = tempfile.mkdtemp()
for kind, name in (
    (socket.SOCK_STREAM, folder + "/stream"),
    (socket.SOCK_SEQPACKET, "\0packets%d" % os.getpid()),
    (socket.SOCK_DGRAM, folder + "/datagrams"),
):
    s = keep(socket.socket(socket.AF_UNIX, kind))
    s.bind(name)
    if kind != socket.SOCK_DGRAM:
        s.listen(3)
        c = keep(socket.socket(socket.AF_UNIX, kind))
        c.connect(name)
        accept(s)
kept.extend(socket.socketpair())
for name in ("stream", "datagrams"):
    os.unlink(os.path.join(folder, name))
os.rmdir(folder)
print("ready", flush=True)
sys.stdin.read()

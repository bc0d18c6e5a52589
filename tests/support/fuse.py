"""Mounts a file system in memory through FUSE on the folder argv[1], and becomes the command argv[2:].

The protocol is that of linux/fuse.h; it needs no library, and no daemon that outlives the mount."""

import ctypes, errno, os, stat, struct, sys, time

folder, command = sys.argv[1], sys.argv[2:]
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0,default_permissions"
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"test", folder.encode(), b"fuse", 0, options.encode()):
    print("no FUSE here:", os.strerror(ctypes.get_errno()))
    sys.exit(77)
if os.fork():
    os.close(device)
    os.execvp(command[0], command)
libc.prctl(1, 9)  # PR_SET_PDEATHSIG: the mount ends with the command
for output in (1, 2):
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)


class Node:
    def __init__(self, mode):
        self.mode, self.data, self.names, self.links = mode, bytearray(), {}, 1


nodes = {1: Node(stat.S_IFDIR | 0o700)}


def attributes(number):
    node, now = nodes[number], int(time.time())
    size = len(node.data)
    return struct.pack("<6Q10I", number, size, (size + 511) // 512, now, now, now, 0, 0, 0, node.mode,
                       node.links, 0, 0, 0, 4096, 0)


def entry(number):
    return struct.pack("<4Q2I", number, 0, 0, 0, 0, 0) + attributes(number)


def text(data):
    return data.split(b"\0")[0]


def make(parent, name, mode):
    number = max(nodes) + 1
    nodes[number] = Node(mode)
    nodes[parent].names[name] = number
    return number


def move(parent, folder, old, new):
    replaced = nodes[folder].names.get(new)
    if replaced:
        nodes[replaced].links = 0
    nodes[folder].names[new] = nodes[parent].names.pop(old)


def answer(operation, number, data):
    node = nodes[number] if number else None
    if operation == 26:  # INIT
        return struct.pack("<4I2H2I2HI7I", 7, 31, 65536, 0, 16, 12, 65536, 1, 16, 0, 0, *[0] * 7)
    if operation == 1:  # LOOKUP
        if text(data) not in node.names:
            raise OSError(errno.ENOENT, "")
        return entry(node.names[text(data)])
    if operation == 3:  # GETATTR
        return struct.pack("<Q2I", 0, 0, 0) + attributes(number)
    if operation == 4:  # SETATTR
        valid, _, _, size = struct.unpack_from("<2I2Q", data)
        if valid & 1:
            node.mode = stat.S_IFMT(node.mode) | stat.S_IMODE(struct.unpack_from("<I", data, 68)[0])
        if valid & 8:
            node.data = node.data[:size].ljust(size, b"\0")
        return struct.pack("<Q2I", 0, 0, 0) + attributes(number)
    if operation == 9:  # MKDIR
        mode, umask = struct.unpack_from("<2I", data)
        return entry(make(number, text(data[8:]), stat.S_IFDIR | mode & ~umask))
    if operation == 35:  # CREATE
        _, mode, umask, _ = struct.unpack_from("<4I", data)
        return entry(make(number, text(data[16:]), mode & ~umask)) + bytes(16)
    if operation in (10, 11):  # UNLINK, RMDIR
        nodes[node.names.pop(text(data))].links = 0
        return b""
    if operation in (12, 45):  # RENAME, RENAME2
        old, new = data[8 if operation == 12 else 16:].split(b"\0")[:2]
        if operation == 45 and struct.unpack_from("<I", data, 8)[0] & 1 and new in node.names:
            raise OSError(errno.EEXIST, "")
        move(number, struct.unpack_from("<Q", data)[0], old, new)
        return b""
    if operation in (14, 27):  # OPEN, OPENDIR
        return bytes(16)
    if operation == 15:  # READ
        _, offset, size = struct.unpack_from("<2QI", data)
        return bytes(node.data[offset:offset + size])
    if operation == 16:  # WRITE
        _, offset, size = struct.unpack_from("<2QI", data)
        node.data = node.data.ljust(offset, b"\0")
        node.data[offset:offset + size] = data[40:40 + size]
        return struct.pack("<2I", size, 0)
    if operation == 17:  # STATFS
        return struct.pack("<5Q4I6I", 1 << 20, 1 << 19, 1 << 19, 1000, 900, 4096, 255, 4096, 0, *[0] * 6)
    if operation == 28:  # READDIR
        offset = struct.unpack_from("<2Q", data)[1]
        out = b""
        for place, (name, child) in enumerate(node.names.items(), 1):
            if place > offset:
                out += struct.pack("<2Q2I", child, place, len(name), 0) + name
                out += bytes(-len(name) % 8)
        return out
    if operation in (18, 20, 25, 29, 30, 34):  # RELEASE, FSYNC, FLUSH, RELEASEDIR, FSYNCDIR, ACCESS
        return b""
    raise OSError(errno.ENOSYS, "")


while True:
    try:
        message = os.read(device, 1 << 20)
    except OSError:  # unmounted
        os._exit(0)
    _, operation, unique, number = struct.unpack_from("<2I2Q", message)
    if operation in (2, 36, 42):  # FORGET, INTERRUPT, BATCH_FORGET
        continue
    try:
        error, body = 0, answer(operation, number, message[40:])
    except OSError as failure:
        error, body = -failure.errno, b""
    os.write(device, struct.pack("<IiQ", 16 + len(body), error, unique) + body)

"""Runs a program on a pseudo-terminal and types what it waits for; prints what it showed as JSON.

What is to be typed and begins with NUL is a command for the shell instead."""

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

job = json.loads(sys.argv[1])
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", job["rows"], job["columns"], 0, 0))
    os.execvp(job["words"][0], job["words"])

shown, seen, steps = b"", 0, list(job["steps"])
end = time.monotonic() + 30
while True:
    if steps:
        at = shown.find(steps[0][0].encode(), seen)
        if at >= 0:
            expected, typed = steps.pop(0)
            seen = at + len(expected.encode())
            if typed.startswith("\0"):
                subprocess.run(typed[1:], shell=True, check=True)
            else:
                os.write(fd, typed.encode())
            continue
    left = end - time.monotonic()
    if left <= 0 or not select.select([fd], [], [], left)[0]:
        os.kill(pid, 9)
        sys.exit(f"not in time; shown: {shown!r}, still to come: {steps}")
    try:
        part = os.read(fd, 65536)
    except OSError:
        break
    if not part:
        break
    shown += part
_, status = os.waitpid(pid, 0)
if steps:
    sys.exit(f"ended early; shown: {shown!r}, still to come: {steps}")
print(json.dumps({"out": shown.decode(errors="replace"), "code": os.waitstatus_to_exitcode(status)}))

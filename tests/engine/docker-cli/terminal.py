"""A person at a terminal: runs a program in a pty of its own, waits for texts, types answers, changes the window's size.
Reads {"argv", "exchanges": [{"see", "send"}]} as JSON on stdin, prints {"code", "text"}; code -1: a text did not come in time."""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

LIMIT_SECONDS = 20  # a program that never says what is waited for must not hang the tests


def resize(master, rows, columns):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def main():
    job = json.load(sys.stdin)
    pid, master = pty.fork()
    if pid == 0:
        resize(0, 24, 80)
        os.execvp(job["argv"][0], job["argv"])
    seen, read_from, deadline, resized = "", 0, time.monotonic() + LIMIT_SECONDS, False
    waiting = list(job["exchanges"])
    while True:
        if not select.select([master], [], [], 0.2)[0]:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return -1, seen
            if resized:  # whoever listens now learns of it, if not then
                os.kill(pid, signal.SIGWINCH)
            continue
        try:
            data = os.read(master, 65536)
        except OSError:  # the last program on the other side has ended
            break
        seen += data.decode(errors="replace")
        while waiting and waiting[0]["see"] in seen[read_from:]:
            step = waiting.pop(0)
            read_from = seen.index(step["see"], read_from) + len(step["see"])
            if isinstance(step["send"], str):
                os.write(master, step["send"].encode())
            else:
                resize(master, step["send"]["rows"], step["send"]["columns"])
                resized = True
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen


code, text = main()
print(json.dumps({"code": code, "text": text}))

"""The memory of processes: where given bytes stand in it."""

import pathlib
import re

CHUNK = 1 << 20
SKIPPED = ("[vvar]", "[vsyscall]", "[vdso]")


def regions(pid, hidden=True):
    """Of memory that is writable: start, end, name. Those that a core dump leaves out (madvise) can be left out too."""
    text = pathlib.Path(f"/proc/{pid}/smaps").read_text()
    for entry in re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", text, flags=re.M)[1:]:
        span, permissions, _, _, _, *name = entry.splitlines()[0].split(None, 5)
        name = "".join(name)
        flags = re.search(r"^VmFlags: (.*)$", entry, flags=re.M).group(1).split()
        if permissions.startswith("rw") and name not in SKIPPED and (hidden or "dd" not in flags):
            yield *(int(each, 16) for each in span.split("-")), name


def read(memory, start, end):
    """In pieces that overlap; pages that can't be read (guarded, never used) are left out."""
    at = start
    before = b""
    while at < end:
        size = min(CHUNK, end - at)
        try:
            memory.seek(at)
            piece = memory.read(size)
        except (OSError, ValueError, OverflowError):
            piece = b""
        if piece:
            yield at - len(before), before + piece
        before = piece[-512:]
        at += size


def find(pid, secrets, hidden=True):
    """Where they stand: secret, region, address, where the region begins."""
    pattern = re.compile(b"|".join(re.escape(each) for each in secrets))
    found = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, name in regions(pid, hidden):
            for at, piece in read(memory, start, end):
                for match in pattern.finditer(piece):
                    found.append((match.group(), name or "anonymous", hex(at + match.start()), hex(start)))
    return found

"""A disk that fails when it is told to, under a real gateway."""

import mmap
import os
import pathlib
import shutil
import struct
import subprocess

import pytest

from conftest import HERE, wait_for

WRITES, SYNCS, OPENS, NAMES = 1, 2, 4, 8
FIELDS = ("kinds", "error", "skipped", "failing", "failed", "seen", "delay")


def shim(name, folder):
    """A library of `peers/`, built; to be loaded before a process."""
    compiler = next(filter(None, map(shutil.which, ("cc", "clang", "gcc"))))
    library = folder / f"{name}.so"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, HERE / f"peers/{name}.c", "-ldl"], check=True)
    return str(library)


class SmallDisk:
    """A file system of its own for a gateway's state, in a namespace that outlives the gateway."""

    def __init__(self, workshop, size, options="rw"):
        self.state = workshop.folder / "state"
        self.state.mkdir()
        if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode != 0:
            pytest.skip("namespaces of one's own are not allowed here")
        mount = f'mount -t tmpfs -o size={size},{options} none "{self.state}" && echo mounted && exec sleep 3600'
        self.holder = workshop.start("disk", ["unshare", "-rm", "sh", "-c", mount])
        wait_for(lambda: "mounted" in self.holder.log.read_text(), what="the file system")

    @property
    def wrapper(self):
        """What comes before a command that is to see it."""
        return ["nsenter", "-t", str(self.holder.process.pid), "-U", "-m", "--preserve-credentials"]

    def remount(self, options):
        subprocess.run([*self.wrapper, "mount", "-o", f"remount,{options}", self.state], check=True)

    @property
    def seen(self):
        return pathlib.Path(f"/proc/{self.holder.process.pid}/root{self.state}")


class FailingDisk:
    """The calls of one process on the files below a folder."""

    def __init__(self, folder, watched):
        self.path = folder / "disk.control"
        self.path.write_bytes(bytes(4 * len(FIELDS)))
        self.file = open(self.path, "r+b")
        self.fields = mmap.mmap(self.file.fileno(), 4 * len(FIELDS))
        self.environment = os.environ | {
            "LD_PRELOAD": shim("failing_disk", folder), "WATCHED": str(watched), "CONTROL": str(self.path)}

    def get(self, field):
        return struct.unpack_from("i", self.fields, 4 * FIELDS.index(field))[0]

    def set(self, **values):
        for field, value in values.items():
            struct.pack_into("i", self.fields, 4 * FIELDS.index(field), value)

    def fail(self, kinds, error, skipped=0, count=1):
        """From the next call but `skipped` on, `count` calls of these kinds fail."""
        self.set(error=0, failed=0, seen=0)
        self.set(kinds=kinds, skipped=skipped, failing=count)
        self.set(error=error)

    def mend(self):
        self.set(error=0, failing=0, kinds=0, delay=0)

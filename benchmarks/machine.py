"""Where figures come from: processor, threads and versions, kept with every row."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

# Set before anything that reads them is imported.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
PACKAGES = (
    *("numpy", "scipy", "pandas", "scikit-learn", "torch", "pyarrow", "polars"),
    *("snorkel", "crowd-kit", "torchopt", "higher", "decile-spear", "numba"),
)


def pin_threads(threads: int) -> None:
    """Give both sides, and the processes that they start, the same number of threads."""
    for name in THREADS:
        os.environ[name] = str(threads)
    import torch

    torch.set_num_threads(threads)
    try:
        import pyarrow

        pyarrow.set_cpu_count(threads)
    except ModuleNotFoundError:
        pass


def about() -> dict[str, object]:
    """Name machine, commit, and versions of Python and of what is installed of :data:`PACKAGES`."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    machine = f"{processor()}, {cores()} cores"
    return {"machine": machine, "commit": commit(Path(__file__).parent), "versions": versions}


def commit(folder: Path) -> str | None:
    """Return the commit of a checkout, None outside of one."""
    line = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        return subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def processor() -> str:
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def cores() -> int:
    """Cores that this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1

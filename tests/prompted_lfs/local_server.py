"""A real server of a small model on this machine: that of llama-cpp-python, for a while."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

#: Environment variable that names a model file (GGUF) for tests and figures.
MODEL_VARIABLE = "SPEAR_AMAL_GGUF"
_PATIENCE = 120.0


@contextlib.contextmanager
def local_server(
    model: str, python: str = sys.executable, context: int = 2048, threads: int = 1
) -> Iterator[str]:
    """Yield the address of the server within the block.

    Parameters
    ----------
    model : path of a GGUF file
    python : path of an interpreter that has llama-cpp-python
    context : int
        Tokens that prompt and answer may have together.
    threads : int
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [python, "-m", "llama_cpp.server", "--model", model, "--host", "127.0.0.1"]
    command += ["--port", str(port), "--n_ctx", str(context), "--n_threads", str(threads)]
    command += ["--n_threads_batch", str(threads)]
    command += ["--logits_all", "true", "--verbose", "false"]
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "said"
        with said.open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ))
        try:
            _wait(f"http://127.0.0.1:{port}/v1", process, said)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(30)


def _wait(url: str, process: subprocess.Popen, said: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/models", timeout=2):
            return
        time.sleep(0.2)
    raise RuntimeError(f"the server did not start:\n{said.read_text(errors='replace')[-2000:]}")

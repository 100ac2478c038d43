"""The workbench in a process of its own: what it imports, how it ends, two on one project."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

# Pages are asked for one after the other; what they import stays.
RUN = """
import json, sys
from pathlib import Path
from spear_amal.cli.workbench import project_of
from spear_amal.workbench import Workspace
from spear_amal.workbench.app import create_app
if __name__ == "__main__":
    workspace = Workspace(project_of(Path(sys.argv[1])))
    app = create_app(workspace, "t", ("127.0.0.1:1",))
    heavy = ("torch", "matplotlib", "altair", "snorkel", "spacy", "transformers", "polars")
    before = [name for name in heavy if name in sys.modules]
    from starlette.testclient import TestClient
    client = TestClient(app, base_url="http://127.0.0.1:1", cookies={"spear_amal_1": "t"})
    pages = ("/rules", "/rows", "/suggestions", "/training", "/report")
    codes = [client.get(path).status_code for path in pages]
    workspace.close()
    print(json.dumps([before, codes, [name for name in heavy if name in sys.modules]]))
"""


@contextmanager
def asked(served, path, headers=None):
    """Yield the answer to a GET, while the connection is open."""
    address = urlsplit(served.base)
    with closing(HTTPConnection(address.hostname, address.port, timeout=30)) as connection:
        connection.request("GET", path, headers=headers or {})
        with closing(connection.getresponse()) as answer:
            yield answer


def cookie_of(served):
    """Return the headers of a browser that has opened the address."""
    with asked(served, served.address.removeprefix(served.base)) as answer:
        assert answer.status == 303
        return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}


def status(served, path, headers):
    with asked(served, path, headers) as answer:
        return answer.status


@pytest.mark.slow
def test_pages_import_no_torch(project_folder, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(RUN, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script), str(project_folder)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    before, codes, after = json.loads(done.stdout.splitlines()[-1])
    assert (before, codes, after) == ([], [200] * 5, [])


@pytest.mark.slow  # it starts the command twice
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl+C cannot be sent to one process there")
def test_it_ends_at_once_with_open_streams(serve, project_folder):
    for number, code in ((signal.SIGINT, 0), (signal.SIGTERM, 128 + signal.SIGTERM)):
        served = serve(project_folder)
        headers = cookie_of(served)
        with ExitStack() as streams:
            for _ in range(3):
                stream = streams.enter_context(asked(served, "/events", headers))
                assert stream.headers["content-type"].startswith("text/event-stream")
            served.process.send_signal(number)
            assert served.process.wait(timeout=60) == code
        log = served.log.read_text(encoding="utf-8")
        assert "Traceback" not in log and "token" not in log
        assert ("The workbench has ended" in log) == (code == 0)


@pytest.mark.slow
def test_two_servers_on_one_project(serve, project_folder):
    one, two = serve(project_folder), serve(project_folder, "--json")
    assert one.base != two.base
    headers = cookie_of(one), cookie_of(two)
    assert status(one, "/rules", headers[0]) == status(two, "/rules", headers[1]) == 200
    assert status(two, "/rules", headers[0]) == 403  # each has a token of its own
    both = {"Cookie": "; ".join(given["Cookie"] for given in headers)}
    assert status(one, "/rules", both) == status(two, "/rules", both) == 200


@pytest.mark.slow
def test_it_listens_on_this_machine_alone(serve, project_folder):
    served = serve(project_folder)
    headers = cookie_of(served)
    port = urlsplit(served.base).port
    own = {
        info[4][0]
        for info in socket.getaddrinfo(socket.gethostname(), port, socket.AF_INET)
        if not info[4][0].startswith("127.")
    }
    for address in own:
        with pytest.raises(OSError):
            socket.create_connection((address, port), timeout=2)
    untidied = (
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "//etc/passwd",
        "/static//etc/passwd",
        "http://evil.example/",
    )
    for target in untidied:
        assert raw_status(port, f"GET {target} HTTP/1.1", headers) in (307, 404)
    assert raw_status(port, "GET /rules HTTP/1.0", headers) == 200
    assert raw_status(port, "GET /rules HTTP/1.1", {**headers, "Host": "evil.example"}) == 403
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    assert raw_status(port, "GET /events HTTP/1.1", {**upgrade, **key}) == 403
    assert raw_status(port, "nonsense", {}) == 400
    log = served.log.read_text(encoding="utf-8")
    assert "token=" not in log and headers["Cookie"].partition("=")[2] not in log


def raw_status(port, line, headers):
    """Return the status of an answer to a request that is sent as it stands."""
    sent = {"Host": f"127.0.0.1:{port}", **headers}
    lines = [line, *(f"{name}: {value}" for name, value in sent.items()), "", ""]
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall("\r\n".join(lines).encode())
        return int(connection.recv(100).split()[1])

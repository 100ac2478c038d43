"""Serving a workspace on this machine alone, by one address with a token in it."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable

from spear_amal.errors import InputError
from spear_amal.processes import Terminated
from spear_amal.workbench.workspace import FIRST_LOOK, Workspace

HOST = "127.0.0.1"


def serve(
    workspace: Workspace, port: int = 0, on_ready: Callable[[str], None] = lambda address: None
) -> None:
    """Serve until interrupted.

    Parameters
    ----------
    workspace : Workspace
    port : int
        0 takes a free one.
    on_ready : callable
        Given the address to open, once the server listens.

    Raises
    ------
    InputError
        If the port is taken, or not for this user.
    """
    import uvicorn

    from spear_amal.workbench.app import create_app
    from spear_amal.workbench.render import load_templates

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        _bind(listener, port)
        port = listener.getsockname()[1]
        token = secrets.token_urlsafe(24)
        app = create_app(workspace, token, hosts_of(port))
        load_templates()  # while the user's file is run
        workspace.wait(lambda snapshot: not snapshot.is_loading, FIRST_LOOK)
        # Access logs would hold the token.
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
            server_header=False,
            ws="none",
        )
        server = uvicorn.Server(config)
        on_ready(f"http://{HOST}:{port}/?token={token}")
        try:
            server.run(sockets=[listener])
        except Terminated:
            raise
        except KeyboardInterrupt:  # the way to end it: no error
            return


def hosts_of(port: int) -> tuple[str, ...]:
    """Return what browsers may say they ask for; of port 80 they do not speak."""
    names = (HOST, "localhost")
    return tuple(f"{name}:{port}" for name in names) + (names if port == 80 else ())


def _bind(listener: socket.socket, port: int) -> None:
    """Listen on a port of this machine, or raise InputError."""
    if os.name == "posix":  # elsewhere this would let two servers share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        raise InputError(
            f"port {port} cannot be used ({error.strerror}); choose another one with --port, or "
            "leave it out"
        ) from error
    listener.listen()

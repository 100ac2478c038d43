"""Serving a workspace on this machine alone, by one address with a token in it."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable

from spear_amal.errors import InputError
from spear_amal.workbench.workspace import Workspace

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
        If the port is taken.
    """
    import uvicorn

    from spear_amal.workbench.app import create_app

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise InputError(
                f"port {port} is taken ({error.strerror}); choose another one with --port"
            ) from error
        listener.listen()
        port = listener.getsockname()[1]
        token = secrets.token_urlsafe(24)
        hosts = (f"{HOST}:{port}", f"localhost:{port}")
        # Access logs would hold the token.
        config = uvicorn.Config(
            create_app(workspace, token, hosts),
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
            server_header=False,
        )
        server = uvicorn.Server(config)
        on_ready(f"http://{HOST}:{port}/?token={token}")
        server.run(sockets=[listener])

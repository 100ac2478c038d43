"""Who may talk to the workbench: a browser on this machine that came by the address with the token.

Pages of other sites can make a browser send requests to this machine. They are refused by three
things that they cannot forge: the token (a cookie that the browser keeps to this site), the host
that was asked for, and the origin that the browser names.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN = "token"
#: The longest body of a request, in bytes; a pasted list of words is far shorter.
LONGEST_BODY = 8 * 2**20
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
#: What every answer says to the browser, those to refused requests too.
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """ASGI middleware that answers 403 to all others, and names what was wrong; 413 to long bodies.

    Parameters
    ----------
    app : ASGI application
    token : str
        In the address that the user opens; kept by the browser as a cookie from then on.
    hosts : collection of str
        What the header Host may say, such as ``127.0.0.1:8765``.
    """

    def __init__(self, app: ASGIApp, token: str, hosts: tuple[str, ...]) -> None:
        self._app, self._token, self._hosts = app, token, hosts
        self._origins = [f"http://{host}" for host in hosts]
        # Cookies know no ports: two workbenches on one machine must not take each other's.
        self.cookie = f"spear_amal_{hosts[0].rpartition(':')[2]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # a websocket: pages of other sites may open one
            await send({"type": "websocket.close", "code": 1008})
            return
        request = Request(scope)
        response = self._refusal(request) or self._arrival(request)
        if response is not None:
            response.headers.update(HEADERS)
            await response(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)

    def _refusal(self, request: Request) -> Response | None:
        """Return why a request is refused, None if it is not."""
        headers = request.headers
        if headers.get("host") not in self._hosts:
            return _refused("this address is not that of the workbench: use the one it printed")
        if not self._is_same_origin(headers):
            return _refused(
                "the request came from another site; to follow a link, paste it into the browser's "
                "line of addresses"
            )
        given = request.query_params.get(TOKEN) or request.cookies.get(self.cookie) or ""
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return _refused("the token is missing: open the address that the workbench printed")
        if not _is_short(headers):
            return _refused(f"a request may hold {LONGEST_BODY} bytes at most", status=413)
        return None

    def _is_same_origin(self, headers: Headers) -> bool:
        """Check what a browser says of where a request comes from; typed addresses say nothing."""
        origin = headers.get("origin")
        if origin is not None and origin not in self._origins:
            return False
        return headers.get("sec-fetch-site", "none") in ("none", "same-origin")

    def _arrival(self, request: Request) -> Response | None:
        """Return a redirect that keeps the token as a cookie and takes it out of the address."""
        if TOKEN not in request.query_params or request.method not in ("GET", "HEAD"):
            return None
        others = [pair for pair in request.query_params.multi_items() if pair[0] != TOKEN]
        query = f"?{urlencode(others)}" if others else ""
        path = "/" + request.url.path.lstrip("/")  # two slashes would begin another site's address
        response = RedirectResponse(path + query, status_code=303)
        response.set_cookie(self.cookie, self._token, httponly=True, samesite="strict")
        return response


def _is_short(headers: Headers) -> bool:
    """Check the length of a body before any of it is read; browsers always say it."""
    length = headers.get("content-length", "0")
    is_number = length.isascii() and length.isdigit() and len(length) < 20
    return "transfer-encoding" not in headers and is_number and int(length) <= LONGEST_BODY


def _refused(reason: str, status: int = 403) -> Response:
    return PlainTextResponse(f"Refused: {reason}.\n", status_code=status)

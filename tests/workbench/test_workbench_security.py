"""Who is refused: other sites, other hosts, whoever lacks the token; and what is never served."""

from __future__ import annotations

import hashlib
import os
import re

import pytest
from starlette.routing import Mount, Route

import spear_amal.workbench
from spear_amal.workbench.security import HEADERS, LONGEST_BODY
from spear_amal.workbench.server import hosts_of

PORT, TOKEN = 8765, "a-token-of-tests"  # of conftest.py
HERE = f"127.0.0.1:{PORT}"


@pytest.fixture(scope="module")
def project_folder(write_project, tmp_path_factory):
    return write_project(tmp_path_factory.mktemp("security") / "messages")


@pytest.fixture(scope="module")
def app(open_app_once, project_folder):
    return open_app_once(project_folder)


@pytest.fixture
def client(app, client_of):
    """A client that has the token."""
    return client_of(app)


def test_who_has_the_token_comes_in(client):
    answer = client.get("/rules")
    assert answer.status_code == 200 and "<h1>Rules</h1>" in answer.text


@pytest.mark.parametrize("path", ["/", "/rules", "/events", "/static/workbench.css", "/nowhere"])
@pytest.mark.parametrize("token", [None, "", "another", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper()])
def test_without_the_token_nothing_is_told(app, client_of, path, token):
    answer = client_of(app, token).get(path)
    assert answer.status_code == 403
    assert answer.text == (
        "Refused: the token is missing: open the address that the workbench printed.\n"
    )


def test_a_token_that_is_no_ascii_is_a_wrong_one(app, client_of):
    client = client_of(app, None)
    assert (
        client.get("/rules", params={"token": "tokén\udcff".encode("utf-8", "replace")}).status_code
        == 403
    )
    assert client.get("/rules", headers={b"cookie": b"spear_amal_8765=\xff\xfe"}).status_code == 403


def test_the_cookie_of_a_workbench_on_another_port_does_not_count(app, client_of):
    client = client_of(app, None)
    client.cookies.set(f"spear_amal_{PORT + 1}", TOKEN, domain="127.0.0.1")
    assert client.get("/rules").status_code == 403


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",  # a name of another site that was made to mean this machine
        f"evil.example:{PORT}",
        f"127.0.0.1.evil.example:{PORT}",
        f"localhost.evil.example:{PORT}",
        f"127.0.0.1:{PORT + 1}",
        "127.0.0.1",
        f"127.0.0.2:{PORT}",
        f"0.0.0.0:{PORT}",
        f"[::1]:{PORT}",
        f"user@127.0.0.1:{PORT}",
        f"127.0.0.1:{PORT}, evil.example",
        "",
    ],
)
def test_another_host_is_refused_even_with_the_token(client, host):
    answer = client.get("/rules", headers={"host": host})
    assert answer.status_code == 403 and "not that of the workbench" in answer.text
    assert client.get(f"/rules?token={TOKEN}", headers={"host": host}).status_code == 403


@pytest.mark.parametrize(
    "origin",
    [
        "null",  # a file, a sandboxed frame, a redirect from elsewhere
        "http://evil.example",
        f"http://127.0.0.1:{PORT + 1}",
        f"https://{HERE}",
        f"http://{HERE}.evil.example",
        f"http://evil.example/{HERE}",
        f"http://x@{HERE}",
        HERE,
        "http://[",  # no address at all
        "",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_origin_is_refused_even_with_the_token(client, origin, method):
    answer = client.request(method, "/rules", headers={"origin": origin})
    assert answer.status_code == 403 and "another site" in answer.text


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "what is this"])
def test_what_the_browser_says_of_the_site_is_heard(client, site):
    """Another port of this machine is the same site, and another program's."""
    headers = {"sec-fetch-site": site}
    assert client.get("/rules", headers=headers).status_code == 403
    assert client.post(f"/rules?token={TOKEN}", headers=headers).status_code == 403


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_own_pages_and_typed_addresses_come_in(client, site):
    assert client.get("/rules", headers={"sec-fetch-site": site}).status_code == 200
    other_name = {"host": f"localhost:{PORT}", "origin": f"http://localhost:{PORT}"}
    assert client.get("/rules", headers={"sec-fetch-site": site, **other_name}).status_code == 200


def test_a_form_of_another_site_changes_nothing(client, project_folder):
    before = contents(project_folder)
    for route in routes_of(client):
        for method in sorted(route.methods - {"GET", "HEAD"}):
            path = re.sub(r"\{[^}]*\}", "1", route.path)
            sent = client.request(
                method,
                path,
                headers={"origin": "http://evil.example", "sec-fetch-site": "cross-site"},
                data={"name": "x", "row": "0", "label": "spam"},
            )
            assert sent.status_code == 403, path
    assert contents(project_folder) == before


def test_looking_changes_no_file_of_the_user(client, project_folder):
    """A link, an image or a reload can make a browser send a GET: it must change nothing."""
    client.get("/rules")
    before = contents(project_folder)
    for route in routes_of(client):
        if "GET" in route.methods and route.path != "/events":
            path = re.sub(r"\{[^}]*\}", "1", route.path)
            fields = {"name": "prize", "row": "0", "rows": "0", "label": "spam", "muted": "1"}
            client.get(path, params=fields)
    assert contents(project_folder) == before


def routes_of(client):
    """Return the routes of pages; there is nothing else than them and static files."""
    routes = client.app.routes
    assert {type(route) for route in routes} == {Route, Mount}
    assert [route.path for route in routes if isinstance(route, Mount)] == ["/static"]
    return [route for route in routes if isinstance(route, Route)]


def contents(folder):
    """Return digests of the files of a project, but those in folders that begin with a dot."""
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


def test_the_token_leaves_the_address_at_once(app, client_of):
    client = client_of(app, None)
    answer = client.get(f"/rows?words=a+b&token={TOKEN}&page=2", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/rows?words=a+b&page=2"
    cookie = answer.headers["set-cookie"].lower()
    assert f"spear_amal_{PORT}={TOKEN}" in cookie
    assert "httponly" in cookie and "samesite=strict" in cookie
    assert client.get("/rules").status_code == 200  # by the cookie


@pytest.mark.parametrize("path", ["//evil.example", "///evil.example/x", "/\\evil.example"])
def test_the_first_address_leads_to_no_other_site(app, client_of, path):
    client = client_of(app, None)
    answer = client.get(f"http://{HERE}{path}?token={TOKEN}", follow_redirects=False)
    location = answer.headers["location"]
    assert location[0] == "/" and location[1:2] not in ("/", "\\")


def test_a_change_is_not_swallowed_by_the_arrival(client):
    """A POST with the token in its address is answered, not sent on as a GET."""
    assert client.post(f"/nowhere?token={TOKEN}").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e%2f%2e%2e%2fapp.py",
        "/static/..%5capp.py",
        "/static/....//app.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/C:%5cWindows%5cwin.ini",
        "/static/workbench.css%00.html",
        "/static/",
        "/static",
        "/static/../templates/base.html",
        "/../app.py",
        "/templates/base.html",
        "/lfs.py",
        "/rows.csv",
        "/spear.toml",
        "/gold.csv",
        "/.env",
    ],
)
def test_no_file_but_those_of_the_pages_is_served(client, path):
    untidied = client.base_url.copy_with(raw_path=path.encode())
    answer = client.get(untidied)
    assert answer.status_code in (404, 405)
    assert "import" not in answer.text and "root:" not in answer.text


def test_a_link_in_the_static_folder_leads_nowhere(client, tmp_path, monkeypatch):
    secret = tmp_path / "secret.txt"
    secret.write_text("do not show")
    static = tmp_path / "static"
    static.mkdir()
    (static / "plain.css").write_text("a {}")
    try:
        os.symlink(secret, static / "link.css")
    except OSError:
        pytest.skip("this system makes no links")
    mount = next(route for route in client.app.routes if isinstance(route, Mount))
    monkeypatch.setattr(mount.app, "all_directories", [str(static)])
    assert client.get("/static/plain.css").status_code == 200
    assert client.get("/static/link.css").status_code == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "FOO"])
def test_other_methods_are_refused(client, method):
    assert client.request(method, "/rules").status_code == 405


@pytest.mark.parametrize("path", ["/rules", "/nowhere", "/static/workbench.css"])
def test_every_answer_says_what_the_browser_may_do(client, path):
    answer = client.get(path)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    refused = client.get(path, headers={"origin": "null"})
    assert {name: refused.headers[name] for name in HEADERS} == HEADERS
    assert "access-control-allow-origin" not in answer.headers
    assert "server" not in answer.headers


def test_the_policy_allows_no_code_in_the_page():
    policy = HEADERS["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "*" not in policy and "http" not in policy


def test_a_fault_is_told_with_the_same_care(client, monkeypatch):
    def fail(self):
        raise KeyError("<script>broken</script>")

    monkeypatch.setattr(type(client.app.state.workspace.project), "name", property(fail))
    answer = client.get("/rules", headers={"hx-request": "true"})
    assert answer.status_code == 500
    assert "Unexpected KeyError" in answer.text and "<script>" not in answer.text
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize("length", [str(LONGEST_BODY + 1), "9" * 30, "-1", "1e3", "²"])
def test_long_bodies_are_refused_before_they_are_read(client, length):
    headers = {"content-length": length.encode()}
    answer = client.post("/rules", headers=headers, content=b"x")
    assert answer.status_code == 413 and str(LONGEST_BODY) in answer.text


def test_bodies_without_a_length_are_refused(client):
    assert client.post("/rules", content=iter([b"x"])).status_code == 413


def test_websockets_are_refused(client):
    from starlette.websockets import WebSocketDisconnect

    with (
        pytest.raises(WebSocketDisconnect) as refused,
        client.websocket_connect("/events", headers={"host": HERE}),
    ):
        pass
    assert refused.value.code == 1008


def test_no_page_and_no_message_holds_the_token(client, project_folder):
    for route in routes_of(client):
        if "GET" in route.methods and route.path != "/events":
            answer = client.get(route.path)
            assert TOKEN not in answer.text and TOKEN not in str(answer.headers), route.path
    for path in project_folder.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path


def test_static_files_are_what_the_package_ships(client):
    folder = spear_amal.workbench.app._STATIC
    for path in folder.iterdir():
        assert client.get(f"/static/{path.name}").content == path.read_bytes()
    assert "Zero-Clause BSD" in (folder / "htmx.LICENSE").read_text()


def test_browsers_leave_out_port_80():
    assert hosts_of(80) == ("127.0.0.1:80", "localhost:80", "127.0.0.1", "localhost")
    assert hosts_of(81) == ("127.0.0.1:81", "localhost:81")

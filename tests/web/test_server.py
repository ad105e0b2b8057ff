"""A real server on a port of this machine: a full house, slow clients, and its shutdown."""

import http.client
import json
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

from mien.data.prepare import prepare
from mien.infer.model import load
from mien.web.app import create_app
from mien.web.limits import Limits
from tests.data.drawn import write_folder

from .conftest import running


def _connect(url):
    return http.client.HTTPConnection(url.removeprefix("http://").strip("/"), timeout=30)


def _post(url, data, kind="image/jpeg", path="/v1/analyze"):
    connection = _connect(url)
    connection.request("POST", path, data, {"Content-Type": kind})
    return connection.getresponse()


def _get(url, path):
    connection = _connect(url)
    connection.request("GET", path)
    return connection.getresponse()


def test_at_capacity_it_answers_503_at_once(tiny, photo):
    busy, release = load(tiny, threads=1), threading.Event()
    find = busy.find
    app = create_app(busy, limits=Limits(requests=1))
    with running(app) as url:
        busy.find = lambda *given, **options: release.wait(20) and find(*given, **options)
        first = []
        held = threading.Thread(target=lambda: first.append(_post(url, photo).status))
        held.start()
        _until(lambda: json.load(_get(url, "/healthz"))["requests"] == 1)
        refused = _post(url, photo)
        assert refused.status == 503
        assert refused.headers["retry-after"] == "1"
        assert json.load(refused)["detail"] == (
            "Service unavailable: at capacity or shutting down. Retry later."
        )
        assert _get(url, "/readyz").status == 503
        release.set()
        held.join(20)
        assert first == [200]
        assert _get(url, "/readyz").status == 200


def test_a_body_that_never_ends_is_408(model):
    with running(create_app(model, limits=Limits(seconds=0.4))) as url:
        slow = _connect(url)
        slow.putrequest("POST", "/v1/analyze")
        slow.putheader("Content-Type", "image/jpeg")
        slow.putheader("Content-Length", "1000")
        slow.endheaders(b"\xff\xd8")
        answer = slow.getresponse()
        assert answer.status == 408
        assert "0.4 seconds" in json.load(answer)["detail"]


def test_clients_that_hang_up_leave_nothing_behind(model, photo):
    with running(create_app(model)) as url:
        for cut in (0, 10, 1000):
            connection = _connect(url)
            connection.putrequest("POST", "/v1/analyze")
            connection.putheader("Content-Type", "image/jpeg")
            connection.putheader("Content-Length", str(len(photo)))
            connection.endheaders(photo[:cut] or None)
            connection.close()
        _until(lambda: json.load(_get(url, "/healthz"))["requests"] == 0)
        assert _post(url, photo).status == 200


def test_the_log_has_ids_and_no_file_names(model, photo, caplog):
    caplog.set_level(logging.INFO, logger="mien.web")
    with running(create_app(model)) as url:
        kind = "multipart/form-data; boundary=x"
        body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="secret.jpg"\r\n\r\n'
        answer = _post(url, body + photo + b"\r\n--x--\r\n", kind)
        assert json.load(answer)[0]["source"] == "secret.jpg"
        assert _get(url, "/%0aforged").status == 404
    lines = [record.getMessage() for record in caplog.records if record.name == "mien.web"]
    assert any(answer.headers["x-request-id"] in line and " 200 " in line for line in lines)
    assert not any("secret" in line or "\n" in line for line in lines)


def test_shutdown_finishes_what_was_accepted(tiny, photo):
    port = _free()
    code = f"from mien.web.server import serve; serve({str(tiny)!r}, port={port}, threads=1)"
    service = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _until(lambda: _answers(url + "/readyz"), seconds=60)
        part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
        body = b"".join(part + photo + b"\r\n" for _ in range(20)) + b"--x--\r\n"
        answers = []
        kind = "multipart/form-data; boundary=x"
        post = threading.Thread(target=lambda: answers.append(json.load(_post(url, body, kind))))
        post.start()
        _until(lambda: json.load(_get(url, "/healthz"))["requests"] == 1, pause=0.002)
        service.send_signal(signal.SIGTERM)
        post.join(60)
        assert [len(picture["faces"]) for picture in answers[0]] == [1] * 20
        service.wait(30)
        assert not _answers(url + "/healthz")
    finally:
        service.kill()


LOOK = """
import os, signal, urllib.request, webbrowser

def look(url):
    try:
        print("found", urllib.request.urlopen(url, timeout=30).status, flush=True)
    except OSError as error:
        print("found", error, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

webbrowser.open = look
"""


def test_the_browser_is_opened_when_there_is_something_to_see(tiny):
    """It was opened, and the address printed, while the model was still being read."""
    code = f"{LOOK}from mien.cli.web import serve; serve({str(tiny)!r}, port={_free()}, show=True)"
    assert "found 200\n" in _run(code)


def test_the_review_is_opened_when_there_is_something_to_see(tmp_path):
    write_folder(tmp_path / "set", {"happy": 8})
    prepare(tmp_path / "set", tmp_path / "out")
    code = (
        f"{LOOK}from mien.data.reviewing import Review; from mien.web.review import serve\n"
        f"serve(Review.open(__import__('pathlib').Path({str(tmp_path / 'out')!r})), port=0)"
    )
    assert "found 200\n" in _run(code)


def test_nothing_is_said_to_listen_that_does_not(tiny):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code = f"from mien.cli.web import serve; serve({str(tiny)!r}, port={port})"
        run = _process(code)
    assert run.returncode != 0
    assert f"port {port} is in use by another program; stop that one, or give" in run.stderr
    assert "listens" not in run.stderr


def _process(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )


def _run(code):
    return _process(code).stdout


def _free():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _answers(url) -> bool:
    try:
        return urllib.request.urlopen(url, timeout=5).status == 200
    except OSError:
        return False


def _until(condition, seconds=20, pause=0.05):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(pause)

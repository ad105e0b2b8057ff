"""A hub on loopback that speaks as much of Hugging Face's protocol as fetching and pushing need."""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Repositories by name: ``files[name][path]`` are bytes; ``refuse`` is a status for writes."""

    def __init__(self):
        self.files, self.refuse, self.tokens = {}, 0, []


def _handler(hub):
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def answer(self, code, body=b"", **headers):
            self.send_response(code)
            for name, value in {"Content-Length": len(body), **headers}.items():
                self.send_header(name.replace("_", "-"), str(value))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def reply(self, value, code=200):
            self.answer(code, json.dumps(value).encode(), Content_Type="application/json")

        def do_GET(self):
            if self.path.startswith("/api/"):
                _, _, owner, name, *rest = self.path.split("?")[0].lstrip("/").split("/")
                files = hub.files.get(f"{owner}/{name}")
                if files is None:
                    self.answer(404, X_Error_Code="RepoNotFound")
                elif rest and rest[-1] not in ("main", COMMIT):
                    self.answer(404, X_Error_Code="RevisionNotFound")
                else:
                    siblings = [{"rfilename": path} for path in files]
                    self.reply({"id": f"{owner}/{name}", "sha": COMMIT, "siblings": siblings})
                return
            owner, name, _, revision, path = self.path.lstrip("/").split("/", 4)
            repository = hub.files.get(f"{owner}/{name}")
            if repository is None:
                self.answer(404, X_Error_Code="RepoNotFound")
            elif revision not in ("main", COMMIT):
                self.answer(404, X_Error_Code="RevisionNotFound")
            elif path not in repository:
                self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT)
            else:
                body = repository[path]
                tag = f'"{hashlib.sha1(body).hexdigest()}"'
                self.answer(200, body, ETag=tag, X_Repo_Commit=COMMIT)

        do_HEAD = do_GET  # noqa: N815

        def do_POST(self):
            text = self.rfile.read(int(self.headers["Content-Length"]))
            hub.tokens.append(self.headers.get("Authorization", ""))
            if hub.refuse:
                self.answer(hub.refuse)
            elif self.path == "/api/repos/create":
                asked = json.loads(text)
                name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
                hub.files.setdefault(name, {})
                self.reply({"url": f"http://{self.headers['Host']}/{name}"})
            elif "/preupload/" in self.path:
                paths = [file["path"] for file in json.loads(text)["files"]]
                regular = {"uploadMode": "regular", "shouldIgnore": False}
                self.reply({"files": [{"path": path, **regular} for path in paths]})
            elif "/commit/" not in self.path:  # such as the check of a card's front matter
                self.reply({"errors": [], "warnings": []})
            else:
                name = "/".join(self.path.split("/")[3:5])
                for line in map(json.loads, text.splitlines()):
                    if line["key"] == "file":
                        value = line["value"]
                        hub.files[name][value["path"]] = base64.b64decode(value["content"])
                url = f"http://{self.headers['Host']}/{name}/commit/{COMMIT}"
                self.reply({"success": True, "commitOid": COMMIT, "commitUrl": url})

    return Handler


@contextmanager
def running():
    """The hub and its address."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()

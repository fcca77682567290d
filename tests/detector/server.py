"""A stand-in for an OpenAI-compatible server on loopback."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def served(answer: Callable[[dict[str, Any]], Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Serve; yields the base address and the requests seen so far (`path`, `key`, `body`).

    `answer` is called with each request's body: a string is the completion's text, a number is a status to refuse
    with (a pair is one and what is said beside it), bytes are sent as they are.
    """
    seen: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append({"path": self.path, "key": self.headers.get("Authorization"), "body": body})
            said = answer(body)
            said, content = said if isinstance(said, tuple) else (said, said)
            if not isinstance(content, bytes):
                content = json.dumps({"choices": [{"message": {"content": said}}]}).encode()
            self.send_response(said if isinstance(said, int) else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def closed() -> str:
    """The base address of a server that has just gone."""
    with served(lambda body: "") as (url, _):
        return url

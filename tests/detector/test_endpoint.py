import socketserver
import threading
import urllib.error
import urllib.request

import pytest

from faultfield.detector.endpoint import Endpoint
from faultfield.errors import DetectorError, UnreachableError
from tests.detector.server import closed, served


def test_it_speaks_the_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "abc")
    with served(lambda body: f"{len(body['messages'])} messages") as (url, seen):
        text = Endpoint(url, "some-model", key_variable="SOME_KEY").complete([{"role": "user", "content": "hello"}], 7)
    assert text == "1 messages"
    request = seen[0]
    assert (request["path"], request["key"]) == ("/v1/chat/completions", "Bearer abc")
    assert request["body"] == {
        "model": "some-model",
        "messages": [{"role": "user", "content": "hello"}],
        "max_tokens": 7,
        "temperature": 0.0,
    }


def test_a_key_is_sent_without_the_line_break_of_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", " abc\r\n")
    with served(lambda body: "yes") as (url, seen):
        assert Endpoint(url, "m", key_variable="SOME_KEY").complete([]) == "yes"
    assert seen[0]["key"] == "Bearer abc"


@pytest.mark.parametrize("key", ["secret\rpart", "secret\npart", "secret\x1bpart", "secret\u2026part"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", key)
    with served(lambda body: "yes") as (url, seen):
        endpoint = Endpoint(url, "m", key_variable="SOME_KEY", retries=1, wait=60.0)
        for ask in (lambda: endpoint.complete([]), endpoint.check):
            with pytest.raises(DetectorError, match="The key in SOME_KEY has characters") as caught:
                ask()
            assert "secret" not in str(caught.value)
            assert caught.value.__cause__ is caught.value.__context__ is None
    assert not seen


def test_what_an_error_quotes_of_a_request_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(request: urllib.request.Request, timeout: float) -> None:
        raise ValueError("Invalid header value b'Bearer secret'")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(DetectorError, match=r"broke off \(ValueError\) after 1 attempts"):
        Endpoint("http://127.0.0.1/v1", "m", retries=0).complete([])


def test_a_busy_server_is_asked_again_and_no_key_is_sent_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    answers = iter([503, 429, "at last"])
    with served(lambda body: next(answers)) as (url, seen):
        assert Endpoint(url, "m", wait=0.0).complete([]) == "at last"
    assert [request["key"] for request in seen] == [None] * 3


@pytest.mark.parametrize(("said", "times", "sentence"), [
    (401, 1, "refused with status 401 after 1 attempts"),
    (500, 3, "refused with status 500 after 3 attempts"),
    (b"<html>", 1, "no chat completion"),
    (b'{"choices": []}', 1, "no chat completion"),
])  # fmt: skip
def test_what_is_no_answer_is_said_in_one_sentence(said: object, times: int, sentence: str) -> None:
    with served(lambda body: said) as (url, seen), pytest.raises(DetectorError, match=sentence):
        Endpoint(url, "m", retries=2, wait=0.0).complete([])
    assert len(seen) == times


TOKENS = (
    400,
    b'{"error": {"message": "Unsupported parameter: \'max_tokens\' is not supported with this model. Use '
    b"'max_completion_tokens' instead.\"}}",
)
TEMPERATURE = 400, b'{"error": {"message": "Unsupported value: \'temperature\' does not support 0 with this model."}}'
TOO_LONG = 400, b'{"error": {"message": "max_completion_tokens is too large: 9999."}}'


def test_a_model_that_thinks_is_asked_as_it_will_be_asked_and_so_from_then_on() -> None:
    def answer(body: dict[str, object]) -> object:
        # One complaint at a time, as OpenAI's have it.
        return TOKENS if "max_tokens" in body else TEMPERATURE if "temperature" in body else "yes"

    with served(answer) as (url, seen):
        endpoint = Endpoint(url, "m", wait=60.0)
        assert [endpoint.complete([], 7), endpoint.complete([], 8)] == ["yes", "yes"]
    forms = [{key: value for key, value in each["body"].items() if key not in ("model", "messages")} for each in seen]
    assert forms == [
        {"max_tokens": 7, "temperature": 0.0},
        {"max_completion_tokens": 7, "temperature": 0.0},
        {"max_completion_tokens": 7},
        {"max_completion_tokens": 8},
    ]


@pytest.mark.parametrize(("said", "times"), [(TOKENS, 2), (TEMPERATURE, 2), (TOO_LONG, 1), (400, 1)])
def test_what_is_refused_either_way_is_asked_no_further_and_not_kept(said: object, times: int) -> None:
    answers = iter([said] * times)
    with served(lambda body: next(answers, "yes")) as (url, seen):
        endpoint = Endpoint(url, "m", wait=60.0)
        with pytest.raises(DetectorError, match="refused with status 400 after 1 attempts"):
            endpoint.complete([], 9999)
        assert endpoint.complete([], 5) == "yes"
    assert len(seen) == times + 1
    assert (seen[-1]["body"]["max_tokens"], seen[-1]["body"]["temperature"]) == (5, 0.0)


def test_a_server_that_stops_in_the_middle_of_its_answer_is_asked_again() -> None:
    tries: list[int] = []

    class Broken(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            tries.append(1)
            self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"choices"')

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Broken) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}/v1"
            with pytest.raises(DetectorError, match=r"broke off .* after 3 attempts"):
                Endpoint(url, "m", retries=2, wait=0.0, timeout=5.0).complete([])
        finally:
            server.shutdown()
            thread.join()
    assert len(tries) == 3


def test_a_server_that_takes_a_large_request_too_slowly_is_there() -> None:
    slow, asked = threading.Event(), list[str]()

    class Slow(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked.append(self.rfile.readline().decode().split()[0])
            if asked[-1] == "POST":
                # The rest of it lies in the buffers, which are full before long.
                slow.wait(30.0)
            else:
                self.wfile.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Slow) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        try:
            with pytest.raises(DetectorError, match=r"broke off \(timed out\) after 2 attempts"):
                Endpoint(url, "m", retries=1, wait=0.0, timeout=0.5).complete([{"content": "x" * 2**24}])
        finally:
            slow.set()
            server.shutdown()
            thread.join()
    assert sorted(asked) == ["GET", "POST", "POST"]


def test_a_server_that_takes_no_connection_in_time_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refuse(request: urllib.request.Request, timeout: float) -> None:
        asked.append(request.get_method())
        raise urllib.error.URLError(TimeoutError("timed out"))

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(UnreachableError, match=r"cannot be reached \(timed out\)"):
        Endpoint("http://10.0.0.1/v1", "m", retries=1, wait=0.0).complete([])
    assert asked == ["POST", "POST", "GET"]


def test_no_server_and_no_address_are_said_in_one_sentence() -> None:
    for url in (closed(), "http://no.such.host.invalid/v1"):
        gone = Endpoint(url, "m", retries=1, wait=0.0, timeout=2.0)
        with pytest.raises(UnreachableError, match="cannot be reached"):
            gone.complete([])
        with pytest.raises(UnreachableError, match="cannot be reached"):
            gone.check()
    no_host = "https://", "http:///v1", "http://:80/v1"
    for wrong in ("localhost:1234/v1", "file:///etc/hostname", "nothing", "http://no host/v1", *no_host):
        with pytest.raises(DetectorError, match="no address of a server"):
            Endpoint(wrong, "m").complete([])
        with pytest.raises(DetectorError, match="no address of a server"):
            Endpoint(wrong, "m").check()


def test_a_server_that_answers_anything_is_there() -> None:
    with served(lambda body: "") as (url, seen):
        # The stand-in knows no list of models.
        Endpoint(url, "m").check()
    assert not seen

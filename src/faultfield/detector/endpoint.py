"""Any server that speaks OpenAI's chat completions: one question, one answer."""

import http.client
import json
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from faultfield.errors import DetectorError, UnreachableError

Message = Mapping[str, Any]
"""A chat message as the protocol has it: `role`, and `content` that is a string or a list of parts."""

_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""Answers of a server that may be other in a moment."""

_CHOOSABLE = frozenset({"max_tokens", "temperature"})
"""What some models refuse: OpenAI's that think have `max_completion_tokens`, and no temperature but their own."""

_LONGEST = 10_000
"""Bytes of a refusal that are read."""

_CONNECTED = 10.0
"""Seconds after which a server that has not even taken the connection is none."""


@dataclass(frozen=True)
class Endpoint:
    """Where a model is served, and how patient we are with it.

    Attributes:
        url: The base, such as `http://127.0.0.1:8000/v1`; `/chat/completions` is added.
        model: Its name on that server.
        key_variable: Environment variable that holds the key, spaces and line breaks around it left out; none is sent
            where it is unset or empty.
        timeout: Seconds that one request may take.
        retries: Further attempts after a busy, silent or broken answer.
        wait: Seconds before the first further attempt; doubled each time.
    """

    url: str
    model: str
    key_variable: str = "OPENAI_API_KEY"
    timeout: float = 120.0
    retries: int = 3
    wait: float = 1.0
    _refused: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    def complete(self, messages: Sequence[Message], max_tokens: int = 512, temperature: float = 0.0) -> str:
        """The text of the first choice.

        A model that refuses `max_tokens` is asked again with `max_completion_tokens`, one that refuses the temperature
        without any, and so from then on.

        Args:
            messages: The conversation so far.
            max_tokens: Longest answer.
            temperature: Of sampling; 0 takes the likeliest.

        Raises:
            DetectorError: The server refuses, falls silent, or answers with something else; or the key cannot be sent.
            UnreachableError: Nothing answers there.
        """
        refused = set(self._refused)
        answer = None
        while answer is None:
            longest = "max_completion_tokens" if "max_tokens" in refused else "max_tokens"
            body = {"model": self.model, "messages": list(messages), longest: max_tokens}
            if "temperature" not in refused:
                body["temperature"] = temperature
            try:
                answer = self._ask(json.dumps(body).encode())
            except _RefusedError as error:
                named = {name for name in _CHOOSABLE if re.search(rf"\b{name}\b", error.said)} - refused
                if not named:
                    raise
                refused |= named
        self._refused.update(refused)
        try:
            text = json.loads(answer)["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError) as error:
            raise DetectorError(f"{self.url} answered with something that is no chat completion.") from error
        return text if isinstance(text, str) else ""

    def check(self) -> None:
        """See whether anything answers there, whatever it says: better now than hours later.

        Raises:
            DetectorError: The address is none, or the key cannot be sent.
            UnreachableError: Nothing answers there.
        """
        request = self._request("models")
        try:
            urllib.request.urlopen(request, timeout=min(self.timeout, _CONNECTED)).close()
        except urllib.error.HTTPError as error:
            error.close()
        except http.client.InvalidURL as error:
            raise self._no_address() from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            if _gone(error):
                raise self._unreachable(error) from error

    def _request(self, path: str, body: bytes | None = None) -> urllib.request.Request:
        headers = {"Content-Type": "application/json"}
        # A key that was read from a file often ends with the file's last line break.
        if key := os.environ.get(self.key_variable, "").strip():
            if not (key.isascii() and key.isprintable()):
                # It would be http's error, whose text has the key in it.
                raise DetectorError(
                    f"The key in {self.key_variable} has characters that no header can have, such as a line break; set "
                    "it anew."
                )
            headers["Authorization"] = f"Bearer {key}"
        try:
            request = urllib.request.Request(f"{self.url.rstrip('/')}/{path}", data=body, headers=headers)
            host = urllib.parse.urlsplit(self.url).hostname
        except ValueError as error:
            raise self._no_address() from error
        if request.type not in ("http", "https") or not host:
            raise self._no_address()
        return request

    def _ask(self, body: bytes) -> bytes:
        request = self._request("chat/completions", body)
        for attempt in range(self.retries + 1):
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                    return bytes(answer.read())
            except urllib.error.HTTPError as error:
                reason = f"refused with status {error.code}"
                if error.code == 400:
                    raise _RefusedError(self._said(reason, attempt), _text(error)) from None
                error.close()
                if error.code not in _PASSING:
                    break
            except http.client.InvalidURL as error:
                raise self._no_address() from error
            except (OSError, ValueError, http.client.HTTPException) as error:
                # URLError is an OSError; a server that stops in the middle of its answer raises one of http's own.
                if _gone(error) and attempt == self.retries:
                    if not isinstance(getattr(error, "reason", None), TimeoutError):
                        raise self._unreachable(error) from error
                    # A large request that is slow to send ends alike: a small one says whether anyone is there.
                    self.check()
                # A ValueError is of what was to be sent, and may quote it.
                kind = type(error).__name__
                reason = f"broke off ({kind if isinstance(error, ValueError) else getattr(error, 'reason', error)})"
            if attempt < self.retries:
                time.sleep(self.wait * 2**attempt)
        raise DetectorError(self._said(reason, attempt))

    def _said(self, reason: str, attempt: int) -> str:
        return f"The endpoint {self.url} {reason} after {attempt + 1} attempts."

    def _unreachable(self, error: Exception) -> UnreachableError:
        return UnreachableError(f"The endpoint {self.url} cannot be reached ({getattr(error, 'reason', error)}).")

    def _no_address(self) -> DetectorError:
        return DetectorError(f"'{self.url}' is no address of a server, such as http://127.0.0.1:8000/v1.")


class _RefusedError(DetectorError):
    """What was asked cannot be answered as it is; `said` is why, in the server's words."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


def _text(error: urllib.error.HTTPError) -> str:
    """What a server says beside a status; nothing where it breaks off."""
    try:
        with error:
            return error.read(_LONGEST).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return ""


def _gone(error: Exception) -> bool:
    """Whether there was no connection; one that was cut may have been cut for what was sent."""
    cause = getattr(error, "reason", None)
    cut = BrokenPipeError, ConnectionResetError, ConnectionAbortedError
    return isinstance(error, urllib.error.URLError) and not isinstance(cause, cut)

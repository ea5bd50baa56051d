"""Requests that nobody sends on purpose, by chance from a seed: odd parameters, mutated payloads."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote, quote_from_bytes

from places import PAYLOADS

TEXTS = (
    "", " ", "\0", "'", '"', "%", "%00", "..", "../../../etc/passwd", "<script>alert(1)</script>", "{{7*7}}", "ü",
    "\U0001f3cb",
    "١٢", "²", "1e3", "+1", "-1", "0x10", "1.5", "nan", "inf", "null", "true", "a" * 3000, "1" * 400, "9" * 5000,
    "0-1", "1-0", "nan-nan", "0.5-", "--", "; DROP TABLE job", "*", "\r\nX-Odd: 1", "base", "v0001",
    "\N{RIGHT-TO-LEFT OVERRIDE}a",
)  # fmt: skip
NUMBERS = (0, 1, 5, 11, 16, -1, 2**31, 2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**400, 0.5, 1e308, 24)
VALUES: tuple[Any, ...] = (
    *NUMBERS, *TEXTS, None, True, False, [], {}, [[]], [None], {"": None}, [{}], {"id": 1}, float("nan"),
    float("inf"), "1.1795325641", "1", "/data/upload/1/a.mp4", "s3://bucket/a.mp4", "http://127.0.0.1/a.mp4",
    "file:///etc/passwd", "<View/>", "<View", "<!DOCTYPE a [<!ENTITY b 'c'>]><View>&b;</View>",
    "2026-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z",
)  # fmt: skip
TYPES = (
    "application/json",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "",
    "a/b",
)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "ODD")
_PLACE = re.compile(r"<(?:(?P<kind>[^:<>]+):)?(?P<name>[^<>]+)>")


@dataclass(frozen=True)
class OddRequest:
    """target: path and query, escaped. headers: without those of the connection, of the host, and of credentials."""

    method: str
    target: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class OddRequests:
    """An endless stream of requests.

    document: the OpenAPI description. rules: (method, address) as Flask writes them.
    """

    def __init__(self, document: dict[str, Any], rules: list[tuple[str, str]], seed: int) -> None:
        self._described = [(path, what["get"]["parameters"]) for path, what in document["paths"].items()]
        self._rules = rules
        self._chance = Random(seed)
        captured = [json.loads(path.read_text()) for path in sorted(PAYLOADS.glob("*.json"))]
        self._captured = [one for one in captured if isinstance(one, dict) and "POST /" in str(one.get("request"))]

    def __iter__(self) -> Iterator[OddRequest]:
        while True:
            make = self._chance.choices((self._of_document, self._of_payload, self._of_rule), (4, 5, 3))[0]
            yield make()

    def _of_document(self) -> OddRequest:
        """A GET below /api, its parameters mostly as described."""
        path, parameters = self._chance.choice(self._described)
        asked = []
        for parameter in parameters:
            value = self._described_value(parameter["schema"])
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", _escaped(value) or "1")
            elif self._chance.random() < 0.4:
                asked.append(f"{parameter['name']}={_escaped(value)}")
        return OddRequest("GET", path + ("?" + "&".join(asked) if asked else ""))

    def _described_value(self, schema: dict[str, Any]) -> Any:
        chance = self._chance
        if chance.random() < 0.3:
            return chance.choice(VALUES)
        if "enum" in schema:
            return chance.choice(schema["enum"])
        if schema["type"] == "integer":
            return chance.choice(NUMBERS)
        if "pattern" in schema:
            return f"{chance.uniform(0, 1.2):.2f}-{chance.uniform(0, 1.2):.2f}"
        return chance.choice(TEXTS)

    def _of_rule(self) -> OddRequest:
        """Any route of the application, also those that change something, mostly by its own method."""
        chance = self._chance
        method, address = chance.choice(self._rules)
        path = _PLACE.sub(lambda _: _escaped(chance.choice((*NUMBERS[:6], *TEXTS))) or "1", address)
        if chance.random() < 0.3:
            method = chance.choice(METHODS)
        names = ("project", "page", "text", "state", "first", "second", "done", "next", "version", "kind")
        asked = [f"{chance.choice(names)}={_escaped(chance.choice(VALUES))}" for _ in range(chance.randrange(3))]
        body = self._form() if method in ("POST", "PUT", "PATCH") else b""
        headers = {"Accept": chance.choice(("text/html", "application/json", "*/*", "", "a;q=b"))}
        if chance.random() < 0.2:
            name = chance.choice(("Range", "If-None-Match", "If-Modified-Since", "Cookie", "Accept-Encoding", "X-Odd"))
            headers[name] = "".join(one for one in str(chance.choice(TEXTS)) if one.isascii() and one.isprintable())
        if body:
            headers["Content-Type"] = chance.choice(TYPES)
        return OddRequest(method, path + ("?" + "&".join(asked) if asked else ""), body, headers)

    def _form(self) -> bytes:
        names = ("user", "password", "next", "csrf_token", "project", "name")
        pairs = [f"{self._chance.choice(names)}={_escaped(self._chance.choice(VALUES))}" for _ in range(3)]
        return "&".join(pairs).encode()

    def _of_payload(self) -> OddRequest:
        """What Label Studio sends, changed in some places, or in its bytes."""
        chance = self._chance
        captured = chance.choice(self._captured)
        body = copy.deepcopy(captured["body"])
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            body = self._changed(body)
        raw = json.dumps(body, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
        if chance.random() < 0.2:
            raw = self._damaged(raw)
        kind = "application/json" if chance.random() < 0.9 else chance.choice(TYPES)
        path = (
            captured["request"].split()[1] if chance.random() < 0.9 else chance.choice(("/setup", "/predict", "/train"))
        )
        return OddRequest("POST", path, raw, {"Content-Type": kind})

    def _changed(self, body: Any) -> Any:
        """With another value, a key less, a key more, or a part twice, somewhere."""
        chance = self._chance
        places = list(_places(body))
        if not places or chance.random() < 0.02:
            return chance.choice(VALUES)
        holder, key = chance.choice(places)
        match chance.randrange(8):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[key]))
            case 2 if isinstance(holder, dict):
                holder[str(chance.choice(TEXTS))] = chance.choice(VALUES)
            case 3:
                holder[key] = [holder[key]]
            case 4:
                holder[key] = str(holder[key])
            case 5:
                holder[key] = {"a": holder[key], "id": holder[key]}
            case _:
                holder[key] = copy.deepcopy(chance.choice(VALUES))
        return body

    def _damaged(self, raw: bytes) -> bytes:
        chance, data = self._chance, bytearray(raw)
        match chance.randrange(5):
            case 0:
                return raw[: chance.randrange(len(raw) + 1)]
            case 1:
                for _ in range(chance.randint(1, 20)):
                    data[chance.randrange(len(data))] = chance.randrange(256)
            case 2:
                return raw.decode("utf-8", "replace").encode("utf-16")
            case 3:
                deep = chance.choice((10, 63, 64, 100, 100_000))
                return b'{"tasks":' + b"[" * deep + b"]" * deep + b"}"
            case _:
                return raw + raw
        return bytes(data)


def _places(body: Any) -> Iterator[tuple[Any, Any]]:
    """Every container within, with every key or index of it."""
    keys = list(body) if isinstance(body, dict) else range(len(body)) if isinstance(body, list) else ()
    for key in keys:
        yield body, key
        yield from _places(body[key])


def _escaped(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        return quote_from_bytes(text.encode("utf-8", "surrogatepass"), safe="")

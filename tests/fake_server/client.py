"""A client as plain as can be: what it sees is what went over the wire."""

import http.client
import json
import socket
from typing import Any
from urllib.parse import urlencode, urlsplit

from fake_server import FakeKpiggybank
from testing.waiting import WAIT_SECONDS


def get(bank: FakeKpiggybank, path: str = "", /, **parameters: str | int) -> tuple[int, bytes]:
    """Status and body of a GET below the address of interactions."""
    return fetch(bank.url + path + ("?" + urlencode(parameters) if parameters else ""))


def rows(bank: FakeKpiggybank, /, **parameters: str | int) -> Any:
    """The rows of a range."""
    status, body = get(bank, "", **parameters)
    assert status == 200
    return json.loads(body)


def post(bank: FakeKpiggybank, blobs: object) -> tuple[int, bytes]:
    """Post as the sign-in service does; a string goes as it is."""
    text = blobs if isinstance(blobs, str) else json.dumps(blobs)
    return fetch(bank.url, urlencode({"data": text}).encode())


def switch(bank: FakeKpiggybank, path: str, value: object = None) -> tuple[int, Any]:
    """Use one of the switches: GET without a value, else POST."""
    body = None if value is None else json.dumps(value).encode()
    status, said = fetch(f"{bank.address}/fake/{path}", body)
    return status, json.loads(said)


def raw(bank: FakeKpiggybank, path: str = "", *, seconds: float = WAIT_SECONDS) -> bytes:
    """Everything that comes until the connection ends; errors of the socket are the caller's."""
    url = urlsplit(bank.url)
    with socket.create_connection((url.hostname, url.port), timeout=seconds) as connection:
        connection.sendall(f"GET {url.path}{path} HTTP/1.1\r\nHost: fake\r\n\r\n".encode())
        came = b""
        while part := connection.recv(65_536):
            came += part
        return came


def fetch(address: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Status and body of a GET, or of the POST of a form."""
    url = urlsplit(address)
    assert url.hostname
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=WAIT_SECONDS)
    form = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
    try:
        connection.request(
            "GET" if body is None else "POST", f"{url.path}?{url.query}".rstrip("?"), body, form
        )
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()

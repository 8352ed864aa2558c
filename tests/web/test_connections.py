"""Slow, broken and too many clients: the others are served all the same."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest
import requests

from exporter.addresses import ListenError
from exporter.web.server import Limits, WebServer
from testing.waiting import WAIT_SECONDS, eventually
from tests.web.conftest import FakeApplication, Serve

SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n"


def connect(server: WebServer) -> socket.socket:
    host, _, port = server.address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout=WAIT_SECONDS)


def closed(client: socket.socket) -> bool:
    """Wait until the server closes the connection, reading what it still sends."""
    try:
        while client.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


def is_open(client: socket.socket) -> bool:
    """Return whether nothing has come from the server, not even an end."""
    client.settimeout(0)
    try:
        return bool(client.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False
    finally:
        client.settimeout(WAIT_SECONDS)


def scrape(server: WebServer, path: str = "metrics") -> int:
    return requests.get(server.url + path, timeout=WAIT_SECONDS).status_code


@contextmanager
def in_background(server: WebServer, path: str) -> Iterator[list[requests.Response]]:
    """Ask while the block runs; its end waits for the answer."""
    answers: list[requests.Response] = []
    thread = threading.Thread(
        target=lambda: answers.append(requests.get(server.url + path, timeout=WAIT_SECONDS))
    )
    thread.start()
    try:
        yield answers
    finally:
        thread.join()


def test_200_clients_that_dawdle_over_their_headers_are_let_go(serve: Serve) -> None:
    server = serve(limits=Limits(idle=timedelta(seconds=0.5)))
    with ExitStack() as clients:
        slow = [clients.enter_context(connect(server)) for _ in range(200)]
        for client in slow:
            client.sendall(b"GET /metrics HTTP/1.1\r\nX-Slow: ")
        assert scrape(server) == 200
        assert all(closed(client) for client in slow)
    assert scrape(server) == 200


def test_a_trickle_of_headers_wins_no_time(serve: Serve) -> None:
    server = serve(limits=Limits(idle=timedelta(seconds=0.3)))
    with connect(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")

        def dropped() -> bool:
            try:
                client.sendall(b"X: y\r\n")
            except OSError:
                return True
            return False

        eventually(dropped)


def test_at_the_limit_the_longest_waiting_gives_way(serve: Serve) -> None:
    server = serve(limits=Limits(connections=8))
    with ExitStack() as clients:
        waiting = []
        for _ in range(8):
            client = clients.enter_context(connect(server))
            client.sendall(SCRAPE)  # answered, so that the order is certain
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
            waiting.append(client)
        assert scrape(server) == 200
        assert closed(waiting[0])
        assert all(is_open(client) for client in waiting[1:])


def test_a_flood_of_idle_connections_keeps_nobody_out(serve: Serve) -> None:
    server = serve(limits=Limits(connections=16))
    with ExitStack() as clients:
        for number in range(200):
            clients.enter_context(connect(server))
            if number % 20 == 0:
                assert scrape(server) == 200


def test_requests_under_way_do_not_give_way(serve: Serve, application: FakeApplication) -> None:
    server = serve(limits=Limits(connections=1))
    application.hold.clear()
    with in_background(server, "data/sites") as answers:
        eventually(lambda: application.asked)
        with connect(server) as newcomer:
            assert closed(newcomer)
        application.hold.set()
    assert answers[0].status_code == 200


def test_connections_are_kept_for_the_next_request(serve: Serve) -> None:
    with connect(serve()) as client:
        for _ in range(3):
            client.sendall(SCRAPE)
            assert client.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /metrics HTTP/1.1\r\nX-Huge: " + b"x" * 100_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /metrics\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /-/reload HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
        b"POST /-/reload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
    ],
    ids=[
        "huge headers",
        "TLS",
        "no version",
        "wrong version",
        "negative length",
        "huge body",
        "bad chunk",
        "two lengths",
    ],
)
def test_what_is_no_request_ends_its_connection_only(serve: Serve, sent: bytes) -> None:
    server = serve()
    with connect(server) as client:
        client.sendall(sent)
        assert closed(client)
    assert scrape(server) == 200


def test_clients_that_vanish_do_no_harm(serve: Serve, application: FakeApplication) -> None:
    server = serve()
    application.text = b"# " + b"x" * 1_000_000 + b"\n"
    for sent in (b"", b"GET /met", SCRAPE, SCRAPE * 5):
        with connect(server) as client:
            client.sendall(sent)
            reset = struct.pack("ii", 1, 0)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    assert scrape(server) == 200


def test_a_client_that_never_reads_is_let_go(serve: Serve, application: FakeApplication) -> None:
    server = serve(limits=Limits(answer=timedelta(seconds=0.3)))
    application.text = b"# " + b"x" * 20_000_000 + b"\n"
    with connect(server) as client:
        client.sendall(SCRAPE)
        # Its end is seen by writing: reading would be taking the answer after all.
        eventually(lambda: not writable(client))
    application.text = b"up 1\n"
    assert scrape(server) == 200


def writable(client: socket.socket) -> bool:
    try:
        client.sendall(SCRAPE)
    except OSError:
        return False
    return True


class TestReportsThatHang:
    def test_do_not_hold_up_metrics(self, serve: Serve, application: FakeApplication) -> None:
        server = serve()
        application.hold.clear()
        with in_background(server, "data/sites"):
            eventually(lambda: application.asked)
            assert scrape(server) == 200
            assert scrape(server, "") == 200
            application.hold.set()

    def test_are_given_up_after_a_time(self, serve: Serve, application: FakeApplication) -> None:
        server = serve(limits=Limits(report=timedelta(seconds=0.1)))
        application.hold.clear()
        answer = requests.get(server.url + "data/sites", timeout=WAIT_SECONDS)
        assert answer.status_code == 503
        assert answer.text == "No answer within 0.1 s; try again later."
        application.hold.set()

    def test_let_only_few_others_wait(self, serve: Serve, application: FakeApplication) -> None:
        server = serve(limits=Limits(reports_at_once=1, reports_waiting=0))
        application.hold.clear()
        with in_background(server, "data/sites") as answers:
            eventually(lambda: application.asked)
            refused = requests.get(server.url + "data/sites", timeout=WAIT_SECONDS)
            assert refused.status_code == 503
            assert refused.headers["Retry-After"] == "5"
            application.hold.set()
        assert answers[0].status_code == 200
        eventually(lambda: scrape(server, "data/sites") == 200)


class TestStopping:
    def test_finishes_what_is_under_way(self, serve: Serve, application: FakeApplication) -> None:
        server = serve()
        application.hold.clear()
        with in_background(server, "data/sites") as answers, connect(server) as idle:
            eventually(lambda: application.asked)
            stopping = threading.Thread(target=server.stop)
            stopping.start()
            assert closed(idle)
            application.hold.set()
            stopping.join()
        assert answers[0].status_code == 200
        with pytest.raises(ConnectionRefusedError):
            connect(server)

    def test_does_not_wait_for_what_hangs(self, serve: Serve, application: FakeApplication) -> None:
        server = serve()
        application.hold.clear()
        with connect(server) as client:
            client.sendall(SCRAPE.replace(b"metrics", b"data/sites"))
            eventually(lambda: application.asked)
            server.stop(timedelta(seconds=0.1))
            assert closed(client)
        application.hold.set()

    def test_twice_is_once(self, serve: Serve) -> None:
        server = serve()
        server.stop()
        server.stop()


class TestListening:
    def test_on_a_taken_port_fails_by_name(self, serve: Serve) -> None:
        address = serve().address
        with pytest.raises(ListenError, match=f"^cannot listen on {address}: address already in"):
            serve(listen=address)

    @pytest.mark.parametrize("listen", ["[::1]:0", ":0", "localhost:0", "127.0.0.1:0"])
    def test_works_on(self, serve: Serve, listen: str) -> None:
        assert scrape(serve(listen=listen)) == 200

    def test_everywhere_includes_both_families(self, serve: Serve) -> None:
        port = serve(listen=":0").address.rpartition(":")[2]
        for host in ("127.0.0.1", "[::1]"):
            assert requests.get(f"http://{host}:{port}/-/healthy", timeout=WAIT_SECONDS).ok

    @pytest.mark.parametrize("listen", ["3434", "here", "::1:3434", "a:b", "localhost:65536", ""])
    def test_needs_an_address(self, serve: Serve, listen: str) -> None:
        with pytest.raises(ListenError, match=r"expected host:port, \[address\]:port or :port$"):
            serve(listen=listen)

    def test_needs_a_host_that_is_known(self, serve: Serve) -> None:
        with pytest.raises(ListenError, match=r"^cannot listen on no\.such\.invalid:0: "):
            serve(listen="no.such.invalid:0")

"""Few file descriptors: fewer connections, one line in the log, and no loop that burns."""

import errno
import os
import socket

import pytest
from structlog.typing import EventDict

from exporter.web.collect.server import LIMITS
from exporter.web.file_descriptors import MOST_CONNECTIONS, RESERVED, shared
from exporter.web.server import Limits
from testing.waiting import eventually
from tests.web.conftest import Serve
from tests.web.test_connections import scrape

WEB, COLLECT = Limits().connections, LIMITS.connections


def test_both_sockets_want_what_is_counted_with() -> None:
    assert WEB + COLLECT == MOST_CONNECTIONS


def test_where_enough_files_may_be_open_each_gets_what_it_wants() -> None:
    assert shared(WEB, MOST_CONNECTIONS + RESERVED) == WEB
    assert shared(COLLECT, 1 << 20) == COLLECT


@pytest.mark.parametrize("files", [128, 256, 1024])
def test_where_few_may_be_they_leave_the_reserve_alone(files: int) -> None:
    assert shared(WEB, files) + shared(COLLECT, files) <= files - RESERVED


@pytest.mark.parametrize("files", [0, 16, 96])
def test_a_few_connections_are_always_allowed(files: int) -> None:
    assert shared(WEB, files) == 4


class TestWithoutAny:
    @pytest.fixture
    def refused(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """How often accepting failed, while it holds fewer than three."""
        refused: list[int] = []
        accept = socket.socket.accept

        def failing(listener: socket.socket) -> object:
            if len(refused) < 3:
                refused.append(1)
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return accept(listener)

        monkeypatch.setattr(socket.socket, "accept", failing)
        return refused

    def test_connections_wait_and_are_served_later(
        self,
        serve: Serve,
        refused: list[int],
        logs: list[EventDict],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("exporter.web.connections.PAUSE_SECONDS", 0.05)
        server = serve()
        assert scrape(server) == 200
        assert len(refused) == 3
        errors = [log["event"] for log in logs if log["log_level"] == "error"]
        assert len(errors) == 1
        assert errors[0].startswith("no file descriptor left, new connections wait; allow")

    def test_it_is_not_tried_in_a_loop(self, serve: Serve, refused: list[int]) -> None:
        server = serve()
        host, _, port = server.address.rpartition(":")
        with socket.create_connection((host, int(port))):
            eventually(lambda: refused)
            server.stop()
        assert len(refused) < 3

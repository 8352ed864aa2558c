"""The pipe that the faults pinch does what it says."""

import socket

import pytest
import requests

from fake_server import FakeKpiggybank
from simulations.valve import Valve


def ping(valve: Valve) -> str:
    return requests.get(f"{valve.address}/wsapi/ping", timeout=0.3).text


def test_a_valve_passes_on_and_is_shut_and_is_away_and_passes_on_again() -> None:
    with FakeKpiggybank() as bank:
        valve = Valve("127.0.0.1", int(bank.address.rpartition(":")[2]))
        assert ping(valve) == "pong"

        valve.shut()
        with pytest.raises(requests.ReadTimeout):
            ping(valve)
        valve.open()
        assert ping(valve) == "pong"

        valve.go_away()
        with pytest.raises(requests.ConnectionError, match="refused"):
            ping(valve)
        valve.open()
        assert ping(valve) == "pong"

        bank.set_faults("reset")
        with pytest.raises(requests.RequestException, match="reset by peer"):
            ping(valve)
        valve.close()


def test_through_a_valve_that_is_shut_nobody_hears_that_the_other_side_has_gone() -> None:
    with FakeKpiggybank() as bank:
        valve = Valve("127.0.0.1", int(bank.address.rpartition(":")[2]))
        with socket.create_connection(("127.0.0.1", valve.port), timeout=0.3) as client:
            client.sendall(b"GET /wsapi/ping HTTP/1.1\r\nHost: here\r\n\r\n")
            assert b"pong" in client.recv(1000)

            valve.shut()
            bank.die()

            with pytest.raises(TimeoutError):
                client.recv(1000)
        valve.close()

"""The pipe that the faults pinch does what it says."""

import pytest
import requests

from fake_server import FakeKpiggybank
from tests.faults.valve import Valve


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

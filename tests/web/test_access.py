"""Who is let in, and what it costs to find out."""

import asyncio
import base64
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import bcrypt
import pytest
import requests

from exporter.web.auth import Authenticator
from exporter.web.executor import BoundedExecutor, QueueFull
from testing.waiting import WAIT_SECONDS
from tests.web.conftest import Serve

Result = TypeVar("Result")

PASSWORD = "correct horse"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


def basic(name: str | bytes, password: str | bytes) -> str:
    parts = (part.encode() if isinstance(part, str) else part for part in (name, password))
    return "Basic " + base64.b64encode(b":".join(parts)).decode()


class CountedWorkers(BoundedExecutor):
    """Threads that count what they are given to do."""

    def __init__(self) -> None:
        super().__init__("test", threads=1, waiting=1000)
        self.jobs = 0

    async def run(self, work: Callable[[], Result]) -> Result:
        self.jobs += 1
        return await super().run(work)


@pytest.fixture
def workers() -> Iterator[CountedWorkers]:
    workers = CountedWorkers()
    workers.start()
    yield workers
    workers.stop()


@pytest.fixture
def access(workers: CountedWorkers) -> Authenticator:
    access = Authenticator(workers)
    access.set_users({"prometheus": HASH})
    return access


def authenticate(access: Authenticator, authorization: str) -> bool:
    return asyncio.run(access.authenticate(authorization, "192.0.2.1"))


def test_without_users_everybody_is_let_in(access: Authenticator) -> None:
    access.set_users({})
    assert authenticate(access, "")


def test_the_right_password_lets_in(access: Authenticator) -> None:
    assert authenticate(access, basic("prometheus", PASSWORD))


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"prometheus").decode(),
        "Bearer " + base64.b64encode(b"prometheus:correct horse").decode(),
        basic("prometheus", "wrong"),
        basic("prometheus", ""),
        basic("prometheus", PASSWORD + "\0"),
        basic("prometheus", "x" * 10_000),
        basic("Prometheus", PASSWORD),
        basic("", PASSWORD),
        basic(b"\xff", PASSWORD),
    ],
)
def test_anything_else_does_not(access: Authenticator, authorization: str) -> None:
    assert not authenticate(access, authorization)


def test_passwords_count_as_far_as_bcrypt_reads(access: Authenticator) -> None:
    access.set_users({"long": bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()})
    assert authenticate(access, basic("long", "x" * 100))
    assert not authenticate(access, basic("long", "x" * 71))


def test_an_unknown_name_costs_as_much_as_a_wrong_password(
    access: Authenticator, workers: CountedWorkers
) -> None:
    authenticate(access, basic("prometheus", "wrong"))
    assert workers.jobs == 1
    authenticate(access, basic("nobody", "wrong"))
    assert workers.jobs == 2


@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
def test_a_credential_is_checked_once(
    access: Authenticator, workers: CountedWorkers, password: str
) -> None:
    first = authenticate(access, basic("prometheus", password))
    assert all(authenticate(access, basic("prometheus", password)) is first for _ in range(5))
    assert workers.jobs == 1


def test_requests_at_once_share_one_check(access: Authenticator, workers: CountedWorkers) -> None:
    async def several() -> list[bool]:
        header = basic("prometheus", PASSWORD)
        return await asyncio.gather(*(access.authenticate(header, "192.0.2.1") for _ in range(50)))

    assert asyncio.run(several()) == [True] * 50
    assert workers.jobs == 1


def test_a_new_password_ends_the_old_one(access: Authenticator) -> None:
    assert authenticate(access, basic("prometheus", PASSWORD))
    access.set_users({"prometheus": bcrypt.hashpw(b"new", bcrypt.gensalt(4)).decode()})
    assert not authenticate(access, basic("prometheus", PASSWORD))
    assert authenticate(access, basic("prometheus", "new"))


def test_a_removed_user_is_out(access: Authenticator) -> None:
    assert authenticate(access, basic("prometheus", PASSWORD))
    access.set_users({"other": HASH})
    assert not authenticate(access, basic("prometheus", PASSWORD))


def flooded(access: Authenticator, guesses: int, address: str) -> tuple[list[object], bool]:
    """Guess from one address, then come with the right password from `address`."""

    async def flood() -> tuple[list[object], bool]:
        guessed = [
            asyncio.ensure_future(
                access.authenticate(basic("prometheus", f"guess {n}"), "192.0.2.66")
            )
            for n in range(guesses)
        ]
        await asyncio.sleep(0)
        right = await access.authenticate(basic("prometheus", PASSWORD), address)
        return await asyncio.gather(*guessed, return_exceptions=True), right

    return asyncio.run(flood())


def test_a_flood_of_wrong_passwords_shuts_out_only_its_own_address(access: Authenticator) -> None:
    guessed, right = flooded(access, 200, "192.0.2.1")
    assert right
    assert True not in guessed
    assert sum(isinstance(outcome, QueueFull) for outcome in guessed) == 200 - 64


def test_guessers_behind_one_address_do_not_shut_the_right_user_out(access: Authenticator) -> None:
    guessed, right = flooded(access, 60, "192.0.2.66")
    assert right
    assert guessed == [False] * 60


def test_guessers_of_other_names_do_not_fill_a_users_line(access: Authenticator) -> None:
    async def flood() -> bool:
        guesses = [
            asyncio.ensure_future(access.authenticate(basic(f"guess {n}", "x"), "192.0.2.66"))
            for n in range(200)
        ]
        await asyncio.sleep(0)
        right = await access.authenticate(basic("prometheus", PASSWORD), "192.0.2.66")
        await asyncio.gather(*guesses, return_exceptions=True)
        return right

    assert asyncio.run(flood())


def test_many_wrong_passwords_do_not_crowd_out_the_right_one(
    workers: CountedWorkers,
) -> None:
    access = Authenticator(workers, remembered=5)
    access.set_users({"prometheus": HASH})
    assert authenticate(access, basic("prometheus", PASSWORD))
    for n in range(20):
        authenticate(access, basic("prometheus", f"guess {n}"))
    checks = workers.jobs
    assert authenticate(access, basic("prometheus", PASSWORD))
    assert workers.jobs == checks


class TestOverHttp:
    @pytest.fixture
    def url(self, serve: Serve, tmp_path: Path) -> str:
        file = tmp_path / "web.yml"
        file.write_text(f"basic_auth_users: {{prometheus: {HASH}}}")
        return serve(config_file=file).url

    @pytest.mark.parametrize("path", ["", "metrics", "data/sites", "nothing", "-/reload"])
    def test_everything_but_health_is_guarded(self, url: str, path: str) -> None:
        method = "POST" if path == "-/reload" else "GET"
        for auth in (None, ("prometheus", "wrong"), ("nobody", PASSWORD)):
            answer = requests.request(method, url + path, auth=auth, timeout=WAIT_SECONDS)
            assert (answer.status_code, answer.text) == (401, "Unauthorized")
            assert answer.headers["WWW-Authenticate"].startswith("Basic ")

    @pytest.mark.parametrize("path", ["-/healthy", "-/ready"])
    def test_health_is_not(self, url: str, path: str) -> None:
        assert requests.get(url + path, timeout=WAIT_SECONDS).status_code == 200

    def test_guessers_wait_and_a_known_user_does_not(self, serve: Serve, tmp_path: Path) -> None:
        file = tmp_path / "web.yml"
        slow = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(9)).decode()
        file.write_text(f"basic_auth_users: {{prometheus: {slow}}}")
        url = serve(config_file=file).url + "metrics"

        def guess(password: str) -> int:
            return requests.get(
                url, auth=("prometheus", password), timeout=WAIT_SECONDS
            ).status_code

        assert guess(PASSWORD) == 200
        with ThreadPoolExecutor(20) as guessers:
            answers = [guessers.submit(guess, f"guess {n}") for n in range(60)]
            assert guess(PASSWORD) == 200
            assert {answer.result() for answer in answers} == {401}

    @pytest.mark.parametrize("path", ["", "metrics", "data/sites"])
    def test_users_get_in(self, url: str, path: str) -> None:
        assert requests.get(url + path, auth=("prometheus", PASSWORD), timeout=WAIT_SECONDS).ok

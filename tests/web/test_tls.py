"""TLS over real sockets: who gets in, and what happens when certificates are renewed."""

import http.client
import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import bcrypt
import pytest
import requests
from structlog.typing import EventDict

from exporter.web.server import Limits, WebServer
from testing.waiting import WAIT_SECONDS, eventually
from tests.web.certificates import Certificate, a_certificate
from tests.web.conftest import Serve

HASH = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(4)).decode()
USERS = f"basic_auth_users: {{prometheus: {HASH}}}"
LOOK = Limits(config_look=timedelta(seconds=0.02))


@pytest.fixture(scope="module")
def authority() -> Certificate:
    return a_certificate("authority", authority=True)


class Site:
    """A server with TLS, and what a client needs to talk to it."""

    def __init__(self, serve: Serve, directory: Path, authority: Certificate) -> None:
        self._serve = serve
        self.directory = directory
        self.authority = authority
        authority.write(directory, "ca")
        a_certificate("web", issuer=authority).write(directory, "web")

    @property
    def file(self) -> Path:
        return self.directory / "web.yml"

    def configure(self, *lines: str) -> None:
        tls = ("tls_server_config:", "  cert_file: web.crt", "  key_file: web.key")
        self.file.write_text("\n".join((*tls, *lines, "")))

    def start(self, *lines: str) -> WebServer:
        self.configure(*lines)
        return self.serve(self.file)

    def serve(self, file: Path) -> WebServer:
        return self._serve(config_file=file, limits=LOOK)

    def get(self, server: WebServer, client: tuple[str, str] | None = None) -> requests.Response:
        ca = str(self.directory / "ca.crt")
        return requests.get(server.url + "metrics", verify=ca, cert=client, timeout=WAIT_SECONDS)

    def connection(
        self, server: WebServer, **versions: ssl.TLSVersion
    ) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self.directory / "ca.crt"))
        for bound, version in versions.items():
            setattr(context, bound, version)
        host, port = server.address.split(":")
        return http.client.HTTPSConnection(host, int(port), context=context, timeout=WAIT_SECONDS)

    def serial(self, server: WebServer) -> int:
        """The serial number of the certificate that a new connection is shown."""
        connection = self.connection(server)
        connection.connect()
        shown = connection.sock.getpeercert()
        connection.close()
        assert shown is not None
        return int(str(shown["serialNumber"]), 16)


@pytest.fixture
def site(serve: Serve, tmp_path: Path, authority: Certificate) -> Site:
    return Site(serve, tmp_path, authority)


def refusals(logs: list[EventDict]) -> list[EventDict]:
    return [entry for entry in logs if entry["event"].startswith("web configuration not applied")]


VERIFY = ("  client_auth_type: RequireAndVerifyClientCert", "  client_ca_file: ca.crt")


def test_tls_is_spoken_and_nothing_else(site: Site) -> None:
    server = site.start()
    assert server.url.startswith("https://")
    assert site.get(server).ok
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{server.address}/metrics", timeout=WAIT_SECONDS)
    assert site.get(server).ok


class TestClientCertificates:
    def test_a_good_one_is_let_in(self, site: Site) -> None:
        server = site.start(*VERIFY)
        client = a_certificate("client", issuer=site.authority).write(site.directory, "client")
        assert site.get(server, client).ok

    @pytest.mark.parametrize(
        "make",
        [
            lambda _: a_certificate("self-signed"),
            lambda authority: a_certificate("expired", issuer=authority, expired=True),
            lambda _: a_certificate("stranger", issuer=a_certificate("authority", authority=True)),
        ],
        ids=["self-signed", "expired", "signed by another authority of the same name"],
    )
    def test_any_other_is_refused(
        self, site: Site, make: Callable[[Certificate], Certificate]
    ) -> None:
        server = site.start(*VERIFY)
        client = make(site.authority).write(site.directory, "client")
        with pytest.raises((requests.ConnectionError, ConnectionResetError)):
            site.get(server, client)

    def test_none_is_refused(self, site: Site) -> None:
        server = site.start(*VERIFY)
        with pytest.raises(requests.ConnectionError):
            site.get(server)

    def test_none_is_let_in_where_it_is_optional(self, site: Site) -> None:
        server = site.start("  client_auth_type: VerifyClientCertIfGiven", VERIFY[1])
        assert site.get(server).ok
        client = a_certificate("self-signed").write(site.directory, "client")
        with pytest.raises((requests.ConnectionError, ConnectionResetError)):
            site.get(server, client)


class TestNamesOfClients:
    NAMES = (*VERIFY, "  client_allowed_sans: [prometheus.example.org, 127.0.0.1]")

    def test_one_of_those_allowed_is_let_in(self, site: Site) -> None:
        server = site.start(*self.NAMES)  # all certificates here name 127.0.0.1
        client = a_certificate("client", issuer=site.authority).write(site.directory, "client")
        assert site.get(server, client).ok

    def test_any_other_is_refused_and_nothing_of_it_is_answered(
        self, site: Site, logs: list[EventDict]
    ) -> None:
        server = site.start(*VERIFY, "  client_allowed_sans: [prometheus.example.org]")
        client = a_certificate("client", issuer=site.authority).write(site.directory, "client")
        with pytest.raises((requests.ConnectionError, ConnectionResetError)):
            site.get(server, client)
        (refused,) = [entry for entry in logs if entry["event"].startswith("client refused")]
        assert refused["found"] == ["127.0.0.1"]

    def test_clients_that_never_finish_the_handshake_keep_nobody_out(self, site: Site) -> None:
        server = site.start(*self.NAMES)
        client = a_certificate("client", issuer=site.authority).write(site.directory, "client")
        host, port = server.address.split(":")
        with ExitStack() as clients:
            for _ in range(20):
                clients.enter_context(socket.create_connection((host, int(port))))
            assert site.get(server, client).ok


def test_a_certificate_may_be_inline(site: Site) -> None:
    pem = {
        key: (site.directory / name).read_text().replace("\n", "\n    ").rstrip()
        for key, name in {"cert": "web.crt", "key": "web.key"}.items()
    }
    site.file.write_text(
        "tls_server_config:\n" + "".join(f"  {key}: |\n    {text}\n" for key, text in pem.items())
    )
    server = site.serve(site.file)
    assert site.get(server).ok


def test_the_curve_is_the_one_that_is_given(site: Site) -> None:
    server = site.start("  curve_preferences: [CurveP384]")
    for curve, fits in {"secp384r1": True, "prime256v1": False}.items():
        context = ssl.create_default_context(cafile=str(site.directory / "ca.crt"))
        context.set_ecdh_curve(curve)
        host, port = server.address.split(":")
        connection = http.client.HTTPSConnection(
            host, int(port), context=context, timeout=WAIT_SECONDS
        )
        if fits:
            connection.connect()
        else:
            with pytest.raises(ssl.SSLError):
                connection.connect()
        connection.close()


def test_more_requests_than_the_rate_allows_are_turned_away_but_health_is_not(site: Site) -> None:
    server = site.start("rate_limit: {interval: 1h, burst: 2}")
    codes = [site.get(server).status_code for _ in range(4)]
    assert codes == [200, 200, 429, 429]
    assert int(site.get(server).headers["Retry-After"]) > 3000
    ca = str(site.directory / "ca.crt")
    assert requests.get(server.url + "-/healthy", verify=ca, timeout=WAIT_SECONDS).ok
    site.configure()
    eventually(lambda: site.get(server).ok)


def test_older_versions_than_wished_are_refused(site: Site) -> None:
    server = site.start("  min_version: TLS13")
    with pytest.raises(ssl.SSLError):
        site.connection(server, maximum_version=ssl.TLSVersion.TLSv1_2).connect()
    assert site.get(server).ok


def test_newer_versions_than_wished_are_refused(site: Site) -> None:
    server = site.start("  max_version: TLS12")
    with pytest.raises(ssl.SSLError):
        site.connection(server, minimum_version=ssl.TLSVersion.TLSv1_3).connect()
    assert site.get(server).ok


def test_headers_are_added_to_every_answer(site: Site) -> None:
    server = site.start(
        "http_server_config:",
        "  headers:",
        "    Strict-Transport-Security: max-age=60",
        "    Content-Security-Policy: default-src 'self'",
    )
    headers = site.get(server).headers
    assert headers["Strict-Transport-Security"] == "max-age=60"
    assert headers["Content-Security-Policy"] == "default-src 'self'"


def test_200_clients_that_never_finish_the_handshake_keep_nobody_out(site: Site) -> None:
    server = site.start(USERS)
    user = ("prometheus", "correct horse")
    ca = str(site.directory / "ca.crt")
    host, port = server.address.split(":")
    with ExitStack() as clients:
        for number in range(200):
            client = clients.enter_context(socket.create_connection((host, int(port))))
            if number % 2:
                client.sendall(b"\x16\x03\x01\x02\x00\x01")  # how a handshake begins
        assert requests.get(server.url + "metrics", auth=user, verify=ca, timeout=WAIT_SECONDS).ok
        stranger = requests.get(
            server.url + "metrics", auth=("prometheus", "wrong"), verify=ca, timeout=5
        )
        assert stranger.status_code == 401


class TestChanges:
    def test_a_renewed_certificate_is_shown_to_new_connections(self, site: Site) -> None:
        server = site.start()
        kept = site.connection(server)
        kept.request("GET", "/metrics")
        assert kept.getresponse().read()
        renewed = a_certificate("web", issuer=site.authority)
        renewed.write(site.directory, "web")
        eventually(lambda: site.serial(server) == renewed.certificate.serial_number)
        connected = kept.sock
        kept.request("GET", "/metrics")
        assert kept.getresponse().status == 200
        assert kept.sock is connected
        kept.close()

    def test_a_broken_one_leaves_the_last_good_one(self, site: Site, logs: list[EventDict]) -> None:
        server = site.start()
        before = site.serial(server)
        (site.directory / "web.key").write_text("half a k")
        eventually(lambda: refusals(logs))
        assert site.serial(server) == before
        renewed = a_certificate("web", issuer=site.authority)
        renewed.write(site.directory, "web")
        eventually(lambda: site.serial(server) == renewed.certificate.serial_number)
        told = [entry["errors"] for entry in refusals(logs)]
        assert all(told.count(errors) == 1 for errors in told)

    def test_a_file_that_is_gone_changes_nothing(self, site: Site, logs: list[EventDict]) -> None:
        server = site.start()
        before = site.serial(server)
        (site.directory / "web.crt").unlink()
        eventually(lambda: refusals(logs))
        assert site.serial(server) == before

    def test_users_can_be_brought_in(self, site: Site) -> None:
        server = site.start()
        assert site.get(server).ok
        site.configure(USERS)
        eventually(lambda: site.get(server).status_code == 401)

    def test_an_emptied_file_opens_no_door(self, site: Site, logs: list[EventDict]) -> None:
        server = site.start(USERS)
        site.file.write_text("")
        eventually(lambda: refusals(logs))
        assert refusals(logs)[0]["errors"] == [
            "tls_server_config: TLS can only be turned on or off by a restart",
            "basic_auth_users: authentication can only be turned off by a restart",
        ]
        assert site.get(server).status_code == 401

    def test_taking_out_all_users_opens_no_door(self, site: Site, logs: list[EventDict]) -> None:
        server = site.start(USERS)
        site.configure()
        eventually(lambda: refusals(logs))
        assert site.get(server).status_code == 401

"""The file of `--web.config.file`: what is read from it, and what is refused with which words."""

import ssl
import subprocess
from pathlib import Path

import pytest

from exporter.web.web_config import WebConfigError, load
from tests.web.certificates import a_certificate

HASH = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
VERIFIED = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: web.crt\n"
TLS = "tls_server_config:\n  cert_file: web.crt\n  key_file: web.key\n"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with certificates, good and bad ones."""
    a_certificate("web", authority=True).write(tmp_path, "web")
    a_certificate("other").write(tmp_path, "other")
    locked = a_certificate("locked").key_pem(b"secret")
    (tmp_path / "locked.key").write_bytes(locked)
    (tmp_path / "junk.pem").write_text("no certificate")
    return tmp_path


ACCEPTED = {
    "nothing": "",
    "TLS": TLS,
    "TLS with clients that must show a certificate": TLS + VERIFIED,
    "TLS with clients that may show a certificate": TLS
    + "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: web.crt\n",
    "TLS with a certificate requested": TLS + "  client_auth_type: RequestClientCert\n",
    "TLS with none requested": TLS + "  client_auth_type: NoClientCert\n",
    "TLS 1.0": TLS + "  min_version: TLS10\n",
    "TLS 1.1": TLS + "  min_version: TLS11\n",
    "TLS 1.2": TLS + "  min_version: TLS12\n",
    "TLS 1.3": TLS + "  min_version: TLS13\n",
    "TLS 1.2 at most": TLS + "  max_version: TLS12\n",
    "ciphers": TLS
    + "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]\n",
    "ciphers of TLS 1.3": TLS + "  min_version: TLS13\n  cipher_suites: [TLS_AES_128_GCM_SHA256]\n",
    "the clients' order of ciphers": TLS + "  prefer_server_cipher_suites: false\n",
    "a curve": TLS + "  curve_preferences: [X25519]\n",
    "HTTP/1.1": TLS + "http_server_config: {http2: false}\n",
    "users": f"basic_auth_users:\n  prometheus: {HASH}\n  yes: {HASH}\n  123: {HASH}\n",
    "headers": "http_server_config:\n  headers:\n"
    "    Strict-Transport-Security: max-age=31536000\n"
    "    X-Frame-Options: deny\n"
    "    X-Content-Type-Options: nosniff\n"
    "    X-XSS-Protection: '0'\n"
    "    Content-Security-Policy: default-src 'none'\n",
}


def inline(name: str) -> str:
    return "|\n" + "".join(f"    {line}\n" for line in name.splitlines())


NEWER = {
    "names of clients": TLS + VERIFIED + "  client_allowed_sans: [prometheus.example.org]\n",
    "a rate": "rate_limit: {interval: 1s, burst: 20}\n",
    "a rate of parts": "rate_limit: {interval: 1m30s, burst: 1}\n",
    "no rate": "rate_limit: {interval: 0s, burst: 20}\n",
}
"""What Prometheus 2.42 does not know yet."""


@pytest.mark.parametrize("text", NEWER.values(), ids=NEWER.keys())
def test_what_came_to_the_format_later_is_read(directory: Path, text: str) -> None:
    (directory / "web.yml").write_text(text)

    load(directory / "web.yml")


def test_certificates_may_be_inline(directory: Path) -> None:
    keys = {"cert": "web.crt", "key": "web.key", "client_ca": "web.crt"}
    lines = [f"  {key}: {inline((directory / name).read_text())}" for key, name in keys.items()]
    lines.append("  client_auth_type: RequireAndVerifyClientCert\n")
    (directory / "web.yml").write_text("tls_server_config:\n" + "".join(lines))

    config = load(directory / "web.yml")

    assert config.tls is not None
    assert len(config.tls.get_ca_certs()) == 1
    assert config.files == ()


def test_the_ciphers_and_their_order_are_those_given(directory: Path) -> None:
    (directory / "web.yml").write_text(
        TLS
        + "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,"
        + " TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n  prefer_server_cipher_suites: false\n"
    )
    tls = load(directory / "web.yml").tls
    assert tls is not None
    older = [each["name"] for each in tls.get_ciphers() if each["protocol"] != "TLSv1.3"]
    assert older == ["ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"]
    assert not tls.options & ssl.OP_CIPHER_SERVER_PREFERENCE


def test_an_interval_is_read_as_go_writes_it(directory: Path) -> None:
    (directory / "web.yml").write_text("rate_limit: {interval: 1m30.5s, burst: 3}")
    limit = load(directory / "web.yml").rate_limit
    assert limit is not None
    assert 1 / limit.per_second == pytest.approx(90.5)
    assert limit.burst == 3


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_what_is_accepted_here_is_accepted_by_prometheus(
    directory: Path, promtool: Path, text: str
) -> None:
    file = directory / "web.yml"
    file.write_text(text)
    load(file)
    check = subprocess.run(
        [promtool, "check", "web-config", file], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stderr


def test_paths_are_relative_to_the_file(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    (directory / "web.yml").write_text(TLS)
    config = load(directory / "web.yml")
    assert config.tls is not None
    assert config.files == (directory / "web.crt", directory / "web.key")


def test_users_and_headers_are_read(directory: Path) -> None:
    (directory / "web.yml").write_text(
        f"basic_auth_users: {{a: {HASH}}}\nhttp_server_config: {{headers: {{X-XSS-Protection: 0}}}}"
    )
    config = load(directory / "web.yml")
    assert (config.tls, config.users, config.headers) == (
        None,
        {"a": HASH},
        {"X-XSS-Protection": "0"},
    )


REFUSED = {
    "port: 1": (
        "port: unknown key, expected tls_server_config, basic_auth_users, http_server_config or"
        " rate_limit"
    ),
    "- a": "expected keys with values, found a list",
    "tls_server_config:": (
        "tls_server_config: expected a value, found nothing (leave the key out for its default)"
    ),
    "tls_server_config: {}": (
        "tls_server_config.cert_file: expected a value, found no such key\n"
        "tls_server_config.key_file: expected a value, found no such key"
    ),
    TLS + "  min_verion: TLS12": (
        "tls_server_config.min_verion: unknown key, did you mean min_version?"
    ),
    TLS + "  cipher_suites: TLS_AES_128_GCM_SHA256": (
        "tls_server_config.cipher_suites: expected a list such as [a, b],"
        " found 'TLS_AES_128_GCM_SHA256'"
    ),
    TLS + "  cipher_suites: [TLS_AES_128_GCM_SHA256]": (
        "tls_server_config.cipher_suites: expected one of TLS 1.2 among them, or min_version: TLS13"
    ),
    TLS + "  curve_preferences: [P256]": (
        "tls_server_config.curve_preferences[0]:"
        " expected 'CurveP256', 'CurveP384', 'CurveP521' or 'X25519', found 'P256'"
    ),
    TLS + "  curve_preferences: [X25519, CurveP256]": (
        "tls_server_config.curve_preferences: expected one curve, as OpenSSL is told of one here"
    ),
    TLS + "  prefer_server_cipher_suites: perhaps": (
        "tls_server_config.prefer_server_cipher_suites: expected true or false, found 'perhaps'"
    ),
    TLS + "  cert: junk": "tls_server_config.cert: expected without cert_file, found both",
    "tls_server_config: {cert: junk, key: junk}": (
        "tls_server_config.cert_file:"
        " expected a certificate and key_file its unencrypted key, both in PEM"
    ),
    TLS + "  client_allowed_sans: [a]": (
        "tls_server_config.client_allowed_sans: expected with RequireAndVerifyClientCert"
    ),
    "rate_limit: {interval: 1 s}": (
        "rate_limit.interval: expected a length of time such as 100ms, 1s or 1m30s, found '1 s'"
    ),
    f"rate_limit: {{interval: {'999999999h' * 25}}}": (
        f"rate_limit.interval: expected a length of time up to 8760h, found '{'999999999h' * 6}...'"
    ),
    "rate_limit: {interval: 1s, burst: 0}": "rate_limit.burst: expected at least 1, found '0'",
    TLS + "  min_version: TLS13\n  max_version: TLS12": (
        "tls_server_config.max_version: expected at least min_version (TLS13), found TLS12"
    ),
    "http_server_config: {http2: true}": (
        "http_server_config.http2: expected false, as HTTP/1.1 is what is spoken here"
    ),
    TLS + "  min_version: TLS14": (
        "tls_server_config.min_version: expected 'TLS10', 'TLS11', 'TLS12' or 'TLS13',"
        " found 'TLS14'"
    ),
    TLS + "  client_auth_type: Sometimes": (
        "tls_server_config.client_auth_type: expected 'NoClientCert', 'RequestClientCert',"
        " 'RequireAnyClientCert', 'VerifyClientCertIfGiven' or 'RequireAndVerifyClientCert',"
        " found 'Sometimes'"
    ),
    TLS + "  client_auth_type: RequireAnyClientCert": (
        "tls_server_config.client_auth_type: RequireAnyClientCert is not supported, as a"
        " certificate that nobody verifies proves nothing; RequireAndVerifyClientCert is"
    ),
    TLS + "  client_auth_type: RequireAndVerifyClientCert": (
        "tls_server_config.client_ca_file: expected with RequireAndVerifyClientCert,"
        " found no such key"
    ),
    TLS + "  client_ca_file: web.crt": (
        "tls_server_config.client_auth_type: expected with client_ca_file, found no such key"
    ),
    TLS + "  client_ca_file: junk.pem\n  client_auth_type: RequireAndVerifyClientCert": (
        "tls_server_config.client_ca_file: expected certificates in PEM, found none"
    ),
    TLS.replace("web.key", "other.key"): (
        "tls_server_config.key_file: expected the key of the certificate, found another's"
    ),
    TLS.replace("web.key", "locked.key"): (
        "tls_server_config.cert_file:"
        " expected a certificate and key_file its unencrypted key, both in PEM"
    ),
    TLS.replace("web.crt", "junk.pem"): (
        "tls_server_config.cert_file:"
        " expected a certificate and key_file its unencrypted key, both in PEM"
    ),
    TLS.replace("web.", "/none/"): (
        "tls_server_config.cert_file: /none/crt cannot be read: No such file or directory\n"
        "tls_server_config.key_file: /none/key cannot be read: No such file or directory"
    ),
    "basic_auth_users: {a: {b: c}}": "basic_auth_users.a: expected a text, found keys with values",
    TLS.replace("web.crt", "''"): (
        "tls_server_config.cert_file: expected a text, found an empty one"
    ),
    "basic_auth_users: [a]": "basic_auth_users: expected keys with values, found a list",
    "basic_auth_users: {a: secret}": (
        "basic_auth_users.a: expected a bcrypt hash, as `htpasswd -nB` makes them"
    ),
    f"basic_auth_users: {{a: {HASH.replace('$10$', '$31$')}}}": (
        "basic_auth_users.a: expected a cost from 4 to 15, found 31"
    ),
    f"basic_auth_users: {{a: {HASH[:28]}z{HASH[29:]}}}": (
        "basic_auth_users.a: expected a bcrypt hash, found one with a salt that is none"
    ),
    f"basic_auth_users: {{'a:b': {HASH}}}": (
        "basic_auth_users['a:b']: expected a name without a colon, which would end it when sent"
    ),
    "http_server_config: {headers: {X-Mine: a}}": (
        "http_server_config.headers.X-Mine: unknown key, expected Content-Security-Policy,"
        " Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options or X-XSS-Protection"
    ),
    "http_server_config: {headers: {X-Frame-Options: never}}": (
        "http_server_config.headers.X-Frame-Options: expected 'deny' or 'sameorigin', found 'never'"
    ),
    'http_server_config: {headers: {X-XSS-Protection: "0\\r\\nX-Mine: a"}}': (
        "http_server_config.headers.X-XSS-Protection: expected one line of ASCII"
    ),
    "basic_auth_users: {}\nbasic_auth_users: {}": (
        "basic_auth_users: expected once, found in line 1 and again in line 2"
    ),
    "basic_auth_users: {a: 'half": (
        "line 1, column 28: expected YAML, while scanning a quoted scalar,"
        " found unexpected end of stream"
    ),
    "basic_auth_users: {a: *secret}": (
        "line 1, column 23: expected YAML, found undefined alias '...'"
    ),
    "? [a]\n: b": "expected a text as key, found another in line 1",
    "[" * 500: "expected a configuration, found aliases or levels without end",
}


@pytest.mark.parametrize(("text", "errors"), REFUSED.items())
def test_what_is_wrong_is_told_with_its_place(directory: Path, text: str, errors: str) -> None:
    file = directory / "web.yml"
    file.write_text(text)
    with pytest.raises(WebConfigError) as refused:
        load(file)
    assert "\n".join(refused.value.errors) == errors


def test_an_error_names_its_file_and_line(directory: Path) -> None:
    file = directory / "web.yml"
    file.write_text(TLS + "  min_version: TLS12\n  max_version: TLS10\n")
    with pytest.raises(WebConfigError) as refused:
        load(file)
    assert str(refused.value).startswith(f"{file}:5: tls_server_config.max_version: expected")


def test_all_that_is_wrong_is_told_at_once(directory: Path) -> None:
    file = directory / "web.yml"
    file.write_text(TLS + "  min_version: 1\nrate_limit: {burst: few, interval: soon}\n")
    with pytest.raises(WebConfigError) as refused:
        load(file)
    assert [error.partition(":")[0] for error in refused.value.errors] == [
        "tls_server_config.min_version",
        "rate_limit.burst",
        "rate_limit.interval",
    ]


def test_a_missing_file_is_told_by_name(tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    with pytest.raises(
        WebConfigError, match=f"^{file}: expected a file to read, found: No such file"
    ):
        load(file)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(WebConfigError, match="expected UTF-8, found a byte in line 1 that is none"):
        load(tmp_path / "web.yml")

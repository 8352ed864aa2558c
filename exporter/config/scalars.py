"""Types of single values: how each is read from its text, and what is said when it cannot be."""

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, TypeAlias
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, PlainValidator

from exporter.addresses import FORMS, host_and_port
from exporter.documents.errors import shown
from exporter.documents.parse import Plain
from exporter.documents.scalars import WHOLE, FilePath, Form, expected, text
from exporter.domain.definitions import Scalar
from exporter.domain.windows import Window

_UNITS = {
    "y": timedelta(days=365),
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_DURATION = re.compile("".join(rf"(?:(?P<{unit}>\d{{1,6}}){unit})?" for unit in _UNITS))
_LONGEST = timedelta(days=100 * 365)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_NUMBER = re.compile(r"-?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,2})?")
_SIZE = re.compile(r"([1-9]\d{0,8})(KiB|MiB)?")
_SIZE_UNITS = {None: 1, "KiB": 1 << 10, "MiB": 1 << 20}
_LARGEST_SIZE = 64 << 20
_URL_PATH = re.compile(r"/[A-Za-z0-9._~/-]*")
_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[1-9]\d{0,4})?")


def _secret(value: object) -> str:
    if not isinstance(value, str):
        raise expected("a text", value)
    if not value:
        raise ValueError("expected a text, found an empty one")
    return str(value)


def duration(value: object) -> timedelta:
    """Read a duration as Prometheus writes it: `30s`, `1h30m`, `2w`."""
    if isinstance(value, Plain) and WHOLE.fullmatch(value):
        raise ValueError(f"expected a duration with its unit, such as {value}s, found {value}")
    match = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if match is None:
        raise expected("a duration such as 30s, 1h30m or 7d", value)
    total = sum((int(n) * _UNITS[unit] for unit, n in match.groupdict().items() if n), timedelta())
    if not timedelta() < total <= _LONGEST:
        raise expected("a duration above 0 and up to 100y", value)
    return total


def in_words(length: timedelta) -> str:
    """Write a duration as `duration` reads it; years and weeks as days."""
    text = ""
    for unit in ("d", "h", "m", "s", "ms"):
        n, length = divmod(length, _UNITS[unit])
        text += f"{n}{unit}" if n else ""
    return text


def _window(value: object) -> Window:
    length = duration(value)
    hours, rest = divmod(length, timedelta(hours=1))
    if rest:
        raise expected("whole hours", value)
    return Window(name=str(value), hours=hours)


def _date(value: object) -> date:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise expected("a date such as 2013-07-23", value)


def _number(value: object) -> float:
    if not (isinstance(value, str) and _NUMBER.fullmatch(value)):
        raise expected("a number", value)
    return float(value)


def _share(value: object) -> float:
    share = _number(value)
    if not 0 < share <= 1:
        raise expected("a number above 0 and up to 1", value)
    return share


def _true(value: object) -> bool:
    if not (isinstance(value, Plain) and value == "true"):
        raise expected("true", value)
    return True


def _scalar(value: object) -> Scalar:
    if isinstance(value, Plain):
        if value in {"true", "false"}:
            return value == "true"
        if WHOLE.fullmatch(value):
            return int(value)
        if _NUMBER.fullmatch(value):
            return float(value)
    if not isinstance(value, str):
        raise expected("a text, a number, true or false", value)
    return str(value)


def _field(value: object) -> str:
    name = text(value)
    if not all(name.split(".")):
        raise expected("the name of a field such as lang or user_agent.os", value)
    return name


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise ValueError(f"expected a file, found none at {file}")
    return file


def _address(text: str, what: str, schemes: tuple[str, ...]) -> SplitResult:
    """Read an address that has a host; what is wrong with it is said without its password."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none; an IPv6 address without its end
        usable = False
    if not usable or " " in text:
        raise expected(what, text)
    if parts.query or parts.fragment or "@" in parts.path:
        raise ValueError(
            f"expected {what}, found {shown(text)} (in a user or password, / is %2F, ? is %3F,"
            " # is %23 and @ is %40)"
        )
    return parts


def _http_url(value: object) -> str:
    what = "an address such as http://host:3435/path"
    return _address(text(value), what, ("http", "https")).geturl()


def _store_url(value: object) -> str:
    url = text(value)
    scheme, _, path = url.partition(":")
    if scheme == "sqlite":
        if not path or path.startswith("//"):
            raise expected("sqlite: and a path, such as sqlite:kpi.db", url)
        return url
    what = "sqlite:PATH, couchdb://HOST:PORT/DATABASE or couchdbs://HOST:PORT/DATABASE"
    parts = _address(url, what, ("couchdb", "couchdbs"))
    database = parts.path.strip("/")
    if not database or "/" in database:
        raise expected(what, url)
    return parts._replace(path=f"/{database}").geturl()


def _listen(value: object) -> str:
    try:
        host_and_port(str(value) if isinstance(value, str) else "")
    except ValueError:
        raise expected(FORMS, value) from None
    return str(value)


def _size(value: object) -> int:
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    size = 0 if match is None else int(match[1]) * _SIZE_UNITS[match[2]]
    if not 0 < size <= _LARGEST_SIZE:
        raise expected("a size in bytes up to 64MiB, such as 512KiB", value)
    return size


def _url_path(value: object) -> str:
    path = text(value)
    if not _URL_PATH.fullmatch(path):
        raise expected("a path such as /wsapi/interaction_data", value)
    return path


def _origin(value: object) -> str:
    """Read an origin as browsers write it: `*` and `null` are none."""
    origin = text(value)
    if not _ORIGIN.fullmatch(origin):
        raise expected(
            "an origin as browsers send it, such as https://login.example.org (lower case,"
            " without a path)",
            value,
        )
    return origin


SecretText: TypeAlias = Annotated[str, BeforeValidator(_secret), Form(name="secret")]
Duration: TypeAlias = Annotated[timedelta, PlainValidator(duration), Form(name="duration")]
WindowLength: TypeAlias = Annotated[Window, PlainValidator(_window), Form(name="duration")]
Date: TypeAlias = Annotated[date, PlainValidator(_date), Form(name="date")]
Number: TypeAlias = Annotated[float, BeforeValidator(_number), Form(name="number")]
Share: TypeAlias = Annotated[float, BeforeValidator(_share), Form(name="number")]
AlwaysTrue: TypeAlias = Annotated[bool, PlainValidator(_true), Form(name="`true`")]
Value: TypeAlias = Annotated[
    Scalar, PlainValidator(_scalar), Form(name="text, number or truth value")
]
FieldName: TypeAlias = Annotated[str, PlainValidator(_field), Form(name="field")]
ExistingFile: TypeAlias = Annotated[FilePath, AfterValidator(_existing)]
HttpUrl: TypeAlias = Annotated[str, PlainValidator(_http_url), Form(name="address")]
StoreUrl: TypeAlias = Annotated[str, PlainValidator(_store_url), Form(name="address")]
Listen: TypeAlias = Annotated[str, PlainValidator(_listen), Form(name="`host:port`")]
Size: TypeAlias = Annotated[int, PlainValidator(_size), Form(name="size")]
UrlPath: TypeAlias = Annotated[str, PlainValidator(_url_path), Form(name="path")]
Origin: TypeAlias = Annotated[str, PlainValidator(_origin), Form(name="origin")]

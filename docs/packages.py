"""The exporter's packages and modules, drawn from the contract on imports and the code."""

import ast
import re
import textwrap
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent
PACKAGE = CHECKOUT / "exporter"
_INDENT = "    "
_WIDTH = 96


def packages() -> str:
    """Write the packages from the top layer down; a blank line between layers."""
    width = max(len(path.name) for layer in _layers() for path in layer) + 3
    layers = ("\n".join(_line(path, width) for path in layer) for layer in _layers())
    return "\n".join(["", "```text", "\n\n".join(layers), "```", ""])


def _layers() -> list[list[Path]]:
    contract, *_ = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["tool"][
        "importlinter"
    ]["contracts"]
    layers = [[_path(name) for name in re.findall(r"\w+", layer)] for layer in contract["layers"]]
    return [there for layer in layers if (there := [path for path in layer if path.exists()])]


def _path(name: str) -> Path:
    module = PACKAGE / f"{name}.py"
    return module if module.exists() else PACKAGE / name


def _line(path: Path, width: int) -> str:
    package = path.is_dir()
    source = path / "__init__.py" if package else path
    said = ast.get_docstring(ast.parse(source.read_text("utf-8"))) or ""
    first = said.split("\n\n")[0].replace("\n", " ")
    name = f"{path.name}/" if package else path.name
    line = f"{name:{width}}{_begun(first)}".rstrip()
    return f"{line}\n{_modules(path)}" if package else line


def _modules(package: Path) -> str:
    """List what a package is made of, its packages first, in lines that fit."""
    there = sorted(
        (found for found in package.iterdir() if _is_code(found)),
        key=lambda found: (not found.is_dir(), found.name),
    )
    names = [f"{found.name}/" if found.is_dir() else found.stem for found in there]
    return textwrap.fill(" ".join(names), _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)


def _is_code(path: Path) -> bool:
    if path.is_dir():
        return (path / "__init__.py").exists()
    return path.suffix == ".py" and path.name != "__init__.py"


def _begun(text: str) -> str:
    """Keep what fits a line, by whole sentences."""
    sentence, _, _ = text.replace("`", "").partition(". ")
    return sentence.rstrip(".")

"""The list of the exporter's rooms, from the contract on imports and what each says of itself."""

import ast
import re
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent
PACKAGE = CHECKOUT / "exporter"
_INDENT = "  "


def rooms() -> str:
    """Write the rooms from the top floor down; a blank line between floors."""
    width = max(len(path.name) for floor in _floors() for path in floor) + 3
    floors = ("\n".join(_line(path, width) for path in floor) for floor in _floors())
    return "\n".join(["", "```text", "\n\n".join(floors), "```", ""])


def _floors() -> list[list[Path]]:
    contract, *_ = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["tool"][
        "importlinter"
    ]["contracts"]
    floors = [[_path(name) for name in re.findall(r"\w+", layer)] for layer in contract["layers"]]
    return [there for floor in floors if (there := [path for path in floor if path.exists()])]


def _path(name: str) -> Path:
    module = PACKAGE / f"{name}.py"
    return module if module.exists() else PACKAGE / name


def _line(path: Path, width: int) -> str:
    package = path.is_dir()
    source = path / "__init__.py" if package else path
    said = ast.get_docstring(ast.parse(source.read_text("utf-8"))) or ""
    first = said.split("\n\n")[0].replace("\n", " ")
    name = f"{path.name}/" if package else path.name
    return f"{name:{width}}{_begun(first)}".rstrip()


def _begun(text: str) -> str:
    """Keep what fits a line, by whole sentences."""
    sentence, _, _ = text.replace("`", "").partition(". ")
    return sentence.rstrip(".")

"""Writes the generated parts of the documentation: `python -m docs`.

A generated part stands between two comments, `<!-- NAME: ... -->` and `<!-- end of NAME -->`;
what is around it is written by hand.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from docs import commands, configuration, metrics, packages, pages

HERE = Path(__file__).parent
PARTS: Mapping[str, tuple[Path, Callable[[], str]]] = {
    "configuration keys": (HERE / "reference/configuration.md", configuration.keys),
    "metrics": (HERE.parent / "README.md", metrics.short),
    "kpis": (HERE / "reference/kpis.md", metrics.kpis),
    "metric families": (HERE / "reference/metrics.md", metrics.full),
    "commands": (HERE / "reference/commands.md", commands.commands),
    "packages": (HERE / "explanation/architecture.md", packages.packages),
    "what is not run": (HERE.parent / "CONTRIBUTING.md", pages.not_run),
}


def with_part(page: str, name: str, part: str) -> str:
    """Put a generated part into a page."""
    found = re.compile(
        rf"(<!-- {re.escape(name)}: [^>]* -->\n).*?(<!-- end of {re.escape(name)} -->)", re.DOTALL
    )
    result, n = found.subn(lambda comments: f"{comments[1]}\n{part}\n{comments[2]}", page)
    if n != 1:
        raise SystemExit(f"{name}: expected one place in its page, found {n}")
    return result


def main() -> None:
    """Write each part into its page."""
    for name, (page, part) in PARTS.items():
        page.write_text(with_part(page.read_text("utf-8"), name, part()), encoding="utf-8")
        print(f"{page.relative_to(HERE.parent)}: {name}")


if __name__ == "__main__":
    main()

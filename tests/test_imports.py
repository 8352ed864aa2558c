"""What import-linter cannot see: programs that are no packages, and tests."""

import ast
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent
OTHERS = ("exporter", "fake_server", "testing", "simulations", "benchmarks", "docs", "grafana")


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_nothing_outside_tests_imports_tests() -> None:
    others = [
        path
        for folder in (
            "exporter",
            "fake_server",
            "testing",
            "simulations",
            "docs",
            "grafana",
            "benchmarks",
        )
        for path in (CHECKOUT / folder).rglob("*.py")
    ]
    assert others
    assert [path for path in others if "tests" in imported(path)] == []


def test_only_the_commands_that_serve_import_what_serves() -> None:
    program = (
        "import sys; from contextlib import suppress\n"
        "from exporter.commands.main import COMMANDS, main\n"
        "for name in COMMANDS:\n"
        "    if name not in ('serve', 'demo'):\n"
        "        with suppress(SystemExit): main([name, '--help'])\n"
        "libraries = {'tornado', 'apscheduler', 'prometheus_client', 'bcrypt', 'couchdb'}\n"
        "sys.exit(repr(libraries & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=CHECKOUT, check=False, capture_output=True, text=True
    )
    assert done.stderr.strip() == "set()"
    assert done.stdout.count("usage: kpi-exporter") == 10

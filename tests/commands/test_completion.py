"""`kpi-exporter completion`: what the shells themselves make of it."""

import shutil
import subprocess

import pytest

from exporter.commands.completion import SHELLS
from exporter.commands.main import COMMANDS, main
from testing.waiting import WAIT_SECONDS


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(command in script for command in COMMANDS)
    assert "--config.file" in script or "config.file" in script


def test_bash_completes_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out + (
        "COMP_WORDS=(kpi-exporter rep); COMP_CWORD=1\n"
        "function=$(complete -p kpi-exporter | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n"
        "$function kpi-exporter rep kpi-exporter\n"
        'echo "${COMPREPLY[@]}"\n'
    )
    bash = shutil.which("bash")
    assert bash
    shown = subprocess.run(
        [bash, "--norc"],
        input=script,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=True,
    )
    assert shown.stdout.split() == ["report"]

"""The portal's programs and their queues stand in one place each: the Procfile, and ``settings.QUEUES``."""

import fnmatch
import re
import subprocess

import pytest
from django.conf import settings
from ruamel.yaml import YAML

from config.celery import app
from config.supervisor import programs
from tests.fixtures.waiting import ROOT

COMMANDS = programs(ROOT / "Procfile")
UNIT = (ROOT / "config" / "systemd" / "rollcall@.service").read_text()


def test_every_route_leads_a_task_that_there_is() -> None:
    app.loader.import_default_modules()
    for task in (task for tasks in settings.QUEUES.values() for task in tasks):
        assert fnmatch.filter(app.tasks, task), f"{task} is routed to a queue of its own, and there is no such task"


def test_every_queue_has_a_worker() -> None:
    """A worker without --queues reads all of them but those that it excludes; all name queues that there are."""
    served = set[str]()
    for command in (command for command in COMMANDS.values() if " worker" in command):
        found = (re.findall(rf" --{option}=(\S+)", command) for option in ("queues", "exclude-queues"))
        only, left_out = (",".join(names).split(",") if names else [] for names in found)
        assert {*only, *left_out} <= set(settings.QUEUES)
        served |= set(only) or set(settings.QUEUES) - set(left_out)
    assert served == set(settings.QUEUES)


def test_containers_run_the_procfile() -> None:
    services = YAML(typ="safe").load((ROOT / "compose.yaml").read_text())["services"]
    ours = {
        name: service for name, service in services.items() if service.get("image") == "rollcall" and name != "migrate"
    }
    assert set(ours) == set(COMMANDS)
    assert 'CMD ["config/bin/program", "web"]' in (ROOT / "Dockerfile").read_text()
    for name, service in ours.items():
        assert service.get("command", ["config/bin/program", "web"]) == ["config/bin/program", name]
        assert service["restart"] == "unless-stopped"


def test_systemd_and_the_readme_name_programs_of_the_procfile() -> None:
    readme = (ROOT / "README.md").read_text()
    assert set(re.findall(r"config/bin/program (\w+)", readme)) <= set(COMMANDS)
    assert set(re.findall(r"rollcall@(\w+)", readme + UNIT)) - {"service", "localhost"} <= set(COMMANDS)
    always = set(COMMANDS) - {"listen"}
    assert always <= set(re.findall(r"rollcall@(\w+)", readme)) & set(re.findall(r"rollcall@(\w+)", UNIT))
    assert not re.search(r"celery .*(worker|beat)", readme + UNIT)


def test_systemd_never_gives_up() -> None:
    lines = UNIT.splitlines()
    assert "ExecStart=/opt/rollcall/config/bin/program %i" in lines
    assert {"Restart=always", "StartLimitIntervalSec=0", "RestartMaxDelaySec=60"} <= set(lines)


@pytest.mark.heavy
def test_a_program_that_there_is_not() -> None:
    done = subprocess.run([ROOT / "config" / "bin" / "program", "cook"], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.strip().endswith("one of: " + " ".join(COMMANDS))

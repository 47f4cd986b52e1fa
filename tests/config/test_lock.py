"""The lock files: they install on any later day, hold everything that is needed, and are told to nobody's index."""

import ast
import functools
import hashlib
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import django
import pytest
from packaging.markers import Environment, default_environment
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from tests import servers
from tests.fixtures.waiting import ROOT
from tests.plugin import CI

LOCKS = ["requirements.lock", "requirements-dev.lock"]
LOWEST = "requirements-lowest.lock"
PYTHONS = ["3.11.2", "3.12.0", "3.13.5"]  # the first is Debian 12's, the last Debian 13's

OURS = {path.parent.name for path in ROOT.glob("*/__init__.py")}


def environment(python: str = "") -> Environment:
    """Return what markers are judged by: this machine, with another Python if one is named."""
    here = default_environment()
    if python:
        here["python_version"], here["python_full_version"] = python.rpartition(".")[0], python
    return here


@functools.cache
def pins(lock: str, python: str = "") -> dict[NormalizedName, Version]:
    """Return the version of each package that a lock file installs on this machine."""
    found = {}
    for line in (ROOT / lock).read_text().splitlines():
        if not line.startswith((" ", "#")):
            pin = Requirement(line.removesuffix("\\"))
            if pin.marker is None or pin.marker.evaluate(environment(python)):
                found[canonicalize_name(pin.name)] = Version(str(pin.specifier).removeprefix("=="))
    return found


def declared(lock: str) -> list[Requirement]:
    """Return what pyproject.toml asks for and this lock file answers."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]["dev"] if "dev" in lock else []
    return [Requirement(text) for text in [*project["project"]["dependencies"], *groups]]


def needs(name: str) -> list[Requirement]:
    """Return what a package asks for, its extras included; nothing for one that only other Pythons need."""
    if name not in pins("requirements-dev.lock"):
        return []
    return [Requirement(text) for text in metadata.requires(name) or []]


def missing(lock: str, python: str) -> set[str]:
    """Return the requirements, direct and indirect, that the pins of a lock file do not meet."""
    pinned, judged = pins(lock, python), environment(python)
    unmet: set[str] = set()
    seen: set[tuple[str, str]] = set()
    waiting = [("pyproject.toml", requirement, "") for requirement in declared(lock)]
    while waiting:
        asker, requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({**judged, "extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        if name not in pinned or not requirement.specifier.contains(pinned[name], prereleases=True):
            unmet.add(f"{asker} needs {requirement}")
            continue
        for wanted in {"", *requirement.extras} - {extra for known, extra in seen if known == name}:
            seen.add((name, wanted))
            waiting += [(name, need, wanted) for need in needs(name)]
    return unmet


# What packages need is read from those that are installed, which are others when `make lowest` runs.
of_the_lock = pytest.mark.skipif(f"django=={django.__version__} " not in (ROOT / LOCKS[1]).read_text(), reason="lowest")


@of_the_lock
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_holds_everything_that_its_packages_need(lock: str, python: str) -> None:
    """So that nothing has to be resolved when it is installed, on any Python that Rollcall runs on."""
    assert missing(lock, python) == set()


def test_the_lock_file_of_developers_has_the_versions_of_the_portal() -> None:
    """What is tested is what is installed."""
    assert pins("requirements.lock").items() <= pins("requirements-dev.lock").items()


def imported(folders: set[str]) -> set[NormalizedName]:
    """Return the packages of others that the modules in some of our folders import."""
    names = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module)
    others = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - OURS
    packages = metadata.packages_distributions()
    return {canonicalize_name(packages.get(name, [name])[0]) for name in others}


@pytest.mark.heavy
@pytest.mark.parametrize(("lock", "folders"), [(LOCKS[0], OURS - {"tests"}), (LOCKS[1], {"tests"})])
def test_pyproject_asks_for_everything_that_is_imported(lock: str, folders: set[str]) -> None:
    """What only another package brings may go with that one's next release."""
    asked = {canonicalize_name(requirement.name) for requirement in declared(lock)}
    assert imported(folders) - asked == set()


def test_the_lock_file_of_lowest_releases_is_of_pyproject() -> None:
    """It has the release that each requirement begins with; one that other packages do not allow is no true floor."""
    pinned = pins(LOWEST)
    for requirement in declared(LOCKS[1]):
        floor = next(Version(each.version) for each in requirement.specifier if each.operator in {">=", "=="})
        assert pinned[canonicalize_name(requirement.name)].release[:2] == (*floor.release, 0)[:2], requirement


@pytest.mark.parametrize("lock", [*LOCKS, LOWEST])
def test_a_lock_file_names_no_index(lock: str) -> None:
    """Where packages come from is the machine's own business."""
    assert not re.search(r"://|index-url|find-links", (ROOT / lock).read_text())


def wheel(folder: Path, name: str, version: Version) -> str:
    """Write a package without content that asks for what the real one does; return the digest of its file."""
    stem = f"{name.replace('-', '_')}-{version}"
    asked = "".join(f"Requires-Dist: {need}\n" for need in needs(name))
    extras = "".join(f"Provides-Extra: {extra}\n" for extra in metadata.metadata(name).get_all("Provides-Extra") or [])
    files = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{extras}{asked}",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(f"{stem}.dist-info/{file}", text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def index_of_a_later_day(folder: Path) -> Path:
    """Fill a folder with every package of the lock file and a later release of each; return the same lock for it."""
    lock = folder / "requirements.lock"
    with lock.open("w") as file:
        for name, version in pins("requirements.lock").items():
            digest = wheel(folder, name, version)
            wheel(folder, name, Version(f"{version.base_version}.1"))
            file.write(f"{name}=={version} --hash=sha256:{digest}\n")
    return lock


def pip_of(version: str) -> str:
    """Return the folder of a pip, fetched once for the run."""
    folder = servers.shared_folder() / f"pip-{version}"

    def fetch() -> str:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        return subprocess.run([*command, f"pip=={version}"], check=False, capture_output=True, text=True).stderr

    words = servers.once(folder.name, fetch)
    if not (folder / "pip").exists():
        pytest.fail(words, pytrace=False) if CI else pytest.skip(f"pip {version} cannot be fetched: {words}")
    return str(folder)


@pytest.mark.heavy
@of_the_lock
@pytest.mark.parametrize("pip", ["23.0.1", "25.1.1"])
def test_the_lock_file_installs_when_newer_releases_are_out(pip: str, tmp_path: Path) -> None:
    """The command of ``make run`` with the pip of Debian 12 and of Debian 13, against an index that has moved on."""
    debian_12 = pip == "23.0.1"
    if debian_12 and sys.version_info >= (3, 12):
        pytest.skip(f"pip {pip} belongs to the Python 3.11 of Debian 12 and does not start on a newer one.")
    lock = index_of_a_later_day(tmp_path)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        around = {**kept, **index, "PYTHONPATH": pip_of(pip)}
        return subprocess.run(command, env=around, check=False, capture_output=True, text=True)

    if debian_12:  # what the command spares us; the index is a later one indeed
        resolving = run(python, "-m", "pip", "install", "--dry-run", "--require-hashes", "-r", str(lock))
        assert "all requirements must have their versions pinned" in resolving.stderr
    done = run(str(ROOT / "config" / "bin" / "install"), python, str(lock))
    assert done.returncode == 0, done.stderr
    assert run(python, "-m", "pip", "check").stdout.strip() == "No broken requirements found."
    listed = set(run(python, "-m", "pip", "list", "--format=freeze").stdout.split())
    wanted = {f"{name}=={version}" for name, version in pins("requirements.lock").items()}
    assert listed - {f"pip=={pip}"} == wanted

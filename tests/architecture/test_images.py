"""What the Dockerfile and docker-compose.yml promise, as far as reading tells; tests/compose_check.py runs them."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.architecture.settings_table import fields

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
LOCK_OF = {"api": "service", "watcher": "service", "worker": "workers", "flower": "workers"}
ROLES = tuple(LOCK_OF)
CELERY = {"celery", "kombu", "billiard", "amqp", "vine", "flower"}
LOCKS = ("service", "workers", "build")


def stages() -> dict[str, tuple[str, str]]:
    """Each stage of the Dockerfile: what it is made from, and its instructions."""
    found = re.findall(r"^FROM (\S+) AS (\S+)\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.DOTALL | re.MULTILINE)
    return {name: (parent, body) for parent, name, body in found}


def instructions(role: str) -> str:
    """The instructions of a stage after those of the stages it is made from."""
    parent, body = stages()[role]
    return (instructions(parent) if parent in stages() else "") + body


def last(instruction: str, role: str) -> str:
    """What counts of an instruction that may be given again."""
    *_, value = re.finditer(rf"^{instruction} (.+)$", instructions(role), re.MULTILINE)
    return value[1]


def pinned(lock: str) -> dict[str, str]:
    """Packages of a lock and their versions."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+)", text, re.MULTILINE))


def services() -> dict[str, str]:
    """The lines of each service in docker-compose.yml."""
    block = COMPOSE.partition("\nservices:\n")[2].partition("\nvolumes:\n")[0]
    return dict(re.findall(r"^  (\w+):\n((?:    .*\n|\n|  #.*\n)+)", f"{block}\n", re.MULTILINE))


def test_every_role_has_an_image_and_a_service_of_its_own() -> None:
    assert set(services()) == {"redis", *ROLES}
    assert {role for role in ROLES if f"target: {role}\n" in services()[role]} == set(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_an_image_starts_its_role_without_a_shell_and_not_as_root(role: str) -> None:
    assert json.loads(last("CMD", role)) == ["petiole", role]
    assert last("STOPSIGNAL", role) == "SIGTERM"
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", last("USER", role))


@pytest.mark.parametrize("role", ROLES)
def test_an_image_says_how_its_health_is_asked_for_and_how_long_that_may_take(role: str) -> None:
    assert re.search(r"--timeout=\d+s .*CMD ", last("HEALTHCHECK", role))


@pytest.mark.parametrize(("role", "lock"), LOCK_OF.items())
def test_an_image_holds_what_the_lock_of_its_role_says(role: str, lock: str) -> None:
    packages = re.findall(r"--from=(\S+) /opt/petiole", instructions(role))

    assert len(packages) == 1
    assert f" -r requirements/{lock}.txt\n" in stages()[packages[0]][1]


def test_the_lock_of_the_service_names_no_celery_and_that_of_the_workers_no_arq() -> None:
    assert CELERY & pinned("service").keys() == set()
    assert "arq" not in pinned("workers")
    assert CELERY - pinned("workers").keys() == set()


def test_nothing_is_installed_without_a_hash_or_from_an_index_that_is_not_locked() -> None:
    installs = re.findall(r"pip (?:--python \S+ )?(?:install|wheel) (.+)", DOCKERFILE)

    assert len(installs) == len(re.findall(r"\b(?:install|wheel) -", DOCKERFILE))
    assert [one for one in installs if "--require-hashes" not in one and "--no-index" not in one] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_of_a_lock_has_a_hash_and_no_address(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8").replace("\\\n", " ")

    assert [line for line in text.splitlines() if "--hash=sha256:" not in line] == []
    assert "://" not in text


def test_the_lock_of_the_build_has_what_the_project_is_built_with() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert {re.split(r"[<>=~!]", wish)[0] for wish in project["build-system"]["requires"]} <= pinned("build").keys()


def test_the_images_are_built_from_what_the_package_is_made_of_and_nothing_else() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    given = {line[1:] for line in ignored if line.startswith("!")}
    copied = {
        source.partition("/")[0]
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
        for source in sources.split()
    }

    assert "*" in ignored
    assert given == copied


def test_only_this_machine_reaches_the_published_ports_and_redis_has_none() -> None:
    published = re.findall(r"^    ports:\n      - (\S+)$", COMPOSE, re.MULTILINE)

    assert len(published) == COMPOSE.count("ports:") == 2
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []
    assert "ports:" not in services()["redis"]


@pytest.mark.parametrize("page", ["Dockerfile", "docker-compose.yml", "docs/deployment.md"])
def test_every_setting_that_a_deployment_names_exists(page: str) -> None:
    named = set(re.findall(r"PETIOLE_[A-Z_]+", (ROOT / page).read_text(encoding="utf-8")))

    assert named - {variable for variable, _ in fields()} == set()

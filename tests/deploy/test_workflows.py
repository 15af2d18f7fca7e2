"""GitHub's workflows: pinned actions, few permissions, scripts that are scripts, and nothing that is not there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github" / "workflows"
NAMES = sorted(path.name for path in FOLDER.iterdir())
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}\Z")
TOP = {"name", "on", "permissions", "concurrency", "jobs"}
JOB = {"runs-on", "timeout-minutes", "strategy", "steps", "needs", "environment", "permissions", "env", "uses"}
STEP = {"name", "uses", "with", "run"}
OURS = re.compile(r"(?<![\w/.-])((?:src|deploy|tests|\.ci)/[\w./-]+)")


def read(name: str) -> dict[str, Any]:
    # YAML 1.1 takes the key `on` for true.
    told = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    return {"on" if key is True else key: part for key, part in told.items()}


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job.get("steps", [])]


def test_there_is_one_that_checks_and_one_that_releases() -> None:
    assert NAMES == ["ci.yml", "release.yml"]
    assert read("ci.yml")["on"].keys() == {"push", "pull_request", "workflow_call"}
    assert read("release.yml")["on"] == {"push": {"tags": ["v*"]}}


@pytest.mark.parametrize("name", NAMES)
def test_every_key_is_one_that_there_is(name: str) -> None:
    workflow = read(name)
    assert set(workflow) == TOP
    for job in workflow["jobs"].values():
        assert set(job) <= JOB
        assert ("uses" in job) != ("steps" in job)
        if "steps" in job:
            assert job["timeout-minutes"] <= 90
            assert re.fullmatch(r"ubuntu-\d\d\.\d\d", job["runs-on"])
        assert set(job.get("needs", "").split()) <= set(workflow["jobs"])
    for step in steps(workflow):
        assert set(step) <= STEP
        assert ("uses" in step) != ("run" in step)


@pytest.mark.parametrize("name", NAMES)
def test_actions_are_pinned_by_commit_with_their_version(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    for line in re.findall(r"uses: (.+)", text):
        action, _, comment = line.partition("  # ")
        if action.startswith("./"):
            assert (ROOT / action).is_file()
        else:
            assert PINNED.match(action)
            assert re.fullmatch(r"v\d+\.\d+\.\d+", comment)
    for step in steps(read(name)):
        if "checkout" in step.get("uses", ""):
            assert step["with"] == {"persist-credentials": False}


@pytest.mark.parametrize("name", NAMES)
def test_permissions_are_few(name: str) -> None:
    workflow = read(name)
    assert workflow["permissions"] == {"contents": "read"}
    given = {job: one["permissions"] for job, one in workflow["jobs"].items() if "permissions" in one}
    assert given == ({"image": {"contents": "read", "id-token": "write"}} if name == "release.yml" else {})


@pytest.mark.integration
@pytest.mark.parametrize("name", NAMES)
def test_scripts_are_scripts_of_files_that_there_are(name: str) -> None:
    scripts = [step["run"] for step in steps(read(name)) if "run" in step]
    assert scripts
    for script in scripts:
        done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert "${{" not in script  # what others can name must not become code
        for path in OURS.findall(script):
            assert (ROOT / path).is_file(), path


def test_no_key_is_kept() -> None:
    text = (FOLDER / "release.yml").read_text(encoding="utf-8")
    assert "secrets." not in text
    (signing,) = [step["with"] for step in steps(read("release.yml")) if "credentials" in step.get("uses", "")]
    assert set(signing) == {"aws-region", "role-to-assume"}


def test_what_is_pushed_was_checked_built_and_started() -> None:
    jobs = read("release.yml")["jobs"]
    assert jobs["check"] == {"uses": "./.github/workflows/ci.yml"}
    assert jobs["image"]["needs"] == "check"
    scripts = [step.get("run", step.get("uses")) for step in jobs["image"]["steps"]]
    order = [next(n for n, script in enumerate(scripts) if what in script) for what in (
        "docker build", "docker run", "configure-aws-credentials", "docker push",
    )]  # fmt: skip
    assert order == sorted(order)


def test_the_release_role_is_that_of_the_template() -> None:
    """Who may push is decided in deploy/aws/template.yaml by the name of the environment."""
    assert read("release.yml")["jobs"]["image"]["environment"] == "release"
    assert ":environment:release" in (ROOT / "deploy" / "aws" / "template.yaml").read_text()


@pytest.mark.integration
@pytest.mark.parametrize(("tag", "is_right"), [("v0.0.0", False), ("", False)])
def test_a_tag_that_is_not_the_version_is_refused(tag: str, is_right: bool) -> None:
    from fulltape import __version__

    (check,) = [step["run"] for step in steps(read("release.yml")) if step.get("name") == "The tag is the version"]
    for one, right in ((tag, is_right), (f"v{__version__}", True)):
        done = subprocess.run(["bash", "-ec", check], cwd=ROOT, env={"TAG": one, "PATH": "/usr/bin:/bin"}, check=False)
        assert (done.returncode == 0) == right


def test_what_is_pinned_is_kept_current() -> None:
    told = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())
    assert {(one["package-ecosystem"], one["directory"]) for one in told["updates"]} == {
        ("github-actions", "/"), ("docker", "/deploy"), ("docker-compose", "/deploy"),
    }  # fmt: skip

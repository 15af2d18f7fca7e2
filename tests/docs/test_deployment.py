"""What operations.md tells to set at AWS and GitHub is what the template and the workflow read."""

from __future__ import annotations

import re

from tests.docs.pages import DOCS, ROOT, page, section

AWS = section(page(DOCS / "operations.md"), "AWS")
TEMPLATE = (ROOT / "deploy" / "aws" / "template.yaml").read_text(encoding="utf-8")
WORKFLOW = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")


def names_in(part: str) -> set[str]:
    """Return the names at the first level of a part of the template."""
    found = re.search(rf"^{part}:\n((?:[ #].*\n|\n)*)", TEMPLATE, re.MULTILINE)
    assert found
    return set(re.findall(r"^  (\w+):$", found[1], re.MULTILINE))


def test_parameters_are_those_of_the_template() -> None:
    told = set(re.findall(r"\b([A-Z]\w+)=", AWS)) | set(re.findall(r"`(\w+(?:SecretArn|GroupId))`", AWS))
    assert len(told) > 8
    assert told == names_in("Parameters")


def test_variables_of_the_workflow_are_outputs() -> None:
    assert set(re.findall(r"`([A-Z]+_[A-Z]+)`", AWS)) == set(re.findall(r"vars\.(\w+)", WORKFLOW))
    assert {"PublisherRoleArn", "RepositoryUri"} <= names_in("Outputs")
    assert "`PublisherRoleArn`" in AWS
    assert "`RepositoryUri`" in AWS

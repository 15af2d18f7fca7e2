"""The CloudFormation template: valid by cfn-lint, closed to the internet, least privileges, and a command that runs."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from cfnlint.decode import decode
from tests.deploy.dockerfile import stages
from tests.e2e.programs import FULLTAPE, start, started

from fulltape.engine.config import Config
from fulltape.venues.registry import VENUES

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "deploy" / "aws" / "template.yaml"
IMAGE = stages((ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8"))[-1]
CONFIG = ROOT / "deploy" / "aws" / "fulltape.toml"


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    """The template with its functions in long form."""
    told, problems = decode(str(TEMPLATE))
    assert problems == []
    return dict(told)


def of_type(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of the resources of a type, by name."""
    return {name: one["Properties"] for name, one in template["Resources"].items() if one["Type"] == f"AWS::{kind}"}


def container(template: dict[str, Any]) -> dict[str, Any]:
    (task,) = of_type(template, "ECS::TaskDefinition").values()
    (one,) = task["ContainerDefinitions"]
    return dict(one)


def test_it_is_valid() -> None:
    linter = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([linter, TEMPLATE], capture_output=True, text=True, check=False, timeout=600)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_mistake_would_be_found(tmp_path: Path) -> None:
    """A linter that says nothing of anything proves nothing."""
    linter = Path(sys.executable).with_name("cfn-lint")
    (tmp_path / "t.yaml").write_text(TEMPLATE.read_text().replace("ReadonlyRootFilesystem", "ReadOnlyRootFs"))
    done = subprocess.run([linter, tmp_path / "t.yaml"], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode != 0
    assert "ReadOnlyRootFs" in done.stdout


def test_registry_service_files_and_log_are_there(template: dict[str, Any]) -> None:
    for kind in ("ECR::Repository", "ECS::Service", "EFS::FileSystem", "Logs::LogGroup"):
        assert len(of_type(template, kind)) == 1
    (files,) = of_type(template, "EFS::FileSystem").values()
    assert files["Encrypted"] is True
    (log,) = of_type(template, "Logs::LogGroup").values()
    assert log["RetentionInDays"] > 0
    for name in ("Files", "Repository"):
        assert template["Resources"][name]["DeletionPolicy"] == "Retain"
    (service,) = of_type(template, "ECS::Service").values()
    deployment = service["DeploymentConfiguration"]
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (0, 100)  # one writer


def test_no_port_is_open_to_the_internet(template: dict[str, Any]) -> None:
    assert template["Parameters"]["AssignPublicIp"]["Default"] == "DISABLED"
    assert template["Parameters"]["ClientSecurityGroupId"]["Default"] == ""
    groups = of_type(template, "EC2::SecurityGroup")
    ingress = [rule for group in groups.values() for rule in group.get("SecurityGroupIngress", [])]
    ingress += of_type(template, "EC2::SecurityGroupIngress").values()
    assert ingress
    for rule in ingress:
        assert "SourceSecurityGroupId" in rule
        assert not [key for key in rule if key.startswith("Cidr")]
    assert "SecurityGroupIngress" not in groups["TaskSecurityGroup"]
    assert not of_type(template, "ElasticLoadBalancingV2::LoadBalancer")


def test_the_way_out_leads_to_every_venue(template: dict[str, Any]) -> None:
    rules = of_type(template, "EC2::SecurityGroup")["TaskSecurityGroup"]["SecurityGroupEgress"]
    assert all(rule["FromPort"] == rule["ToPort"] for rule in rules)
    urls = [
        url
        for one in VENUES.values()
        for url in (one.spec.ws_url, one.spec.rest_url, *one.spec.channel_urls.values())
        if url
    ]
    ports = {int(match[1]) if (match := re.search(r"^\w+://[^/]*:(\d+)", url)) else 443 for url in urls}
    assert {rule["FromPort"] for rule in rules} == ports


def test_roles_may_do_what_they_need_and_no_more(template: dict[str, Any]) -> None:
    roles = of_type(template, "IAM::Role")
    assert set(roles) == {"ExecutionRole", "TaskRole", "PublisherRole"}
    for role in roles.values():
        assert "ManagedPolicyArns" not in role
        for policy in role["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                actions = statement["Action"]
                actions = [actions] if isinstance(actions, str) else actions
                assert not [action for action in actions if "*" in action]
                assert (statement["Resource"] == "*") == (actions == ["ecr:GetAuthorizationToken"])
    (trusted,) = roles["PublisherRole"]["AssumeRolePolicyDocument"]["Statement"]
    subject = trusted["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
    assert subject == {"Fn::Sub": "repo:${GitHubRepository}:environment:release"}
    assert "AWS::IAM::User" not in TEMPLATE.read_text()


def test_keys_and_tokens_are_secrets(template: dict[str, Any]) -> None:
    one = container(template)
    assert "Environment" not in one
    secrets = [secret.get("Name") or secret["Fn::If"][1]["Name"] for secret in one["Secrets"]]
    wanted = [name for venue in VENUES.values() for name in venue.spec.credential_variables]
    assert sorted(secrets) == sorted(["FULLTAPE_TOKENS", *wanted])
    assert not [name for name in template["Parameters"] if re.search("(Key|Secret|Token|Password)$", name)]


def test_the_task_is_as_closed_as_the_container(template: dict[str, Any]) -> None:
    one = container(template)
    assert one["User"] == IMAGE.last("USER")
    assert one["ReadonlyRootFilesystem"] is True
    assert one["LinuxParameters"]["Capabilities"]["Drop"] == ["ALL"]
    assert one["HealthCheck"]["Command"] == ["CMD", *IMAGE.words("HEALTHCHECK")]
    assert {mount["ContainerPath"] for mount in one["MountPoints"]} == set(IMAGE.all("VOLUME"))
    assert [str(mapping["ContainerPort"]) for mapping in one["PortMappings"]] == [IMAGE.last("EXPOSE")]
    (folder,) = of_type(template, "EFS::AccessPoint").values()
    assert f"{folder['PosixUser']['Uid']}:{folder['PosixUser']['Gid']}" == IMAGE.last("USER")


def test_its_configuration_is_in_the_image_and_asks_everybody_for_a_token(template: dict[str, Any]) -> None:
    assert (["deploy/aws/fulltape.toml"], "/etc/fulltape/aws.toml") in list(IMAGE.copied())
    (command,) = container(template)["Command"]
    assert "--config /etc/fulltape/aws.toml --live" in command
    config = Config.load(CONFIG)
    assert config.server.read_needs_token
    (names,) = of_type(template, "ServiceDiscovery::PrivateDnsNamespace").values()
    (name,) = of_type(template, "ServiceDiscovery::Service").values()
    assert f"{name['Name']}.{names['Name']}" in config.server.allowed_hosts
    assert template["Outputs"]["Address"]["Value"] == f"http://{name['Name']}.{names['Name']}:{config.server.port}"
    for path in (config.store.path, config.server.tokens, config.capture.directory):
        assert path.startswith("/data/")


@pytest.mark.e2e
@pytest.mark.slow
def test_its_command_starts_a_fulltape_that_knows_the_tokens(template: dict[str, Any], tmp_path: Path) -> None:
    """The task's own entry point and command, with its folder here, a loopback port and the simulated venue."""
    made = subprocess.run(
        [FULLTAPE, "token", "create", "--scope", "read", "--db", "x.duckdb"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    secret = made.stdout.strip()
    tokens = (tmp_path / "fulltape-tokens.json").read_text()
    assert secret not in tokens
    (data := tmp_path / "data").mkdir()
    sim, log = start(tmp_path, "sim", "sim", "--port", "0", "--symbol", "BTC-USD", "--config-out", "sim.toml")
    try:
        started(log, "now run", sim)
        venue = (tmp_path / "sim.toml").read_text().partition("[venues.coinbase]")[2]
        told = CONFIG.read_text().replace('"/data', f'"{data}').replace("0.0.0.0", "127.0.0.1")
        told = told.replace("[store]", "port = 0\n[store]\nsimulated = true")
        (tmp_path / "aws.toml").write_text(f'{told}\n[venues.coinbase]\ninstruments = ["BTC-USD"]{venue}')
        one = container(template)
        (command,) = one["Command"]
        command = command.replace("/data/", f"{data}/").replace("/etc/fulltape/aws.toml", str(tmp_path / "aws.toml"))
        environment = {"PATH": f"{FULLTAPE.parent}:/usr/bin:/bin", "HOME": str(data), "FULLTAPE_TOKENS": tokens}
        with (tmp_path / "up.log").open("wb") as out:
            up = subprocess.Popen([*one["EntryPoint"], command], env=environment, stdout=out, stderr=subprocess.STDOUT)
        try:
            url = started(tmp_path / "up.log", r"http://\S+", up)[0]
            with httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
                assert client.get("/ready").status_code == 200  # health checks have no token
                assert client.get("/api/v1/instruments").status_code == 401
                answer = client.get("/api/v1/instruments", headers={"Authorization": f"Bearer {secret}"})
                assert answer.status_code == 200
            assert b"FULLTAPE_TOKENS" not in Path(f"/proc/{up.pid}/environ").read_bytes()
            assert (data / "fulltape-tokens.json").stat().st_mode & 0o077 == 0
            up.send_signal(signal.SIGTERM)
            assert up.wait(120) == 0
        finally:
            up.kill()
            up.wait()
    finally:
        sim.kill()
        sim.wait()

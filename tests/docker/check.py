"""Whether what docker/compose.yaml starts can work: its JSON on stdin, the repository and the binary as arguments."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

repository, binary = Path(sys.argv[1]), sys.argv[2]
services = json.load(sys.stdin)["services"]
OURS = "almoner:"
instances = sorted(name for name in services if name.startswith("almoner-"))
wrong = []


def expect(is_so, what):
    if not is_so:
        wrong.append(what)


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, **options)


def seconds(text):
    return sum(int(n) * {"h": 3600, "m": 60, "s": 1}[unit] for n, unit in re.findall(r"(\d+)([hms])", text))


def check_images():
    for name, service in services.items():
        expect(re.search(r":v?\d+\.\d+\.\d+$", service["image"]), f"{name}: {service['image']} is not pinned to a release")
    version = re.search(r'^version = "(.*)"', (repository / "Cargo.toml").read_text(), re.M)[1]
    dockerfile = (repository / "docker/Dockerfile").read_text()
    expect(f'version="{version}"' in dockerfile, f"the image's label does not say version {version}")
    expect(services[instances[0]]["image"] == OURS + version, f"the image's tag is not {version}")
    toolchain = re.search(r'channel = "(.*)"', (repository / "rust-toolchain.toml").read_text())[1]
    expect(f"FROM rust:{toolchain}-" in dockerfile, f"the image is not built by Rust {toolchain}")


def image_environment():
    text = (repository / "docker/Dockerfile").read_text().replace("\\\n", " ")
    return dict(re.findall(r"(ALMONER__\w+)=(\S+)", text))


def check_configurations():
    for name, service in services.items():
        if not service["image"].startswith(OURS) or name == "gateway":
            continue
        said = run(binary, "config", "check", env=image_environment() | service.get("environment", {}))
        expect(said.returncode == 0, f"{name}: its configuration is wrong: {said.stderr}")
    ids = {services[name]["environment"]["ALMONER__KAFKA__INSTANCE_ID"] for name in instances}
    expect(len(ids) == len(instances), "two instances have one instance_id")
    gateway = run(binary, *services["gateway"]["command"], "--help")
    expect(gateway.returncode == 0, f"gateway: {gateway.stderr}")


def check_stops():
    shown = run(binary, "config", "show", env={"ALMONER__GATEWAY__API_KEY": "sk_test_x"}).stdout
    drain_ms = int(re.search(r"drain_timeout_ms = (\d+)", shown)[1])
    for name in instances:
        grace_s = seconds(services[name].get("stop_grace_period", "10s"))
        expect(grace_s * 1000 > drain_ms, f"{name}: it is killed after {grace_s} s, and may drain for {drain_ms} ms")


def check_prometheus():
    config = yaml.safe_load((repository / "docker/prometheus.yml").read_text())
    targets = config["scrape_configs"][0]["static_configs"][0]["targets"]
    port = image_environment()["ALMONER__ADMIN__LISTEN"].rsplit(":", 1)[1]
    expect(sorted(targets) == [f"{name}:{port}" for name in instances], f"Prometheus looks at {targets}")


def check_context():
    """What .dockerignore leaves must be all that cargo needs to know the workspace."""
    kept = [line[1:] for line in (repository / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    with tempfile.TemporaryDirectory() as context:
        for name in kept:
            source, target = repository / name, Path(context) / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        said = run("cargo", "metadata", "--locked", "--format-version", "1", cwd=context, env=os.environ)
        expect(said.returncode == 0, f"the image cannot be built: {said.stderr}")


for check in [check_images, check_configurations, check_stops, check_prometheus, check_context]:
    check()
for what in wrong:
    print(what, file=sys.stderr)
print(f"docker: {len(services)} services, {len(wrong)} found wrong")
sys.exit(1 if wrong else 0)

"""`postern-bench micro`: its report, and that no table disagrees with its naive counterpart."""

import json
import subprocess

import pytest

import postern

pytestmark = pytest.mark.any_loop("it measures without one")


def micro(*arguments):
    command = [str(postern.BUILD / "postern-bench"), "micro", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("rules", [1, 7, 5000])
def test_every_measurement_is_there(rules):
    report = json.loads(micro("--rules", rules, "--json"))
    assert {"addresses", "names", "names of no rule", "cached names", "verdicts"} <= {each["what"] for each in report["results"]}
    for each in report["results"]:
        assert each["rules"] == rules and each["random_ns"] > 0 and each["local_ns"] > 0, each


def test_people_get_a_table():
    lines = micro("--rules", 100).splitlines()
    assert "bytes/rule" in lines[0]
    assert lines[1].split()[:2] == ["addresses", "100"]

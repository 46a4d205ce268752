"""NTLM against a real Windows domain: a Samba domain controller is made, in namespaces of its own, and in_domain.py's tests run there."""

import os
import subprocess
import sys

import pytest

import postern

NAMESPACES = ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]


@pytest.mark.any_loop("it takes half a minute, and test_ntlm shows the exchange on both")
def test_in_a_domain(tmp_path):
    if subprocess.run([*NAMESPACES, "true"], capture_output=True).returncode:
        pytest.skip("no namespaces of one's own can be had here: a domain controller would be everybody's")
    inner = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "inner")]
    inner.append(str(postern.ROOT / "tests" / "system" / "in_domain.py"))
    done = subprocess.run([*NAMESPACES, *inner], capture_output=True, text=True, timeout=180, env=dict(os.environ))
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr

import hashlib
import subprocess
import sys

from plainmlp.tracking.provenance.environment import LOCK, environment_tags, installed_packages


def test_packages_are_those_that_are_installed():
    lines = installed_packages().splitlines()
    import numpy as np

    assert f"numpy=={np.__version__}" in lines
    names = [line.split("==")[0] for line in lines]
    assert names == sorted(set(names))


def test_package_that_is_installed_besides_is_noticed(tmp_path):
    for folder, version in (("one", "1"), ("two", "2")):
        information = tmp_path / folder / "Some_Thing.x-1.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: Some_Thing.x\nVersion: {version}\n")
    (tmp_path / "two" / "broken-1.dist-info").mkdir()
    program = f"import sys; sys.path[:0] = {[str(tmp_path / 'one'), str(tmp_path / 'two')]}\n"
    program += (
        "from plainmlp.tracking.provenance.environment import installed_packages; print(installed_packages(), end='')"
    )
    source = str(next(path for path in sys.path if path.endswith("/src")))
    answer = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": source}, capture_output=True, text=True, check=True
    ).stdout
    assert set(answer.splitlines()) - set(installed_packages().splitlines()) == {"some-thing-x==1"}


def test_digests_follow_the_lock_and_the_packages(tmp_path):
    assert environment_tags(tmp_path, "a==1\n") == {"environment_digest": hashlib.sha256(b"a==1\n").hexdigest()}
    (tmp_path / LOCK).write_bytes(b"a==1 --hash=x\r\n")
    tags = environment_tags(tmp_path, "a==2\n")
    assert tags["lock_digest"] == hashlib.sha256(b"a==1 --hash=x\r\n").hexdigest()
    assert tags["environment_digest"] != environment_tags(tmp_path, "a==1\n")["environment_digest"]

"""How much a run may take: the variable, else the least of machine and control groups."""

import pytest

from plainmlp.system import memory
from plainmlp.system.errors import InputError
from plainmlp.system.memory import memory_limit, require_memory


def test_the_variable_sets_the_limit(monkeypatch):
    monkeypatch.setenv("PLAINMLP_MEMORY_GB", "0.5")
    assert memory_limit() == 5e8
    require_memory(5e8, "x")
    with pytest.raises(InputError, match=r"^x would take about 2,000.0 GB of memory; allowed: up to 0.5 GB, .*_GB$"):
        require_memory(2e12, "x")
    monkeypatch.setenv("PLAINMLP_MEMORY_GB", "much")
    with pytest.raises(InputError, match=r"^PLAINMLP_MEMORY_GB='much' is not a number; allowed: gigabytes"):
        memory_limit()


@pytest.mark.parametrize(
    ("groups", "files", "limits"),
    [
        ("0::/a/b\n", {"memory.max": "300", "a/memory.max": "200", "a/b/memory.max": "max"}, [200, 300]),
        ("4:memory:/a\n0::/\n", {"memory/a/memory.limit_in_bytes": "100"}, [100]),
        ("0::/\n", {}, []),
    ],
)
def test_the_limits_of_every_control_group_count(groups, files, limits, tmp_path, monkeypatch):
    monkeypatch.delenv("PLAINMLP_MEMORY_GB", raising=False)
    own = tmp_path / "cgroup"
    own.write_text(groups)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    assert sorted(memory._container_limits(tmp_path, own)) == limits
    assert memory._container_limits(tmp_path, tmp_path / "none") == ()
    monkeypatch.setattr(memory, "_container_limits", lambda: [*limits, 10**18])
    assert memory_limit() == (limits[0] if limits else memory_limit())

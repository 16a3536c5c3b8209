import os
import subprocess
import sys
import time

from plainmlp.tracking.provenance.usage import process_usage

PROGRAM = """
import json, sys, time
from plainmlp.tracking.provenance.usage import process_usage
before = process_usage()
block = bytearray(b"x" * 150_000_000)
del block
time.sleep(0.3)
after = process_usage()
print(json.dumps([before, after]))
"""


def test_time_and_processor_time_grow():
    before, start = process_usage(), time.process_time()
    while time.process_time() - start < 0.1:
        sum(range(1000))
    after = process_usage()
    assert after["cpu_seconds"] - before["cpu_seconds"] > 0.05
    assert after["wall_seconds"] - before["wall_seconds"] > 0.05


def test_waiting_takes_time_and_no_processor_and_the_peak_stays():
    import json

    start = time.time()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, check=True)
    before, after = json.loads(answer.stdout)
    waited, worked = (after[name] - before[name] for name in ("wall_seconds", "cpu_seconds"))
    assert waited - worked > 0.25  # it sleeps for 0.3 s; a busy machine may take long for the rest
    assert after["wall_seconds"] < time.time() - start + 1
    assert 140 < after["peak_memory_megabytes"] - before["peak_memory_megabytes"] < 400


def test_peak_is_not_that_of_the_process_before():
    program = PROGRAM.split("block =", maxsplit=1)[0] + "print(before['peak_memory_megabytes'])"
    block = bytearray(b"x" * 300_000_000)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    assert float(answer.stdout) < 100 < len(block) / 1e6

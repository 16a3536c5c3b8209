"""A Slurm of one node with accounting, as root, from Debian's packages; where they are missing, tests skip."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd", "sbatch")
SECONDS = 60
COMMON = "AuthType=auth/munge\nSlurmUser=root\n"
DATABASE = """DbdHost=localhost
StorageType=accounting_storage/mysql
StorageUser=root
StorageLoc=slurm_acct_db
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
"""
CONTROLLER = """ClusterName=one
SlurmctldHost={host}
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
KillWait=5
JobRequeue=1
MpiDefault=none
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
JobAcctGatherType=jobacct_gather/linux
NodeName={host} CPUs={cores} RealMemory=1000
PartitionName=all Nodes=ALL Default=YES State=UP
"""


def missing() -> str:
    """Return why there can be no Slurm here, or nothing."""
    if os.geteuid() != 0:
        return "Slurm needs root here"
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    absent = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


@contextmanager
def slurm(folder: Path) -> Iterator[None]:
    """Run a Slurm while the block runs."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    values = {"folder": folder, "host": socket.gethostname().split(".")[0], "cores": os.cpu_count()}
    for name, text in {
        "slurmdbd.conf": DATABASE,
        "slurm.conf": CONTROLLER,
        "cgroup.conf": "CgroupAutomount=yes\n",
    }.items():
        (folder / name).write_text(("" if name == "cgroup.conf" else COMMON) + text.format(**values))
        (folder / name).chmod(0o600 if name == "slurmdbd.conf" else 0o644)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    for place in ("/run/munge", "/run/mysqld", "/var/lib/munge", "/var/log/munge"):
        Path(place).mkdir(parents=True, exist_ok=True)
    started = []
    try:
        for words, is_up in servers(folder):
            with (folder / f"{words[0]}.out").open("wb") as said:
                started.append(subprocess.Popen(words, stdout=said, stderr=said))
            until(is_up, words[0])
        yield
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait()


def servers(folder: Path) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """Yield the command of each server, and one that succeeds once it is up."""
    subprocess.run(
        ["chown", "-R", "munge:munge", "/run/munge", "/var/lib/munge", "/var/log/munge", "/etc/munge"], check=True
    )
    subprocess.run(["chown", "mysql:mysql", "/run/mysqld"], check=True)
    yield ["setpriv", "--reuid=munge", "--regid=munge", "--clear-groups", "munged", "--foreground"], ["munge", "-n"]
    data = folder / "mariadb"
    subprocess.run(
        ["mariadb-install-db", "--user=root", f"--datadir={data}", "--auth-root-authentication-method=socket"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    yield ["mariadbd", "--user=root", f"--datadir={data}", "--skip-networking"], ["mariadb-admin", "ping"]
    subprocess.run(["mariadb", "-e", "create database slurm_acct_db"], check=True)
    yield ["slurmdbd", "-D"], ["sacctmgr", "-n", "show", "qos"]
    subprocess.run(["sacctmgr", "-i", "add", "cluster", "one"], check=False, stdout=subprocess.DEVNULL)
    yield ["slurmctld", "-D", "-i"], ["scontrol", "ping"]
    yield ["slurmd", "-D", "-N", socket.gethostname().split(".")[0]], ["sinfo", "-h", "-t", "idle"]
    for words in (("account", "all"), ("user", "root", "account=all")):
        subprocess.run(["sacctmgr", "-i", "add", *words], check=False, stdout=subprocess.DEVNULL)


def until(command: Sequence[str], name: str) -> None:
    end = time.monotonic() + SECONDS
    while not (found := subprocess.run(command, capture_output=True, check=False)).stdout.strip() or found.returncode:
        if time.monotonic() > end:
            message = f"{name} is not up: {found.stderr.decode()}"
            raise TimeoutError(message)
        time.sleep(0.3)

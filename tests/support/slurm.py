"""A Slurm of one node with accounting, as root, from Debian's packages; where they are missing, tests skip.

``python slurm.py <process id> <slurm.conf>`` waits for the end of a process, and ends what is left of its Slurm.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

PROGRAMS = ("munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd", "sbatch")
SECONDS = 60
SECONDS_TO_END = 10
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
KillWait=1
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


class Node:
    """The servers of a Slurm, each of which says what it does in a file of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._commands: dict[str, tuple[Sequence[str], Sequence[str]]] = {}
        self._started: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, words: Sequence[str], is_up: Sequence[str]) -> None:
        """Start a server by its command, and return once another command says that it is up."""
        self._commands[words[0]] = words, is_up
        self.start(words[0])

    def start(self, name: str) -> None:
        """Start a server unless it runs."""
        if name not in self._started or self._started[name].poll() is not None:
            words, is_up = self._commands[name]
            with (self._folder / f"{name}.out").open("ab") as said:
                self._started[name] = subprocess.Popen(words, stdout=said, stderr=said)
            until(is_up, name)

    def kill(self, name: str) -> None:
        self._started[name].kill()
        self._started[name].wait()

    def forget_jobs(self) -> None:
        """Kill the controller, and start one that has never heard of any job, as after a kill right after `sbatch`."""
        self.kill("slurmctld")
        for path in (self._folder / "state").glob("job_state*"):
            path.unlink()
        self.start("slurmdbd")
        self.start("slurmctld")

    def end(self) -> None:
        """End each server before those that it speaks to, and kill one that goes on waiting."""
        for process in reversed(self._started.values()):
            process.terminate()
            try:
                process.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def slurm(folder: Path) -> Iterator[Node]:
    """Run a Slurm while the block runs; nothing of it outlives the block, or this process, however that ends."""
    with guarded(folder / "slurm.conf"):
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
        configure(folder)
        node = Node(folder)
        try:
            for words, is_up in servers(folder):
                node.run(words, is_up)
            yield node
        finally:
            node.end()


@contextmanager
def guarded(configuration: Path) -> Iterator[None]:
    """End what is left of a Slurm with the block: a job has a session of its own, and outlives the servers."""
    words = [sys.executable, __file__, str(os.getpid()), str(configuration)]
    with subprocess.Popen(words, start_new_session=True) as watch:
        try:
            yield
        finally:
            kill_all(configuration, psutil.Process().children(recursive=True))
            watch.kill()


def guard(process_id: int, configuration: Path) -> None:
    """Wait until this process has another parent, and end what is left of a Slurm."""
    while os.getppid() == process_id:
        time.sleep(0.1)
    kill_all(configuration, [])


def kill_all(configuration: Path, spared: Sequence[psutil.Process]) -> None:
    """Kill the processes that were started with a configuration of Slurm, until there are none but those spared."""
    while found := [each for each in psutil.process_iter() if is_of(each, configuration) and each not in spared]:
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        time.sleep(0.1)


def is_of(process: psutil.Process, configuration: Path) -> bool:
    """Say whether a process was started with a configuration of Slurm, as servers and jobs are.

    What looks after a job has no environment any more, but the log open that lies beside the configuration.
    """
    with suppress(psutil.Error):  # it has ended
        if process.environ().get("SLURM_CONF") == str(configuration):
            return True
        files = process.open_files() if process.name() == "slurmstepd" else []
        return any(Path(file.path).parent == configuration.parent for file in files)
    return False


def configure(folder: Path) -> None:
    """Write what the servers read, and make what they need."""
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
    yield ["slurmd", "-D", "-N", socket.gethostname().split(".")[0]], ["pgrep", "-x", "slurmd"]
    yield ["slurmctld", "-D"], ["sh", "-c", "sbatch --test-only --wrap true 2>&1"]  # once it has heard of the node
    for words in (("account", "all"), ("user", "root", "account=all")):
        subprocess.run(["sacctmgr", "-i", "add", *words], check=False, stdout=subprocess.DEVNULL)


def until(command: Sequence[str], name: str) -> None:
    end = time.monotonic() + SECONDS
    while not (found := subprocess.run(command, capture_output=True, check=False)).stdout.strip() or found.returncode:
        if time.monotonic() > end:
            message = f"{name} is not up: {found.stderr.decode()}"
            raise TimeoutError(message)
        time.sleep(0.3)


def trainers(seconds: float = 0.0) -> list[psutil.Process]:
    """Return the processes of jobs, those that have worked for so long."""
    found = []
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline())
            if "submitit.core._submit" in words and "srun" not in words and process.cpu_times().user >= seconds:
                found.append(process)
        except psutil.Error:  # it has just ended
            continue
    return found


if __name__ == "__main__":
    guard(int(sys.argv[1]), Path(sys.argv[2]))

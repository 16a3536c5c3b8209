"""Put NumPy beside Pyodide where Pyodide's own host is out of reach: out of a package of pip's that carries the file."""

import argparse
import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from plainmlp.system.command import run_command
from plainmlp.system.errors import InputError
from plainmlp.system.files import replace_file

CARRIER = "open-webui==0.12.4"  # 106 MB, of which NumPy for Pyodide 314.0.3 is 3 MB; nothing else of it is read


def add_numpy(folder: Path) -> None:
    """Write the wheel that Pyodide's lock file names into its folder, if its digest is the one that stands there."""
    named = json.loads((folder / "pyodide-lock.json").read_text(encoding="utf-8"))["packages"]["numpy"]
    data = _carried(named["file_name"])
    if hashlib.sha256(data).hexdigest() != named["sha256"]:
        message = f"{named['file_name']} in {CARRIER} is not the file that {folder}/pyodide-lock.json names"
        raise InputError(message)
    with replace_file(folder / named["file_name"]) as temporary:
        temporary.write_bytes(data)


def _carried(name: str) -> bytes:
    """Return a file of the package; nothing is installed, and nothing of it runs."""
    download = ("pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--ignore-requires-python")
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", *download, "--only-binary", ":all:", "--dest", folder, CARRIER]
        if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode:  # noqa: S603  our own words
            message = f"pip cannot download {CARRIER}"
            raise InputError(message)
        (package,) = Path(folder).iterdir()
        with zipfile.ZipFile(package) as opened:
            place = next((each for each in opened.namelist() if each.endswith(f"/{name}")), None)
            if place is None:
                message = f"{CARRIER} carries no {name}"
                raise InputError(message)
            return opened.read(place)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where pyodide-lock.json is")
    arguments = parser.parse_args()
    sys.exit(run_command(lambda: add_numpy(arguments.folder)))

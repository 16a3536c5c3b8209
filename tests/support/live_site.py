"""The page live.md as Sphinx makes it, alone, and a server of it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

DOCS = Path(__file__).resolve().parents[2] / "docs"
PYODIDE = DOCS / "static" / "pyodide"
SETTINGS = ("extensions=myst_parser,mathml,live_sources", "root_doc=live")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class names it
        """Say nothing of what is asked for."""


def build_live_page(place: Path) -> Path:
    """Build a site of this page alone, with the configuration of the whole, and return its folder."""
    source, site = place / "source", place / "html"
    source.mkdir()
    shutil.copy(DOCS / "live.md", source)
    settings = [word for setting in SETTINGS for word in ("-D", setting)]
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "-c", DOCS, *settings, source, site]
    subprocess.run(command, check=True)
    return site


@contextmanager
def serving_files(folder: Path) -> Iterator[str]:
    """Serve a folder's files and yield the server's address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()

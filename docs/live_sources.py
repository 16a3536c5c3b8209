"""What the page live.md trains in the browser: the sources of the networks as an archive, and points to begin with."""

import zipfile
from pathlib import Path

from sphinx.application import Sphinx

from plainmlp.data.datasets import clusters

SOURCE = Path(__file__).resolve().parents[1] / "src"
PLACES = (  # below src/; of nn the definition alone, since a browser has no compiler
    "plainmlp/__init__.py",
    "plainmlp/nn/*.py",
    "plainmlp/estimators/__init__.py",
    "plainmlp/estimators/parameters.py",
    "plainmlp/estimators/network.py",
    "plainmlp/system/__init__.py",
    "plainmlp/system/wording.py",
)
BEGINNING = (1980, 1, 1, 0, 0, 0)  # so that the archive of the same sources has the same bytes
POINTS_OF_EACH = 34


def write_sources(archive: Path) -> None:
    """Write the sources that the page runs into an archive, as they lie below src/."""
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(path for place in PLACES for path in SOURCE.glob(place)):
            entry = zipfile.ZipInfo(path.relative_to(SOURCE).as_posix(), BEGINNING)
            opened.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


def points_of_clusters() -> str:
    """Return the first points of each cluster of the recipe `clusters` as lines `x1,x2,class`, class by class in turn."""
    rows = clusters(seed=12).rows
    points = rows.features.reshape(3, -1, 2)[:, :POINTS_OF_EACH].swapaxes(0, 1)
    return "".join(f"{x1:.2f},{x2:.2f},{place}\n" for trio in points for place, (x1, x2) in enumerate(trio))


def _write_files(app: Sphinx, exception: Exception | None) -> None:
    """Put both beside the page's own files, when the site is there."""
    place = Path(app.outdir) / "_static" / "live"
    if exception is None and place.is_dir():  # other builders make no site
        write_sources(place / "plainmlp.zip")
        (place / "points.csv").write_text(points_of_clusters(), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the files at the end, into the site that then stands."""
    app.connect("build-finished", _write_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

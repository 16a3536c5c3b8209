"""Pages that are made when the site is built: the files of the root, and the reference of the configuration."""

import os
import re
from pathlib import Path

from sphinx.application import Sphinx

from configuration_page import configuration_page

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
GENERATED = DOCS / "generated"
PAGES = {"CONTRIBUTING.md": "contributing", "SECURITY.md": "security", "CHANGELOG.md": "changes"}
_LINK = re.compile(r"\]\((?P<path>[^):#]+)(?P<anchor>#[^)]*)?\)")


def site_path(path: Path) -> Path:
    """Return the file of the site's source that stands for a file of the repository."""
    if path.parent == ROOT and path.name in PAGES:
        return GENERATED / f"{PAGES[path.name]}.md"
    if path == ROOT / "lessons" / "GALLERY_HEADER.rst":
        return GENERATED / "lessons" / "index.rst"
    if path.parent == ROOT / "lessons":
        return GENERATED / "lessons" / path.with_suffix(".rst").name
    return path


def with_links_of_the_site(text: str, source: Path) -> str:
    """Return a page of the repository with its links as the site has them, seen from where the page stands there."""
    place = site_path(source).parent

    def replaced(match: re.Match[str]) -> str:
        target = site_path((source.parent / match["path"]).resolve())
        return f"]({os.path.relpath(target, place)}{match['anchor'] or ''})"

    return _LINK.sub(replaced, text)


def _make_pages(app: Sphinx) -> None:
    GENERATED.mkdir(exist_ok=True)
    for name in PAGES:
        text = with_links_of_the_site((ROOT / name).read_text(encoding="utf-8"), ROOT / name)
        _write(site_path(ROOT / name), text)
    _write(GENERATED / "configuration.md", configuration_page(ROOT / "conf"))


def _write(path: Path, text: str) -> None:
    """Write a page if it has changed, since Sphinx reads again what is newer."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _mend_links(app: Sphinx, page: str, content: list[str]) -> None:
    path = app.env.doc2path(page)
    if path.suffix == ".md" and path.parent == DOCS:
        content[0] = with_links_of_the_site(content[0], path)


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the pages before Sphinx looks for them."""
    app.connect("builder-inited", _make_pages)
    app.connect("source-read", _mend_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""How Sphinx makes the site of docs/, of the docstrings and of the lessons: `make docs`."""

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS), str(DOCS.parent / "src")]

project = "plainmlp"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
    "docstrings",
    "live_sources",
    "made_pages",
    "mathml",
]
exclude_patterns = ["_build", "templates"]
templates_path = ["templates"]
suppress_warnings = ["config.cache"]  # the functions of the lessons' settings cannot be kept between builds

html_theme = "furo"
html_title = "plainmlp"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"  # which browsers draw themselves: no page asks for anything of another address
html_copy_source = html_show_copyright = html_show_sphinx = False

myst_heading_anchors = 3  # links between pages name headings as Git hosts do
myst_links_external_new_tab = True

default_role = "literal"  # docstrings write names as Markdown does
autosummary_generate = ["api.md"]
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # NumPy docstrings say them, with shapes
napoleon_google_docstring = False
napoleon_use_param = napoleon_use_rtype = False  # types are words here, and no names to link

sphinx_gallery_conf = {
    "examples_dirs": "../lessons",
    "gallery_dirs": "generated/lessons",
    "filename_pattern": r"lesson_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "write_computation_times": False,
    "show_signature": False,
    "remove_config_comments": True,
    "min_reported_time": 3600,
}

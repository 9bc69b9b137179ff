"""Settings of Sphinx for these pages; `tox -e docs` builds them."""

from __future__ import annotations

project = "sqlalchemy-auditor"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_heading_anchors = 3
html_theme = "alabaster"

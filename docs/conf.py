"""Settings of Sphinx for these pages; `tox -e docs` builds them. The pages of the rules are written
first, from the rules themselves."""

from __future__ import annotations

from pathlib import Path

from auditor import registry
from auditor.report.page import page_of

project = "sqlalchemy-auditor"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_heading_anchors = 3
html_theme = "alabaster"

_rules = Path(__file__).parent / "rules"
_rules.mkdir(exist_ok=True)
for _rule in registry.catalogue().rules:
    (_rules / f"{_rule.code}-{_rule.name}.md").write_text(page_of(_rule), encoding="utf-8")

"""`python -m auditor` is the `auditor` program."""

from __future__ import annotations

from auditor.cli.main import main

if __name__ == "__main__":
    main()

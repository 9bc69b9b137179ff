"""What leaves the process or waits: messages, HTTP, subprocesses, sleeping, locks."""

from __future__ import annotations

from auditor.model.knowledge import CallableRow, Effect, Table

_PYTHON = "https://docs.python.org/3/library/"


def _row(name: str, effect: Effect, source: str) -> CallableRow:
    module, _, last = name.rpartition(".")
    return CallableRow(
        name, source, effects=(effect,),
        samples=(f"import {module}\n{name}(it)\n", f"from {module} import {last}\n{last}(it)\n"),
        near_misses=(f"from other import {last}\n{last}(it)\n",),
    )  # fmt: skip


_HTTP = ("get", "post", "put", "patch", "delete", "head", "request")
TABLES: tuple[Table, ...] = (
    Table(
        "outside world",
        (
            _row("time.sleep", Effect.SLEEP, f"{_PYTHON}time.html"),
            _row("asyncio.sleep", Effect.SLEEP, f"{_PYTHON}asyncio-task.html"),
            _row("eventlet.sleep", Effect.SLEEP, "https://eventlet.readthedocs.io/"),
            *(
                _row(f"subprocess.{name}", Effect.MESSAGE, f"{_PYTHON}subprocess.html")
                for name in ("run", "call", "check_call", "check_output", "Popen")
            ),
            *(
                _row(f"{library}.{name}", Effect.MESSAGE, f"https://pypi.org/project/{library}/")
                for library in ("requests", "httpx")
                for name in _HTTP
            ),
            _row("urllib.request.urlopen", Effect.MESSAGE, f"{_PYTHON}urllib.request.html"),
        ),
    ),
)

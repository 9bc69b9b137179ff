"""What leaves the process or waits: messages, HTTP, subprocesses, sleeping, locks."""

from __future__ import annotations

from auditor.model.knowledge import CallableRow, Effect, How, ReceiverRow, Table

_PYTHON = "https://docs.python.org/3/library/"


def _row(name: str, effect: Effect, source: str) -> CallableRow:
    module, _, last = name.rpartition(".")
    return CallableRow(
        name, source, effects=(effect,),
        samples=(f"import {module}\n{name}(it)\n", f"from {module} import {last}\n{last}(it)\n"),
        near_misses=(f"from other import {last}\n{last}(it)\n",),
    )  # fmt: skip


_HTTP = ("get", "post", "put", "patch", "delete", "head", "request")
HTTP_CLIENT = "http client"
_CLIENTS = (
    ("requests.Session", "https://requests.readthedocs.io/en/latest/api/"),
    ("requests.session", "https://requests.readthedocs.io/en/latest/api/"),
    ("httpx.Client", "https://www.python-httpx.org/api/"),
    ("httpx.AsyncClient", "https://www.python-httpx.org/api/"),
    ("aiohttp.ClientSession", "https://docs.aiohttp.org/en/stable/client_reference.html"),
)


def _client(name: str, source: str) -> ReceiverRow:
    module, _, last = name.rpartition(".")
    return ReceiverRow(
        name, HTTP_CLIENT, How.CLASS, source,
        samples=(f"import {module}\nit = {name}()\n",),
        near_misses=(f"from other import {last}\nit = {last}()\n",),
    )  # fmt: skip


def _sent(name: str) -> CallableRow:
    return CallableRow(
        name, _CLIENTS[0][1], HTTP_CLIENT, (Effect.MESSAGE,),
        samples=(f"import requests\nclient = requests.Session()\nclient.{name}(it)\n",),
        near_misses=(f"client = {{}}\nclient.{name}(it)\n",),
    )  # fmt: skip


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
            _row("os.system", Effect.MESSAGE, f"{_PYTHON}os.html"),
            _row("gevent.sleep", Effect.SLEEP, "https://www.gevent.org/api/gevent.html"),
            *(_client(name, source) for name, source in _CLIENTS),
            *(_sent(name) for name in _HTTP),
        ),
    ),
)

"""Names that tell what a call or value gives, wherever they stand: numbers, quoted text, input."""

from __future__ import annotations

import re

from auditor.source.facts import (
    Arithmetic,
    Attribute,
    Call,
    Const,
    Expr,
    ModuleFacts,
    Name,
    Subscript,
    dotted,
    walk,
)
from auditor.source.pieces import Kind, Piece
from auditor.source.project import Project

NUMBERS = frozenset({"int", "len", "float", "round", "abs", "hash", "id", "ord", "sum", "bool",
                      "range", "ceil", "floor", "math.ceil", "math.floor", "time.time",
                      "uuid.uuid1", "uuid.uuid4", "uuid.UUID", "UUID", "Decimal",
                      "decimal.Decimal"})  # fmt: skip
NUMBER_TYPES = frozenset({"int", "float", "bool", "UUID", "uuid.UUID", "datetime", "date",
                           "datetime.datetime", "datetime.date", "Decimal"})  # fmt: skip
DIGESTS = frozenset({"hexdigest", "isoformat", "timestamp", "total_seconds", "bit_length",
                      "now", "utcnow", "now_utc", "today", "strftime", "strptime",
                      "fromisoformat", "token_hex", "generate_uuid", "uuid4", "uuid1"})  # fmt: skip
"""Methods whose result holds digits, letters and punctuation that no literal ends at."""
QUOTES = frozenset({"quote", "quote_name", "quote_identifier", "quote_ident", "quoted_name",
                     "format_table", "format_column", "literal_processor", "escape_identifier",
                     "as_string", "Identifier", "Literal", "Placeholder", "quote_literal",
                     "escape_string", "quote_string", "escape_literal", "literal"})  # fmt: skip
KEEPS = frozenset({"upper", "lower", "strip", "lstrip", "rstrip", "title", "casefold", "replace",
                    "removeprefix", "removesuffix", "encode", "decode", "ljust", "rjust", "zfill",
                    "dedent", "copy", "keys", "values", "items", "cleandoc", "indent",
                    "split", "rsplit", "splitlines", "capitalize", "getvalue"})  # fmt: skip
HOLDS = frozenset({"StringIO", "Template", "SQL", "deque", "bytearray"})
"""Classes whose objects are as text what they were made of."""
SCHEMA_OBJECTS = frozenset({"Table", "Column", "InstrumentedAttribute", "QueryableAttribute",
                             "ColumnElement", "Mapped", "Index", "Sequence"})  # fmt: skip
INPUTS = frozenset({"input", "sys.argv", "os.environ", "os.getenv", "request", "flask.request",
                     "self.request"})  # fmt: skip
DECLARED = frozenset({"__tablename__", "__name__", "__table__", "__qualname__", "__module__"})
"""Attributes of classes and modules that hold names which the source declares."""
ALPHABETS = frozenset({"string.ascii_letters", "string.ascii_lowercase", "string.ascii_uppercase",
                        "string.digits", "string.hexdigits", "string.octdigits"})  # fmt: skip
SPREADS = frozenset({"random.choice", "random.choices", "random.sample", "secrets.choice",
                      "sorted", "list", "tuple", "set", "reversed", "str", "enumerate", "dict",
                      "max", "min", "repr", "zip", "json.dumps", "iter", "next",
                      "bytes"})  # fmt: skip

_ENUMS = frozenset({"Enum", "StrEnum", "IntEnum", "Flag", "IntFlag"})
_IN_ENUMS = re.compile(r"\.enums\.[A-Z]\w*[a-z]\w*$")
"""A class of a module of enums that is not read, as nothing in it works with a database."""
_DATED = re.compile(r"date|time|stamp|iso")

_DOUBLED = ("'", '"', "`")


def gives_digits(call: Call) -> bool:
    """Whether a call gives a digest or a time, by itself or as it is written for people:
    `sha256(name).hexdigest()`, `http_date(now_utc())`."""
    name = dotted(call.func).rpartition(".")[2] or getattr(call.func, "name", "")
    return name in DIGESTS or (
        bool(call.args)
        and _DATED.search(name) is not None
        and all(isinstance(arg, Call) and gives_digits(arg) for arg in call.args)
    )


def doubles_quotes(call: Call) -> bool:
    """`.replace("'", "''")`, and the same for the quotes of identifiers, anywhere in a chain."""
    link: Expr = call
    while isinstance(link, Call) and isinstance(link.func, Attribute):
        if link.func.name == "replace" and len(link.args) == 2:  # noqa: PLR2004 - old and new
            old, new = (getattr(arg, "value", None) for arg in link.args)
            if isinstance(old, str) and old in _DOUBLED and new in (old * 2, "\\" + old):
                return True
        link = link.func.base
    return False


def strips_characters(call: Call) -> bool:
    """`re.sub(r"[^a-z_]", "", name)`: nothing but the listed characters is left."""
    first = call.args[0] if call.args else None
    is_sub = getattr(call.func, "name", "") == "sub"
    return is_sub and isinstance(first, Const) and str(first.value).startswith(("[^", "\\W"))


def is_number(annotation: Expr | None) -> bool:
    """`int`, `Optional[int]`, `int | None`."""
    match annotation:
        case Subscript(base=base, index=index):
            return dotted(base).rpartition(".")[2] == "Optional" and is_number(index)
        case Arithmetic(operator="|", left=left, right=Const(value=None)):
            return is_number(left)
        case _:
            return dotted(annotation) in NUMBER_TYPES


def by_convention(name: str, source: str) -> Piece:
    """An unknown name: a constant if written like one (PEP 8), input if known as such."""
    if name.isupper() and len(name) > 1:
        return Piece(Kind.CONSTANT)
    return Piece(Kind.INPUT if name in INPUTS else Kind.UNKNOWN, source=source)


def is_listed_by_type(project: Project, module: ModuleFacts, annotation: Expr | None) -> bool:
    """`Literal["id", "name"]`, or a class of the project that is an enum, alone or optional."""
    for found in walk(annotation):
        name = project.resolve(module, found) if isinstance(found, (Name, Attribute)) else ""
        if name.rpartition(".")[2] == "Literal" or is_enum(project, name):
            return True
    return False


def is_enum(project: Project, name: str) -> bool:
    """Whether an absolute dotted name is an enum of the project."""
    if name not in project.program.classes:
        return _IN_ENUMS.search(name) is not None
    return any(base.rpartition(".")[2] in _ENUMS for base in project.program.mro(name))


def names_schema_object(annotation: Expr | None) -> bool:
    """`Table`, `InstrumentedAttribute[str]`, `Optional["Column"]`: tables and columns."""
    for found in walk(annotation):
        quoted = found.value if isinstance(found, Const) and isinstance(found.value, str) else ""
        name = (quoted or dotted(found)).partition("[")[0].rpartition(".")[2]
        if name in SCHEMA_OBJECTS:
            return True
    return False

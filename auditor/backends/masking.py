"""URLs as they may be printed: the password replaced, everything else as written."""

from __future__ import annotations

import re

# A password runs up to the last `@` before the path, so that one holding `@` or `:` stays hidden.
_USERINFO = re.compile(r"(?P<head>://[^:/?#@]*:)(?:[^?#]*|.*)(?=@)")
_QUERY_SECRET = re.compile(r"(?i)(?P<key>[?&](?:password|passwd|pwd|sslpassword)=)[^&#]*")


def masked(url: str) -> str:
    """The URL with every password replaced by `***`; works on text that is not a valid URL too."""
    return _QUERY_SECRET.sub(r"\g<key>***", _USERINFO.sub(r"\g<head>***", url))

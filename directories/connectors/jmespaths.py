"""JMESPath: where in an answer something stands (https://jmespath.org/specification.html)."""

from functools import lru_cache
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from directories.connectors.base import ConnectorError


@lru_cache(maxsize=256)
def compiled(path: str) -> ParsedResult:
    """Return a JMESPath ready to be used; raise ConnectorError for one that cannot be read."""
    try:
        return jmespath.compile(path)
    except (JMESPathError, ValueError):
        raise ConnectorError(f"This is no JMESPath: {path}. Correct it.", code="settings") from None


def search(path: str, data: Any) -> Any:
    """Return what stands there, None for nothing; a blank path means everything."""
    if not path:
        return data
    try:
        return compiled(path).search(data)
    except (JMESPathError, TypeError, ValueError, RecursionError):
        raise ConnectorError(f"The JMESPath {path} does not fit what the service says.", code="settings") from None

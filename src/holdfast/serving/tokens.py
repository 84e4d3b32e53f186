"""Bearer tokens of the data plane."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence


def allowed(authorization: bytes, tokens: Sequence[bytes]) -> bool:
    """Whether a header names one of the tokens; takes as long whichever it is.

    Args:
        authorization: value of the header, empty when there is none.
        tokens: SHA-256 hex digests.

    >>> allowed(b"Bearer t", [hashlib.sha256(b"t").hexdigest().encode()])
    True
    """
    kind, _, token = authorization.partition(b" ")
    given = hashlib.sha256(token.strip()).hexdigest().encode()
    fits = [hmac.compare_digest(given, known) for known in tokens]
    return kind.lower() == b"bearer" and any(fits)

"""The error tree: what happened, where, and how to fix it.

    HoldfastError
    ├── UsageError            a command or call was used wrongly
    ├── SpecError             holdfast.toml is wrong
    ├── DataError             the data cannot be read or breaks its contract
    ├── UserCodeError         the user's own code failed; carries its traceback
    ├── LabelError            outcomes that cannot be taken
    ├── RequestError          a scoring request that cannot be answered
    ├── NotFoundError         a model, version, release or job that does not exist
    ├── ConflictError         the operation does not fit the present state
    ├── BundleError           a bundle that is corrupt, unsafe or cannot be loaded
    ├── GateError             a gate that could not be evaluated
    ├── AuditError            the hash chain of decisions is broken
    ├── AuthError             no or wrong credentials
    ├── DeliveryError         a message did not reach its channel
    └── UnavailableError      something needed is not reachable; try again

Every error survives pickling, because jobs run in processes of their own.
"""

from __future__ import annotations

from typing import ClassVar


class HoldfastError(Exception):
    """Root of all errors Holdfast raises on purpose.

    Args:
        code: stable, lower-case, dotted identifier, such as ``spec.unknown_key``.
        message: one sentence that says what happened and where.
        fix: one sentence that says what to do about it.

    >>> error = SpecError("spec.unknown_key", "[gate] has no key 'mni'", "Did you mean 'min'?")
    >>> print(error)
    [gate] has no key 'mni' (spec.unknown_key). Did you mean 'min'?
    """

    http_status: ClassVar[int] = 500
    exit_status: ClassVar[int] = 1

    def __init__(self, code: str, message: str, fix: str = "") -> None:
        super().__init__(code, message, fix)
        self.code = code
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        text = f"{self.message} ({self.code})"
        return f"{text}. {self.fix}" if self.fix else text

    def as_dict(self) -> dict[str, str]:
        """The JSON form shared by the API, ``--json`` and the job table.

        >>> UsageError("usage.x", "no").as_dict()
        {'code': 'usage.x', 'message': 'no', 'fix': ''}
        """
        return {"code": self.code, "message": self.message, "fix": self.fix}


class UsageError(HoldfastError):
    """A command or call was used wrongly."""

    http_status = 400
    exit_status = 2


class SpecError(HoldfastError):
    """``holdfast.toml`` is wrong; the message names the path in the file."""

    http_status = 422


class DataError(HoldfastError):
    """The data cannot be read, or breaks its contract."""

    http_status = 422


class UserCodeError(HoldfastError):
    """The user's own code failed. ``traceback`` is theirs, whole."""

    http_status = 422

    def __init__(self, code: str, message: str, fix: str = "", traceback: str = "") -> None:
        super().__init__(code, message, fix)
        self.args = (code, message, fix, traceback)
        self.traceback = traceback

    def as_dict(self) -> dict[str, str]:
        """The JSON form, with the user's traceback."""
        return {**super().as_dict(), "traceback": self.traceback}


class LabelError(HoldfastError):
    """Outcomes that cannot be taken; nothing of the file was kept."""

    http_status = 422


class RequestError(HoldfastError):
    """A scoring request that cannot be answered; never echoes the input."""

    http_status = 400

    def __init__(self, code: str, message: str, fix: str = "", status: int = 400) -> None:
        super().__init__(code, message, fix)
        self.args = (code, message, fix, status)
        self.status = status


class NotFoundError(HoldfastError):
    """A model, version, release, incident or job that does not exist."""

    http_status = 404


class ConflictError(HoldfastError):
    """The operation does not fit the present state."""

    http_status = 409


class BundleError(HoldfastError):
    """A bundle that is corrupt, unsafe, or cannot be loaded."""

    http_status = 422


class GateError(HoldfastError):
    """A gate that could not be evaluated."""

    http_status = 422


class AuditError(HoldfastError):
    """The hash chain of decisions is broken."""

    http_status = 500


class AuthError(HoldfastError):
    """No, or wrong, credentials."""

    http_status = 401


class DeliveryError(HoldfastError):
    """A message did not reach its channel.

    ``retry_after``: seconds that the other side asked to wait.
    """

    http_status = 502

    def __init__(
        self, code: str, message: str, fix: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(code, message, fix)
        self.args = (code, message, fix, retry_after)
        self.retry_after = retry_after


class UnavailableError(HoldfastError):
    """Something needed is not reachable now; the same call may succeed later."""

    http_status = 503

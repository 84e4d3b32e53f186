"""Rows as a Parquet file: handed to a process that is started when the first one comes."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading

import msgspec

from holdfast.errors import RequestError
from holdfast.serving.converter import Converter, Rows
from holdfast.serving.limits import Limits
from holdfast.serving.parquet_decode import Decoded, Order, malformed, receive, send

_SECONDS = 20.0  # the longest that one file may take


class ParquetReader:
    """Reads Parquet files one at a time; called in threads.

    Args:
        limits: bounds on a file.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, body: bytes, converter: Converter) -> Rows:
        """Rows of a Parquet file with flat columns, and lists of numbers for vectors.

        Raises:
            RequestError: when it is none, is too large, or a cell is wrong.
        """
        if importlib.util.find_spec("pyarrow") is None:
            raise RequestError(
                "request.media_type",
                "this server has no pyarrow, and so takes no Parquet",
                "Send application/json or text/csv",
                415,
            )
        order = Order(body, converter.limit, self._limits.unpacked, converter.widths)
        with self._lock:
            decoded = self._decode(order)
        if decoded.refused is not None:
            raise RequestError(*decoded.refused)
        return converter.columns(decoded.columns, decoded.rows)

    def _decode(self, order: Order) -> Decoded:
        process = self._process
        if process is None or process.poll() is not None:
            process = self._process = _start()
        assert process.stdin is not None
        assert process.stdout is not None
        deadline = threading.Timer(_SECONDS, process.kill)
        deadline.start()
        try:
            send(process.stdin, order)
            answer = receive(process.stdout)
        except OSError:
            answer = None
        finally:
            deadline.cancel()
        if answer is None:
            self._end()
            raise malformed("the Parquet file cannot be read")
        return msgspec.msgpack.decode(answer, type=Decoded)

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def close(self) -> None:
        """Ends the process, if there is one."""
        with self._lock:
            self._end()


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "holdfast.serving.parquet_decode"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"},
        start_new_session=True,  # Ctrl-C is for the server, which closes the pipe
    )

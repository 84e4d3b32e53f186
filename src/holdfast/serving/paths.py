"""What a path of the data port means: which contract, which methods, and what answers them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import NamedTuple

from holdfast.serving import clouds, invocations, v1, v2
from holdfast.serving.media import wanted
from holdfast.serving.multimodel import INVOKE, PATH, MultiModel
from holdfast.serving.platforms import Platform
from holdfast.serving.problems import Contract, contract_of, problem
from holdfast.serving.requests import Request, Response
from holdfast.serving.server import ModelServer

READ = ("GET", "HEAD")
SCORE = ("POST",)
OPEN = frozenset({"/", "/ping", "/health", "/v2/health/live", "/v2/health/ready"})
_PLAIN = re.compile(rb"/[A-Za-z0-9._~:/-]{1,255}")
_KNOWN = 1024
_ALIVE = Response(200, b'{"status":"alive"}')

Score = Callable[[Request], Awaitable[Response]]


class Target(NamedTuple):
    """What a path means.

    Args:
        contract: for the shape of errors and the metrics.
        methods: those that are taken.
        answer: to a GET.
        score: to a POST.
        name: the model that the path names; empty where the request names it.
        act: an order of the platform that runs the server, by any of the methods.
    """

    contract: Contract
    methods: tuple[str, ...]
    answer: Callable[[], Response] | None = None
    score: Score | None = None
    name: str = ""
    act: Score | None = None


class Paths:
    """Every path of the data port.

    Args:
        server: what answers.
        platform: whose paths are answered beside those of every contract.
        multi: lets a platform add and remove models.
    """

    def __init__(
        self, server: ModelServer, platform: Platform, multi: MultiModel | None = None
    ) -> None:
        self._server = server
        self._multi = multi
        self._rows = _invocations(server, platform)
        self.open = OPEN | {platform.health}
        self._fixed: dict[str, Target] = {
            "/invocations": Target("mlflow", SCORE, None, self._rows),
            "/ping": Target("mlflow", READ, lambda: invocations.ping(server)),
            "/health": Target("mlflow", READ, lambda: invocations.ping(server)),
            "/version": Target("mlflow", READ, invocations.version),
            "/": Target("v1", READ, lambda: _ALIVE),
            "/v1/models": Target("v1", READ, lambda: v1.models(server)),
            "/v2": Target("v2", READ, v2.server_metadata),
            "/v2/": Target("v2", READ, v2.server_metadata),
            "/v2/health/live": Target("v2", READ, lambda: v2.health(server, ready=False)),
            "/v2/health/ready": Target("v2", READ, lambda: v2.health(server, ready=True)),
            "/score": Target("azure", SCORE, None, lambda request: clouds.azure(server, request)),
            "/execution-parameters": Target(
                "mlflow", READ, lambda: clouds.execution_parameters(server)
            ),
        }
        _add_vertex(self._fixed, server, platform)
        self.scoring = lru_cache(_KNOWN)(self._scoring)

    def _scoring(self, url: bytes) -> Target | None:
        """What a POST to a path scores, where that is all it can mean; None without a name for it
        in the request's line that needs no second look.
        """
        target = self.find(url.decode()) if _PLAIN.fullmatch(url) else None
        return target if target is not None and target.score is not None else None

    def find(self, path: str) -> Target | None:
        """What a path means; None where none of the contracts has it."""
        return self._fixed.get(path) or self._named(path)

    def _named(self, path: str) -> Target | None:
        """Paths that name a model."""
        if path.startswith(v1.PREFIX):
            return self._v1(path[len(v1.PREFIX) :])
        if path.startswith(v2.PREFIX):
            return self._v2(path[len(v2.PREFIX) :].split("/"))
        if self._multi is not None and (path == PATH or path.startswith(f"{PATH}/")):
            return self._of_platform(path, self._multi)
        if contract_of(path) != "other":
            return _nothing(contract_of(path))
        return None

    def _v1(self, rest: str) -> Target:
        server = self._server
        if "/" in rest or not rest:
            return _nothing("v1")
        if rest.endswith(v1.PREDICT):
            name = rest[: -len(v1.PREDICT)]
            return Target("v1", SCORE, None, lambda request: v1.predict(server, request), name)
        return Target("v1", READ, lambda: v1.model(server, rest))

    def _v2(self, parts: list[str]) -> Target:
        server, name, version = self._server, parts.pop(0), None
        if len(parts) >= 2 and parts[0] == "versions":
            version = parts[1]
            parts = parts[2:]
        if parts == ["infer"]:
            return Target(
                "v2", SCORE, None, lambda request: v2.infer(server, request, name, version), name
            )
        if parts == ["ready"]:
            return Target("v2", READ, lambda: v2.model_ready(server, name, version))
        if not parts and name:
            return Target("v2", READ, lambda: v2.model_metadata(server, name, version), None, name)
        return _nothing("v2")

    def _of_platform(self, path: str, multi: MultiModel) -> Target:
        if path.endswith(INVOKE):
            name = path[len(PATH) + 1 : -len(INVOKE)]
            score = _invocations(self._server, Platform(name="sagemaker"), name)
            return Target("mlflow", SCORE, None, score, name)
        methods = ("GET", "POST") if path == PATH else ("GET", "DELETE")
        return Target("other", methods, act=multi.answer)


def _invocations(server: ModelServer, platform: Platform, name: str = "") -> Score:
    default = wanted(platform.accept.encode())
    if platform.name == "sagemaker":
        return lambda request: clouds.sagemaker(server, request, default, name)
    return lambda request: invocations.invocations(server, request, default, name)


def _add_vertex(paths: dict[str, Target], server: ModelServer, platform: Platform) -> None:
    """The paths that Vertex AI chose, perhaps one; a path that scores anyway keeps its contract."""
    predict, health = platform.predict, platform.health
    known = predict in paths and paths[predict].score is not None
    if predict and not known and not predict.startswith((v1.PREFIX, v2.PREFIX)):
        paths[predict] = Target(
            "vertex", SCORE, None, lambda request: clouds.vertex(server, request)
        )
    if health:
        score = paths[health].score if health in paths else None
        methods = (*READ, *SCORE) if score else READ
        paths[health] = Target("vertex", methods, lambda: clouds.vertex_health(server), score)


def _nothing(contract: Contract) -> Target:
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return Target(contract, methods, lambda: problem(contract, 404, "there is nothing here"))

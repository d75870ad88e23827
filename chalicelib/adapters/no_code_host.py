"""NoCodeHost: what stands for the code host where the operator has set none up."""

from __future__ import annotations

from typing import Any, NoReturn

from chalicelib.errors import CodeHostRefused


class NoCodeHost:
    """Has no app, and refuses every call saying why."""

    app = False

    def __getattr__(self, name: str) -> Any:
        def refuse(*_: object, **__: object) -> NoReturn:
            raise CodeHostRefused(
                "This platform is not connected to a code host. Its operator can set one up.",
                code="code_host_absent",
            )

        return refuse

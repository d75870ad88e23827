"""What is worth knowing about a source whatever its plan is."""

from __future__ import annotations

from chalicelib.domain.inference.evidence import Draft
from chalicelib.domain.inference.looks import Looks
from chalicelib.domain.inference.variables import sample_variables


def remarks(draft: Draft, looks: Looks, runtime: str | None) -> None:
    """Note what a person should know of the files that did not decide anything."""
    sample_variables(looks.source, draft)
    if looks.docker is not None:
        name = looks.source.path(looks.docker.name)
        if looks.docker.faults and runtime is not None:
            fault = looks.docker.faults[0]
            draft.say(
                "warning",
                fault.code,
                f"{fault.detail} The source is built without it.",
                fault.file,
                fault.line,
            )
        elif runtime is not None:
            draft.set("dockerfile", name, name)
    for hint in looks.hints.release:
        if runtime is not None and hint.value not in " ".join(draft.get("post_install", ())):
            draft.say(
                "info",
                "release_not_run",
                f"{hint.source} has a release step (`{hint.value}`), which is not run. Put it "
                "before the start command in agent.yaml if it is needed.",
            )
            break
    for name, (detail, line) in looks.source.broken.items():
        draft.say(
            "error" if name in ("package.json", "Cargo.toml") else "warning",
            "file_broken",
            f"{looks.source.path(name)} cannot be read: {detail[:200]}. Mend it, or add to "
            "agent.yaml the `runtime:` and `start: {command: …}` lines.",
            looks.source.path(name),
            line,
        )

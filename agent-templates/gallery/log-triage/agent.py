"""Groups log lines that say the same but for numbers and ids, the most frequent errors first."""

import re

NAME = "Log triage"
EXAMPLE = {
    "log": "INFO start\nERROR user 17 not found\nERROR user 18 not found\nWARN slow: 1200ms\n"
}
LEVELS = ("fatal", "critical", "error", "warn", "info", "debug")
SAME = (
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ][\d:.,]+(Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b", re.IGNORECASE), "<uuid>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{12,}\b", re.IGNORECASE), "<hex>"),
    (re.compile(r"\d+"), "<n>"),
)


def answer(request: dict) -> dict:
    log = request.get("log")
    if not isinstance(log, str) or not log.strip():
        raise ValueError("`log` must be a text with one message a line.")
    groups: dict[str, dict] = {}
    for number, whole in enumerate(log.splitlines(), 1):
        line = whole.strip()[:2000]
        if not line:
            continue
        pattern = line
        for what, name in SAME:
            pattern = what.sub(name, pattern)
        group = groups.setdefault(
            pattern,
            {
                "pattern": pattern,
                "level": level(line),
                "count": 0,
                "first_line": number,
                "example": line,
            },
        )
        group["count"] += 1
    ranked = sorted(groups.values(), key=lambda g: (LEVELS.index(g["level"]), -g["count"]))
    return {"lines": sum(g["count"] for g in ranked), "groups": ranked[:200]}


def level(line: str) -> str:
    found = re.search(r"\b(fatal|critical|error|exception|warn|debug)", line[:200], re.IGNORECASE)
    word = found.group().lower() if found else "info"
    return "error" if word == "exception" else word

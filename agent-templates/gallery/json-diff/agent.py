"""Compares two JSON documents and lists each difference by its path."""

NAME = "JSON diff"
EXAMPLE = {"before": {"a": 1, "b": [1, 2]}, "after": {"a": 2, "b": [1], "c": True}}


def answer(request: dict) -> dict:
    if "before" not in request or "after" not in request:
        raise ValueError("Send both `before` and `after`.")
    found: list[dict] = []
    compare("", request["before"], request["after"], found)
    return {"equal": not found, "changes": found}


def compare(path: str, before: object, after: object, found: list[dict]) -> None:
    if len(found) > 10_000:
        raise ValueError("More than 10000 differences; these documents have little in common.")
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            step = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
            one(step, key in before, before.get(key), key in after, after.get(key), found)
    elif isinstance(before, list) and isinstance(after, list):
        for n in range(max(len(before), len(after))):
            was, now = n < len(before), n < len(after)
            one(
                f"{path}/{n}",
                was,
                before[n] if was else None,
                now,
                after[n] if now else None,
                found,
            )
    elif type(before) is not type(after) or before != after:
        found.append({"path": path, "kind": "changed", "before": before, "after": after})


def one(path: str, was: bool, before: object, now: bool, after: object, found: list[dict]) -> None:
    if was and now:
        compare(path, before, after, found)
    elif was:
        found.append({"path": path, "kind": "removed", "before": before})
    else:
        found.append({"path": path, "kind": "added", "after": after})

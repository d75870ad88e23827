"""Finds common faults in an OpenAPI document: missing names, dangling references, lost parameters."""

import re

NAME = "OpenAPI check"
EXAMPLE = {
    "document": {
        "openapi": "3.1.0",
        "info": {"title": "Shop", "version": "1"},
        "paths": {"/orders/{id}": {"get": {"responses": {"200": {"description": "ok"}}}}},
    }
}
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def answer(request: dict) -> dict:
    document = request.get("document")
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3."):
        raise ValueError("`document` must be an OpenAPI 3 document, as JSON.")
    found: list[dict] = []
    seen: dict[str, str] = {}
    for path, item in mapping(document.get("paths")).items():
        for method in METHODS:
            operation = mapping(item).get(method)
            if isinstance(operation, dict):
                check(path, method, mapping(item), operation, seen, found)
    for place, target in references(document, ""):
        if target.startswith("#/") and not resolves(document, target):
            found.append({"place": place, "fault": f"{target} leads nowhere."})
    return {"ok": not found, "faults": found[:500]}


def check(path, method, item, operation, seen, found) -> None:
    place = f"{method.upper()} {path}"
    name = operation.get("operationId")
    if not name:
        found.append(
            {"place": place, "fault": "It has no operationId; client generators need one."}
        )
    elif name in seen:
        found.append({"place": place, "fault": f"operationId {name} is also that of {seen[name]}."})
    else:
        seen[name] = place
    if not operation.get("responses"):
        found.append({"place": place, "fault": "It says nothing of its responses."})
    given = {
        p.get("name")
        for p in [*listing(item.get("parameters")), *listing(operation.get("parameters"))]
        if isinstance(p, dict) and p.get("in") == "path"
    }
    refs = any(
        "$ref" in mapping(p)
        for p in [*listing(item.get("parameters")), *listing(operation.get("parameters"))]
    )
    for wanted in re.findall(r"{(\w+)}", path):
        if wanted not in given and not refs:
            found.append(
                {"place": place, "fault": f"The parameter {wanted} of the path is not described."}
            )


def references(value: object, place: str):
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref" and isinstance(inner, str):
                yield place, inner
            else:
                yield from references(inner, f"{place}/{key}")
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            yield from references(inner, f"{place}/{n}")


def resolves(document: object, target: str) -> bool:
    for escaped in target[2:].split("/"):
        step = escaped.replace("~1", "/").replace("~0", "~")
        if not isinstance(document, dict) or step not in document:
            return False
        document = document[step]
    return True


def mapping(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def listing(value: object) -> list:
    return value if isinstance(value, list) else []

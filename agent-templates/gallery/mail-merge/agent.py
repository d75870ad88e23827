"""Fills a text template with each row of data; a field nobody filled is told, not guessed."""

import re

NAME = "Mail merge"
EXAMPLE = {
    "template": "Dear {{name}}, your order {{order}} is on its way.",
    "rows": [{"name": "Ada", "order": 7}, {"name": "Alan"}],
}
FIELD = re.compile(r"{{\s*(\w{1,60})\s*}}")


def answer(request: dict) -> dict:
    template, rows = request.get("template"), request.get("rows")
    if not isinstance(template, str) or not template:
        raise ValueError("`template` must be a text with fields such as {{name}}.")
    if not isinstance(rows, list) or not rows or not all(isinstance(r, dict) for r in rows):
        raise ValueError("`rows` must be a list of objects.")
    if len(rows) * len(template) > 5_000_000:
        raise ValueError("That would be too much text at once; send fewer rows.")
    fields = list(dict.fromkeys(FIELD.findall(template)))
    return {"fields": fields, "texts": [filled(template, fields, row) for row in rows]}


def filled(template: str, fields: list[str], row: dict) -> dict:
    missing = [name for name in fields if row.get(name) in (None, "")]
    text = FIELD.sub(lambda m: m.group() if m[1] in missing else str(row[m[1]]), template)
    return {"text": text, "missing": missing}

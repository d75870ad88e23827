"""Makes a table of contents for a Markdown document, with the anchors that GitHub gives headings."""

import re

NAME = "Markdown contents"
EXAMPLE = {"markdown": "# Guide\n\n## Set up\n\n## Use it\n\n## Set up\n"}
HEADING = re.compile(r"(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*")
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


def answer(request: dict) -> dict:
    text, depth = request.get("markdown"), request.get("depth", 3)
    if not isinstance(text, str) or not text.strip():
        raise ValueError("`markdown` must be a text that is not empty.")
    if not isinstance(depth, int) or isinstance(depth, bool) or not 1 <= depth <= 6:
        raise ValueError("`depth` must be from 1 to 6.")
    found, seen, fence = [], {}, ""
    for line in text.splitlines():
        mark = FENCE.match(line)
        if mark:
            fence = "" if fence and mark[1].startswith(fence) else fence or mark[1]
            continue
        heading = None if fence else HEADING.fullmatch(line)
        if heading:
            title = re.sub(r"[*_`]|!?\[([^\]]*)\]\([^)]*\)", r"\1", heading[2])
            anchor = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            seen[anchor] = seen.get(anchor, -1) + 1
            unique = f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor
            if len(heading[1]) <= depth:
                found.append({"level": len(heading[1]), "title": title, "anchor": unique})
    top = min((h["level"] for h in found), default=1)
    lines = [f"{'  ' * (h['level'] - top)}- [{h['title']}](#{h['anchor']})" for h in found]
    return {"headings": found, "contents": "\n".join(lines)}

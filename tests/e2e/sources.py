"""Sources as people have them lying about: whole small apps, good and bad, as files by name."""

from __future__ import annotations

from pathlib import Path

TEMPLATES = Path(__file__).parents[2] / "agent-templates"


def template(runtime: str) -> dict[str, bytes]:
    """The files of a template."""
    folder = TEMPLATES / runtime
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not {"__pycache__", "node_modules", "target"} & set(path.parts)
    }


EXPRESS = {
    "Dockerfile": (
        "FROM node:20-slim\nWORKDIR /usr/src/app\nCOPY package*.json ./\nRUN npm install\n"
        'COPY . .\nEXPOSE 3000\nCMD ["node", "server.js"]\n'
    ),
    "package.json": (
        '{"name": "hello-express", "version": "1.0.0", "main": "server.js",\n'
        ' "scripts": {"start": "node server.js"}, "dependencies": {"express": "^4.19.2"}}\n'
    ),
    "server.js": (
        "const express = require('express');\nconst app = express();\n"
        "app.get('/', (req, res) => res.send('Hello from Express'));\n"
        "app.listen(3000, () => console.log('listening'));\n"
    ),
}

FASTAPI = {
    "requirements.txt": "fastapi\nuvicorn\n",
    "main.py": (
        "import os\n\nfrom fastapi import FastAPI\n\napp = FastAPI()\n\n\n"
        '@app.get("/")\ndef read_root():\n    return {"Hello": "World"}\n\n\n'
        '@app.get("/colour")\ndef colour():\n    return {"colour": os.environ.get("COLOUR")}\n'
    ),
}

PAGE = {"index.html": "<!doctype html><title>Hi</title><h1>Just a page</h1>"}


def server(body: str = "", *, status: int = 200, bind: str = "0.0.0.0", port: str = "") -> str:  # noqa: S104
    """A Python server with the standard library; `body` runs before it serves."""
    number = port or 'int(os.environ["PORT"])'
    return (
        "import http.server, os, subprocess, sys, time\n"
        f"{body}\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        f"        self.send_response({status}); self.end_headers(); self.wfile.write(b'served')\n"
        "    def log_message(self, *args): pass\n"
        f"http.server.ThreadingHTTPServer(({bind!r}, {number}), Handler).serve_forever()\n"
    )


def python(manifest: str = "", **files: str) -> dict[str, str]:
    """A Python agent with this manifest beyond its name and start."""
    head = "name: Sample\nruntime: python\nstart:\n  command: python main.py\n"
    return {"agent.yaml": head + manifest, **{k.replace("_py", ".py"): v for k, v in files.items()}}

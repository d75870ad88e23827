"""Serves the agent: JSON for programs, a page to try it by hand, and how it is."""

from __future__ import annotations

import html
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import agent

MAX_BODY = 1_000_000
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{name}</title>
<style>body{{font:16px/1.5 system-ui;max-width:46rem;margin:2rem auto;padding:0 1rem}}
textarea{{width:100%;font:14px monospace;box-sizing:border-box}}
pre{{background:#8882;padding:1rem;overflow:auto;white-space:pre-wrap}}
button{{font:inherit;padding:.4rem 1rem;margin:.5rem 0}}</style>
<h1>{name}</h1><p>{about}</p><form><label for="q">Request, as JSON</label>
<textarea id="q" rows="9">{example}</textarea><button>Send</button></form>
<pre role="status" aria-live="polite"></pre>
<p>Programs send the same to <code>POST /</code>. <code>GET /health</code> says how it is.</p>
<script>const out=document.querySelector('pre');
document.querySelector('form').onsubmit=async e=>{{e.preventDefault();
try{{const r=await fetch('/',{{method:'POST',headers:{{'Content-Type':'application/json'}},
body:document.querySelector('textarea').value}});
out.textContent=JSON.stringify(await r.json(),null,2)}}catch(x){{out.textContent=x}}}}</script>"""


class Handler(BaseHTTPRequestHandler):
    """One agent behind three addresses."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/health":
            self.send(200, json.dumps({"status": "ok"}))
        elif path == "/":
            page = PAGE.format(
                name=html.escape(agent.NAME),
                about=html.escape((agent.__doc__ or "").strip()),
                example=html.escape(json.dumps(agent.EXAMPLE, indent=2, ensure_ascii=False)),
            )
            self.send(200, page, "text/html; charset=utf-8")
        else:
            self.fail(404, "There is nothing here; POST / or GET /health.")

    def do_POST(self) -> None:
        try:
            length = int(self.headers.get("Content-Length") or "")
        except ValueError:
            self.close_connection = True
            self.fail(411, "Say how long the body is: Content-Length.")
            return
        if not 0 <= length <= MAX_BODY:
            self.close_connection = True
            self.fail(413, f"At most {MAX_BODY} bytes.")
            return
        body = self.rfile.read(length)
        try:
            request = json.loads(body)
            if not isinstance(request, dict):
                raise ValueError("Send a JSON object.")
            answer = agent.answer(request)
        except RecursionError:
            self.fail(422, "Nested too deeply.")
        except ValueError as problem:
            self.fail(422, str(problem))
        else:
            self.send(200, json.dumps(answer, ensure_ascii=False))

    def fail(self, status: int, detail: str) -> None:
        self.send(status, json.dumps({"error": detail}, ensure_ascii=False))

    def send(self, status: int, text: str, kind: str = "application/json") -> None:
        body = text.encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        print(format % args, flush=True)


if __name__ == "__main__":
    address = ("0.0.0.0", int(os.environ.get("PORT", "8000")))
    ThreadingHTTPServer(address, Handler).serve_forever()

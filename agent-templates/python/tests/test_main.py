"""The agent as its callers meet it: a real process on a real port."""

# ruff: noqa: PT009 - unittest, so that the tests need nothing installed

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).parent.parent


class Service(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.agent, cls.port = start()

    @classmethod
    def tearDownClass(cls):
        stop(cls.agent)

    def call(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        if isinstance(body, dict):
            headers.setdefault("Content-Type", "application/json")
            body = json.dumps(body)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        json_like = "json" in response.headers["Content-Type"]
        return response, json.loads(text) if json_like and text else text

    def test_is_healthy(self):
        response, body = self.call("GET", "/health")
        self.assertEqual((response.status, body), (200, {"status": "ok", "agent": "gist"}))

    def test_describes_itself_to_programs_and_shows_people_a_page(self):
        _, description = self.call("GET", "/")
        self.assertEqual(description["actions"][0]["path"], "/summarise")
        response, page = self.call("GET", "/", Accept="text/html")
        self.assertIn("<h1>Gist</h1>", page)
        self.assertIn("default-src 'none'", response.headers["Content-Security-Policy"])
        for name in ("page.css", "page.js"):
            self.assertEqual(self.call("GET", f"/page/{name}")[0].status, 200)
        self.assertEqual(self.call("GET", "/page/..%2Fmain.py")[0].status, 404)

    def test_summarises(self):
        text = "Ships use the slipway. The slipway launches ships. Soup was served."
        response, body = self.call("POST", "/summarise", {"text": text, "sentences": 1})
        self.assertEqual(response.status, 200)
        self.assertIn(
            body["summary"], (["Ships use the slipway."], ["The slipway launches ships."])
        )
        self.assertEqual(body["sentences"], 3)

    def test_names_every_fault_of_the_input_at_once(self):
        wrong = {"text": " ", "sentences": 0, "keyphrases": True, "lenght": 1}
        response, body = self.call("POST", "/summarise", wrong)
        self.assertEqual(response.status, 422)
        self.assertEqual(response.headers["Content-Type"], "application/problem+json")
        fields = [fault["field"] for fault in body["errors"]]
        self.assertEqual(fields, ["keyphrases", "lenght", "sentences", "text"])

    def test_refuses_what_it_cannot_read(self):
        as_json = {"Content-Type": "application/json"}
        cases = [
            (400, self.call("POST", "/summarise", "{", **as_json)),
            (400, self.call("POST", "/summarise", b"\xff", **as_json)),
            (400, self.call("POST", "/summarise", "[" * 100_000, **as_json)),
            (404, self.call("GET", "/nothing")),
            (405, self.call("GET", "/summarise")),
            (413, self.call("POST", "/summarise", "x" * 600_000, **as_json)),
            (415, self.call("POST", "/summarise", "text=hello")),
            (422, self.call("POST", "/summarise", "[]", **as_json)),
            (422, self.call("POST", "/summarise", {"text": "x" * 100_001})),
            (422, self.call("POST", "/summarise", {"text": "half a character: \ud83d"})),
        ]
        for status, (response, body) in cases:
            self.assertEqual((response.status, body["status"]), (status, status), body)
            self.assertTrue(body["detail"])


class Lifetime(unittest.TestCase):
    def test_stops_on_sigterm_and_says_so_in_json(self):
        agent, _ = start()
        lines = stop(agent)
        self.assertEqual(agent.returncode, 0)
        self.assertEqual([line["message"] for line in lines], ["starting", "stopped"])
        self.assertTrue(all({"timestamp", "level"} <= line.keys() for line in lines))


def start():
    """Run the agent on a free port and wait until it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "PORT": str(port), "HOST": "127.0.0.1"}
    command = [sys.executable, "main.py"]
    agent = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return agent, port
    agent.kill()
    raise AssertionError("the agent did not start")


def stop(agent):
    """Ask the agent to stop; its log lines are the answer."""
    agent.send_signal(signal.SIGTERM)
    output, _ = agent.communicate(timeout=15)
    return [json.loads(line) for line in output.splitlines()]


if __name__ == "__main__":
    unittest.main()

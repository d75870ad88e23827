"""Tests of the agent; run them with `python -m unittest`."""

import unittest

from agent import EXAMPLE, answer


class Test(unittest.TestCase):
    def test_only_web_addresses_are_watched(self):
        from agent import addresses

        self.assertEqual(
            addresses(" https://a.test, file:///etc/passwd ,http://b.test"),
            ["https://a.test", "http://b.test"],
        )

    def test_what_does_not_answer_is_down(self):
        from agent import check

        found = check("http://127.0.0.1:9/")
        self.assertEqual((found["up"], found["status"]), (False, None))

    def test_requests_cannot_name_addresses(self):
        with self.assertRaises(ValueError):
            answer({"url": "http://169.254.169.254/"})

    def test_example(self):
        self.assertFalse(answer(EXAMPLE)["all_up"])


if __name__ == "__main__":
    unittest.main()

"""Tests of the agent; run them with `python -m unittest`."""

import unittest

from agent import EXAMPLE, answer


class Test(unittest.TestCase):
    def test_claims_are_read_and_times_explained(self):
        found = answer(EXAMPLE)
        self.assertEqual(found["claims"]["sub"], "ada")
        self.assertEqual(found["times"]["expires"], "2023-11-14T22:13:20+00:00")
        self.assertTrue(found["expired"])
        self.assertFalse(found["verified"])

    def test_an_unsigned_token_is_said_to_be_one(self):
        self.assertTrue(answer({"token": "eyJhbGciOiJub25lIn0.e30."})["unsigned"])

    def test_nonsense_is_refused(self):
        for token in ("", "a.b", "a.b.c", "e30.W10.x", None, "é.é.é"):
            with self.assertRaises(ValueError):
                answer({"token": token})


if __name__ == "__main__":
    unittest.main()

"""Tests of the agent; run them with `python -m unittest`."""

import unittest

from agent import EXAMPLE, answer


class Test(unittest.TestCase):
    def test_each_kind_of_difference(self):
        kinds = [(c["path"], c["kind"]) for c in answer(EXAMPLE)["changes"]]
        self.assertEqual(kinds, [("/a", "changed"), ("/b/1", "removed"), ("/c", "added")])

    def test_equal_documents(self):
        self.assertTrue(answer({"before": {"x": [1]}, "after": {"x": [1]}})["equal"])

    def test_a_number_is_no_boolean(self):
        self.assertFalse(answer({"before": 1, "after": True})["equal"])

    def test_paths_are_json_pointers(self):
        found = answer({"before": {"a/b": 1}, "after": {}})["changes"]
        self.assertEqual(found[0]["path"], "/a~1b")

    def test_half_a_request_is_refused(self):
        with self.assertRaises(ValueError):
            answer({"before": 1})


if __name__ == "__main__":
    unittest.main()

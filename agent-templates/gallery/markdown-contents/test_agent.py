"""Tests of the agent; run them with `python -m unittest`."""

import unittest

from agent import EXAMPLE, answer


class Test(unittest.TestCase):
    def test_twins_get_anchors_of_their_own(self):
        anchors = [h["anchor"] for h in answer(EXAMPLE)["headings"]]
        self.assertEqual(anchors, ["guide", "set-up", "use-it", "set-up-1"])

    def test_code_has_no_headings(self):
        text = "# A\n```sh\n# not one\n```\n## B\n"
        self.assertEqual([h["title"] for h in answer({"markdown": text})["headings"]], ["A", "B"])

    def test_depth(self):
        self.assertEqual(len(answer({**EXAMPLE, "depth": 1})["headings"]), 1)

    def test_nothing_is_refused(self):
        for wrong in ({}, {"markdown": ""}, {"markdown": "# a", "depth": 9}):
            with self.assertRaises(ValueError):
                answer(wrong)


if __name__ == "__main__":
    unittest.main()

"""Tests of the agent; run them with `python -m unittest`."""

import unittest

from agent import EXAMPLE, answer


class Test(unittest.TestCase):
    def test_the_page_says_what_it_is(self):
        found = answer(EXAMPLE)
        self.assertEqual(found["title"], "Slipway")
        self.assertEqual(found["links"], ["https://example.com/docs"])

    def test_social_tags(self):
        found = answer({"html": '<meta property="og:image" content="x.png">'})
        self.assertEqual(found["social"], {"og:image": "x.png"})

    def test_scripts_are_no_links(self):
        found = answer({"html": '<a href="javascript:alert(1)">x</a>'})
        self.assertEqual(found["links"], [])

    def test_broken_html_is_read_as_far_as_it_goes(self):
        self.assertEqual(answer({"html": "<title>A</title><p"})["title"], "A")

    def test_nothing_is_refused(self):
        for wrong in ({}, {"html": ""}, {"html": "x", "base": 1}):
            with self.assertRaises(ValueError):
                answer(wrong)


if __name__ == "__main__":
    unittest.main()

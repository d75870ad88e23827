"""Tests of the agent; run them with `python -m unittest`."""

import unittest

from agent import EXAMPLE, answer


class Test(unittest.TestCase):
    def test_the_newest_comes_first(self):
        self.assertEqual(answer(EXAMPLE)["pages"][0]["url"], "https://example.com/new")

    def test_an_index_names_sitemaps(self):
        xml = "<sitemapindex><sitemap><loc>https://a/s.xml</loc></sitemap></sitemapindex>"
        self.assertEqual(answer({"xml": xml})["sitemaps"][0]["url"], "https://a/s.xml")

    def test_entities_are_read_and_others_are_not_expanded(self):
        xml = "<!DOCTYPE x [<!ENTITY e 'boom'>]><url><loc>https://a/?b=1&amp;c=&e;</loc></url>"
        self.assertEqual(answer({"xml": xml})["pages"][0]["url"], "https://a/?b=1&c=&e;")

    def test_nothing_is_refused(self):
        for wrong in ({}, {"xml": "text"}):
            with self.assertRaises(ValueError):
                answer(wrong)


if __name__ == "__main__":
    unittest.main()

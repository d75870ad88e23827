"""A person's way through the web app, in a real browser against a running local cloud."""

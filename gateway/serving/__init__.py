"""Runs the parts: a door on gunicorn, the courier, and all of them together with nginx."""

"""The doors: each a process of its own, with routes that raise and never build a refusal."""

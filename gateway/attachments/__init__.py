"""The second door: files for Sinch, Meta and phones; taken once from Motion, inspected, and served by token."""

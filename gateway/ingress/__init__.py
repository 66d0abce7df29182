"""The first door: Sinch's callbacks. Who proves to have sent them, what they are, and where they are committed."""

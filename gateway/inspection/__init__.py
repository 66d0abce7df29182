"""What a file is, by its bytes alone: a reader for each family, and libmagic's opinion beside them."""

"""What files are, what WhatsApp does with them, and where those that were inspected are kept."""

"""What Motion asks of Sinch: read and judged here, without going anywhere."""

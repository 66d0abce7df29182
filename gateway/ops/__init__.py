"""The office: what operators and their monitoring see, on an address of its own."""

"""A simulated Conversation API: what Motion calls at Sinch, the vendor's checks, its late failures, its reports.

What the vendor publishes is kept; where it is silent, the docstring beside the choice says that it is unconfirmed.
"""

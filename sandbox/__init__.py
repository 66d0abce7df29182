"""A simulated Sinch and a simulated Motion, to try the gateway on one machine and to judge it in tests.

1. Nothing here imports from `gateway`: a judge that shared code with the accused would share its mistakes.
2. What the vendors do not publish (retry intervals, timeouts, whether a retry is signed anew, what Motion answers) is
   a setting here, and the docstring beside it says that it is unconfirmed.
"""

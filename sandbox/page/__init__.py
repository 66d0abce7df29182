"""The sandbox to be looked at: a phone, an agent's desk, and the way in between, in a browser on this machine.

1. It shows what the simulators have heard and done, whoever made them: the commands and the page see one state.
2. Only this machine reaches it, by a name of this machine's, and only its own forms change anything.
3. It works without JavaScript; with it, it looks again by itself. Whatever a customer writes is shown as text.
"""

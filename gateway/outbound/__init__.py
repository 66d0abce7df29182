"""The third door: Motion's calls to Sinch. Checked, their media replaced by links of ours, limited, handed on.

`routes` is the way in, `sending` what becomes of a message, `files` what becomes of its media.
"""

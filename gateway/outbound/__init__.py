"""The third door: Motion's calls to Sinch. Checked, their media replaced by links of ours, limited, handed on.

`routes` is the way in and out, `allowed` says which calls pass, `forward` what becomes of them, `record` what is kept.
"""

"""Accepted events, durable: what was answered 200 is here until Motion has it.

`database` opens and writes, `schema` names the tables, `migrator` brings them up to date. Three
rooms work in them: `intake` for the door, `turns` for the courier, `records` for the operator.
"""

"""Accepted events, durable: what was answered 200 is here until Motion has it.

`database` opens and writes, `schema` names the tables, `migrator` brings them up to date. In them work `intake` for
the first door, `turns` for the courier, `sends` and `reports` for the third door, `records` and `erasure` for the
operator.
"""

"""What the gateway must not lose, in one database: accepted events, what is known of attachments, what was sent.

`engines` opens and writes, `schema` names the tables, `migrator` brings them up to date. The rooms keep their own part:
`ingress.intake`, `delivery.claims` and `records`, `attachments.register`, `outbound.record`.
"""

"""What the gateway must not lose, in one database: accepted events, what is known of attachments, what was sent.

`engines` reads and writes; `sqlite` is the engine, and `sqlite.sql` what every event runs on it; `schema` names the
tables, `migrations` brings them up to date. `retention` says what is kept for how long, `reports` what became of what
was sent. The rooms keep their own part: `ingress.intake`, `delivery.claims` and `records`, `attachments.register`,
`outbound.record`.
"""

# What an event can be.
PENDING = "pending"  # to be delivered; it waits for its lane's turn
DELIVERED = "delivered"
PARKED = "parked"  # given up; stays until somebody replays or purges it
REJECTED = "rejected"  # rightly signed, and still not believed: too old, or its nonce was used before
DUPLICATE = "duplicate"  # tells the same as an earlier event, in other bytes
STATES = (PENDING, DELIVERED, PARKED, REJECTED, DUPLICATE)

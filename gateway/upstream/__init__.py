"""The only place that opens connections: straight, or through the proxy that the settings name.

Rule 1. An upstream is one configured origin; neither a request nor an answer can name another:
        redirects are not followed, and neither the environment nor .netrc is asked. No cookie is kept.
Rule 2. An exchange has a total deadline. Whatever its socket does, from connecting to the last byte, it waits
        no longer than until then, so that a peer that drips bytes cannot hold us.
Rule 3. The request target goes out byte for byte as it was given.
Rule 4. Every failure is UpstreamUnreachable or UpstreamTimeout, in fixed words: the texts of the
        libraries below may hold addresses and tokens.
Rule 5. TLS trusts what the system trusts, or the pinned CA, or the one certificate that is known, and nothing else;
        never a list that a library brings.
Rule 6. A body that is handed on is proved whole: it has as many bytes as its head says, or its last chunk.
"""

from __future__ import annotations

from gateway.upstream.exchange import against_certificate
from gateway.upstream.origin import LONGEST_ANSWER_BYTES, Answer, Upstream
from gateway.upstream.sockets import proxy_of
from gateway.upstream.stream import Stream

__all__ = ["LONGEST_ANSWER_BYTES", "Answer", "Stream", "Upstream", "against_certificate", "proxy_of"]

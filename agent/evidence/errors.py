"""The root of all errors about evidence.

Every format has a small tree of its own below ``EvidenceError``, named after what went wrong for whoever holds
the evidence: *malformed* is for bytes that do not have the format's shape, *forged* for bytes that have it and
are not what a trusted key signed. A message says what is wrong and what to do next, since it is printed as it
stands. Whoever catches ``EvidenceError`` has caught all that a hostile input can cause in ``agent.evidence``.
"""


class EvidenceError(Exception):
    """Something that was handed in as evidence cannot be accepted; the message says why and what to do."""

"""The verifier: what a court's expert reads, and runs without trusting whoever made the recording.

``files``, ``spool`` and ``exported`` give facts; ``chain`` checks streams; ``session``, ``axis`` and ``accounting``
time; ``media`` the files; ``anchors`` what others vouch for. ``verdict`` gives four answers and ``words`` their
sentences; ``run`` puts them in order. It reads only, opens no connection, and shares nothing with the recorder but the
formats in ``agent.evidence``. Hostile input ends in a problem with its place, never in a traceback.
"""

from agent.verify.run import Options, Unusable, verify
from agent.verify.verdict import Verdict

__all__ = ["Options", "Unusable", "Verdict", "verify"]

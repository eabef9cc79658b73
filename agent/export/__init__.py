"""Handing out: a self-verifying folder of one session, and its media decrypted and joined.

``folder`` writes an export from a spool, whole or an excerpt; ``excerpt`` decides which entries and files that is;
``readme`` says in two languages how to check it with tools that are not ours; ``opening`` decrypts and joins. All of
it only reads the spool, so it works while a recorder is alive: it goes by the last checkpoint in the journal (R25:
originals are copied byte for byte, nothing is cut). No entry of another session is in an export.
"""

from agent.export.folder import ExportError, ExportRefused, ExportSummary, export_session
from agent.export.opening import OpenedFile, open_media

__all__ = ["ExportError", "ExportRefused", "ExportSummary", "OpenedFile", "export_session", "open_media"]

"""The demo: a device, a world and a store, all on this machine, and at the end a verdict.

``folder`` lays out what it leaves behind, ``device`` starts and ends the recorder's process as power and a service
manager would, ``script`` carries out the scenario's events, ``store`` is the other party (a process that alone holds
the identity and the mirror key), ``run`` puts them in order. Rules: every process is started by its command, as on a
real device; nothing is checked by the demo itself, it asks ``liuhen verify``; whatever happens, no process outlives it.
"""

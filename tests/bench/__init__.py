"""What the recorder costs, measured in one run: ``python -P -m tests.bench`` (``make bench``).

Each thing that is measured runs in a process of its own, so that its memory and its CPU are its own; what is compared
is repeated in turn and the least of the repetitions counts, because another process on the machine can only add.
``limits`` holds the numbers that must hold, the other modules one measurement each.
"""

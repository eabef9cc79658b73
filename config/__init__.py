"""The configuration of a device, the item lists that ship, and the rules over both: pure, imports nothing of ours."""

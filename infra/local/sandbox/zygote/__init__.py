"""The small, single-threaded program that starts sandboxes and reaches into their networks.

It runs apart from the platform for three reasons: only a process without threads may join another
user namespace; a sandbox that dies with its parent dies with the parent's *thread*; and starting
a program from a small process is quick. It imports the standard library and itself, nothing else.
"""

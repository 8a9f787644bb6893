"""A local page for people who do not type commands: verdicts computed again, suspects read, copies, traces, reports of audits.

From the bottom up: what may be dropped (``forms``, ``given``), what is shown (``pages``), what is done with it in a process of
its own (``work``, ``worker``), those processes (``tasks``), how files get in (``dropped``), who is let in (``gate``), and the
addresses (``app``, ``serving``). The first four load without the web framework, which the extra ``desk`` brings.
"""

"""What the start of a command costs: processor time of whole processes, on 3,000 rows and 8 LFs.

The peer is the build before, where ``run.py --against`` names one; a process of Python that does
nothing takes about 0.01 s.
"""

from __future__ import annotations

from bench_builds import before

TABLE = "3,000 rows x 8 LFs"
for words, limit_s in (("help", 0.4), ("train-help", 0.4)):
    before(f"start-{words}", "fresh process", memory_goal=None, limit_s=limit_s)
for words, limit_s in (("apply", 1.5), ("analyze", 1.5)):
    before(f"start-{words}", TABLE, memory_goal=None, limit_s=limit_s)
for words in ("label", "next", "predict"):
    before(f"start-{words}", TABLE, memory_goal=None)

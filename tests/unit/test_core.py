"""The core is usable where torch is not: a judge needs no deep-learning framework to recompute the numbers."""

import subprocess
import sys

CORE = "canonical commitment draw errors evidence files hashing interface keyfile naming options recipe secret stats"


def test_the_core_imports_no_torch() -> None:
    modules = ", ".join(f"modelmark.{name}" for name in (*CORE.split(), "schemes._triggers", "schemes._projection"))
    subprocess.run([sys.executable, "-c", f"import {modules}, sys; assert 'torch' not in sys.modules"], check=True)

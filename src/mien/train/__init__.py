"""Training: from a recipe and a folder of faces to weights.

torch's OpenMP threads wait for their next layer awake unless told otherwise before torch loads.
Beside one other busy process each then waits for threads that only pretend to work, and training
was seen 6 to 9 times slower. Set here, since every module that imports torch lies below.
"""

from __future__ import annotations

import os

WAITING = {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}
"""How OpenMP's threads (GNU's; LLVM's and Intel's) wait: asleep. What a user has set stays."""

for _name, _value in WAITING.items():
    os.environ.setdefault(_name, _value)

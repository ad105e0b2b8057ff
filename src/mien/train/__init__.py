"""Training: from a recipe and a folder of faces to weights.

torch's OpenMP threads wait for their next layer awake unless told otherwise before torch loads.
Beside one other busy process each then waits for threads that only pretend to work, and training
was seen 6 to 9 times slower. Threads that sleep at once are slow to wake in networks of many small
layers. Set here, since every module that imports torch lies below.
"""

from __future__ import annotations

import os

WAITING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "400", "KMP_BLOCKTIME": "0"}
"""How OpenMP's threads wait: GNU's sleep after some microseconds, LLVM's and Intel's at once.

What a user has set stays.
"""

for _name, _value in WAITING.items():
    os.environ.setdefault(_name, _value)

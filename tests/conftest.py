"""One thread a process: results do not depend on the cores, and beside other work threads wait for each other."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

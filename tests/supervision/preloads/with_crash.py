"""A module whose C code crashes."""

import os
import signal

os.kill(os.getpid(), signal.SIGSEGV)

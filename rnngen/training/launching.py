"""Several processes that train one model are started by torch's own elastic launcher.

``torchrun`` does it for any number of machines, and ``launch`` for this one. Nothing here imports torch
before it is needed.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from threading import Thread
from typing import Any

from rnngen.errors import INTERRUPTED, RnngenError

RUN = "rnngen"
"""What the runs that ``launch`` starts are called, before the number of its process."""
GRACE = "120"
"""Seconds that processes get to finish a step and save, once they are asked to end."""


def launched() -> bool:
    """Return whether this is one of several processes that torch's launcher started."""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def first() -> bool:
    """Return whether this process writes and reports: it is the first of several, or the only one."""
    return not launched() or os.environ.get("RANK") == "0"


def restarted() -> bool:
    """Return whether the launcher has restarted this process after a failure, to go on with the run."""
    return launched() and int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def end_with_launcher() -> None:
    """Let this process end, as SIGTERM asks it to, once the launcher that started it is no more."""
    name, _, number = os.environ.get("TORCHELASTIC_RUN_ID", "").partition("-")
    launcher = int(number) if name == RUN and number.isdigit() else os.getppid()

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=watch, daemon=True).start()


def launch(count: int, arguments: Sequence[str]) -> int:
    """Run ``python -m rnngen`` in several processes on this machine, and wait for them.

    The first writes to this process's stdout and stderr. Without ``OMP_NUM_THREADS`` in the environment they
    share the cores.

    Returns:
        The exit status.

    Raises:
        RnngenError: if one was ended from outside.
    """
    import logging

    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // count)))
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", GRACE)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=f"{RUN}-{os.getpid()}",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
        monitor_interval=0.1,
    )
    logging.disable()  # what matters is reported here
    try:
        elastic_launch(config, sys.executable)("-m", "rnngen", *arguments)
    except SignalException:
        return INTERRUPTED
    except ChildFailedError as error:
        return _status(error.failures, count)
    finally:
        logging.disable(logging.NOTSET)
    return 0


def _status(failures: Any, count: int) -> int:
    """Return the status of the process that failed by itself and reported why; the others were ended then."""
    statuses = {rank: failure.exitcode for rank, failure in failures.items()}
    rank = min(statuses, key=lambda rank: (statuses[rank] == -signal.SIGTERM, statuses[rank] > 0, rank))
    if statuses[rank] > 0:
        return int(statuses[rank])
    raise RnngenError(
        f"process {rank} of {count} was ended by signal {-statuses[rank]}, and the others with it; the last "
        "saved state is kept, and --resume goes on from it"
    )

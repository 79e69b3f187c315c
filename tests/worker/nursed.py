"""Run by a test as a worker would be: lanes out of the nursery, and what is seen of them, as JSON.

The database is away, so that a lane that is left alone waits for it.
"""

import json
import os
import signal
import sys
import time
from typing import Any

import psutil

from worker.children import Child


def lane() -> Child:
    return Child("worker.lane", "swp_none", "tune@here")


def look(child: Child) -> dict[str, Any]:
    process = psutil.Process(child.pid)
    while "worker.lane" not in (command := " ".join(process.cmdline()).split()):
        time.sleep(0.01)
    return {
        "command": command, "var": process.environ()["LAYERTUNE_VAR"],
        "leads": os.getsid(child.pid) == child.pid, "server": process.ppid(),
        "threads": psutil.Process(process.ppid()).num_threads(),
    }  # fmt: skip


def main() -> None:
    first = lane()
    told: dict[str, Any] = {"first": look(first), "torch": "torch" in sys.modules}
    told["waits"] = first.wait(0.2)
    first.kill()
    told["killed"] = first.wait(20)
    second = lane()
    told["second"] = look(second)
    second.close()  # as the kernel does when a worker dies
    told["left"] = second.wait(20)
    third = lane()
    os.kill(told["first"]["server"], signal.SIGKILL)
    told["abandoned"] = third.wait(20)
    psutil.wait_procs([psutil.Process(third.pid)] if psutil.pid_exists(third.pid) else [], 20)
    told["alive"] = psutil.pid_exists(third.pid)
    fourth = lane()
    told["fourth"] = look(fourth)
    fourth.kill()
    fourth.wait(20)
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()

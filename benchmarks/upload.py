"""Does the API's memory grow with an archive? One JSON line.

`python -m benchmarks.upload [--gigabytes 10]`: starts the embedded stack in a temporary folder (it
needs that much free disk), uploads an archive of zeros and watches the API process's memory. The
archive is refused afterwards by the check, as zeros are no zip: the road there is what is measured.
"""

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

from app.cli.demo import service

BLOCK = bytes(2**20)
BOUNDARY = "layertune-benchmark"


def body(size: int) -> Iterator[bytes]:
    """A multipart form: the task, a name, and `size` bytes of archive."""
    for name, text in (("task", "classification"), ("name", "zeros")):
        yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
        yield f"{text}\r\n".encode()
    head = 'Content-Disposition: form-data; name="archive"; filename="zeros.zip"'
    yield f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode()
    for _ in range(size // len(BLOCK)):
        yield BLOCK
    yield f"\r\n--{BOUNDARY}--\r\n".encode()


def api_of(pid: int) -> psutil.Process:
    family = psutil.Process(pid).children(recursive=True)
    return next(process for process in family if "uvicorn" in " ".join(process.cmdline()))


def watch(process: psutil.Process, done: threading.Event, seen: list[int]) -> None:
    while not done.wait(0.05):
        seen.append(process.memory_info().rss)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=10)
    size = int(parser.parse_args().gigabytes * 2**30)
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        with service(state / "var", state / "up.log", keep=False) as (url, key, pid):
            seen, done = [api_of(pid).memory_info().rss], threading.Event()
            watcher = threading.Thread(target=watch, args=(api_of(pid), done, seen))
            watcher.start()
            start = time.perf_counter()
            reply = httpx.post(
                f"{url}/v1/datasets", content=body(size), timeout=3600,
                headers={"Authorization": f"Bearer {key}",
                         "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
            )  # fmt: skip
            seconds = time.perf_counter() - start
            done.set()
            watcher.join()
    grown = (max(seen) - seen[0]) / 2**20
    found = {"benchmark": "upload", "bytes": size, "status": reply.status_code,
             "seconds": round(seconds, 1), "grown_mb": round(grown, 1),
             "before_mb": round(seen[0] / 2**20, 1)}  # fmt: skip
    print(json.dumps(found))


if __name__ == "__main__":
    main()

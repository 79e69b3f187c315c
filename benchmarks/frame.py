"""How long one image, and a video, take through a running service; one JSON line.

    python -m benchmarks.frame polyp --image frame.jpg --video film.mp4

The service is the one at --url with the key in --key-file (`./run up` leaves both where the
defaults look), and a model of the task must be deployed. An image's time is the client's, over one
open connection; a video's is from the upload's first byte until the prediction has ended.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path
from statistics import median

import httpx

WARM_UP, TIMES = 5, 60


def image_ms(client: httpx.Client, path: str, image: Path) -> dict[str, float]:
    """Median and 95th percentile of TIMES requests, and what the service itself counted."""
    content, took, counted = image.read_bytes(), [], []
    for k in range(WARM_UP + TIMES):
        start = time.perf_counter()
        reply = client.post(path, files={"file": (image.name, content)})
        reply.raise_for_status()
        if k >= WARM_UP:
            took.append((time.perf_counter() - start) * 1e3)
            counted.append(float(reply.json()["milliseconds"]))
    ordered = sorted(took)
    return {"median_ms": round(median(took), 2), "p95_ms": round(ordered[int(0.95 * TIMES)], 2),
            "counted_median_ms": round(median(counted), 2)}  # fmt: skip


def video_s(client: httpx.Client, path: str, video: Path, stride: str | None) -> dict[str, object]:
    start = time.perf_counter()
    with video.open("rb") as file:
        data = {} if stride is None else {"stride": stride}
        reply = client.post(path, files={"file": (video.name, file)}, data=data)
    reply.raise_for_status()
    where = reply.headers["location"]
    while True:
        found = client.get(where, params={"wait_s": 10}).raise_for_status().json()
        if found["state"] not in ("queued", "running"):
            break
    seconds = time.perf_counter() - start
    facts = {name: found["input"].get(name) for name in ("frames", "duration_s")}
    return {"state": found["state"], "seconds": round(seconds, 1), "stride": stride, **facts}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("task")
    parser.add_argument("--image", type=Path)
    parser.add_argument("--video", type=Path)
    parser.add_argument("--stride")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--key-file", type=Path, default=Path("var/admin.key"))
    given = parser.parse_args()
    key = given.key_file.read_text().strip()
    found: dict[str, object] = {"benchmark": "frame", "task": given.task}
    with httpx.Client(
        base_url=given.url, headers={"Authorization": f"Bearer {key}"}, timeout=600
    ) as client:
        path = f"/v1/predictions/{given.task}"
        if given.image:
            found["image"] = image_ms(client, path, given.image)
        if given.video:
            found["video"] = video_s(client, path, given.video, given.stride)
    print(json.dumps({**found, "cores": os.cpu_count(), "machine": platform.machine()}))


if __name__ == "__main__":
    main()

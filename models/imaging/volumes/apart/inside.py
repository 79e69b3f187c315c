"""`python -m models.imaging.volumes.apart.inside JOB`: what runs in a volume's cell.

Foreign bytes are read here: archives, DICOM and its compressed pixels, NIfTI. See
models.imaging.confined.
"""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.imaging.confined import Say, be_silent, serve
from models.imaging.volumes.apart.cell import Limits
from models.imaging.volumes.opening import open_volume
from models.imaging.volumes.stored import pack_volume
from models.volume import VolumeError


def main() -> int:
    be_silent()
    return serve(Limits, read, VolumeError)


def read(job: Mapping[str, Any], limits: Limits, say: Say) -> None:
    """Writes the packed volume; says how far it is, and what the packed form leaves out."""
    done = 0
    packed = Path(job["packed"])
    tempfile.tempdir = str(packed.parent)  # it is swept, whatever becomes of this process

    def tell(stage: str) -> None:  # noqa: ARG001 - there is but one
        nonlocal done
        done += 1
        say({"done": done})

    volume = open_volume(Path(job["path"]), job["series_uid"], tell, voxels_max=limits.voxels_max)
    if volume.voxels.size > limits.voxels_max:
        shape = " x ".join(str(side) for side in volume.voxels.shape)
        raise VolumeError("too_large", f"{shape} voxels; at most {limits.voxels_max:,} are read")
    packed.write_bytes(pack_volume(volume))
    say(
        {
            "ended": {
                "source": volume.source,
                "series_uid": volume.series_uid,
                "sop_uids": volume.sop_uids,
                "notes": volume.notes,
            }
        }
    )


if __name__ == "__main__":
    sys.exit(main())

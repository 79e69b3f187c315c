"""Settings: typed, flat, read once from LAYERTUNE_* and stopped at the border of app and worker."""

import hashlib
import os
import tempfile
from functools import cache
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

SOCKET_NAME_MAX = 100


class Settings(BaseSettings):
    """Every setting of the service. The embedded default needs none of them."""

    model_config = SettingsConfigDict(env_prefix="LAYERTUNE_", env_file=None, extra="ignore")

    host: str = Field("127.0.0.1", description="Address the API listens on")
    port: int = Field(8000, ge=0, le=65535, description="Port the API listens on")
    var: Path = Field(Path("var"), description="Folder of the embedded stack's state")
    workers: int = Field(1, ge=0, le=64, description="Tuning workers that `up` starts")
    allowed_hosts: str = Field(
        "",
        description="Names the API answers to, comma-separated; `*`: any; empty: addresses, and "
        "names without a dot",
    )
    database_url: str = Field(
        "", repr=False, description="SQLAlchemy URL; empty: SQLite below `var`"
    )
    broker_url: str = Field(
        "", repr=False, description="Redis URL; empty: Valkey below `var`, by unix socket"
    )
    storage_url: str = Field("", description="file:///… or s3://bucket/prefix; empty: below `var`")
    s3_endpoint_url: str = Field("", description="Endpoint of an S3-compatible store")
    weights: Path = Field(Path("weights"), description="Folder of pre-trained weights")
    admin_key: str = Field(
        "", repr=False, description="Admin key made on first start; empty: a random one"
    )
    pseudonym_key: str = Field(
        "", repr=False, description="Secret of the keyed hashes that stand for names; empty: made"
    )
    lease_s: float = Field(30, gt=0, description="A claim without progress so long is given up")
    reconcile_s: float = Field(15, gt=0, description="How often table and queue are compared")
    grace_s: float = Field(15, gt=0, description="Time a lane has to stop before it is killed")
    ring_again_s: float = Field(300, gt=0, description="A queued row is rung again after so long")
    archive_max_bytes: int = Field(20 * 2**30, gt=0, description="Largest archive")
    prediction_max_bytes: int = Field(2 * 2**30, gt=0, description="Largest prediction file")
    member_max_bytes: int = Field(
        2 * 2**30, gt=0, description="Largest file in an archive, unpacked"
    )
    unpacked_max_bytes: int = Field(100 * 2**30, gt=0, description="Largest archive, unpacked")
    members_max: int = Field(1_000_000, gt=0, description="Most files in an archive")
    image_max_pixels: int = Field(100_000_000, gt=0, description="Largest image, width x height")
    check_memory_bytes: int = Field(
        8 * 2**30, ge=2**24, description="Memory that the check of an upload may take"
    )
    video_max_s: float = Field(3 * 3600, gt=0, description="Longest video, seconds of film")
    video_frame_max_pixels: int = Field(
        4096 * 2304, gt=0, description="Largest frame of a video, width x height"
    )
    video_frames_max: int = Field(60_000, gt=0, description="Most frames read of one video")
    video_memory_bytes: int = Field(
        2 * 2**30, ge=2**29, description="Memory that the decoder of a video may take"
    )
    volume_max_voxels: int = Field(2**28, gt=0, description="Largest volume, voxels")
    volume_memory_bytes: int = Field(
        3 * 2**30, ge=2**29, description="Memory that the reader of a volume may take"
    )
    volume_kept_max_bytes: int = Field(
        2**29, ge=0, description="Largest volume, packed, that is kept to show its slices"
    )
    outputs_kept_s: float = Field(
        30 * 86_400,
        gt=0,
        description="How long pictures, films and volumes of predictions are kept",
    )
    findings_kept_s: float = Field(
        0, ge=0, description="How long answered predictions are kept in the database; 0: for good"
    )
    disk_floor_bytes: int = Field(1 * 2**30, ge=0, description="Free disk below which uploads stop")
    cache_max_bytes: int = Field(20 * 2**30, gt=0, description="Disk for patch sets and caches")
    threads: int = Field(0, ge=0, description="Threads of a tuning lane; 0: all cores")
    rate_per_s: float = Field(1000, gt=0, description="Requests per second a key may make")
    log_level: str = Field("INFO", description="Least severe log line written")

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.var.absolute() / 'layertune.db'}"

    @property
    def broker(self) -> str:
        return self.broker_url or f"redis+socket://{self.valkey_socket}"

    @property
    def valkey_socket(self) -> Path:
        """Where the embedded Valkey listens; the name of a socket may have some 100 bytes only."""
        path = self.var.absolute() / "valkey.sock"
        if len(os.fsencode(path)) <= SOCKET_NAME_MAX:
            return path
        name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"layertune-{os.getuid()}-{name}" / "valkey.sock"

    @property
    def storage(self) -> str:
        return self.storage_url or f"file://{self.var.absolute() / 'files'}"

    @property
    def scratch(self) -> Path:
        """Folder of patch sets, prefix caches and downloaded objects: losing it loses nothing."""
        return self.var.absolute() / "cache"


@cache
def settings() -> Settings:
    """The process's settings, read from the environment at first use."""
    return Settings()

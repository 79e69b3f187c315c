"""Archives by themselves, and the small texts that lie in them."""

import gzip
import zipfile
from pathlib import Path

import zstandard
from hypothesis import strategies as st

from models.door.archive import CorruptMemberError, open_archive
from models.door.coco_table import read_coco
from models.door.lines.calibration import CalibrationError, read_calibration
from models.door.lines.cells import CellError, read_line
from models.door.lines.profile import ProfileError, read_profile
from models.door.member import Limits
from models.ledger import RejectedError
from tests.fuzz.mutations import foreign, hurt
from tests.fuzz.reading import Reader
from tests.models.ingest import uploads

FILES = {"a/1.png": uploads.picture(1), "b/\u00fc.txt": b"text " * 40, "metadata.csv": b"x,y\n1,2"}
TAR = uploads.tarred(FILES)
SAMPLES = (
    uploads.zipped(FILES), uploads.zipped(FILES, zipfile.ZIP_STORED), TAR,
    gzip.compress(TAR, 1, mtime=0), zstandard.ZstdCompressor().compress(TAR),
    uploads.tarred({"long/" * 30 + "name": b"1"}),
)  # fmt: skip
LINES = (b"10 20.5\n11 20.7\n12 21\n", b"10 11 12 13\n20 20.5 21 21.5\n", b"x;y\n1,5;2,5\n2,5;3\n",
         b"# remark\n1\t2\n3\tNaN\n4\t5\n")  # fmt: skip
CELLS = (b"1 2; 3 4; 5 6", b"[[1, 2], [3, 4]]", b"[[1, 2, 3], [4, 5, 6]]", b"1 2 3 4 5 6")
COCO = (
    b'{"images": [{"id": 1, "file_name": "a.png", "width": 9, "height": 9}], "categories": '
    b'[{"id": 1, "name": "polyp"}], "annotations": [{"id": 1, "image_id": 1, "category_id": 1, '
    b'"bbox": [1, 2, 3, 4], "segmentation": [[1, 1, 5, 1, 5, 5]], "iscrowd": 0}]}',
    b'{"images": [{"id": "1", "file_name": "a.png"}], "annotations": [{"image_id": 1, '
    b'"segmentation": {"size": [9, 9], "counts": "04d0"}}]}',
)


def readers(folder: Path) -> dict[str, Reader]:
    path = folder / "archive"
    limits = Limits(member_max_bytes=2**24, unpacked_max_bytes=2**26, members_max=1000)

    def archive(data: bytes) -> None:
        path.write_bytes(data)
        with open_archive(path, limits, folder) as opened:
            for name in opened.names:
                opened.read(name)

    def cell(data: bytes) -> None:
        read_line(data.decode("utf-8", "replace"))

    numbers = st.one_of(
        foreign(LINES), st.text("0123456789.,;- \n\teENa", max_size=60).map(str.encode)
    )
    return {
        "archive": Reader(foreign(SAMPLES), archive, (RejectedError, CorruptMemberError), 500),
        "profile": Reader(numbers, read_profile, (ProfileError,), 300),
        "calibration": Reader(
            st.one_of(foreign((b"0.060000\n", b"0,06")), numbers), read_calibration,
            (CalibrationError,), 200,
        ),
        "wall_cell": Reader(foreign(CELLS), cell, (CellError,), 300),
        "coco": Reader(hurt(COCO), read_coco, (ValueError,), 400),
    }  # fmt: skip

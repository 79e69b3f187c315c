"""Which container a file is, told by its first bytes; nothing is decoded for it."""

HEAD_BYTES = 12  # what has to be seen of a file

# The atoms that a QuickTime file (mp4, m4v, mov) may begin with.
_ATOMS = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
# An ftyp of these brands is a still image that borrows the container: HEIF, AVIF.
_STILLS = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis"})


def still(head: bytes) -> bool:
    """Whether it is a HEIF image."""
    return head[4:8] == b"ftyp" and head[8:12] in _STILLS


def container_of(head: bytes) -> str | None:
    """FFmpeg's name of the container: mov (mp4, m4v, mov), avi or matroska (mkv, webm); None for
    anything else.
    """
    if head[4:8] in _ATOMS and not still(head):
        return "mov"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"
    return None

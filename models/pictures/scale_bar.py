"""A bar of a round length in a corner of an image: how long a millimetre or 100 pixels are."""

from PIL import Image, ImageDraw

from models.pictures.look import Shown, font

SHARE = 0.25  # of the image's width, at most
ROUND = (1, 2, 5)
LETTERS, INSET, TICK = 13, 10, 4
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def draw(image: Image.Image, shown: Shown, pixel_mm: float | None) -> None:
    """Draws it into the image as shown; `pixel_mm` from column to column, None: in pixels."""
    unit, per_unit = ("px", 1.0) if pixel_mm is None else ("mm", 1.0 / pixel_mm)
    per_unit *= shown.scale[0]
    length = _length(image.width * SHARE / per_unit)
    if length is None:
        return
    long = round(length * per_unit)
    x1, y = image.width - INSET, image.height - INSET
    x0 = x1 - long
    pen = ImageDraw.Draw(image)
    for ink, wider in ((BLACK, 1), (WHITE, 0)):
        pen.rectangle((x0 - wider, y - 1 - wider, x1 + wider, y + wider), fill=ink)
        for x in (x0, x1):
            pen.rectangle((x - wider, y - TICK - wider, x + wider, y + TICK - 1 + wider), fill=ink)
    pen.text(
        ((x0 + x1) // 2, y - TICK - 2), f"{length:g} {unit}", WHITE, font(LETTERS),
        anchor="md", stroke_width=2, stroke_fill=BLACK,
    )  # fmt: skip


def _length(most: float) -> float | None:
    """The largest round length up to `most`: 1, 2 or 5 times a power of ten from 0.1 to 1000."""
    lengths = [factor * power for power in (0.1, 1.0, 10.0, 100.0, 1000.0) for factor in ROUND]
    fitting = [length for length in lengths if length <= most]
    return max(fitting) if fitting else None

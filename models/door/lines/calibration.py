"""The calibration file of a CUBS image: one number, millimetres per pixel."""

from models.door.lines.numbers import NumbersError, read_rows
from models.imaging.ultrasound import SPACING_MM

HOW = "a CF file holds one number, the millimetres of a pixel, as 0.06"


class CalibrationError(Exception):
    """A file that tells no size of a pixel; the message says why."""


def read_calibration(data: bytes) -> float:
    """Millimetres per pixel, of rows and columns alike. Raises CalibrationError."""
    if b"." not in data and data.count(b",") == 1:  # alone in its file a number has no other use
        data = data.replace(b",", b".")
    try:
        rows = read_rows(data)
    except NumbersError as error:
        raise CalibrationError(f"{error}; {HOW}") from error
    numbers = [number for row in rows for number in row]
    if len(numbers) != 1:
        raise CalibrationError(f"{len(numbers) or 'no'} numbers in the file; {HOW}")
    low, high = SPACING_MM
    if not low <= numbers[0] <= high:
        raise CalibrationError(
            f"{numbers[0]:g} mm a pixel, and ultrasound has {low:g} to {high:g}; {HOW}"
        )
    return numbers[0]

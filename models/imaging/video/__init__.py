"""Videos: told by their first bytes, judged by their header, read frame by frame in a cell.

`kinds` and `terms` are plain words. `reading` and `marking` decode and encode (PyAV) and are only
ever run by `inside`, a confined process; `cell` is how the rest of the program speaks with it.
"""

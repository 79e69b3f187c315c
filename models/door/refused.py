"""What is thrown at the door for one file, to leave its case out and go on with the next."""


class RefusedError(Exception):
    """`file` cannot be used; `code` is stable, `detail` for people, with the way out."""

    def __init__(self, file: str, code: str, detail: str) -> None:
        super().__init__(code)
        self.file = file
        self.code = code
        self.detail = detail

"""The hands: a thin Celery worker that never imports torch, and the processes it starts."""

import os

# Celery renames its process where it can, and reads this when it is imported. Whoever looks for a
# worker, people and our own pid files, looks for the command that started it.
os.environ.setdefault("NOSETPS", "1")

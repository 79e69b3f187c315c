"""The hands: a thin Celery worker that never imports torch, and the processes it starts."""

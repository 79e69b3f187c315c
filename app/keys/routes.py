"""Routes of keys, filled in below."""

from fastapi import APIRouter

router = APIRouter()

import pytest
from fastapi import FastAPI

from app.main import create_app
from app.settings import Settings
from tests.unit.app.edge import MAX_BODY


@pytest.fixture(scope="session")
def app() -> FastAPI:
    """One application for all, since it holds nothing but the edge that each test gives it."""
    return create_app(Settings.load(max_body_bytes=MAX_BODY))

import onnxruntime
import pytest

from mien.infer import session


@pytest.fixture
def gpu(monkeypatch):
    known = [session.GPU, session.CPU]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: known)
    monkeypatch.delenv("MIEN_DEVICE", raising=False)


def test_a_gpu_is_used_where_there_is_one(gpu):
    assert session.providers() == [session.GPU, session.CPU]


def test_the_environment_keeps_to_the_cpu(gpu, monkeypatch):
    monkeypatch.setenv("MIEN_DEVICE", "CPU")
    assert session.providers() == [session.CPU]


def test_without_a_gpu_it_is_the_cpu(monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [session.CPU, "Other"])
    assert session.providers() == [session.CPU]

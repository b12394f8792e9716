"""What is said of a path that is no model folder."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rabbithole import Model
from rabbithole.errors import UserError
from rabbithole.serving.folder import load_folder
from rabbithole.serving.guard import Limits
from rabbithole.serving.server import make_app


def serve(path: Path) -> object:
    """Start to serve the folder."""
    return make_app({"shop": path}, Limits(body_bytes=1, requests_per_second=None, sessions=1))


@pytest.mark.parametrize("use", [load_folder, Model.load, serve])
def test_a_path_that_is_no_model_folder_is_refused_with_the_reason(
    use: Callable[[Path], object], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "shop" / "model").mkdir(parents=True)
    (tmp_path / "shop" / "model" / "manifest.json").touch()
    reasons = {
        "none": f"There is no folder {tmp_path / 'none'}. A run writes its best model to ",
        "file": "is a file, but a model is a folder.",
        "empty": "is no model folder: it has no manifest.json.",
        "shop": f"Did you mean {tmp_path / 'shop' / 'model'}?",
    }
    for name, reason in reasons.items():
        with pytest.raises(UserError) as caught:
            use(tmp_path / name)
        assert reason in str(caught.value)

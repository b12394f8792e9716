"""Fetch the real logs from Kaggle, with kagglehub."""

import contextlib
import os
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

from rabbithole.errors import UserError
from rabbithole.ingest.locate import locate

KAGGLE_NAMES = {
    "retailrocket": "retailrocket/ecommerce-dataset",
    "yoochoose": "chadgostopp/recsys-challenge-2015",
}
"""Kaggle's name of each log, by the log's format."""


NO_CONNECTION = "this machine has no connection to Kaggle (is it offline, or behind a proxy?)"


def fetch_log(name: str, folder: Path) -> Path:
    """Download a log to `folder` and return the folder that holds its files: `folder`, or one inside it.

    name: a key of `KAGGLE_NAMES`. A log that is there already is not downloaded again. An interrupted
    download continues from a hidden folder beside `folder`. Raises `UserError` if kagglehub is not installed,
    the download fails, or `folder` holds other files.
    """
    if place := _place(name, folder):
        return place
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            f"{folder} exists and does not hold the files of {name}: name another folder, or empty this one."
        )
    partial = folder.absolute().with_name(f".{folder.absolute().name}.partial")
    downloaded = _download(KAGGLE_NAMES[name], partial)
    if _place(name, downloaded) is None:
        names = sorted(path.name for path in downloaded.rglob("*") if path.is_file())
        raise UserError(
            f"Kaggle's data set {KAGGLE_NAMES[name]} does not hold the files of {name}. It holds: "
            f"{', '.join(names[:10])}. They are in {downloaded}."
        )
    downloaded.rename(folder)
    shutil.rmtree(partial)
    place = _place(name, folder)
    assert place is not None
    return place


def _place(name: str, folder: Path) -> Path | None:
    """Return the folder that holds a log's files: `folder`, or one inside it (two levels); None: neither."""
    for place in (folder, *sorted(folder.glob("*/")), *sorted(folder.glob("*/*/"))):
        with contextlib.suppress(UserError):
            locate(name, place)
            return place
    return None


def _download(dataset: str, cache: Path) -> Path:
    """Download and unpack a data set below `cache`; return its folder. Messages go to standard error."""
    os.environ["KAGGLEHUB_CACHE"] = str(cache)
    # kagglehub logs to the standard output that it finds when it is imported.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            import kagglehub
            import requests
            from kagglehub.exceptions import DataCorruptionError
        except ModuleNotFoundError:
            raise UserError(
                "`rabbithole fetch` needs kagglehub, which is not installed: pip install kagglehub. Or "
                f"download Kaggle's data set {dataset} with a browser, and unpack it."
            ) from None
        try:
            return Path(kagglehub.dataset_download(dataset))
        # requests' errors are OSErrors.
        except (OSError, ValueError, DataCorruptionError, zipfile.BadZipFile, tarfile.TarError) as error:
            why = NO_CONNECTION if isinstance(error, requests.ConnectionError) else str(error)
            raise UserError(
                f"Kaggle's data set {dataset} could not be downloaded: {why}. Repeat the command to go on; "
                "or download it with a browser, and unpack it."
            ) from error

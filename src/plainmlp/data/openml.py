"""OpenML: data sets by their number, fetched and cached through scikit-learn."""

import os
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from plainmlp.system.errors import InputError

if TYPE_CHECKING:
    from sklearn.utils import Bunch

ADDRESS_VARIABLE = "PLAINMLP_OPENML_URL"
SECONDS_PER_ANSWER = 20.0
NO_SUCH_DATA_SET = 412  # OpenML's own use of this HTTP status, which scikit-learn turns into words


def fetch_openml_dataset(data_id: int, **options: Any) -> "Bunch":
    """Fetch a data set from OpenML, or from the cache that scikit-learn keeps.

    Notes
    -----
    The environment variable SCIKIT_LEARN_DATA says where the cache is. PLAINMLP_OPENML_URL replaces the scheme
    and host of every address of openml.org, for a mirror: ``http://127.0.0.1:8000``.
    """
    from sklearn.datasets import fetch_openml

    try:
        with _openml_address(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Invalid cache, redownloading")
            return fetch_openml(data_id=data_id, **options)
    except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
    message = f"OpenML data set {data_id} cannot be fetched: {reason}"
    raise InputError(message)


class _OpenMLOpener(urllib.request.OpenerDirector):
    """Open addresses as urllib does, but through the mirror, with a time limit and with a clear last word."""

    def __init__(self) -> None:
        super().__init__()
        for handler in urllib.request.build_opener().handlers:  # type: ignore[attr-defined]
            self.add_handler(handler)

    def open(self, fullurl: Any, data: Any = None, timeout: float | None = None) -> Any:
        """Open an address; what fails there is final, so that scikit-learn does not wait and try it again."""
        request = fullurl if isinstance(fullurl, urllib.request.Request) else urllib.request.Request(fullurl)  # noqa: S310 - a caller's own address
        request.full_url = _mirrored(request.full_url)
        try:
            return super().open(request, data, SECONDS_PER_ANSWER)
        except HTTPError as error:
            if error.code == NO_SUCH_DATA_SET:
                raise
            error.close()
            message = f"OpenML answered {error.code} {error.reason} to {request.full_url}"
        except (URLError, TimeoutError) as error:
            message = (
                f"OpenML cannot be reached: {request.full_url} ({getattr(error, 'reason', error)}); check the network "
                "(for mnist, dataset.path may name a folder of IDX files instead)"
            )
        raise InputError(message)


@contextmanager
def _openml_address() -> Iterator[None]:
    urllib.request.install_opener(_OpenMLOpener())
    try:
        yield
    finally:
        urllib.request.install_opener(None)


def _mirrored(address: str) -> str:
    """Return the address at the mirror, where there is one and the address is OpenML's."""
    parts = urlsplit(address)
    mirror = os.environ.get(ADDRESS_VARIABLE)
    if not mirror or not f".{parts.hostname}".endswith(".openml.org"):
        return address
    scheme, host = urlsplit(mirror)[:2]
    if scheme not in {"http", "https"} or not host:
        message = f"{ADDRESS_VARIABLE}={mirror!r} is no address (allowed: http:// or https:// and a host)"
        raise InputError(message)
    return parts._replace(scheme=scheme, netloc=host).geturl()

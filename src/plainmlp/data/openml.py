"""OpenML: data sets by their number, fetched and cached through scikit-learn."""

import socket
import warnings
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError

from plainmlp.system.errors import InputError
from plainmlp.system.wording import reason

if TYPE_CHECKING:
    from sklearn.utils import Bunch

SECONDS_PER_ANSWER = 10.0
NETWORK_ERROR = "A network error occurred"  # scikit-learn's warning, before it waits and asks again three times


def fetch_openml_dataset(data_id: int, **options: Any) -> "Bunch":
    """Fetch a data set from OpenML, or from the cache in the folder that the variable SCIKIT_LEARN_DATA names.

    `sklearn.datasets.fetch_openml` describes the options.
    """
    from sklearn.datasets import fetch_openml

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SECONDS_PER_ANSWER)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Invalid cache, redownloading")
            # its n_retries does not reach the first request
            warnings.filterwarnings("error", message=NETWORK_ERROR)
            return fetch_openml(data_id=data_id, **options)
    except UserWarning as warning:
        message = f"OpenML data set {data_id} cannot be fetched: {_reason(warning.__context__ or warning)}"
    except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
        message = f"OpenML data set {data_id} cannot be fetched: {_reason(error)}"
    finally:
        socket.setdefaulttimeout(before)
    raise InputError(message)


def _reason(error: BaseException) -> str:
    if isinstance(error, HTTPError):
        error.close()
        return f"OpenML answered {error.code} {error.reason} to {error.url}"
    if isinstance(error, URLError | TimeoutError):
        cause = getattr(error, "reason", error)
        advice = "check the network (for mnist, dataset.path may name a folder of IDX files instead)"
        return f"OpenML cannot be reached ({cause}); {advice}"
    return reason(error)

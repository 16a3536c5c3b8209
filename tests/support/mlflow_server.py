"""Serves a store as ``mlflow server`` does, in one process; its arguments: <address> <folder of artifacts> <port>."""

import os
import sys

import uvicorn
from mlflow import server

if __name__ == "__main__":
    address, artifacts, port = sys.argv[1:]
    os.environ |= {
        server.BACKEND_STORE_URI_ENV_VAR: address,
        server.REGISTRY_STORE_URI_ENV_VAR: address,
        server.ARTIFACT_ROOT_ENV_VAR: "mlflow-artifacts:/",
        server.ARTIFACTS_DESTINATION_ENV_VAR: artifacts,
        server.SERVE_ARTIFACTS_ENV_VAR: "true",
    }
    uvicorn.run("mlflow.server.fastapi_app:app", host="127.0.0.1", port=int(port), log_level="warning")

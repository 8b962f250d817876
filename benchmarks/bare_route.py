"""The least that FastAPI can do: routes that return an answer which is there already. Beside it the server is measured.

    python benchmarks/bare_route.py PORT WORKERS

`/bytes` sends the bytes as they are, `/object` lets FastAPI write the JSON. STORED_ANSWER names the file of the answer.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response

from firstlight.serve.workers import run

BYTES = Path(os.environ["STORED_ANSWER"]).read_bytes()
OBJECT = json.loads(BYTES)

app = FastAPI()


@app.get("/readyz")
async def ready() -> None:
    return None


@app.post("/bytes")
async def stored_bytes() -> Response:
    return Response(BYTES, media_type="application/json")


@app.post("/object")
async def stored_object() -> dict[str, Any]:
    return dict(OBJECT)


if __name__ == "__main__":
    run("bare_route:app", "127.0.0.1", int(sys.argv[1]), int(sys.argv[2]), access_log=False, log_level="warning")

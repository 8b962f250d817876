"""The least that FastAPI can do: routes that return an answer which is there already. Beside it the server is measured.

`/bytes` sends the bytes as they are, `/object` lets FastAPI write the JSON. STORED_ANSWER names the file of the answer.
"""

import json
import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response

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

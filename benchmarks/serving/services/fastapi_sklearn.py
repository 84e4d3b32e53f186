"""The usual way by hand: FastAPI, a pydantic body, the model's own predict_proba."""

from common import ROW, estimator, score
from fastapi import FastAPI
from pydantic import BaseModel, create_model

Row = create_model("Row", **{name: (type(value), ...) for name, value in ROW.items()})


class Body(BaseModel):
    rows: list[Row]  # type: ignore[valid-type]


model = estimator()
app = FastAPI()


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/predict")
async def predict(body: Body) -> dict[str, list[float]]:
    return {"probability": score(model, [row.model_dump() for row in body.rows])}

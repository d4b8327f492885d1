"""`mlflow models serve` on a registered model, asked over loopback as anybody would."""

from collections.abc import Iterator

import numpy as np
import pytest

from tests.tracking.served import post, serving


@pytest.fixture(scope="module")
def served(tracking, champion, tmp_path_factory) -> Iterator[int]:
    """Port of the shared champion's server."""
    with serving(tracking, champion.name, tmp_path_factory.mktemp("served")) as port:
        yield port


@pytest.fixture
def payload(planted) -> dict:
    """The first rows, some of whose features are not known yet."""
    features = planted.dataset.features[:3]
    assert np.isnan(features).any()
    rows = [[None if np.isnan(x) else float(x) for x in row] for row in features]
    return {"columns": list(planted.dataset.names), "data": rows}


def test_a_good_request_gets_the_predictions_of_the_registered_model(
    served, tracking, champion, planted, payload
):
    status, answer = post(served, {"dataframe_split": payload})
    assert status == 200, answer
    model = tracking.load(champion.name).model
    expected = model.predict(planted.dataset.features[:3])
    found = np.array(
        [[row[name] for name in planted.task.prediction_columns] for row in answer["predictions"]]
    )
    np.testing.assert_array_equal(found, expected)
    low, high = model.predict_interval(planted.dataset.features[:3])
    assert [(row["low"], row["high"]) for row in answer["predictions"]] == list(
        zip(low.tolist(), high.tolist(), strict=True)
    )


def test_columns_count_by_name_not_by_place(served, payload):
    turned = {
        "columns": payload["columns"][::-1],
        "data": [row[::-1] for row in payload["data"]],
    }
    assert post(served, {"dataframe_split": turned}) == post(served, {"dataframe_split": payload})


def test_a_missing_column_is_refused_and_named(served, payload):
    less = {"columns": payload["columns"][1:], "data": [row[1:] for row in payload["data"]]}
    status, answer = post(served, {"dataframe_split": less})
    assert status == 400
    assert f"missing inputs ['{payload['columns'][0]}']" in answer["message"]


def test_a_column_of_another_type_is_refused(served, payload):
    words = {**payload, "data": [["up", *row[1:]] for row in payload["data"]]}
    status, answer = post(served, {"dataframe_split": words})
    assert status == 400
    assert "predictions" not in answer


def test_an_infinite_value_is_refused(served, payload):
    endless = {**payload, "data": [[float("inf"), *row[1:]] for row in payload["data"]]}
    status, answer = post(served, {"dataframe_split": endless})
    assert status == 400
    assert "predictions" not in answer


def test_a_parameter_is_refused_or_ignored_but_changes_nothing(served, payload):
    status, answer = post(served, {"dataframe_split": payload, "params": {"coverage": 0.5}})
    assert status != 200 or answer == post(served, {"dataframe_split": payload})[1]

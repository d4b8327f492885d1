from datetime import date

from orchestration.tracking.fingerprint import fingerprint
from tests.models.synthetic import synthetic


def test_fingerprint_sees_manifest_and_rows_and_writes_dates_as_text():
    data, row = synthetic("direction", n=50), {"table": "research.features", "hash": "ab"}
    base = fingerprint(data, [row])
    assert base.manifest == [row]
    assert fingerprint(data, [row]).digest == base.digest
    assert fingerprint(data, [dict(reversed(row.items()))]).digest == base.digest
    assert fingerprint(data, [row | {"hash": "cd"}]).digest != base.digest
    assert fingerprint(data, []).digest != base.digest
    other = fingerprint(synthetic("direction", n=50, seed=1), [row])
    assert other.digest != base.digest
    assert other.dataset_digest != base.dataset_digest
    dated = fingerprint(data, [row | {"trading_day": date(2013, 9, 3)}])
    assert dated.manifest[0]["trading_day"] == "2013-09-03"

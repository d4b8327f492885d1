"""A server behind TLS: its certificate is checked against the authority that the url names."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from orchestration.storage.connection import server_target
from orchestration.storage.errors import StoreError, StoreUrlError
from orchestration.storage.store import Store
from orchestration.storage.tables import TABLES
from tests.storage.clickhouse_http import PASSWORD
from tests.storage.conftest import publish, serving
from tests.storage.rows import sample_rows


def _certificate(path: Path) -> Path:
    """Write a certificate of 127.0.0.1 that vouches for itself, and its key, into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(made.public_bytes(pem) + secret)
    return path


def test_a_server_behind_tls_is_used_when_its_certificate_is_trusted_and_only_then(
    tmp_path, symbol
):
    mine, other = (_certificate(tmp_path / f"{name}.pem") for name in ("mine", "other"))
    with serving(tmp_path / "data", "--certificate", str(mine)) as server:
        url = server.url().replace("http://", "https://")
        with Store.open(url=f"{url}?ca_cert={mine}") as store:
            publish(store, symbol, {"flow.bars": sample_rows(TABLES["flow.bars"], 20_000)})
            assert len(store.read("flow.bars", symbol)) == 20_000
        for unknown in (url, f"{url}?ca_cert={other}"):
            with pytest.raises(StoreError, match=r"no ClickHouse answers at .*CERTIFICATE") as told:
                Store.open(url=unknown)
            assert PASSWORD not in str(told.value)


@pytest.mark.parametrize(
    "options", ["verify=false", "secure=true", "ca_cert=/no/such/file", "ca_cert="]
)
def test_an_option_that_is_none_or_names_no_file_is_refused(options):
    with pytest.raises(StoreUrlError) as told:
        server_target(f"https://me:s3cr3t@db.example?{options}")
    assert "s3cr3t" not in str(told.value)
    with pytest.raises(StoreUrlError, match="must be http"):
        server_target(f"http://me:s3cr3t@db.example?ca_cert={__file__}")

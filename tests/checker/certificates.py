"""Certificates that sign themselves, for coordinators that speak TLS."""

import subprocess
from pathlib import Path


def make_certificate(folder: Path, names: str = "IP:127.0.0.1") -> tuple[Path, Path]:
    """The files of the certificate and of its key; `names` as openssl's subjectAltName has them."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=coordinator",
                    "-addext", f"subjectAltName={names}"], check=True, capture_output=True)
    return certificate, key

"""The TLS certificate of the server, and its private key."""

import ssl
from pathlib import Path

from headrace.foreign_errors import reading
from headrace.options import OptionError, errors_of

__all__ = ["load_certificate"]

_PROTOCOLS = ["http/1.1"]


def load_certificate(certificate: str, key: str, into: ssl.SSLContext | None = None) -> ssl.SSLContext:
    """Return a context for a server.

    Args:
        certificate: path of a PEM file with the certificate and those of its issuers.
        key: path of the private key's PEM file; "" if `certificate` contains it.
        into: a context whose new connections are to use the certificate; None to create one.

    Raises:
        OptionError: a file cannot be read, or it does not contain what it should.
    """
    for option, path in (("tls_cert", certificate), ("tls_key", key)):
        if path:
            with errors_of(option), reading("the file", Path(path)):
                Path(path).read_bytes()
    context = into or ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(_PROTOCOLS)
    try:
        context.load_cert_chain(certificate, key or None, password=_reject_password)
    except _EncryptedError:
        reason = f"the private key {key or certificate} is encrypted; store it without a passphrase"
        raise OptionError("tls_key" if key else "tls_cert", reason) from None
    except ssl.SSLError as error:
        raise _explain(certificate, key, error) from None
    return context


class _EncryptedError(Exception):
    """OpenSSL asks for a passphrase."""


def _reject_password() -> str:
    raise _EncryptedError


def _explain(certificate: str, key: str, error: ssl.SSLError) -> OptionError:
    """Tell which of the files is wrong."""
    if error.reason == "KEY_VALUES_MISMATCH":
        reason = f"the private key {key or certificate} does not belong to the certificate {certificate}"
        return OptionError("tls_key" if key else "tls_cert", reason)
    if "-----BEGIN CERTIFICATE-----" not in Path(certificate).read_text(errors="replace"):
        return OptionError("tls_cert", f"{certificate} contains no certificate in PEM form")
    if "PRIVATE KEY-----" not in Path(key or certificate).read_text(errors="replace"):
        if key:
            return OptionError("tls_key", f"{key} contains no private key in PEM form")
        return OptionError("tls_cert", f"{certificate} contains no private key; set --tls-key")
    return OptionError("tls_cert", f"{certificate} cannot be used: {error.reason or error}")

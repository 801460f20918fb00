"""The certificate of the listener. A renewed one is taken while connections last; a broken one is not."""

from __future__ import annotations

import ssl

from runflowd.system.file_mark import file_mark
from runflowd.web.trouble import WebTrouble


class CertificateUnusable(WebTrouble):
    """The certificate or its key cannot be used."""

    code = "CERTIFICATE_UNUSABLE"
    place = "web.tls"
    exit_code = 75

    def __init__(self, certificate: str, key: str, error: OSError) -> None:
        super().__init__(f"web.tls: {_why(certificate, key, error)}")


class Certificate:
    """The files of a certificate and its key, and what is served by them. Raises `CertificateUnusable`."""

    def __init__(self, certificate: str, key: str) -> None:
        self.files = (certificate, key)
        self._seen = tuple(map(file_mark, self.files))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _load(self.context, self.files)

    def renew(self) -> bool:
        """Have new connections served by what is in the files now; whether that is another certificate.

        What was served before is served on when it raises `CertificateUnusable`. Blocking.
        """
        seen = tuple(map(file_mark, self.files))
        if seen == self._seen:
            return False
        _load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.files)
        _load(self.context, self.files)
        self._seen = seen
        return True


def _load(context: ssl.SSLContext, files: tuple[str, str]) -> None:
    try:
        # A password would be asked for at the terminal, where nobody is.
        context.load_cert_chain(*files, password=lambda: "")
    except (OSError, ValueError) as error:
        raise CertificateUnusable(*files, error if isinstance(error, OSError) else OSError(str(error))) from error


def _why(certificate: str, key: str, error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        reason = error.reason or "it is no PEM"
        return (
            f"{certificate} and {key} cannot be used together ({reason}); write the certificate with its chain into "
            "the first and its key, without a password, into the second"
        )
    return (
        f"{certificate} or {key} cannot be read ({error.strerror or error}); both must be there, readable for the "
        "user that runs runflowd"
    )

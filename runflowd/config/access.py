"""Who is let in to the page: from the section `web`, and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.config.folders import absolute
from runflowd.config.snapshot import Access

if TYPE_CHECKING:
    from runflowd.config.essentials import Listen
    from runflowd.config.web_section import WebSection


def access_of(section: WebSection | None, base: str) -> Access:
    """Who is let in, as the daemon holds it; relative paths start from the folder `base`."""
    if section is None:
        return Access()
    tls, proxy = section.tls, section.proxy
    return Access(
        absolute(section.users_file, base) if section.users_file else "",
        absolute(tls.certificate, base) if tls else "",
        absolute(tls.key, base) if tls else "",
        tuple(proxy.addresses) if proxy else (),
        (proxy.user_header or "") if proxy else "",
    )


def page_in_words(listen: Listen, access: Access) -> str:
    """Where the page listens, and who may use it."""
    how = " by https" if access.certificate else ""
    who = f"whoever stands in {access.users_file} may use it" if access.users_file else "it asks nobody who they are"
    header = f"; a proxy names them in {access.user_header}" if access.user_header else ""
    return f"The status page listens on {listen}{how}; {who}{header}."

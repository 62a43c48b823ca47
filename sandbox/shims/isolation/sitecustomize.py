"""Network isolation of a container: no connection to anywhere, the account and this machine included.

Python runs this before anything else in every process of an isolated container. An audit hook cannot be taken
back by the code that runs later. Only what the interpreter itself needs stays: sockets between processes of
this container, and the name localhost. Programs that are not Python are not held; they find no keys either.
"""

import socket
import sys

_NAMES = frozenset(
    {"socket.getaddrinfo", "socket.gethostbyaddr", "socket.gethostbyname", "socket.getnameinfo"}
)
_REFUSED = _NAMES | {"socket.connect", "socket.sendto", "socket.sendmsg"}
_OWN_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0", "", None})  # noqa: S104 only looked up


def _hook(event, arguments):
    if event not in _REFUSED:
        return
    if event in _NAMES:
        if arguments[0] in _OWN_NAMES:
            return
    elif getattr(arguments[0], "family", None) == getattr(socket, "AF_UNIX", None):
        return
    raise PermissionError(
        f"network isolation: {event.partition('.')[2]} {arguments[1:] or arguments} refused"
    )


sys.addaudithook(_hook)

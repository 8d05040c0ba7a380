"""A module that leaves a socket open."""

import socket

SOCKETS = socket.socketpair()

"""A real SMTP server for tests, in a thread, that answers as each test wants."""

import email
import email.policy
import re
import socketserver
import threading
from collections.abc import Callable
from email.message import EmailMessage
from typing import NamedTuple, Self

_ADDRESS = re.compile(r"<([^<>]*)>")


class Delivery(NamedTuple):
    """What the server took with a 250."""

    recipients: list[str]
    mail: EmailMessage


class MailServer(socketserver.ThreadingTCPServer):
    """Says 250 unless ``answers`` has something else for a recipient, or for a word such as ``DATA`` or ``CONNECT``.

    An answer that is a list is used up one by one; text is said for ever; "" hangs up.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.port: int = self.server_address[1]
        self.answers: dict[str, str | list[str]] = {}
        self.taken: list[Delivery] = []
        #: Recipients of each attempt, refused ones included.
        self.asked: list[str] = []
        #: Called with the client's port when a mail was taken and the client does not know it yet; once.
        self.when_taken: Callable[[int], None] | None = None
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="mail-server")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def answer(self, to: str, usual: str) -> str:
        given = self.answers.get(to)
        if isinstance(given, list):
            return given.pop(0) if given else usual
        return usual if given is None else given

    def taken_for(self, address: str) -> list[Delivery]:
        return [each for each in self.taken if address in each.recipients]


class _HungUpError(Exception):
    """The server hangs up."""


class _Conversation(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        recipients: list[str] = []
        try:
            self._say(self.server.answer("CONNECT", "220 mail.example.com"))
            for line in self.rfile:
                word, argument = line.decode().strip()[:4].upper(), line.decode().strip()
                if word == "RCPT":
                    address = _ADDRESS.findall(argument)[0]
                    self.server.asked.append(address)
                    answer = self.server.answer(address, "250 OK")
                    if answer.startswith("250"):
                        recipients.append(address)
                    self._say(answer)
                elif word == "DATA":
                    self._data(recipients)
                    recipients = []
                elif word == "QUIT":
                    self._say("221 bye")
                    return
                else:
                    self._say(self.server.answer(word, "250 OK"))
        except (_HungUpError, ConnectionError):
            return

    def _data(self, recipients: list[str]) -> None:
        self._say("354 go on")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b"."))
        answer = self.server.answer("DATA", "250 taken")
        if answer.startswith("250"):
            mail = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
            assert isinstance(mail, EmailMessage)
            self.server.taken.append(Delivery(recipients, mail))
            when_taken, self.server.when_taken = self.server.when_taken, None
            if when_taken is not None:
                when_taken(self.client_address[1])
        self._say(answer)

    def _say(self, answer: str) -> None:
        if not answer:
            raise _HungUpError
        self.wfile.write(f"{answer}\r\n".encode())

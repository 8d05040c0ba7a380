"""The example's SMTP server, spoken to by smtplib."""

import mailbox
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.django.postoffice import POSTOFFICE, free_port


def a_letter(recipient: str, text: str = "Hello.\n") -> EmailMessage:
    letter = EmailMessage()
    letter["From"] = "post.office@example.com"
    letter["To"] = recipient
    letter["Subject"] = "Żółw"
    letter.set_content(text)
    return letter


class SmtpServer:
    """The real program, as a process that takes no time over a letter."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.directory = directory
        command = [sys.executable, str(POSTOFFICE / "smtp_server.py"), "--port", str(self.port), "--seconds", "0"]
        self.process: subprocess.Popen[str] = subprocess.Popen(
            [*command, "--mailbox", str(directory)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self.process.stdout is not None
        assert "listens" in self.process.stdout.readline()

    def client(self) -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.port, timeout=10)

    def letters(self) -> list[mailbox.MaildirMessage]:
        return list(mailbox.Maildir(self.directory, create=False))

    def stop(self) -> str:
        """End it as the demo does; what it has printed since."""
        self.process.terminate()
        output, _ = self.process.communicate(timeout=10)
        return output


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SmtpServer]:
    server = SmtpServer(tmp_path / "mailbox")
    yield server
    server.process.kill()
    server.process.communicate()


def test_it_keeps_a_letter_as_it_was_sent(server: SmtpServer) -> None:
    with server.client() as client:
        client.send_message(a_letter("ada@example.org", text=".a dot first\n..two\nŻółw i łódź\n"))
    (kept,) = server.letters()
    assert kept["X-Envelope-To"] == "ada@example.org"
    text = kept.get_payload(decode=True)
    assert isinstance(text, bytes)
    assert text.decode() == ".a dot first\n..two\nŻółw i łódź\n"


def test_it_takes_many_letters_in_one_conversation_and_many_conversations_at_once(server: SmtpServer) -> None:
    with server.client() as first, server.client() as second:
        for number in range(5):
            first.send_message(a_letter(f"first{number}@example.org"))
            second.send_message(a_letter(f"second{number}@example.org"))
    assert len(server.letters()) == 10


def test_it_refuses_an_address_that_does_not_exist(server: SmtpServer) -> None:
    with server.client() as client, pytest.raises(smtplib.SMTPRecipientsRefused, match="no such mailbox"):
        client.send_message(a_letter("nobody@example.org"))
    assert server.letters() == []


def test_a_full_mailbox_has_room_for_a_letter_that_comes_for_the_third_time(server: SmtpServer) -> None:
    letter = a_letter("full@example.org")
    letter["Message-ID"] = "<one@example.com>"
    another = a_letter("full@example.org")
    with server.client() as client:
        for _ in range(2):
            with pytest.raises(smtplib.SMTPDataError, match="full") as refused:
                client.send_message(letter)
            assert refused.value.smtp_code == 452
        client.send_message(letter)
        with pytest.raises(smtplib.SMTPDataError):
            client.send_message(another)
    assert len(server.letters()) == 1


def test_it_says_which_addresses_it_knows(server: SmtpServer) -> None:
    with server.client() as client:
        assert client.verify("ada@example.org")[0] == 250
        assert client.verify("nobody@example.org")[0] == 550


def test_what_a_client_does_wrong_is_answered_and_harms_nobody_else(server: SmtpServer) -> None:
    with server.client() as client:
        assert client.docmd("DATA")[0] == 503
        assert client.docmd("RCPT", "TO:<ada@example.org>")[0] == 503
        assert client.docmd("MAIL", "nonsense")[0] == 501
        assert client.docmd("TURN")[0] == 502
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"x" * 1_000_000)
    with server.client() as cut_off:
        cut_off.docmd("MAIL", "FROM:<a@example.org>")
        cut_off.docmd("RCPT", "TO:<b@example.org>")
        cut_off.docmd("DATA")
        assert cut_off.sock is not None
        cut_off.sock.close()
        cut_off.sock = None
    with server.client() as client:
        client.send_message(a_letter("ada@example.org"))
    assert len(server.letters()) == 1
    assert "Traceback" not in server.stop()


def test_it_ends_at_once_when_told_to_though_clients_are_talking_to_it(server: SmtpServer) -> None:
    client = server.client()
    client.ehlo()
    assert server.stop() == ""
    assert server.process.returncode == 0
    client.close()


def test_a_port_in_use_is_said_in_a_sentence(server: SmtpServer, tmp_path: Path) -> None:
    command = [sys.executable, str(POSTOFFICE / "smtp_server.py"), "--port", str(server.port)]
    command += ["--mailbox", str(tmp_path / "box")]
    second = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 1
    assert second.stderr.startswith(f"The SMTP server can't listen on 127.0.0.1:{server.port}")

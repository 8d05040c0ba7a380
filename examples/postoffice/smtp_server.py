"""A small SMTP server that takes its time, as a real one does, and keeps every letter in a maildir.

It listens on this machine only, delivers nothing to anybody, and speaks just enough of RFC 5321 for smtplib. Two of its
addresses are difficult: `nobody@…` is refused for good (550); the mailbox of `full@…` is full (452) until a letter
comes for the third time.
"""

import argparse
import asyncio
import collections
import contextlib
import email
import email.policy
import mailbox
import re
import signal
import sys
from pathlib import Path

#: The longest line and the largest letter it takes, in bytes.
LINE_LIMIT = 64 * 1024
LETTER_LIMIT = 10 * 1024 * 1024

REFUSED_LOCAL_PART = "nobody"
FULL_LOCAL_PART = "full"
#: How often a letter to a full mailbox is refused before there is room for it.
TIMES_FULL = 2
_ADDRESS = re.compile(r"(?:FROM|TO):\s*<([^<>\s]*)>", re.IGNORECASE)


class PostOffice:
    """What all conversations share: how slow the post is, the letters it has taken, and those it had no room for."""

    def __init__(self, box: mailbox.Maildir, *, seconds: float) -> None:
        self.seconds = seconds
        self.box = box
        #: How often each letter came to a full mailbox, by its Message-ID.
        self.found_full: collections.Counter[str] = collections.Counter()


class Conversation:
    """One client from greeting to QUIT; may hand in many letters."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, office: PostOffice) -> None:
        self._reader = reader
        self._writer = writer
        self._office = office
        self._sender: str | None = None
        self._recipients: list[str] = []

    async def run(self) -> None:
        await self._say(220, "post.example.com at your service")
        while line := await self._reader.readline():
            command, _, argument = line.decode("utf-8", "replace").strip().partition(" ")
            match command.upper():
                case "EHLO":
                    await self._say(250, f"SIZE {LETTER_LIMIT}", "8BITMIME", "SMTPUTF8")
                case "HELO" | "NOOP":
                    await self._say(250, "OK")
                case "RSET":
                    self._forget()
                    await self._say(250, "OK")
                case "MAIL":
                    await self._mail(argument)
                case "RCPT":
                    await self._recipient(argument)
                case "VRFY":
                    await self._verify(argument)
                case "DATA":
                    await self._data()
                case "QUIT":
                    await self._say(221, "Good bye")
                    return
                case _:
                    await self._say(502, "That is not a command of mine")

    async def _mail(self, argument: str) -> None:
        address = _ADDRESS.match(argument)
        if address is None:
            await self._say(501, "MAIL FROM:<address> is what I understand")
            return
        self._forget()
        self._sender = address[1]
        await self._say(250, "OK")

    async def _recipient(self, argument: str) -> None:
        address = _ADDRESS.match(argument)
        if address is None or not address[1]:
            await self._say(501, "RCPT TO:<address> is what I understand")
        elif self._sender is None:
            await self._say(503, "MAIL comes first")
        elif _local_part(address[1]) == REFUSED_LOCAL_PART:
            await asyncio.sleep(self._office.seconds)
            print(f"refused: {address[1]} does not exist", flush=True)
            await self._say(550, f"5.1.1 {address[1]}: there is no such mailbox")
        else:
            self._recipients.append(address[1])
            await self._say(250, "OK")

    async def _verify(self, address: str) -> None:
        """Looking an address up takes between one and four times as long as taking a letter, by its first letter."""
        await asyncio.sleep(self._office.seconds * (1 + ord(address[:1] or "a") % 7 / 2))
        if _local_part(address) == REFUSED_LOCAL_PART:
            await self._say(550, f"5.1.1 {address}: there is no such mailbox")
        else:
            await self._say(250, f"<{address}>")

    async def _data(self) -> None:
        if not self._recipients:
            await self._say(503, "RCPT comes first")
            return
        await self._say(354, "End with a line that is a single dot")
        letter = await self._letter()
        if letter is None:
            await self._say(552, f"A letter has at most {LETTER_LIMIT} bytes")
            return
        await asyncio.sleep(self._office.seconds)
        message = email.message_from_bytes(letter, policy=email.policy.default)
        recipients = ", ".join(self._recipients)
        if FULL_LOCAL_PART in map(_local_part, self._recipients) and self._finds_it_full(message["Message-ID"] or ""):
            self._forget()
            print(f"refused for now: the mailbox of {recipients} is full", flush=True)
            await self._say(452, f"4.2.2 {recipients}: the mailbox is full, try again later")
            return
        message["X-Envelope-To"] = recipients
        self._office.box.add(message)
        print(f"took a letter to {recipients}", flush=True)
        self._forget()
        await self._say(250, "2.0.0 The post has it")

    def _finds_it_full(self, message_id: str) -> bool:
        self._office.found_full[message_id] += 1
        return self._office.found_full[message_id] <= TIMES_FULL

    async def _letter(self) -> bytes | None:
        """Read up to the line with the dot. None if it was too large."""
        lines: list[bytes] = []
        size = 0
        while (line := await self._reader.readline()) not in {b".\r\n", b".\n"}:
            if not line:
                raise ConnectionResetError("the client left in the middle of a letter")
            line = line.removeprefix(b".")
            size += len(line)
            if size <= LETTER_LIMIT:
                lines.append(line)
        return b"".join(lines) if size <= LETTER_LIMIT else None

    def _forget(self) -> None:
        self._sender = None
        self._recipients = []

    async def _say(self, code: int, *lines: str) -> None:
        answer = [f"{code}-{line}\r\n" for line in lines[:-1]]
        answer.append(f"{code} {lines[-1]}\r\n")
        self._writer.write("".join(answer).encode())
        await self._writer.drain()


def _local_part(address: str) -> str:
    return address.partition("@")[0].lower()


async def serve(*, host: str, port: int, seconds: float, directory: Path) -> None:
    """Take letters until SIGTERM or SIGINT."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    office = PostOffice(mailbox.Maildir(directory, create=True), seconds=seconds)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client that is killed, a line longer than the limit (ValueError) or the end of this server (CancelledError)
        # ends the conversation and nothing else.
        with contextlib.suppress(ConnectionError, ValueError, asyncio.CancelledError):
            await Conversation(reader, writer, office).run()
        writer.close()

    server = await asyncio.start_server(converse, host, port, limit=LINE_LIMIT)
    print(f"listens on {host}:{port}, takes {seconds:g} s a letter", flush=True)
    await stopping.wait()
    server.close()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="A slow SMTP server that keeps every letter.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8025)
    parser.add_argument("--seconds", type=float, default=0.7, help="how long it takes over a letter (default 0.7)")
    parser.add_argument("--mailbox", type=Path, required=True, help="the maildir that keeps the letters")
    options = parser.parse_args()
    try:
        asyncio.run(serve(host=options.host, port=options.port, seconds=options.seconds, directory=options.mailbox))
    except OSError as error:
        sys.exit(f"The SMTP server can't listen on {options.host}:{options.port}: {error.strerror}.")


if __name__ == "__main__":
    main()

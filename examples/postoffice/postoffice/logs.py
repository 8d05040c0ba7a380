"""What the log of requests leaves out."""

import logging

#: The query that an open page adds when it asks for its own newer state, some three times a second.
POLLING_QUERY = "?live"


class WithoutPolling(logging.Filter):
    """Drops the successful requests of a page that keeps itself up to date, and those for style and script."""

    def filter(self, record: logging.LogRecord) -> bool:
        request_line = str(record.args[0]) if record.args else ""
        uninteresting = POLLING_QUERY in request_line or " /static/" in request_line
        return not (uninteresting and getattr(record, "status_code", 0) < 400)

"""Mails through the queue: a site, a mail server that answers as it is told, and a worker."""

from collections.abc import Iterator
from pathlib import Path

import django
import pytest

from celeriac.async_result import AsyncResult
from celeriac.exceptions import CeleriacError
from tests.django.mail_server import MailServer
from tests.django.mail_site import MailSite

PATIENCE = 60.0

#: As a project that comes from Celery has it.
OWN_APP = """
import os
from celeriac import Celeriac
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "garden.settings")
app = Celeriac("garden")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
"""


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailSite]:
    """A site with a worker."""
    with MailServer() as server:
        site = MailSite(tmp_path_factory.mktemp("garden"), server)
        site.start_worker()
        yield site
        site.close()


@pytest.fixture
def resting(tmp_path: Path) -> Iterator[MailSite]:
    """A site without a worker."""
    with MailServer() as server:
        site = MailSite(tmp_path, server)
        yield site
        site.close()


def failure(result: AsyncResult) -> str:
    with pytest.raises(CeleriacError) as caught:
        result.get(timeout=PATIENCE)
    assert result.state == "FAILURE"
    return str(caught.value)


def stored(site: MailSite) -> list[Path]:
    return list((site.directory / "media" / "celeriac-mail").glob("*"))


def test_a_mail_arrives_with_all_that_belongs_to_it(working: MailSite) -> None:
    code = """
mail = EmailMultiAlternatives("Żółw", "Text", None, ["rich@example.com"], bcc=["hidden@example.com"])
mail.attach_alternative("<b>Text</b>", "text/html")
mail.attach("a.txt", "tulips", "text/plain")
print(mail.send())
"""
    [task_id] = working.run(code)
    result = working.app.AsyncResult(task_id).get(timeout=PATIENCE)
    [delivery] = working.server.taken_for("rich@example.com")
    assert delivery.recipients == ["rich@example.com", "hidden@example.com"] == result["accepted"]
    assert delivery.mail["Message-ID"] == result["message_id"]
    assert (delivery.mail["Subject"], delivery.mail["From"]) == ("Żółw", "garden@example.com")
    assert "Bcc" not in delivery.mail
    assert [part.get_content_type() for part in delivery.mail.walk() if not part.is_multipart()] == [
        "text/plain",
        "text/html",
        "text/plain",
    ]


def test_a_mail_that_is_refused_for_a_while_is_sent_later_and_once(working: MailSite) -> None:
    working.server.answers["later@example.com"] = ["451 greylisted", "450 still busy"]
    result = working.send("later@example.com")
    assert result.get(timeout=PATIENCE)["accepted"] == ["later@example.com"]
    assert len(working.server.taken_for("later@example.com")) == 1
    assert working.server.asked.count("later@example.com") == 3


def test_a_mail_that_is_refused_for_good_fails_with_the_servers_words_and_is_not_tried_again(working: MailSite) -> None:
    working.server.answers["never@example.com"] = "550 5.1.1 there is no such mailbox"
    words = failure(working.send("never@example.com"))
    assert "refuses the mail for good: never@example.com: 550 5.1.1 there is no such mailbox" in words
    assert working.server.asked.count("never@example.com") == 1
    assert "was refused for good for never@example.com" in working.log


def test_each_recipient_gets_the_mail_once_whatever_the_others_get(working: MailSite) -> None:
    working.server.answers |= {"soon@example.com": ["451 in a moment"], "gone@example.com": "550 gone"}
    result = working.send("good@example.com", "Soon <soon@example.com>", "gone@example.com")
    value = result.get(timeout=PATIENCE)
    assert value["accepted"] == ["good@example.com", "Soon <soon@example.com>"]
    assert value["refused"] == {"gone@example.com": "550 gone"}
    assert [len(working.server.taken_for(f"{name}@example.com")) for name in ("good", "soon", "gone")] == [1, 1, 0]
    assert working.server.asked.count("gone@example.com") == 1
    both = [working.server.taken_for(f"{name}@example.com")[0].mail for name in ("good", "soon")]
    assert both[0]["To"] == both[1]["To"], "everybody sees everybody"
    assert both[0]["Message-ID"] == both[1]["Message-ID"]


def test_where_nobody_was_accepted_only_those_who_may_be_are_tried_again(working: MailSite) -> None:
    working.server.answers |= {"busy@example.com": ["451 busy"], "wrong@example.com": "553 wrong"}
    value = working.send("wrong@example.com", "busy@example.com").get(timeout=PATIENCE)
    assert (value["accepted"], list(value["refused"])) == (["busy@example.com"], ["wrong@example.com"])
    assert working.server.asked.count("wrong@example.com") == 1


@pytest.mark.parametrize("word", ["CONNECT", "MAIL", "DATA"])
@pytest.mark.parametrize("answer", ["", "421 closing", "452 disk full"], ids=["hangs up", "closes", "later"])
def test_a_server_that_fails_for_a_moment_is_asked_again(working: MailSite, word: str, answer: str) -> None:
    address = f"{word}-{answer[:3] or 'x'}@example.com"
    working.server.answers[word] = [answer]
    assert working.send(address).get(timeout=PATIENCE)["accepted"] == [address]
    assert len(working.server.taken_for(address)) == 1


def test_a_server_that_will_not_talk_to_us_has_said_nothing_of_the_mail(working: MailSite) -> None:
    working.server.answers["CONNECT"] = ["554 go away"]
    assert working.send("guest@example.com").get(timeout=PATIENCE)["accepted"] == ["guest@example.com"]
    working.server.answers["CONNECT"] = "554 go away for good"
    words = failure(working.send("guest@example.com"))
    assert "cannot be used at the moment: SMTPConnectError: 554 go away for good" in words
    del working.server.answers["CONNECT"]


def test_a_sender_that_is_refused_for_good_is_not_tried_again(working: MailSite) -> None:
    working.server.answers["MAIL"] = ["553 nobody knows this sender"]
    assert "553 nobody knows this sender" in failure(working.send("reader@example.com"))
    assert "reader@example.com" not in working.server.asked


def test_a_worker_killed_at_the_worst_moment_sends_twice_and_under_one_message_id(working: MailSite) -> None:
    working.server.when_taken = working.kill_client
    result = working.send("twice@example.com").get(timeout=PATIENCE)
    copies = working.server.taken_for("twice@example.com")
    assert [copy.mail["Message-ID"] for copy in copies] == [result["message_id"]] * 2


def test_an_attachment_that_cannot_be_read_for_a_moment_is_read_later(working: MailSite) -> None:
    marker = working.directory / "closed"
    marker.touch()
    code = """
mail = EmailMessage("Large", "See below.", None, ["patient@example.com"])
mail.attach("large.bin", bytes(500_000), "application/x-large")
mail.send()
"""
    [task_id] = working.run(code)
    assert working.app.AsyncResult(task_id).get(timeout=PATIENCE)["accepted"] == ["patient@example.com"]
    assert not marker.exists()
    assert "cannot be read at the moment: RuntimeError: closed for lunch" in working.log


def test_a_large_attachment_waits_in_the_storage_and_is_deleted_with_success(working: MailSite) -> None:
    working.server.answers["large@example.com"] = ["451 later"]
    code = """
import os
from pathlib import Path
mail = EmailMessage("Large", "See below.", None, ["large@example.com"])
mail.attach("large.bin", bytes(range(256)) * 2000, "application/x-large")
mail.attach("small.bin", b"small", "application/x-small")
mail.send()
[name] = Path(os.environ["FOLDER"], "media", "celeriac-mail").iterdir()
assert name.stat().st_size == 512_000
"""
    [task_id] = working.run(code)
    working.app.AsyncResult(task_id).get(timeout=PATIENCE)
    [delivery] = working.server.taken_for("large@example.com")
    contents = [part.get_content() for part in delivery.mail.iter_attachments()]
    assert contents == [bytes(range(256)) * 2000, b"small"]
    assert stored(working) == []


def test_a_large_attachment_is_deleted_with_the_last_failure(working: MailSite) -> None:
    working.server.answers["full@example.com"] = "552 mailbox full"
    code = """
mail = EmailMessage("Large", "See below.", None, ["full@example.com"])
mail.attach("large.txt", "ż" * 500_000, "text/plain")
mail.send()
"""
    [task_id] = working.run(code)
    assert "552 mailbox full" in failure(working.app.AsyncResult(task_id))
    assert stored(working) == []


def test_admins_hear_of_a_mail_that_fails_at_the_end(working: MailSite) -> None:
    working.server.answers["stubborn@example.com"] = "451 later"
    assert "451 later" in failure(working.send("stubborn@example.com"))
    assert working.server.asked.count("stubborn@example.com") == 4, "max_retries is 3"
    working.wait(lambda: working.server.taken_for("admin@example.com"), "a mail to the admins")
    [report] = working.server.taken_for("admin@example.com")
    assert "celeriac.django.tasks.send_email" in report.mail["Subject"]


def test_a_report_that_fails_too_does_not_bring_forth_another(working: MailSite) -> None:
    working.server.answers |= dict.fromkeys(("loop@example.com", "admin@example.com"), "451 later")
    before = working.server.asked.count("admin@example.com")
    assert "451 later" in failure(working.send("loop@example.com"))
    # One worker slot: what the failure has brought forth is before this in the queue, or in the log.
    working.send("after@example.com").get(timeout=PATIENCE)
    assert working.server.asked.count("admin@example.com") == before + 1
    size = working.app.broker.size("celery")
    assert (size.ready, size.delayed) == (0, 0)
    del working.server.answers["admin@example.com"]


def test_mails_to_the_admins_need_neither_broker_nor_worker(resting: MailSite) -> None:
    assert resting.run("mail_admins('Help', 'The broker is away')", CELERIAC_BROKER_URL="sqlite:////no/such/x") == []
    [delivery] = resting.server.taken_for("admin@example.com")
    assert delivery.mail["Subject"] == "[Django] Help"


def test_mails_follow_the_transaction(resting: MailSite) -> None:
    code = """
from django.db import transaction
try:
    with transaction.atomic():
        send_mail("a", "rolled back", None, ["bob@example.com"])
        raise KeyError
except KeyError:
    pass
assert ids == []
with transaction.atomic(), transaction.atomic(using="other"):
    send_mail("b", "two databases", None, ["bob@example.com"])
    assert send_mass_mail([("c", "d", None, ["bob@example.com"])] * 2) == 2
    assert ids == []
"""
    assert len(resting.run(code)) == 3
    assert resting.waiting() == 3


def test_what_is_in_a_mail_is_not_in_lists_of_tasks(resting: MailSite) -> None:
    resting.send("bob@example.com")
    [message] = resting.app.broker.peek("celery", 9)
    assert "tulips" not in str(message.headers)
    assert "tulips" in message.body.decode()


def test_who_calls_hears_of_what_cannot_be_queued(resting: MailSite) -> None:
    code = """
import contextlib, warnings
from celeriac.exceptions import EncodeError, ImproperlyConfigured, OperationalError
from django.core import mail
warnings.simplefilter("ignore")

class Own(EmailMessage): pass

for error, call in {
    EncodeError: lambda: Own("a", "b", None, ["bob@example.com"]).send(),
    ImproperlyConfigured: lambda: mail.get_connection(username="ada", password="s3cret"),
    OperationalError: lambda: send_mail("a", "b", None, ["bob@example.com"]),
}.items():
    try:
        call()
    except error as raised:
        assert "s3cret" not in str(raised)
    else:
        raise AssertionError(error)
assert send_mail("a", "b", None, ["bob@example.com"], fail_silently=True) == 0
mail_with_file = EmailMessage("a", "b", None, ["bob@example.com"])
mail_with_file.attach("large.bin", bytes(500_000), "application/x-large")
with contextlib.suppress(OperationalError):
    mail_with_file.send()
assert EmailMessage("a", "b", None, []).send() == 0
"""
    assert resting.run(code, CELERIAC_BROKER_URL="sqlite:////no/such/directory/x") == []
    assert stored(resting) == [], "nobody would fetch it"


def test_the_queue_can_be_chosen(resting: MailSite) -> None:
    settings = resting.directory / "garden" / "settings.py"
    settings.write_text(settings.read_text() + "CELERIAC_EMAIL_QUEUE = 'mail'\n")
    resting.send("bob@example.com")
    assert (resting.waiting("mail"), resting.waiting()) == (1, 0)


def test_an_app_of_the_projects_own_need_not_read_these_settings(resting: MailSite) -> None:
    (resting.directory / "garden" / "celery.py").write_text(OWN_APP)
    (resting.directory / "garden" / "__init__.py").write_text("from garden.celery import app")
    settings = resting.directory / "garden" / "settings.py"
    settings.write_text(settings.read_text() + "CELERIAC_EMAIL_QUEUE = 'mail'\nCELERY_EMAIL_ATTACHMENT_LIMIT = 0\n")
    code = """
mail = EmailMessage("a", "b", None, ["bob@example.com"], attachments=[("a.txt", "tiny", "text/plain")])
mail.send()
assert current_app.main == "garden"
assert b"stored" in current_app.broker.peek("mail", 1)[0].body
"""
    resting.run(code)
    assert len(stored(resting)) == 1


@pytest.mark.skipif(django.VERSION < (6, 1), reason="mailers are of Django 6.1")
def test_a_mailer_names_its_queue_and_who_sends(resting: MailSite) -> None:
    code = """
from celeriac.django.tasks import send_email
EmailMessage("a", "b", None, ["bob@example.com"]).send(using="slow")
message = current_app.broker.peek("slow", 1)[0]
import json
args = json.loads(message.body)[0]
assert args[1] == "slow"
assert send_email.apply(args).get()["accepted"] == ["bob@example.com"]
failed = send_email.apply([args[0], "mute"])
assert "has sent nothing, and does not say why" in str(failed.result), failed.result
"""
    assert len(resting.run(code)) == 1
    assert resting.waiting("slow") == 1
    assert resting.server.taken == [], "the dummy backend has sent it"


@pytest.mark.skipif(django.VERSION < (6, 1), reason="before Django 6.1 there is only this way")
def test_without_mailers_the_older_settings_count(resting: MailSite) -> None:
    settings = resting.directory / "garden" / "settings.py"
    older = settings.read_text().replace("if django.VERSION >= (6, 1)", "if False")
    settings.write_text(f"import warnings\nwarnings.simplefilter('ignore')\n{older}")
    code = """
from celeriac.django.tasks import send_email
send_mail("a", "b", None, ["old@example.com"])
import json
args = json.loads(current_app.broker.peek("celery", 1)[0].body)[0]
assert send_email.apply(args).get()["accepted"] == ["old@example.com"]
"""
    resting.run(code)
    assert len(resting.server.taken_for("old@example.com")) == 1


OVERRIDES = """
import warnings
warnings.simplefilter("ignore")
from django.core import checks
from django.test import override_settings
def found(**settings):
    with override_settings(**settings):
        return {each.id: each.msg for each in checks.run_checks(tags=["celeriac"])}
"""


def test_checks_find_mails_that_no_worker_could_send(resting: MailSite) -> None:
    code = """
ours = "celeriac.django.mail.EmailBackend"
def mailers(**options):
    return {"MAILERS": {"default": {"BACKEND": ours, "OPTIONS": options}}}
def wrong(path):
    return mailers(host="h", backend=path) if django.VERSION >= (6, 1) else {"CELERIAC_EMAIL_BACKEND": path}
from celeriac.django.mail_transport import real_connection
assert real_connection("default" if django.VERSION >= (6, 1) else None).timeout == 60
assert found() == {}, found()
assert "puts mails into the queue: a worker would do so for ever" in found(**wrong(ours))["celeriac.E011"]
assert "cannot be imported, 'no.such.Backend'" in found(**wrong("no.such.Backend"))["celeriac.E011"]
if django.VERSION >= (6, 1):
    assert "Unknown options 'hst'" in found(**mailers(host="h", hst="x"))["celeriac.E011"]
assert "STORAGES has 'default'" in found(CELERIAC_EMAIL_ATTACHMENT_STORAGE="vault")["celeriac.E012"]
"""
    resting.run(OVERRIDES + code)

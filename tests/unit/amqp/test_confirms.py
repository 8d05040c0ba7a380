"""Confirms come one by one or for all up to a number, in any order; what is told of each message is always the same."""

from hypothesis import given
from hypothesis import strategies as st

from celeriac.amqp.confirms import NACKED, Confirms
from celeriac.amqp.content import Arrival, Outgoing
from celeriac.protocol.amqp_properties import Properties

COUNT = 12
FIRST = 5
ANSWERS = st.lists(st.tuples(st.integers(FIRST, FIRST + COUNT - 1), st.booleans(), st.booleans()), max_size=20)


def messages():
    properties = (Properties(correlation_id=f"call-{place}") for place in range(COUNT))
    return [Outgoing(routing_key="queue", properties=each, body=b"") for each in properties]


def returned(message):
    return Arrival(
        consumer_tag="",
        delivery_tag=0,
        redelivered=False,
        exchange="",
        routing_key="queue",
        properties=message.properties,
        body=b"",
    )


@given(answers=ANSWERS, back=st.sets(st.integers(0, COUNT - 1)))
def test_each_message_has_the_outcome_of_its_first_answer(answers, back):
    sent = messages()
    confirms = Confirms(sent, FIRST)
    for place in sorted(back):
        confirms.note_return(returned(sent[place]), "NO_ROUTE")
    outcomes = {}
    for tag, multiple, confirmed in answers:
        confirms.answer(tag, multiple=multiple, confirmed=confirmed)
        for place in range(0 if multiple else tag - FIRST, tag - FIRST + 1):
            outcomes.setdefault(place, "NO_ROUTE" if place in back else "" if confirmed else NACKED)
    receipts = confirms.receipts()
    assert receipts.failures == {place: reason for place, reason in outcomes.items() if reason}
    assert receipts.unanswered == [place for place in range(COUNT) if place not in outcomes]
    assert confirms.remaining == COUNT - len(outcomes)


def test_an_answer_for_what_was_sent_before_changes_nothing():
    confirms = Confirms(messages(), FIRST)
    for multiple in (False, True):
        confirms.answer(FIRST - 1, multiple=multiple, confirmed=True)
    assert confirms.remaining == COUNT

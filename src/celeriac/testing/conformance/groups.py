"""Result backend suite: groups and chords."""

from celeriac.backends.base import ChordProgress
from celeriac.testing.conformance.harness import BackendHarness, in_thread, until

__all__ = ["Groups"]


class Groups(BackendHarness):
    """A group's document is kept; a chord's parts are counted, and one caller gets them all."""

    def test_a_saved_group_is_loaded(self) -> None:
        self.backend.save_group("g", b"first", 60.0)
        self.backend.save_group("g", b"second", 60.0)
        assert self.backend.load_group("g") == b"second"
        assert self.backend.load_group("unknown") is None

    def test_a_forgotten_group_is_gone(self) -> None:
        self.backend.save_group("g", b"document")
        self.backend.forget_group("g")
        self.backend.forget_group("g")
        assert self.backend.load_group("g") is None

    def test_a_group_expires(self) -> None:
        self.backend.save_group("g", b"document", 0.1)
        until(lambda: self.backend.load_group("g") is None)

    def test_groups_and_results_do_not_mix(self) -> None:
        self.backend.save_group("same", b"document")
        assert self.backend.fetch(["same"]) == {}
        self.store(self.result("same"))
        assert self.backend.load_group("same") == b"document"

    def test_the_last_part_of_a_chord_brings_all_documents_in_their_order(self) -> None:
        for count, index in enumerate((2, 0), start=1):
            assert self._part(index) == ChordProgress(count=count)
        assert self._part(1) == ChordProgress(count=3, documents=(b"0", b"1", b"2"))

    def test_a_part_told_twice_counts_once(self) -> None:
        assert self._part(0) == ChordProgress(count=1)
        assert self._part(0) == ChordProgress(count=1)
        assert self._part(1).count == 2
        assert self._part(2).documents == (b"0", b"1", b"2")

    def test_the_documents_are_given_to_the_part_that_completes_the_chord_whenever_it_is_told(self) -> None:
        for index in range(3):
            last = self._part(index)
        assert last.documents is not None
        assert self._part(2) == last
        assert self._part(1) == ChordProgress(count=3)

    def test_a_chord_of_one_is_complete_at_once(self) -> None:
        assert self._part(0, size=1) == ChordProgress(count=1, documents=(b"0",))

    def test_chords_do_not_mix(self) -> None:
        self._part(0)
        assert self._part(0, group_id="other") == ChordProgress(count=1)

    def test_of_many_threads_exactly_one_gets_the_documents(self) -> None:
        progress: list[ChordProgress] = []

        def tell(index: int) -> None:
            progress.append(self._part(index, size=24))

        threads = [in_thread(tell, index) for index in range(24)]
        for thread in threads:
            thread.join()
        assert len(progress) == 24
        [complete] = [each for each in progress if each.documents is not None]
        assert complete.documents == tuple(b"%d" % index for index in range(24))

    def _part(self, index: int, *, size: int = 3, group_id: str = "g") -> ChordProgress:
        return self.backend.chord_part(group_id, size=size, index=index, document=b"%d" % index, lifetime=60.0)

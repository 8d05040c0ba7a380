"""The file that is imported: 2,000 addresses, some of which are none."""

import csv
import io
import itertools

NUMBER = 2000
#: Every such row has a slip in it.
FAULTY_EVERY = 125

_FIRST_NAMES = (
    "Ada", "Boris", "Chiara", "Dmitri", "Esther", "Farid", "Grace", "Hiro", "Ines", "Jonas", "Katya", "Lena", "Malik",
    "Nadia", "Olga", "Pavel", "Quentin", "Rosa", "Sven", "Tamar", "Ulrich", "Vera", "Wanda", "Xenia", "Yusuf", "Zoe",
    "Aino", "Bela", "Carlos", "Daria", "Emil", "Fatima", "Goran", "Hana", "Ivan", "Julia", "Kofi", "Lucia", "Mei",
    "Nils", "Oscar", "Petra", "Rami", "Sofia", "Tariq",
)  # fmt: skip
_LAST_NAMES = (
    "Adler", "Bauer", "Costa", "Diaz", "Eriksen", "Fontaine", "Garcia", "Hansen", "Ivanova", "Jansen", "Kowalski",
    "Lindgren", "Moreau", "Novak", "Okafor", "Petrov", "Quist", "Rossi", "Santos", "Tanaka", "Urban", "Vargas", "Weber",
    "Xu", "Yilmaz", "Zeman", "Abadi", "Brandt", "Cohen", "Duarte", "Egorova", "Ferrari", "Greco", "Haas", "Ito",
    "Jovanovic", "Kim", "Larsen", "Meyer", "Nguyen", "Orlov", "Popescu", "Reyes", "Sato", "Toth",
)  # fmt: skip


def sample() -> str:
    """Return the file: a head, and 2,000 rows of name and address."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("name", "email"))
    people = itertools.product(_LAST_NAMES, _FIRST_NAMES)
    for number, (last, first) in enumerate(itertools.islice(people, NUMBER), start=1):
        at = "(at)" if number % FAULTY_EVERY == 0 else "@"
        writer.writerow((f"{first} {last}", f"{first}.{last}{at}example.org".lower()))
    return text.getvalue()

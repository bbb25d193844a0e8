"""A store's URL as commands show it: a password in it is for nobody to see."""

from hypothesis import given
from hypothesis import strategies as st

from lift_sys.cli.stores import without_password

SIGNS = st.text("ab:/@?#&=%[] ", max_size=6)


@given(head=SIGNS, tail=SIGNS, after=SIGNS, place=st.sampled_from(["user", "query"]))
def test_no_way_to_write_a_password_lets_it_be_shown(head, tail, after, place):
    """Also where nobody can say which signs are its own, as it is not quoted."""
    password = f"{head}sesame{tail}"
    if place == "query":  # where & ends it, so that libpq refuses the rest
        password = password.replace("&", "")
    url = {
        "user": f"postgresql://ann:{password}@host/runs{after}",
        "query": f"postgresql://ann@host/runs?application_name=x&password={password}",
    }[place]

    assert "sesame" not in without_password(url)


def test_the_rest_of_a_url_is_shown():
    url = "postgresql://ann:secret@host:5432/runs?sslmode=require&PassWord=x"

    assert without_password(url) == "postgresql://ann@host:5432/runs?sslmode=require"

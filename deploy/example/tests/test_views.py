import pytest
from django.urls import reverse

from catalogue.models import Book

pytestmark = pytest.mark.django_db


@pytest.fixture
def emma():
    return Book.objects.create(title="Emma", author="Jane Austen", copies=1)


def test_an_empty_catalogue_says_so(client):
    assert "No books yet." in client.get(reverse("catalogue:list")).content.decode()


def test_the_list_links_to_each_book(client, emma):
    page = client.get(reverse("catalogue:list")).content.decode()
    assert reverse("catalogue:detail", args=[emma.pk]) in page
    assert "(lent)" not in page


def test_a_book_is_shown_as_json(client, emma):
    answer = client.get(reverse("catalogue:detail", args=[emma.pk]))
    assert answer.json() == {"title": "Emma", "author": "Jane Austen", "copies": 1}


def test_an_unknown_book_is_not_found(client):
    assert client.get(reverse("catalogue:detail", args=[404])).status_code == 404


def test_the_second_loan_of_a_single_copy_is_refused(client, emma):
    address = reverse("catalogue:lend", args=[emma.pk])
    assert client.post(address).json() == {"copies": 0}
    refused = client.post(address)
    assert refused.status_code == 409
    assert "no copy of Emma" in refused.json()["error"]


def test_lending_needs_a_post(client, emma):
    assert client.get(reverse("catalogue:lend", args=[emma.pk])).status_code == 405

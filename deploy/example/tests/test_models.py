import pytest

from catalogue.models import Book

pytestmark = pytest.mark.django_db


def test_lending_takes_one_copy_out():
    book = Book.objects.create(title="Emma", author="Jane Austen", copies=2)
    book.lend()
    book.refresh_from_db()
    assert book.copies == 1


def test_a_book_with_no_copy_left_cannot_be_lent():
    book = Book.objects.create(title="Emma", author="Jane Austen", copies=0)
    with pytest.raises(ValueError, match="no copy of Emma is left"):
        book.lend()


def test_books_are_listed_by_title():
    Book.objects.create(title="Persuasion", author="Jane Austen")
    Book.objects.create(title="Emma", author="Jane Austen")
    assert [book.title for book in Book.objects.all()] == ["Emma", "Persuasion"]


def test_a_book_is_named_by_title_and_author():
    assert str(Book(title="Emma", author="Jane Austen")) == "Emma (Jane Austen)"

from django.db import models


class Book(models.Model):
    """A book that the library owns, and how many copies of it are in."""

    title = models.CharField(max_length=200)
    author = models.CharField(max_length=200)
    copies = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ["title"]

    def __str__(self):
        return f"{self.title} ({self.author})"

    @property
    def is_available(self):
        return self.copies > 0

    def lend(self):
        """Take one copy out; a book with no copy left cannot be lent."""
        if not self.is_available:
            raise ValueError(f"no copy of {self.title} is left")
        self.copies -= 1
        self.save(update_fields=["copies"])

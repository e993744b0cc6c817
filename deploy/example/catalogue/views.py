from django.http import JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_POST

from catalogue.models import Book


@require_GET
def book_list(request):
    """Every book, as a page."""
    return render(request, "catalogue/book_list.html", {"books": Book.objects.all()})


@require_GET
def book_detail(request, pk):
    """One book, as JSON."""
    book = get_object_or_404(Book, pk=pk)
    return JsonResponse(
        {"title": book.title, "author": book.author, "copies": book.copies}
    )


@require_POST
def book_lend(request, pk):
    """Lend one copy: 200 with what is left, or 409 when nothing is."""
    book = get_object_or_404(Book, pk=pk)
    try:
        book.lend()
    except ValueError as error:
        return JsonResponse({"error": str(error)}, status=409)
    return JsonResponse({"copies": book.copies})

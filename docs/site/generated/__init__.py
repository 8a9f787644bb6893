"""Pages that are made from the code while the site is built: one file a page, or a page with a folder below it.

Each has ``pages()``, which returns texts in Markdown by the path of the page.
"""

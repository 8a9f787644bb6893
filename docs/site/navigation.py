"""What the site has, in the order of its sidebar: a heading, and patterns of pages; a page stands where it is met first.

Patterns are of paths from the root of the tree, or of pages that are generated (``reference/``). A page of the tree that no
pattern meets is an error of the build.
"""

NAVIGATION = (
    ("Begin", ("docs/first-mark.md", "docs/ideas.md", "docs/glossary.md")),
    ("How to", ("docs/how-to/*.md",)),
    (
        "Guides",
        (
            "docs/which-scheme.md", "docs/guide.md", "docs/training.md", "docs/embedding.md", "docs/models.md",
            "docs/language.md", "docs/large-models.md", "docs/suspects.md", "docs/alignment.md", "docs/copies.md",
            "docs/lineage.md", "docs/audit.md", "docs/desk.md",
        ),
    ),
    ("Reference", ("reference/commands.md", "reference/python.md", "reference/schemes.md", "reference/attacks.md")),
    ("Files", ("docs/formats.md", "docs/spec/*.md", "reference/schemas.md")),
    ("Results", ("docs/results.md", "docs/results-*.md", "docs/attacks.md", "docs/audit/*.md")),
    ("Disputes", ("docs/dispute.md", "docs/what-a-verdict-means.md", "docs/release.md")),
    (
        "Project",
        ("docs/design.md", "docs/extending.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/*.md"),
    ),
)  # fmt: skip
UNDER = {"reference/schemes.md": "docs/schemes/*.md"}
"""Generated pages that have pages of the tree below them; what is generated into a page's folder stands there too."""

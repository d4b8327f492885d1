"""The pictures of docs/glossary.md, drawn from the two sample files."""

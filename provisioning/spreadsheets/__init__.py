"""CSV and Excel files of users: their columns, how they are read, previewed and applied, and how they are written."""

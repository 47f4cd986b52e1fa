"""The pages under Reports that show a table with a picture, and the same as a file."""

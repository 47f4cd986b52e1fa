"""The pages under /my/: each asks who looks, and shows only what that person may see."""
